"""Trackers: a real one over both protocols, and hostile ones, which are real sockets too."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import bencode
from tagswarm.manifests.errors import TransportError
from tagswarm.release import trackers
from tagswarm.release.trackers import Counts, ask, scrape_place
from tests.tracker import Tracker, free_port, opentracker

A, B, STRANGE = (sha1(name).digest() for name in (b"a", b"b", b"strange"))
MANY = [sha1(b"%d" % number).digest() for number in range(200)]


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    """opentracker with two seeders and a leecher of A, and a seeder of each of MANY."""
    with opentracker([A, B, *MANY]) as running:
        running.announce(A, 1, left=0)
        running.announce(A, 2, left=5)
        running.announce(A, 2, left=0, event="completed")
        running.announce(A, 3, left=5)
        for number, infohash in enumerate(MANY):
            running.announce(infohash, number + 10, left=0)
        yield running


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_a_real_tracker_is_scraped(tracker: Tracker, protocol: str) -> None:
    found = ask(getattr(tracker, protocol), [A, STRANGE], 10)
    assert found[A] == Counts(seeders=2, leechers=1, completed=1)
    assert found.get(STRANGE, Counts()) == Counts()


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_more_torrents_than_one_request_holds(tracker: Tracker, protocol: str) -> None:
    found = ask(getattr(tracker, protocol), [*MANY, STRANGE], 20)
    assert {infohash: found[infohash] for infohash in MANY} == dict.fromkeys(MANY, Counts(seeders=1))


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_nothing_to_ask(tracker: Tracker, protocol: str) -> None:
    assert ask(getattr(tracker, protocol), [], 10) == {}


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_nobody_listens(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}/announce"
    with pytest.raises(TransportError, match=rf"{url}: Connection refused"):
        ask(url, [A], 10)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("wss://127.0.0.1/announce", "only trackers of http, https and udp"),
        ("file:///etc/announce", "only trackers of http, https and udp"),
        ("http://127.0.0.1/a/x?announce", "cannot be scraped"),
        ("udp://127.0.0.1/announce", "a host and a port"),
        ("udp://127.0.0.1:99999/announce", "out of range"),
        ("http://[::1/announce", "Invalid IPv6"),
        ("http://no such host/announce", "."),
        ("http://x\x1b[2J.invalid/announce", "."),
        ("udp://nowhere.invalid:1/announce", "."),
        (f"http://{'x' * 70}.invalid/announce", "."),
        ("", "only trackers"),
    ],
)
def test_urls_that_are_none(url: str, said: str) -> None:
    with pytest.raises(TransportError, match=said) as caught:
        ask(url, [A], 10)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("announce", "scrape"),
    [
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/announce/announce?key=1", "http://example.com/announce/scrape?key=1"),
    ],
)
def test_where_a_tracker_is_scraped(announce: str, scrape: str) -> None:
    assert scrape_place(urlsplit(announce)).geturl() == scrape


@given(st.lists(st.builds(Counts, *[st.integers(0, 9)] * 3), min_size=1, max_size=5))
def test_the_largest_numbers_stand(counts: list[Counts]) -> None:
    forth, back = Counts(), Counts()
    for one, other in zip(counts, reversed(counts), strict=True):
        forth |= one
        back |= other
    assert forth == back
    assert forth.seeders == max(one.seeders for one in counts)


# Hostile trackers of HTTP: a function is given each request and writes what it likes.

Serve = Callable[[socket.socket, str], None]


@contextmanager
def http_server(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that hands every connection and the target of its request to a function."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    with (
                        accepted,
                        suppress(OSError),
                        tls.wrap_socket(accepted, server_side=True) if tls else accepted as connection,
                    ):
                        head = connection.recv(65536).decode("latin-1")
                        serve(connection, head.split(" ")[1] if head else "")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}/announce"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()


def answer(body: bytes, status: str = "200 OK", head: str = "") -> Serve:
    def serve(connection: socket.socket, _: str) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return serve


def files(**numbers: int) -> bytes:
    said: dict[bytes, bencode.Encodable] = {name.encode(): number for name, number in numbers.items()}
    return bencode.encode({b"files": {A: said}})


HOSTILE: dict[str, tuple[Serve, str]] = {
    "not found": (answer(b"", "404 Not Found"), "the status 404"),
    "moved nowhere": (answer(b"", "301 Moved"), "the status 301"),
    "failure reason": (answer(b"d14:failure reason12:not \x1b[2J youe"), r"refuses: not \\x1b\[2J you"),
    "empty": (answer(b""), "byte 0: the document ends early"),
    "html": (answer(b"<html>"), "byte 0"),
    "nothing": (answer(b"de"), "there are no files in it"),
    "list": (answer(b"le"), "there are no files in it"),
    "files are a number": (answer(b"d5:filesi1ee"), "there are no files in it"),
    "a torrent is a number": (answer(bencode.encode({b"files": {A: 1}})), "a torrent has no counts"),
    "negative": (answer(files(complete=-1)), "counts -1 peers"),
    "2 to the 62": (answer(files(complete=1 << 62)), "counts 4611686018427387904 peers"),
    "too many": (answer(files(downloaded=10_000_001)), "counts 10000001 peers"),
    "100 bits": (answer(b"d5:filesd20:" + A + b"d8:completei99999999999999999999999eeee"), "more than 64 bits"),
    "deep": (answer(b"l" * 5000), "nested deeper"),
    "wide": (answer(b"l" + b"i0e" * 200_000 + b"e"), "more parts"),
    "cut": (answer(b"5:filesd", head="Content-Length: 400\r\n"), "byte"),
    "long header": (answer(b"", head="X: " + "x" * 70_000 + "\r\n"), "got more than 65536 bytes"),
    "many headers": (answer(b"", head="X: x\r\n" * 200), "got more than 100 headers"),
    "bad chunks": (answer(b"zz\r\n", head="Transfer-Encoding: chunked\r\n"), "."),
    "bad header": (answer(b"", "200 OK\r\nnonsense"), "."),
    "no status": (lambda connection, _: connection.sendall(b"nonsense\r\n\r\n"), "nonsense"),
    "closed": (lambda connection, _: connection.close(), "closed connection"),
    "file": (
        answer(b"", "302 Found", "Location: file:///etc/passwd\r\n"),
        "file:///etc/passwd, which is not http or https",
    ),
    "ftp": (answer(b"", "302 Found", "Location: ftp://127.0.0.1/x\r\n"), "which is not http or https"),
    "no host": (answer(b"", "302 Found", "Location: http:///x\r\n"), "redirects"),
    "bad host": (answer(b"", "302 Found", "Location: http://[\r\n"), "Invalid IPv6"),
    "endless place": (
        answer(b"", "302 Found", f"Location: http://127.0.0.1:1/{'x' * 60_000}\x01\r\n"),
        "control characters",
    ),
    "loop": (answer(b"", "302 Found", "Location: /scrape\r\n"), "redirects more than 3 times"),
}


@pytest.mark.parametrize(("serve", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_over_http(serve: Serve, said: str) -> None:
    with http_server(serve) as url, pytest.raises(TransportError, match=said) as caught:
        ask(url, [A], 10)
    assert caught.value.message.startswith(f"{url}: ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_endless_bodies_end() -> None:
    def serve(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"i0e" * 10_000)

    with http_server(serve) as url, pytest.raises(TransportError, match="answers with more than 1048576 bytes"):
        ask(url, [A], 10)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_slow_drip_ends_at_the_deadline(start: bytes) -> None:
    def serve(connection: socket.socket, _: str) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"1")
            time.sleep(0.05)

    with http_server(serve) as url, pytest.raises(TransportError, match=r"no whole answer within 0\.5 seconds"):
        ask(url, [A], 0.5)


def test_an_answer_that_never_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/announce"
        with pytest.raises(TransportError, match=r"no whole answer within 0\.3 seconds"):
            ask(url, [A], 0.3)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tracker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "tracker.pem"
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key.private_bytes(*plain) + made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("known", [True, False])
def test_https_with_a_certificate_that_is_known_or_not(
    certificate: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with http_server(answer(files(complete=3)), context) as url:
        assert url.startswith("https://")
        if known:
            assert ask(url, [A], 10) == {A: Counts(3)}
        else:
            with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
                ask(url, [A], 10)


def test_a_redirect_is_followed() -> None:
    with http_server(answer(files(complete=3, incomplete=2, downloaded=1))) as target:
        moved = target.replace("announce", "elsewhere")
        with http_server(answer(b"", "301 Moved", f"Location: {moved}\r\n")) as url:
            assert ask(url, [A], 10) == {A: Counts(3, 2, 1)}


def test_other_torrents_and_missing_numbers() -> None:
    body = bencode.encode({b"files": {A: {b"complete": 2}, STRANGE: {b"complete": 9}}})
    with http_server(answer(body)) as url:
        assert ask(url, [A, B], 10) == {A: Counts(2)}


def test_a_tracker_that_tells_of_one_at_a_time() -> None:
    asked: list[int] = []

    def serve(connection: socket.socket, target: str) -> None:
        hashes = [unquote_to_bytes(part.partition("=")[2]) for part in target.partition("?")[2].split("&")]
        asked.append(len(hashes))
        answer(bencode.encode({b"files": {hashes[0]: {b"complete": 1}}}))(connection, target)

    with http_server(serve) as url:
        assert ask(url, MANY[:5], 10) == dict.fromkeys(MANY[:5], Counts(1))
    assert asked == [5, 4, 3, 2, 1]


def test_requests_stay_short() -> None:
    targets: list[str] = []

    def serve(connection: socket.socket, target: str) -> None:
        targets.append(target)
        answer(b"d5:filesdee")(connection, target)

    with http_server(serve) as url:
        ask(f"{url}?key=1", [bytes([200]) * 20] * 120, 10)
    assert len(targets) == 3
    assert all(target.startswith("/scrape?key=1&info_hash=%C8%C8") for target in targets)
    assert max(map(len, targets)) < 4000


# Hostile trackers of UDP: a function is given each packet and says what is sent back.

Reply = Callable[[bytes], list[bytes]]


@contextmanager
def udp_server(reply: Reply) -> Iterator[str]:
    """A server that answers every packet with what a function makes of it."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        done = threading.Event()

        def run() -> None:
            while not done.is_set():
                with suppress(TimeoutError, ConnectionError):
                    packet, sender = server.recvfrom(65536)
                    for part in reply(packet):
                        server.sendto(part, sender)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"udp://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join(10)
        assert not thread.is_alive()


CONNECTION = b"12345678"


def honest(packet: bytes) -> list[bytes]:
    """An answer as BEP 15 has it: every torrent has 3 seeders, 2 leechers, and was completed 5 times."""
    action, transaction = packet[8:12], packet[12:16]
    if action == bytes(4):
        assert packet[:8] == bytes.fromhex("0000041727101980")
        return [action + transaction + CONNECTION]
    assert packet[:8] == CONNECTION
    return [action + transaction + struct.pack(">III", 3, 5, 2) * ((len(packet) - 16) // 20)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "FIRST_WAIT", 0.05)


def test_packets_hold_74_torrents() -> None:
    sizes: list[int] = []

    def reply(packet: bytes) -> list[bytes]:
        sizes.append(len(packet))
        return honest(packet)

    with udp_server(reply) as url:
        assert ask(url, MANY, 10) == dict.fromkeys(MANY, Counts(3, 2, 5))
    assert sizes == [16, 16 + 74 * 20, 16 + 74 * 20, 16 + 52 * 20]


@pytest.mark.usefixtures("impatient")
def test_lost_packets_are_sent_again() -> None:
    seen: list[bytes] = []

    def reply(packet: bytes) -> list[bytes]:
        seen.append(packet)
        return honest(packet) if seen.count(packet) == 3 else []

    with udp_server(reply) as url:
        assert ask(url, [A], 10) == {A: Counts(3, 2, 5)}
    assert len(seen) >= 6


def broken(packet: bytes) -> list[bytes]:
    """Everything that is no answer: too short, another transaction, another action, nothing at all."""
    (right,) = honest(packet)
    return [
        b"",
        right[:7],
        right[:12],
        right[:4] + bytes(4) + right[8:],
        (9).to_bytes(4) + right[4:],
        (3).to_bytes(4) + bytes(4) + b"an error of somebody else",
    ]


@pytest.mark.usefixtures("impatient")
def test_packets_that_are_no_answer_are_dropped() -> None:
    with udp_server(lambda packet: [*broken(packet), *honest(packet)]) as url:
        assert ask(url, [A, B], 10) == dict.fromkeys((A, B), Counts(3, 2, 5))
    with udp_server(broken) as url, pytest.raises(TransportError, match=r"no whole answer within 0\.5 seconds"):
        ask(url, [A], 0.5)


def test_a_flood_ends_at_the_deadline() -> None:
    with udp_server(lambda _: [b"x" * 1000] * 50) as url, pytest.raises(TransportError, match="no whole answer"):
        ask(url, [A], 0.5)


def test_answers_of_a_stranger_are_not_taken() -> None:
    """Only the address that was asked can answer, even with the right transaction id."""

    def reply(packet: bytes) -> list[bytes]:
        client = int(ports[0])
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            for part in honest(packet):
                stranger.sendto(part, ("127.0.0.1", client))
        return []

    ports: list[int] = []
    reached = trackers._reached

    def noted(host: str, port: int) -> socket.socket:
        made = reached(host, port)
        ports.append(made.getsockname()[1])
        return made

    with pytest.MonkeyPatch.context() as patch, udp_server(reply) as url:
        patch.setattr(trackers, "_reached", noted)
        with pytest.raises(TransportError, match="no whole answer"):
            ask(url, [A], 0.4)


def test_an_error_is_told() -> None:
    def reply(packet: bytes) -> list[bytes]:
        return [(3).to_bytes(4) + packet[12:16] + b"go \x1baway" + b"x" * 1000]

    with udp_server(reply) as url, pytest.raises(TransportError, match=r"refuses: go \\x1baway") as caught:
        ask(url, [A], 10)
    assert len(caught.value.message) < 300


def test_absurd_numbers_are_refused() -> None:
    def reply(packet: bytes) -> list[bytes]:
        (right,) = honest(packet)
        return [right if packet[8:12] == bytes(4) else right[:8] + b"\xff" * 12]

    with udp_server(reply) as url, pytest.raises(TransportError, match="counts 4294967295 peers"):
        ask(url, [A], 10)


def test_a_tracker_that_tells_of_the_first_ones() -> None:
    def reply(packet: bytes) -> list[bytes]:
        return [part[: 8 + 12 * 2] for part in honest(packet)]

    with udp_server(reply) as url:
        assert ask(url, MANY[:5], 10) == dict.fromkeys(MANY[:5], Counts(3, 2, 5))


def test_a_connection_id_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "CONNECTION_LIFE", 0.0)
    actions: list[int] = []

    def reply(packet: bytes) -> list[bytes]:
        actions.append(int.from_bytes(packet[8:12]))
        return honest(packet)

    with udp_server(reply) as url:
        ask(url, MANY[:100], 10)
    assert actions == [0, 2, 0, 2]
