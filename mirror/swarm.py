"""The one door to libtorrent: a session, the torrents that were added to it, and what happens to them as values.

libtorrent's alerts die at the next look at them, so one thread copies what they say into frozen events and hands those
to the listener of the torrent. Everything the session does on its own towards the network is a field of `Settings`.

Nothing here decides what is fetched, verified or seeded, and nothing here reads a payload.
"""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import libtorrent as lt

from tagswarm.manifests.errors import InvalidDocument, TransportError
from tagswarm.manifests.paths import escape
from tagswarm.manifests.version import VERSION

WAIT_MS = 200
"""Milliseconds the thread sleeps when nothing happens."""

ALERTS = 200_000
"""Alerts that may wait; a volume that completes at once has one a piece, and what does not fit is lost."""

SHOWN = 500
"""Characters of what a tracker or a server says that a message repeats."""

WANTED = 4
"""libtorrent's ordinary priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a session does towards the outside."""

    listen: tuple[str, ...] = ("0.0.0.0:6881", "[::]:6881")
    """Addresses and ports; the port 0 is any."""
    upload_rate: int = 0
    """Bytes a second over all torrents; 0 is no limit."""
    download_rate: int = 0
    connections: int = 1_000
    """Peers over all torrents."""
    upload_slots: int = -1
    """Peers that are served at a time; -1 is no limit."""
    dht: bool = True
    """Find peers by the DHT (BEP 5)."""
    dht_nodes: tuple[str, ...] = ("dht.libtorrent.org:25401", "router.bittorrent.com:6881")
    """Where the DHT is entered, `host:port`."""
    pex: bool = True
    """Learn of peers from peers (BEP 11)."""
    lsd: bool = False
    """Call for peers on the local network (BEP 14)."""
    port_mapping: bool = False
    """Ask the router for a port, by UPnP and NAT-PMP."""
    trackers: bool = True
    """Announce to the trackers that a torrent names."""
    web_seeds: bool = True
    """Fetch from the web seeds that a torrent names."""
    utp: bool = True
    """Speak uTP (BEP 29) beside TCP."""
    checks: bool = True
    """Hash every piece: those that come in, and those of a seed before they are sent the first time. Of the latter
    libtorrent keeps the hashes of all blocks, 5 MB a volume of 5,000 small files: a seeder of many does without."""
    shared_address: bool = False
    """Take several peers from one address, as tests and some networks have them."""
    stop_seconds: int = 5
    """How long trackers are waited for when the session ends."""

    @classmethod
    def loopback(cls, port: int = 0, **changes: Any) -> Self:
        """A session that stays on this machine: no DHT, no discovery, no mapping; trackers and web seeds as named."""
        alone: dict[str, Any] = {
            "listen": (f"127.0.0.1:{port}",),
            "dht": False,
            "dht_nodes": (),
            "pex": False,
            "utp": False,
            "shared_address": True,
            "stop_seconds": 1,
        }
        return cls(**(alone | changes))

    def _keys(self) -> Any:
        return {
            "user_agent": f"tagswarm/{VERSION} libtorrent/{lt.__version__}",
            "listen_interfaces": ",".join(self.listen),
            "upload_rate_limit": self.upload_rate,
            "download_rate_limit": self.download_rate,
            "connections_limit": self.connections,
            "unchoke_slots_limit": self.upload_slots,
            "enable_dht": self.dht,
            "dht_bootstrap_nodes": ",".join(self.dht_nodes),
            "enable_lsd": self.lsd,
            "enable_upnp": self.port_mapping,
            "enable_natpmp": self.port_mapping,
            "enable_incoming_utp": self.utp,
            "enable_outgoing_utp": self.utp,
            "disable_hash_checks": not self.checks,
            "max_retry_port_bind": 0,  # a port that is taken is told, not replaced by another
            "listen_system_port_fallback": False,
            "allow_multiple_connections_per_ip": self.shared_address,
            "stop_tracker_timeout": self.stop_seconds,
            "announce_to_all_tiers": True,
            "webtorrent_stun_server": "",  # or it asks a stranger's server for our address
            "ssrf_mitigation": True,
            # Hundreds of volumes at once: the defaults are those of a desktop with a few torrents.
            "active_downloads": -1,
            "active_seeds": -1,
            "active_limit": -1,
            "active_tracker_limit": -1,
            "active_dht_limit": 300,
            "file_pool_size": 2_000,
            "alert_queue_size": ALERTS,
            "alert_mask": _MASK,
            "send_buffer_watermark": 3 << 20,
            "max_peerlist_size": 500,
            "max_paused_peerlist_size": 50,
        }


_CATEGORIES = lt.alert.category_t
_MASK = (
    _CATEGORIES.error_notification
    | _CATEGORIES.status_notification
    | _CATEGORIES.storage_notification
    | _CATEGORIES.tracker_notification
    | _CATEGORIES.piece_progress_notification
)


@dataclass(frozen=True, slots=True)
class Had:
    """Pieces whose hashes are right, those that were there at joining included.

    Their bytes may still be on their way to the disk until a flush that was asked for afterwards is `Flushed`.
    """

    pieces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flushed:
    """All that was had when `flush` was called can be read from the disk."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something went wrong; only `disk`, `torrent` and `changed` stop the torrent."""

    kind: Literal["tracker", "web-seed", "hash", "disk", "torrent", "resume", "changed"]
    """`changed`: a file of a torrent that was joined as a seed is not what the caller had verified."""
    detail: str
    """A sentence that is safe to show."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A tracker answered with so many peers."""

    peers: int


Event = Had | Flushed | Trouble | Announced
Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Status:
    """Where a torrent stands."""

    infohash: str
    """v1, or the first 40 digits of v2, hex."""
    state: str
    """A word of libtorrent: `downloading`, `seeding`, `checking_files`, ..."""
    have: int
    """Bytes of wanted pieces that are had and verified by the swarm's own hashes."""
    downloaded: int
    """Bytes of payload that came in, those thrown away included."""
    wasted: int
    """Bytes of these that were thrown away: they were there already, or their hashes were wrong."""
    uploaded: int
    download_rate: int
    """Bytes a second."""
    upload_rate: int
    peers: int
    seeds: int


@contextlib.contextmanager
def _gone_is_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as failure:
        raise TransportError("the torrent is in the swarm no more") from failure


class Joined:
    """A torrent in a swarm."""

    def __init__(self, handle: Any, infohash: str, listener: Listener, *, seed: bool = False) -> None:
        self._handle = handle
        self._seed = seed
        self._flushes = 0
        """That are under way, those that libtorrent began by itself when a torrent was finished included: an alert does
        not say which of them has ended, so nobody is told before all have."""
        self._asked = False
        self._counting = threading.Lock()
        self._rests = threading.Event()
        self.infohash = infohash
        self.listener = listener

    def flush(self) -> None:
        """Ask for one `Flushed`: what was had before the call can be read when it comes; ask again only then.

        Raises:
            TransportError: the torrent or the whole session has been left.
        """
        self._begin_flush(asked=True)
        with _gone_is_told():
            self._handle.flush_cache()

    def _begin_flush(self, *, asked: bool = False) -> None:
        with self._counting:
            self._flushes += 1
            self._asked |= asked

    def _end_flush(self) -> None:
        with self._counting:
            self._flushes = max(0, self._flushes - 1)
            answered = self._asked and not self._flushes
            if not self._flushes:
                self._asked = False
                self._rests.set()
        if answered:
            self.listener(Flushed())

    def _rest(self, seconds: float) -> bool:
        """Send all peers away and wait until what they brought is written."""
        self._handle.pause()
        self._begin_flush()
        self._rests.clear()
        self._handle.flush_cache()
        return self._rests.wait(seconds)

    def add_peer(self, host: str, port: int) -> None:
        """Connect to a peer that is known; it raises what `flush` does."""
        with _gone_is_told():
            self._handle.connect_peer((host, port))

    def status(self) -> Status:
        """Where it stands now; asks the session and waits for its answer, and raises what `flush` does."""
        with _gone_is_told():
            return _status(self._handle.status(0))


class Swarm:
    """A session. Use it in a `with`, which ends it cleanly; it is safe to be used from several threads."""

    def __init__(self, settings: Settings) -> None:
        _open_many()
        self._settings = settings
        self._joined: dict[Any, Joined] = {}
        self._joining = threading.Lock()
        """Held while a torrent is added: its first alerts can come before the call that adds it returns."""
        self._statuses: dict[str, Status] = {}
        self._gone: dict[Any, threading.Event] = {}
        self._troubles: list[str] = []
        parameters = lt.session_params(settings._keys())  # noqa: SLF001 - its own settings
        self._session = lt.session(parameters)
        self._session.set_peer_class_filter(_everybody())
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="swarm", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The TCP port that peers connect to; 0 where nothing could be listened on."""
        return int(self._session.listen_port())

    def troubles(self) -> list[str]:
        """What went wrong with the session itself, such as a port that is taken; sentences that are safe to show."""
        return list(self._troubles)

    def join(
        self,
        torrent: bytes,
        folder: Path,
        listener: Listener,
        *,
        seed: bool = False,
        wanted: Collection[int] | None = None,
        have: Collection[int] = (),
        peers: Sequence[tuple[str, int]] = (),
        web_seeds: Sequence[str] = (),
        trackers: Sequence[str] = (),
        slots: int = -1,
    ) -> Joined:
        """Add a torrent. Nothing that lies in the folder is hashed: what is had is what the caller says.

        Args:
            torrent: the .torrent.
            folder: where the folder of the torrent's name lies or will lie.
            listener: receives its events, on the thread of the swarm: it must be quick and must not raise.
            seed: every piece is there; the caller has verified the files. Nothing is ever written; where libtorrent
                finds that a file is not what it was, it says `changed`.
            wanted: numbers of the pieces to be fetched; all that are not had where it is left out.
            have: numbers of the pieces that are there; the caller has verified them.
            peers: host and port of peers that are known.
            web_seeds: further ones, beside those of the .torrent.
            trackers: further ones.
            slots: peers that are served at a time; 0 means that nothing is served, -1 is no limit.

        Raises:
            InvalidDocument: libtorrent does not load the torrent.
            TransportError: it is in the swarm already, or the session refuses it.
        """
        parameters = self._parameters(torrent, folder)
        info = parameters.ti
        pieces = info.num_pieces()
        if seed:
            # In upload mode too, or what is missed one day would be fetched and written over the files.
            parameters.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode
        else:
            there = [False] * pieces
            for piece in have:
                there[piece] = True
            parameters.have_pieces = there
            if wanted is not None:
                chosen = set(wanted)
                parameters.piece_priorities = [WANTED if piece in chosen else 0 for piece in range(pieces)]
                parameters.file_priorities = _file_priorities(info, chosen)
        parameters.peers = list(peers)
        parameters.url_seeds = [*(parameters.url_seeds if self._settings.web_seeds else []), *web_seeds]
        if not self._settings.trackers:
            parameters.trackers, parameters.tracker_tiers = [], []
        for tracker in trackers:
            parameters.trackers = [*parameters.trackers, tracker]
            parameters.tracker_tiers = [*parameters.tracker_tiers, 0]
        if slots >= 0:
            parameters.max_uploads = slots
        return self._add(parameters, listener, seed=seed)

    def _parameters(self, torrent: bytes, folder: Path) -> Any:
        try:
            parameters = lt.load_torrent_buffer(torrent)
        except RuntimeError as failure:
            raise InvalidDocument(f"libtorrent does not load the torrent: {escape(str(failure))}") from failure
        parameters.save_path = str(folder)
        flags = lt.torrent_flags
        parameters.flags = flags.update_subscribe | flags.duplicate_is_error
        for allowed, flag in (
            (self._settings.dht, flags.disable_dht),
            (self._settings.pex, flags.disable_pex),
            (self._settings.lsd, flags.disable_lsd),
        ):
            if not allowed:
                parameters.flags |= flag
        return parameters

    def _add(self, parameters: Any, listener: Listener, *, seed: bool) -> Joined:
        infohash = str(parameters.ti.info_hashes().get_best())
        if self._ends.is_set():
            raise TransportError(f"the torrent {infohash} cannot be joined: the session has ended")
        with self._joining:
            try:
                handle = self._session.add_torrent(parameters)
            except RuntimeError as failure:
                raise TransportError(f"the torrent {infohash} cannot be joined: {escape(str(failure))}") from failure
            joined = self._joined[handle] = Joined(handle, infohash, listener, seed=seed)
        return joined

    def leave(self, joined: Joined, *, seconds: float = 10) -> bool:
        """Take a torrent out and wait until nothing is written any more; its files stay.

        Says whether all that was had is written; it is not where the disk took longer than `seconds`. The torrent is
        paused first: libtorrent says that one is removed while its last blocks are still being written.
        """
        if joined._handle not in self._joined:  # noqa: SLF001 - its own torrent
            return True
        gone = self._gone[joined._handle] = threading.Event()  # noqa: SLF001 - as above
        written = False
        with contextlib.suppress(RuntimeError):  # it may be gone already
            written = joined._rest(seconds)  # noqa: SLF001 - as above
            self._session.remove_torrent(joined._handle)  # noqa: SLF001 - as above
            gone.wait(seconds)
        self._gone.pop(joined._handle, None)  # noqa: SLF001 - as above
        self._joined.pop(joined._handle, None)  # noqa: SLF001 - as above
        self._statuses.pop(joined.infohash, None)
        return written

    def statuses(self) -> list[Status]:
        """Where every torrent stood when it last changed, sorted by infohash; asks for news, does not wait for them."""
        self._session.post_torrent_updates(0)
        return sorted(self._statuses.copy().values(), key=lambda status: status.infohash)

    def limit(self, *, upload_rate: int, download_rate: int) -> None:
        """Change the limits, in bytes a second over all torrents; 0 is no limit."""
        self._session.apply_settings({"upload_rate_limit": upload_rate, "download_rate_limit": download_rate})

    def close(self) -> None:
        """End the session: trackers are told, everything is written, all threads end."""
        if self._ends.is_set():
            return
        self._session.pause()
        self._ends.set()
        self._thread.join()
        left = [*self._joined.values()]
        self._joined.clear()
        del self._session  # waits until it has ended
        for joined in left:  # whoever is leaving need not wait for an answer that nobody gives any more
            joined._rests.set()  # noqa: SLF001 - its own torrent
        for gone in [*self._gone.values()]:
            gone.set()

    def _listen(self) -> None:
        while not self._ends.is_set():
            self._session.wait_for_alert(WAIT_MS)
            had: dict[Any, list[int]] = {}
            alerts = self._session.pop_alerts()
            with self._joining:
                for alert in alerts:
                    if isinstance(alert, lt.piece_finished_alert):
                        had.setdefault(alert.handle, []).append(int(alert.piece_index))
                        continue
                    if had:  # the order of pieces and flushes is kept
                        self._tell_had(had)
                    self._take(alert)
                self._tell_had(had)

    def _tell_had(self, had: dict[Any, list[int]]) -> None:
        for handle, pieces in had.items():
            self._tell(handle, Had(tuple(pieces)))
        had.clear()

    def _take(self, alert: Any) -> None:
        """Copy what an alert says: it dies with the next look for alerts."""
        match alert:
            case lt.state_update_alert():
                for status in alert.status:
                    value = _status(status)
                    self._statuses[value.infohash] = value
            case lt.state_changed_alert():
                if (joined := self._joined.get(alert.handle)) is not None and joined._seed:  # noqa: SLF001 - as below
                    self._look(joined, str(alert.state))
            case lt.torrent_finished_alert():
                if (joined := self._joined.get(alert.handle)) is not None:
                    joined._begin_flush()  # noqa: SLF001 - libtorrent flushes now, without being asked
            case lt.cache_flushed_alert():
                if (joined := self._joined.get(alert.handle)) is not None:
                    joined._end_flush()  # noqa: SLF001 - its own torrent
            case lt.tracker_reply_alert():
                self._tell(alert.handle, Announced(int(alert.num_peers)))
            case lt.tracker_error_alert():
                why = _said(alert.failure_reason) or _said(alert.error.message)  # the tracker's, or that of no answer
                self._tell(alert.handle, Trouble("tracker", f"{_said(alert.tracker_url)}: {why}"))
            case lt.url_seed_alert():
                why = _said(alert.error_message) or _said(alert.error.message)  # the server's, or that of no answer
                self._tell(alert.handle, Trouble("web-seed", f"the web seed {_said(alert.server_url)}: {why}"))
            case lt.hash_failed_alert():
                self._tell(alert.handle, Trouble("hash", _said(alert.message)))
            case lt.file_error_alert():
                self._tell(alert.handle, Trouble("disk", _said(alert.message)))
            case lt.torrent_error_alert():
                self._tell(alert.handle, Trouble("torrent", _said(alert.message)))
            case lt.fastresume_rejected_alert():  # it looks for itself now, and hashes what is there
                self._tell(alert.handle, Trouble("resume", _said(alert.message)))
            case lt.torrent_removed_alert():
                if (gone := self._gone.get(alert.handle)) is not None:
                    gone.set()
            case lt.listen_failed_alert() | lt.alerts_dropped_alert():
                self._troubles.append(_said(alert.message))

    def _look(self, joined: Joined, state: str) -> None:
        """A seed that is no longer one begins to check what it has, which it may, and to fetch, which it may not."""
        if state not in ("finished", "seeding"):
            joined.listener(Trouble("changed", f"a file is missing or differs from the torrent {joined.infohash}"))

    def _tell(self, handle: Any, event: Event) -> None:
        if (joined := self._joined.get(handle)) is not None:
            joined.listener(event)


def _said(text: Callable[[], str]) -> str:
    """A text of an alert, safe to show: what a stranger has said in it may be long, and need not be UTF-8."""
    try:
        said = text()
    except UnicodeDecodeError as failure:  # which would be the end of the thread
        said = failure.object.decode("utf-8", "replace")
    return escape(said[:SHOWN])


def _everybody() -> Any:
    """Limits are for peers of the local network too, which libtorrent leaves out by itself."""
    limited = lt.ip_filter()
    limited.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)  # noqa: S104 - a range
    limited.add_rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 << lt.session.global_peer_class_id)
    return limited


def _open_many() -> None:
    """Let the process open as many files as it may: libtorrent looks at its start how many peers and files that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _file_priorities(info: Any, wanted: set[int]) -> list[int]:
    """A priority for every file, pads too: a list that is shorter means download for the rest."""
    layout = info.layout()
    priorities = []
    for index in range(layout.num_files()):
        size = layout.file_size(index)
        if layout.file_flags(index) & lt.file_flags_t.flag_pad_file or not size:
            priorities.append(0)
            continue
        first = info.map_file(index, 0, 1).piece
        last = info.map_file(index, size - 1, 1).piece
        priorities.append(WANTED if any(piece in wanted for piece in range(first, last + 1)) else 0)
    return priorities


def _status(status: Any) -> Status:
    return Status(
        infohash=str(status.info_hashes.get_best()),
        state=str(status.state),
        have=int(status.total_wanted_done),
        downloaded=int(status.total_payload_download),
        wasted=int(status.total_redundant_bytes) + int(status.total_failed_bytes),
        uploaded=int(status.total_payload_upload),
        download_rate=int(status.download_payload_rate),
        upload_rate=int(status.upload_payload_rate),
        peers=int(status.num_peers),
        seeds=int(status.num_seeds),
    )
