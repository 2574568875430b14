"""The door to libtorrent: what it says of a torrent, and what libtorrent does that the code above counts on."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import libtorrent as lt
import pytest

from tagswarm.manifests import bencode, infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import InvalidDocument, TransportError
from tagswarm.mirror.swarm import Event, Flushed, Had, Settings, Swarm, Trouble
from tests.mirror.transports.servers import nginx
from tests.mirror.transports.torrents import NAME, PIECE, Tree, files_below, loopback, peer, seeding, silent

SECONDS = 20


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    made = Tree(tmp_path_factory.mktemp("published"))
    made.random_volume("v", range(60))
    return made


class Listener:
    """Events as they come, to be waited for."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.had: set[int] = set()
        self.troubles: set[str] = set()

    def __call__(self, event: Event) -> None:
        self.events.put(event)

    def until(self, kind: type[Event]) -> Event:
        """The next event of a kind; pieces on the way to it are noted."""
        while True:
            event = self.events.get(timeout=SECONDS)
            if isinstance(event, Had):
                self.had.update(event.pieces)
            if isinstance(event, Trouble):
                self.troubles.add(event.kind)
            if isinstance(event, kind):
                return event

    def until_had(self, pieces: set[int]) -> None:
        while not pieces <= self.had:
            self.until(Had)


def pieces_of(torrent: bytes, path: str) -> set[int]:
    parsed = torrentfile.parse(torrent)
    [entry] = [entry for entry in parsed.entries if entry.path == path]
    return set(range(entry.offset // parsed.piece_length, (entry.offset + entry.size - 1) // parsed.piece_length + 1))


def test_what_was_had_before_a_flush_can_be_read_after_it(tree: Tree, tmp_path: Path) -> None:
    [torrent] = tree.torrents.values()
    wanted = {path: pieces_of(torrent, path) for path in tree.volumes["v"][::3]}
    heard = Listener()
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        pieces = set().union(*wanted.values())
        joined = swarm.join(torrent, tmp_path, heard, wanted=pieces, peers=[peer(seed)])
        seen: set[str] = set()
        while len(seen) < len(wanted):
            if not pieces <= heard.had:
                heard.until(Had)
            had = heard.had.copy()
            joined.flush()
            heard.until(Flushed)
            for path, carriers in wanted.items():
                if carriers <= had and path not in seen:
                    data = (tmp_path / NAME / path).read_bytes()
                    assert hashlib.sha256(data).hexdigest() == tree.sha256[path]
                    seen.add(path)
        assert swarm.leave(joined)
    assert files_below(tmp_path) == {f"{NAME}/{path}" for path in wanted}


def test_pieces_that_are_there_are_had_at_once(tree: Tree, tmp_path: Path) -> None:
    [torrent] = tree.torrents.values()
    path = tree.volumes["v"][0]
    pieces = pieces_of(torrent, path)
    target = tmp_path / NAME / path
    target.parent.mkdir(parents=True)
    target.write_bytes((tree.dataset / path).read_bytes())
    heard = Listener()
    with loopback() as swarm:
        joined = swarm.join(torrent, tmp_path, heard, wanted=pieces, have=pieces)
        heard.until_had(pieces)
        assert joined.status().downloaded == 0
        swarm.leave(joined)


def test_pieces_that_are_claimed_and_not_there_are_fetched(tree: Tree, tmp_path: Path) -> None:
    """libtorrent looks for itself where a file is missing, and says so; it does not stop."""
    [torrent] = tree.torrents.values()
    pieces = pieces_of(torrent, tree.volumes["v"][0])
    heard = Listener()
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        joined = swarm.join(torrent, tmp_path, heard, wanted=pieces, have=pieces, peers=[peer(seed)])
        heard.until_had(pieces)
        assert heard.troubles == {"resume"}
        joined.flush()
        heard.until(Flushed)
        assert (tmp_path / NAME / tree.volumes["v"][0]).read_bytes() == (
            tree.dataset / tree.volumes["v"][0]
        ).read_bytes()
        swarm.leave(joined)


def test_nothing_is_written_after_leaving(tree: Tree, tmp_path: Path) -> None:
    [torrent] = tree.torrents.values()
    with loopback() as seed, loopback() as swarm:
        seeding(seed, tree)
        for number in range(3):
            heard = Listener()
            folder = tmp_path / str(number)
            joined = swarm.join(torrent, folder, heard, peers=[peer(seed)])
            heard.until(Had)
            assert swarm.leave(joined)
            before = {path: (folder / path).stat() for path in files_below(folder)}
            time.sleep(0.2)
            assert {path: (folder / path).stat() for path in files_below(folder)} == before


def test_what_is_no_torrent_or_is_there_already_is_refused(tree: Tree, tmp_path: Path) -> None:
    [torrent] = tree.torrents.values()
    with loopback() as swarm:
        for wrong in (b"", b"d4:infode", torrent[:-1], b"x" * 1000):
            with pytest.raises(InvalidDocument):
                swarm.join(wrong, tmp_path, silent)
        joined = swarm.join(torrent, tmp_path, silent)
        with pytest.raises(TransportError):
            swarm.join(torrent, tmp_path, silent)
        swarm.leave(joined)
        swarm.leave(joined)  # once more does nothing
        swarm.leave(swarm.join(torrent, tmp_path, silent))


def test_limits_are_for_peers_of_this_machine_too(tree: Tree, tmp_path: Path) -> None:
    [torrent] = tree.torrents.values()
    heard = Listener()
    with loopback(upload_rate=50_000) as seed, loopback() as swarm:
        seeding(seed, tree)
        joined = swarm.join(torrent, tmp_path, heard, peers=[peer(seed)])
        heard.until(Had)
        assert joined.status().downloaded < sum(tree.sizes.values()) // 2
        swarm.leave(joined)


def test_a_session_that_stays_on_this_machine_asks_nobody_else() -> None:
    with Swarm(Settings.loopback()) as swarm:
        settings: dict[str, object] = dict(swarm._session.get_settings())
        assert settings["listen_interfaces"] == "127.0.0.1:0"
        asked = ("enable_dht", "enable_lsd", "enable_upnp", "enable_natpmp", "enable_outgoing_utp")
        assert not any(settings[name] for name in asked)
        assert not settings["dht_bootstrap_nodes"]
        assert not settings["webtorrent_stun_server"]
        assert swarm.port
        assert not swarm.troubles()


def test_a_port_that_is_taken_is_told(tree: Tree) -> None:
    with loopback() as first, loopback(port=first.port) as second:
        for _ in range(100):
            if second.troubles():
                break
            time.sleep(0.05)
        assert any(str(first.port) in trouble for trouble in second.troubles())


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A tracker that says the same to everybody."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/announce"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    "said", [b"\xff\xfe\xfd", b"\x1b[31mred\r\n\xe2\x80\xae", b"A" * 5000], ids=["bytes", "escapes", "long"]
)
def test_whatever_a_tracker_says_is_safe_to_show_and_ends_nothing(tree: Tree, tmp_path: Path, said: bytes) -> None:
    [torrent] = tree.torrents.values()
    heard = Listener()
    with answering(bencode.encode({b"failure reason": said})) as url, loopback() as swarm, loopback() as seed:
        joined = swarm.join(torrent, tmp_path, heard, trackers=[url])
        trouble = heard.until(Trouble)
        assert isinstance(trouble, Trouble)
        assert trouble.kind == "tracker"
        assert trouble.detail.startswith(f"{url}: ")
        assert trouble.detail.isprintable()
        assert len(trouble.detail) < 1_000
        seeding(seed, tree)
        joined.add_peer(*peer(seed))
        heard.until(Had)  # what comes after it is heard too
        swarm.leave(joined)


@pytest.mark.parametrize("version", ["hybrid", "v2"])
def test_a_web_seed_of_a_torrent_of_v2_alone_is_useless(tmp_path: Path, version: str) -> None:
    """A defect of libtorrent 2.0.13 to 2.1.1, and why all our torrents are hybrid.

    With v2 alone, a web seed, and many files that are longer than a piece, right data are called wrong. When the case of
    v2 fails here, libtorrent has been mended, and torrents of v2 alone can be thought of again.
    """
    tree = Tree(tmp_path / "published")
    tree.random_volume("v", range(400))
    files = [infodict.Hashed(path, digest_bytes((tree.dataset / path).read_bytes(), PIECE)) for path in tree.sizes]
    made = (infodict.hybrid if version == "hybrid" else infodict.v2)(NAME, PIECE, files)
    torrent = torrentfile.render(made.info, made.layers, torrentfile.Links())
    heard = Listener()
    with nginx(tree.folder, tmp_path / "nginx") as server, loopback() as swarm:
        joined = swarm.join(torrent, tmp_path / "out", heard, web_seeds=[f"{server.address}/"])
        if version == "hybrid":
            heard.until_had(set(range(sum(-(-size // PIECE) for size in tree.sizes.values()))))
        else:
            heard.until(Trouble)
        assert heard.troubles == (set() if version == "hybrid" else {"hash"}), lt.__version__
        swarm.leave(joined)
