"""`scrape`: what trackers say goes into the living list, whoever of them fails, and into nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import disk, infodict, torrentfile
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import ConfigInvalid, DestinationLocked, IncompleteBuild, TransportError
from tagswarm.manifests.events import Event, StepAdvanced, StepFinished, StepStarted
from tagswarm.manifests.torrentlist import TorrentRow, parse
from tagswarm.release import scrape as scraping
from tagswarm.release.scrape import infohashes, renew, scrape, strongest, utc
from tagswarm.release.sign import LOCK, sign
from tagswarm.release.trackers import Counts
from tests.publisher import Publisher, small
from tests.rows import publish, row, unpublished
from tests.tracker import free_port, opentracker

NOON, LATER = datetime.fromisoformat("2026-11-20T12:00:00"), datetime.fromisoformat("2026-11-21T12:00:00")
HYBRID, COMPAT, OTHER = row("512px-2026-0000"), row("512px-2026-0000", compat=True), row("original-2026-0000")
V1, V2 = infohashes(HYBRID)


class Trackers:
    """Trackers that are not there: what each says, or why it does not."""

    def __init__(self, **said: dict[bytes, Counts] | str) -> None:
        self.said = said
        self.asked: list[tuple[str, tuple[bytes, ...], float]] = []

    def __call__(self, url: str, hashes: Sequence[bytes], seconds: float) -> dict[bytes, Counts]:
        self.asked.append((url, tuple(hashes), seconds))
        said = self.said[url]
        if isinstance(said, str):
            raise TransportError(f"{url}: {said}")
        return said


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """The publisher of a dataset with the release 2026 and its three torrents."""
    made = unpublished(tmp_path)
    publish(made, "2026", [HYBRID, COMPAT, OTHER])
    sign(tmp_path, [])
    return made


def rows_of(dataset: Path) -> dict[str, TorrentRow]:
    return {found.path: found for found in parse((dataset / "torrents.json").read_bytes())}


def numbers(found: TorrentRow) -> tuple[int | None, int | None, int | None, datetime | None]:
    return (found.seeders, found.leechers, found.completed, found.stats_scraped_at)


def snapshot(dataset: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in dataset.rglob("*") if path.is_file() and ".tagswarm" not in path.parts
    }


@pytest.mark.usefixtures("publisher")
def test_the_largest_numbers_of_both_infohashes_and_all_trackers_stand(tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    trackers = Trackers(
        a={V1: Counts(3, 1, 10), V2: Counts(2, 4, 2)}, b={V1: Counts(1, 0, 40), infohashes(COMPAT)[0]: Counts(1)}
    )
    result = scrape(tmp_path, urls=["a", "b", "a"], seconds=5, ask=trackers, now=lambda: NOON)
    rows = rows_of(tmp_path)
    assert numbers(rows[HYBRID.path]) == (3, 4, 40, NOON)
    assert numbers(rows[COMPAT.path]) == (1, 0, 0, NOON)
    assert numbers(rows[OTHER.path]) == (0, 0, 0, NOON)
    assert (result.release, result.torrents, result.unseeded, result.failed) == ("2026", 3, 1, ())
    assert [(answer.tracker, answer.known) for answer in result.trackers] == [("a", 1), ("b", 2)]
    hashes = tuple(sorted(infohash for found in (HYBRID, COMPAT, OTHER) for infohash in infohashes(found)))
    assert sorted(trackers.asked) == [("a", hashes, 5), ("b", hashes, 5)]
    after = snapshot(tmp_path)
    assert {path for path in after if after[path] != before[path]} == {str(tmp_path / "torrents.json")}
    assert after.keys() == before.keys()


@pytest.mark.usefixtures("publisher")
def test_a_tracker_that_fails_is_named_and_the_others_count(tmp_path: Path) -> None:
    events: list[Event] = []
    trackers = Trackers(a="no answer", b={V1: Counts(3)})
    result = scrape(tmp_path, urls=["a", "b"], ask=trackers, now=lambda: NOON, report=events.append)
    assert [(answer.tracker, answer.error) for answer in result.failed] == [("a", "a: no answer")]
    assert numbers(rows_of(tmp_path)[HYBRID.path]) == (3, 0, 0, NOON)
    assert events[0] == StepStarted("ask trackers", 2, "trackers")
    assert [event.done for event in events if isinstance(event, StepAdvanced)] == [1, 2]
    assert events[-1] == StepFinished("ask trackers", 2)


@pytest.mark.usefixtures("publisher")
def test_where_all_fail_nothing_changes(tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    with pytest.raises(TransportError, match=r"a: no answer; b: refuses"):
        scrape(tmp_path, urls=["a", "b"], ask=Trackers(a="no answer", b="refuses"))
    assert snapshot(tmp_path) == before


def test_numbers_stay_with_the_next_release(tmp_path: Path, publisher: Publisher) -> None:
    scrape(tmp_path, urls=["a"], ask=Trackers(a={V1: Counts(3)}), now=lambda: NOON)
    new = row("512px-2027-0000", "2027-03-01")
    publish(publisher, "2027", [HYBRID, new])
    sign(tmp_path, [])
    rows = rows_of(tmp_path)
    assert (numbers(rows[HYBRID.path])[0], numbers(rows[new.path])[0]) == (3, None)
    scrape(tmp_path, urls=["a"], ask=Trackers(a={infohashes(new)[0]: Counts(7)}), now=lambda: LATER)
    rows = rows_of(tmp_path)
    assert numbers(rows[HYBRID.path]) == (0, 0, 0, LATER)
    assert numbers(rows[new.path]) == (7, 0, 0, LATER)


def test_a_release_that_is_published_meanwhile(tmp_path: Path, publisher: Publisher) -> None:
    new = row("512px-2027-0000", "2027-03-01")

    def ask(url: str, hashes: Sequence[bytes], seconds: float) -> dict[bytes, Counts]:
        publish(publisher, "2027", [HYBRID, new])
        sign(tmp_path, [])
        return {V1: Counts(3)}

    result = scrape(tmp_path, urls=["a"], ask=ask, now=lambda: NOON)
    assert result.release == "2027"
    rows = rows_of(tmp_path)
    assert numbers(rows[HYBRID.path]) == (3, 0, 0, NOON)
    assert numbers(rows[new.path]) == (None, None, None, None)


@pytest.mark.usefixtures("publisher")
def test_the_trackers_of_release_toml_are_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"torrents\.trackers"):
        scrape(tmp_path, ask=Trackers())
    path = tmp_path / "release.toml"
    path.write_text(
        path.read_text() + '[torrents]\ntrackers = ["udp://example.org:1", "http://example.org/announce"]\n'
    )
    trackers = Trackers(**{"udp://example.org:1": {}, "http://example.org/announce": {}})
    assert [answer.tracker for answer in scrape(tmp_path, ask=trackers).trackers] == list(trackers.said)


def test_nothing_is_published(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(IncompleteBuild, match="nothing is published"):
        scrape(tmp_path, urls=["a"], ask=Trackers(a={}))
    sign(tmp_path, [])
    with pytest.raises(IncompleteBuild, match="has no torrents"):
        scrape(tmp_path, urls=["a"], ask=Trackers(a={}))


@pytest.mark.usefixtures("publisher")
def test_a_tracker_that_keeps_no_deadline_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "GRACE", 0.1)
    over = threading.Event()

    def ask(url: str, hashes: Sequence[bytes], seconds: float) -> dict[bytes, Counts]:
        if url == "a":
            over.wait(60)
        return {V1: Counts(3)}

    result = scrape(tmp_path, urls=["a", "b"], seconds=0.1, ask=ask, now=lambda: NOON)
    over.set()
    assert [answer.error for answer in result.failed] == ["a: no answer within 0.1 seconds"]
    assert numbers(rows_of(tmp_path)[HYBRID.path])[0] == 3


@pytest.mark.usefixtures("publisher")
def test_a_mistake_of_ours_is_not_taken_for_one_of_a_tracker(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        scrape(tmp_path, urls=["a"], ask=Trackers())


@pytest.mark.usefixtures("publisher")
def test_another_run_holds_the_dataset(tmp_path: Path) -> None:
    with disk.locked(tmp_path / LOCK), pytest.raises(DestinationLocked):
        scrape(tmp_path, urls=["a"], ask=Trackers(a={}))


def test_the_clock_is_utc_to_the_second() -> None:
    now = utc()
    assert (now.tzinfo, now.microsecond) == (None, 0)
    assert abs(now.timestamp() - time.time() + time.timezone) < 86_400


COUNTS = st.builds(Counts, *[st.integers(0, 9)] * 3)


@given(st.lists(st.dictionaries(st.sampled_from([V1, V2, b"strange" * 3]), COUNTS), max_size=4))
def test_the_strongest_is_the_largest_and_no_larger(said: list[dict[bytes, Counts]]) -> None:
    found = strongest(HYBRID, said)
    told = [counts for answer in said for infohash, counts in answer.items() if infohash in (V1, V2)]
    for key in ("seeders", "leechers", "completed"):
        assert getattr(found, key) == max((getattr(counts, key) for counts in told), default=0)


def test_rows_that_nobody_was_asked_about_stay() -> None:
    assert renew([HYBRID, OTHER], {OTHER.btih: Counts(1, 2, 3)}, NOON)[0] == HYBRID


# A real swarm: a client seeds a hybrid torrent to a real tracker, which is asked over both protocols.


@pytest.fixture
def seeded(tmp_path: Path) -> Iterator[tuple[TorrentRow, list[str]]]:
    """The row of a torrent that libtorrent seeds, and the URLs of its tracker."""
    data = {f"512px/0000/{number}000.jpg": bytes([number]) * 40_000 for number in range(1, 5)}
    for path, content in data.items():
        (tmp_path / "test" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / path).write_bytes(content)
    hashed = [infodict.Hashed(path, digest_bytes(content, 16_384)) for path, content in data.items()]
    made = infodict.hybrid("test", 16_384, hashed)
    assert made.infohash_v1
    assert made.infohash_v2
    known = row("512px-2026-0000", btih=made.infohash_v1, btih_v2=made.infohash_v2)
    with opentracker(infohashes(known)) as tracker:
        links = torrentfile.Links(trackers=((tracker.http,),))
        params = lt.load_torrent_buffer(torrentfile.render(made.info, made.layers, links))
        params.save_path = str(tmp_path)
        params.flags |= lt.torrent_flags.seed_mode
        session = lt.session(
            {
                "listen_interfaces": f"127.0.0.1:{free_port()}",
                "enable_dht": False,
                "enable_lsd": False,
                "enable_upnp": False,
                "enable_natpmp": False,
                "webtorrent_stun_server": "",
                "stop_tracker_timeout": 0,
            }
        )
        handle = session.add_torrent(params)
        yield known, [tracker.http, tracker.udp]
        session.remove_torrent(handle)
        del handle, session


@pytest.mark.timeout(60)
def test_a_real_seeder_is_counted_once(tmp_path: Path, seeded: tuple[TorrentRow, list[str]]) -> None:
    known, urls = seeded
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    publish(unpublished(dataset), "2026", [known])
    sign(dataset, [])
    while True:  # until the client has announced both of its infohashes
        result = scrape(dataset, urls=urls, seconds=10, now=lambda: NOON)
        assert result.failed == ()
        if result.unseeded == 0 and all(answer.known for answer in result.trackers):
            break
        time.sleep(0.1)
    assert numbers(rows_of(dataset)[known.path]) == (1, 0, 0, NOON)
    unknown = f"udp://127.0.0.1:{free_port()}/announce"
    result = scrape(dataset, urls=[*urls, unknown], seconds=10)
    assert [answer.tracker for answer in result.failed] == [unknown]
    assert numbers(rows_of(dataset)[known.path])[:3] == (1, 0, 0)
