"""A release is opened once, its documents come whole or not at all, and a second command hardly asks for anything."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncGenerator, Iterable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests import signing
from tagswarm.manifests.errors import (
    IncompleteBuild,
    IntegrityError,
    InvalidDocument,
    SignatureInvalid,
    StoreError,
    TagswarmError,
    TransportError,
    TrustError,
    UnknownKey,
    UnsafePath,
)
from tagswarm.manifests.events import Event, Notice, StepFinished, StepStarted
from tagswarm.manifests.models import ROOT_LIMIT, Keys, Object, Withdrawal
from tagswarm.manifests.statements import Statement
from tagswarm.mirror.catalog import open_release
from tagswarm.mirror.memory import Memory
from tagswarm.mirror.snapshot import CHAIN_LIMIT
from tagswarm.mirror.transports.base import Arrived, Failed, Item, Reason
from tagswarm.mirror.transports.http import HttpSource
from tagswarm.mirror.transports.local import LocalSource
from tagswarm.mirror.trusted import Trusted
from tagswarm.release.sign import sign
from tests.attacks.upstream import (
    MALLORY,
    A,
    B,
    C,
    History,
    Tree,
    Upstream,
    guarded,
    hurried,
    put_keys,
    put_root,
    resign,
    root_of,
    root_path,
    simple,
    tree_of,
    unsigned,
)
from tests.attacks.victim import TODAY, Victim
from tests.publisher import DATASET_ID, SITE, small

README = "releases/2027/README.md"


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return simple(tmp_path_factory.mktemp("history") / "data")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset on the disk with two signed releases, torrents and a withdrawn post."""
    path = tmp_path_factory.mktemp("dataset")
    publisher = small(path, [A], torrents=True)
    sign(path, [A])
    publisher.config("2027", [A])
    taken = Withdrawal(site=SITE, id=7, action="withdrawn", reason="asked for", release="2027")
    publisher.release("2027", withdrawn=[taken])
    sign(path, [A])
    return path


@pytest.fixture
def client(tmp_path: Path) -> Victim:
    return Victim(tmp_path / "client")


def document(opened: Trusted, path: str = README, **options: bool) -> bytes:
    return asyncio.run(opened.document(item_of(opened, path), **options)).read_bytes()


def item_of(opened: Trusted, path: str) -> Object:
    return next(item for item in opened.root.all_objects() if item.path == path)


# What is opened, and what it rests on


def test_first_use_then_remembered_then_given(client: Victim, history: History) -> None:
    first = client.opens(history["2027"])
    assert (first.release, first.trust, first.signers) == ("2027", "first-use", (A.public.name,))
    assert "trusted on first use" in first.notes[0]
    assert (first.dataset_id, first.keys) == (DATASET_ID, (A.public.line,))
    second = client.opens(history["2027"])
    assert (second.trust, second.notes) == ("remembered", ())
    assert second.root_sha256 == first.root_sha256
    assert client.opens(history["2027"], keys=[A.public]).trust == "given"
    known = client.remembers.of(DATASET_ID)
    assert known is not None
    assert (known.name, known.first_seen, known.last_seen) == ("small", TODAY, TODAY)
    assert known.addresses == ["https://upstream.example/small"]
    assert [(root.release, root.sequence) for root in known.roots] == [("2027", 2)]


def test_an_older_release_is_opened_by_its_name_and_told_to_be_one(client: Victim, history: History) -> None:
    client.opens(history["2029"])
    opened = client.opens(history["2029"], release="2028")
    assert opened.release == "2028"
    assert "release 2029 is newer than 2028" in opened.notes
    assert client.opens(history["2029"]).release == "2029"
    known = client.remembers.of(DATASET_ID)
    assert known is not None
    assert [root.release for root in known.roots] == ["2028", "2029"]


def test_an_older_release_of_retired_keys_is_reached_through_the_newer_ones(client: Victim, history: History) -> None:
    source = Upstream(history["2029"])
    opened = client.opens(source, release="2026")
    assert (opened.release, opened.trust) == ("2026", "chain")
    assert any("retired" in note for note in opened.notes)
    broken = history["2029"]
    del broken[root_path("2028")]
    with pytest.raises(TagswarmError) as failure:
        Victim(client.folder / "other").opens(broken, release="2026")
    assert "/tmp" not in failure.value.message


def test_an_endless_chain_of_roots_is_left(client: Victim, history: History) -> None:
    """A stolen key names one root before the other, each larger than it must be."""
    tree = history["2027"]
    root = root_of(tree, "2027")
    waiver = {"finding": "x", "reason": "y" * 1_000_000, "count": 1}
    before = None
    for number in range(1, 150):
        values = {"release": f"r{number}", "sequence": number, "previous": before, "waivers": [waiver], "volumes": []}
        made = type(root).model_validate(root.model_dump() | values)
        tree[root_path(f"r{number}")] = made.render()
        digest = hashlib.sha256(tree[root_path(f"r{number}")]).hexdigest()
        before = {"release": f"r{number}", "sequence": number, "root_sha256": digest}
    put_root(tree, made, A)
    source = Upstream(tree)
    with pytest.raises(TagswarmError):
        client.opens(source, release="r1")
    assert source.taken < 2 * (CHAIN_LIMIT + ROOT_LIMIT)  # it is asked twice


def test_an_unsigned_release_is_pinned_and_said_to_be_unsigned(
    client: Victim, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = unsigned(tmp_path_factory.mktemp("unsigned") / "data")
    opened = client.opens(bare["2026"])
    assert (opened.trust, opened.keys) == ("unsigned", ())
    assert any(note.startswith("UNSIGNED") for note in opened.notes)
    assert any(note.startswith("pinned on first use") for note in opened.notes)
    assert not any("pinned" in note or "not seen" in note for note in client.opens(bare["2026"]).notes[1:])
    forged = bare["2026"]
    root = root_of(forged, "2026").model_copy(update={"generator": "mallory"})
    put_root(forged, root, MALLORY)
    for path in [path for path in forged if path.endswith(".minisig")]:
        del forged[path]
    with pytest.raises(SignatureInvalid, match="was seen"):
        client.opens(forged)
    assert any("not seen before" in note for note in client.opens(bare["2027"]).notes)
    signed = client.opens(bare["2028"])
    assert signed.trust == "first-use"
    assert any("signed for the first time" in note for note in signed.notes)
    with pytest.raises(TrustError):
        client.opens(bare["2027"])


def test_a_pin_holds_an_unsigned_release(client: Victim, tmp_path_factory: pytest.TempPathFactory) -> None:
    bare = unsigned(tmp_path_factory.mktemp("unsigned") / "data")
    digest = client.opens(bare["2026"]).root_sha256
    other = Victim(client.folder / "other")
    assert other.opens(bare["2026"], pin=digest).trust == "pinned"
    with pytest.raises(SignatureInvalid, match="pinned"):
        Victim(client.folder / "third").opens(bare["2027"], pin=digest)
    with pytest.raises(InvalidDocument, match="no SHA-256"):
        client.opens(bare["2026"], pin="zz")


def test_the_wrong_key_is_refused(client: Victim, history: History) -> None:
    with pytest.raises(UnknownKey, match="none of the given keys"):
        client.opens(history["2027"], keys=[MALLORY.public])
    assert not client.remembers.datasets


def test_a_key_added_for_an_address_is_needed_there(client: Victim, history: History) -> None:
    client.memory.change(lambda now: now.vouched("https://upstream.example/small", MALLORY.public.line))
    with pytest.raises(UnknownKey):
        client.opens(history["2027"])
    client.memory.change(lambda now: now.removed("https://upstream.example/small"))
    client.memory.change(lambda now: now.vouched("https://upstream.example/small", A.public.line))
    opened = client.opens(history["2027"])
    assert opened.trust == "given"
    assert client.remembers.find("small").added == [A.public.line]
    assert client.opens(history["2029"]).trust == "remembered"


def test_a_key_added_for_a_dataset_is_needed_before_it_is_seen(client: Victim, history: History) -> None:
    client.memory.change(lambda now: now.vouched(DATASET_ID, MALLORY.public.line))
    with pytest.raises(UnknownKey):
        client.opens(history["2027"])


def test_two_signatures_are_found_where_two_are_needed(
    client: Victim, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = guarded(tmp_path_factory.mktemp("guarded") / "data")
    assert client.opens(found["2026"]).signers == (A.public.name, B.public.name)
    assert len(client.opens(found["2027"]).signers) == 3
    tree = found["2026"]
    del tree[f"{root_path('2026')}.{B.public.name}.minisig"]
    with pytest.raises(SignatureInvalid, match="1 of 2"):
        Victim(client.folder / "other").opens(tree)


def test_a_reset_makes_it_the_first_use_again(client: Victim, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = hurried(tmp_path_factory.mktemp("hurried") / "data")
    client.opens(found["2026"])
    with pytest.raises(UnknownKey) as failure:
        client.opens(found["2028"])
    assert "trust add" in failure.value.hint
    client.memory.change(lambda now: now.reset("small"))
    opened = client.opens(found["2028"])
    assert (opened.trust, opened.signers) == ("first-use", (C.public.name,))


def test_a_damaged_memory_stops_everything(client: Victim, history: History) -> None:
    client.opens(history["2027"])
    client.memory.path.write_bytes(b"{")
    with pytest.raises(InvalidDocument, match=r"trust\.json"):
        client.opens(history["2027"])


def test_a_memory_that_cannot_be_written_is_told_and_does_not_stop(client: Victim, history: History) -> None:
    said: list[Event] = []
    (client.folder).mkdir()
    (client.folder / "file").write_bytes(b"")
    opened = client.opens(history["2027"], memory=Memory(client.folder / "file" / "trust.json"), report=said.append)
    assert opened.release == "2027"
    assert any(isinstance(event, Notice) and "could not be remembered" in event.message for event in said)


# What is asked for


def test_a_second_command_asks_for_latest_and_its_signature_only(client: Victim, history: History) -> None:
    first = Upstream(history["2027"])
    document(client.opens(first))
    assert root_path("2027") in first.asked
    second = Upstream(history["2027"])
    opened = client.opens(second)
    assert document(opened) == b"# 2027\n"
    assert second.asked == ["latest.json", "latest.json.minisig"]
    client.opens(second, release="2026")
    third = Upstream(history["2027"])
    client.opens(third, release="2026")
    client.opens(third)
    assert third.asked == ["latest.json", "latest.json.minisig"] * 2


def test_a_new_release_is_noticed(client: Victim, history: History) -> None:
    for release in sorted(history.states):
        assert client.opens(history[release]).release == release


def test_offline_nothing_is_asked_for(client: Victim, history: History) -> None:
    with pytest.raises(TransportError, match="nothing of it is in the cache") as failure:
        client.opens(history["2027"], offline=True)
    assert "--offline" in failure.value.hint
    document(client.opens(history["2027"]))
    silent = Upstream({})
    opened = client.opens(silent, offline=True)
    assert document(opened) == b"# 2027\n"
    with pytest.raises(TransportError, match="not in the cache"):
        document(opened, "releases/2027/withdrawn.jsonl")
    with pytest.raises(TransportError, match="release 2026 of it"):
        client.opens(silent, offline=True, release="2026")
    assert silent.asked == []


def test_offline_an_old_state_of_one_address_is_told_and_used(client: Victim, history: History) -> None:
    client.opens(Upstream(history["2026"], "https://old.example"))
    client.opens(history["2027"])
    opened = client.opens(Upstream({}, "https://old.example"), offline=True)
    assert opened.release == "2026"
    assert any("2027, was seen before" in note for note in opened.notes)


def test_an_older_release_of_retired_keys_is_opened_again_where_it_was_believed(
    client: Victim, history: History
) -> None:
    """A mirror that stayed behind when the key was replaced; the newer ones were seen elsewhere."""
    behind = Upstream(history["2027"], "https://behind.example")
    first = client.opens(behind)
    client.opens(history["2029"])
    with pytest.raises(TrustError, match="was seen before") as failure:
        client.opens(behind)
    assert "--release 2027" in failure.value.hint
    for again in (client.opens(behind, release="2027"), client.opens(behind, offline=True)):
        assert (again.root_sha256, again.trust, again.signers) == (first.root_sha256, "remembered", first.signers)
        assert any("2029, was seen before" in note for note in again.notes)
        assert document(again) == b"# 2027\n"
    with pytest.raises(TrustError):
        client.opens(behind, release="2026")  # never seen, and only retired keys vouch for it
    forged = history["2027"]
    put_root(forged, root_of(forged, "2027").model_copy(update={"generator": "mallory"}), A)
    client.empty_cache()
    with pytest.raises(TrustError):
        client.opens(Upstream(forged, "https://behind.example"), release="2027")


def test_an_unknown_dataset_among_sources_of_a_known_one_is_left_out(client: Victim, history: History) -> None:
    client.opens(history["2027"])
    tree = history["2027"]
    root = root_of(tree, "2027")
    other = root.model_copy(update={"dataset": root.dataset.model_copy(update={"id": "f" * 32}), "sequence": 99})
    put_root(tree, other, MALLORY)
    put_keys(tree, Keys(dataset_id="f" * 32, version=1, keys=[MALLORY.public.line]), [MALLORY])
    stranger = Upstream(tree, "https://stranger.example")
    opened = client.opens(stranger, history["2027"])
    assert (opened.dataset_id, opened.release) == (DATASET_ID, "2027")
    assert f"not used: https://stranger.example: is dataset {'f' * 32}" in opened.notes
    with pytest.raises(SignatureInvalid, match="different datasets"):
        Victim(client.folder / "new").opens(stranger, history["2027"])


def test_an_address_that_ends_in_a_slash_is_the_same(client: Victim, history: History) -> None:
    client.opens(history["2027"])
    with pytest.raises(TrustError):
        client.opens(Upstream(history["2026"], "https://upstream.example/small/"))


def test_what_does_not_answer_is_told(client: Victim, history: History) -> None:
    class Down(Upstream):
        async def read(self, path: str, *, limit: int) -> bytes | None:
            raise TransportError(f"{self.address}: no answer")

    with pytest.raises(TransportError, match="no answer"):
        client.opens(Down({}))
    opened = client.opens(Down({}, "https://down.example"), history["2027"])
    assert opened.release == "2027"
    assert "not used: https://down.example: no answer" in opened.notes
    with pytest.raises(IncompleteBuild, match=r"https://upstream\.example/small: there is no latest\.json"):
        client.opens(Upstream({}))
    with pytest.raises(IncompleteBuild, match=r"release 2025: there is no releases/2025/release\.json"):
        client.opens(history["2027"], release="2025")
    for name in ("../2027", "", "con", "a/b"):
        with pytest.raises(TagswarmError):
            client.opens(history["2027"], release=name)


# Several sources


def test_the_newest_of_several_wins_and_the_others_are_told(client: Victim, history: History) -> None:
    one, two = Upstream(history["2026"], "https://one.example"), Upstream(history["2027"], "https://two.example")
    opened = client.opens(one, two)
    assert (opened.release, opened.address) == ("2027", "https://two.example")
    assert "https://one.example is behind: release 2026 is the newest there" in opened.notes
    known = client.remembers.of(DATASET_ID)
    assert known is not None
    assert known.addresses == ["https://one.example", "https://two.example"]


def test_an_older_release_comes_from_whoever_has_it(client: Victim, history: History) -> None:
    lacking = history["2027"]
    del lacking[root_path("2026")]
    opened = client.opens(Upstream(lacking, "https://one.example"), history["2027"], release="2026")
    assert opened.release == "2026"


def test_sources_with_other_keys_are_refused_at_first_use(client: Victim, history: History) -> None:
    forged = history["2027"]
    root = root_of(forged, "2027").model_copy(update={"sequence": 99, "release": "2099"})
    put_root(forged, root, MALLORY)
    put_keys(forged, Keys(dataset_id=DATASET_ID, version=5, keys=[MALLORY.public.line]), [MALLORY])
    for shown in ((forged, history["2027"]), (history["2027"], forged)):
        places = [Upstream(tree, f"https://{number}.example") for number, tree in enumerate(shown)]
        with pytest.raises(UnknownKey, match="show different keys"):
            client.opens(*places)
        assert not client.remembers.datasets
        assert client.opens(*places, keys=[A.public], memory=Memory(client.folder / "x")).release == "2027"
        shutil.rmtree(client.folder)


def test_sources_in_the_middle_of_a_key_exchange_agree(client: Victim, history: History) -> None:
    one, two = Upstream(history["2027"], "https://one.example"), Upstream(history["2028"], "https://two.example")
    assert client.opens(one, two).release == "2028"


def test_sources_that_contradict_each_other_are_refused(client: Victim, history: History) -> None:
    """Both are signed by the key that was given: it was stolen, or its owner signs two truths."""
    forged = history["2027"]
    put_root(forged, root_of(forged, "2027").model_copy(update={"generator": "mallory"}), A)
    places = [Upstream(forged, "https://one.example"), Upstream(history["2027"])]
    with pytest.raises(SignatureInvalid, match="different releases with the sequence 2"):
        client.opens(*places, keys=[A.public])


# Documents


def test_documents_by_their_uses(client: Victim, dataset: Path) -> None:
    opened = client.opens(Upstream(tree_of(dataset)))
    withdrawn = asyncio.run(opened.withdrawn())
    assert withdrawn.posts == frozenset({(SITE, 7)})
    torrent = asyncio.run(opened.torrent("original-2026-0000"))
    assert torrent == (dataset / "volumes/original-2026-0000.torrent").read_bytes()
    with pytest.raises(IncompleteBuild, match="no torrent of nothing"):
        asyncio.run(opened.torrent("nothing"))
    with pytest.raises(IncompleteBuild, match=r"has no files/nothing\.parquet"):
        asyncio.run(opened.file_table("nothing"))


def test_the_index_and_the_file_tables_are_documents(client: Victim, history: History) -> None:
    tree = history["2027"]
    names = ("releases/2027/index.sqlite", "releases/2027/files/original.parquet")
    objects = []
    for path in names:
        tree[path] = path.encode()
        digest = hashlib.sha256(tree[path]).hexdigest()
        objects.append(Object(path=path, size=len(tree[path]), sha256=digest))
    root = root_of(tree, "2027")
    put_root(tree, root.model_copy(update={"objects": objects}), A)
    opened = client.opens(tree)
    assert asyncio.run(opened.index()).read_bytes() == names[0].encode()
    assert asyncio.run(opened.file_table("original")).read_bytes() == names[1].encode()
    assert asyncio.run(opened.withdrawn()).posts == frozenset()
    put_root(tree, root.model_copy(update={"objects": []}), A)
    with pytest.raises(IncompleteBuild, match=r"has no index\.sqlite"):
        asyncio.run(Victim(client.folder / "other").opens(tree).index())


def test_a_document_is_shared_between_releases_addresses_and_projects(client: Victim, history: History) -> None:
    document(client.opens(history["2027"]), "volumes/original-2026-0000.sha256")
    other = Upstream(history["2027"], "https://other.example")
    opened = client.opens(other, memory=Memory(client.folder / "other.json"), release="2026")
    document(opened, "volumes/original-2026-0000.sha256")
    assert "volumes/original-2026-0000.sha256" not in other.asked


def changed(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    "path", [README, "volumes/original-2026-0000.jsonl.zst", "releases/2027/metadata/posts.parquet"]
)
def test_a_document_that_is_another_is_refused_and_asked_for_elsewhere(
    client: Victim, history: History, path: str
) -> None:
    hostile = Upstream(history["2027"], "https://hostile.example")
    hostile.tree[path] = changed(hostile.tree[path])
    opened = client.opens(hostile)
    with pytest.raises(IntegrityError, match="not what the release names"):
        document(opened, path)
    assert hostile.asked.count(path) == 2
    assert client.cache.find(item_of(opened, path)) is None
    both = client.opens(hostile, history["2027"])
    assert document(both, path) == history["2027"][path]
    assert not list((client.cache.folder / "staging").iterdir())


def test_a_document_that_is_missing_cut_or_longer(client: Victim, history: History) -> None:
    source = Upstream(history["2027"])
    opened = client.opens(source)
    del source.tree[README]
    with pytest.raises(TransportError, match=r"no source has it: https://upstream\.example/small: missing"):
        document(opened)
    assert source.asked.count(README) == 1  # it said that it has none
    source.tree[README] = b"# 202"
    with pytest.raises(TransportError, match="cut"):
        document(opened)
    source.tree[README] = b"# 2027\n" + b"x" * 10_000_000
    assert document(opened) == b"# 2027\n"  # no more than the release says was taken
    assert source.taken < 1_000_000


def test_a_transport_that_delivers_too_much_is_not_believed(client: Victim, history: History) -> None:
    class Generous(Upstream):
        async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
            for item in items:
                (staging / "x").write_bytes(self.tree[item.path] + b"more")
                yield Arrived(item, staging / "x")

    with pytest.raises(IntegrityError, match="expected 7 bytes, found 11"):
        document(client.opens(Generous(history["2027"])))


@pytest.mark.parametrize("reason", ["unreachable", "stalled", "cut", "damaged", "refused", "missing", "disk"])
def test_every_reason_is_named(client: Victim, history: History, reason: Reason) -> None:
    class Failing(Upstream):
        async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
            for item in items:
                self.asked.append(item.path)
                yield Failed(item, reason, "as it happens")

    source = Failing(history["2027"])
    opened = client.opens(source)
    with pytest.raises(StoreError if reason == "disk" else TransportError, match="as it happens"):
        document(opened)
    assert source.asked.count(README) == (1 if reason in ("refused", "missing", "disk") else 2)


@pytest.mark.parametrize("path", ["../../x", "/etc/passwd", "a\\b", "con", "releases/2027/x\n", "C:/x"])
def test_a_document_whose_name_leaves_the_tree_is_refused(client: Victim, history: History, path: str) -> None:
    """Even where the key of the maintainer was stolen."""
    tree = history["2027"]
    root = root_of(tree, "2027")
    item = Object(path=path, size=1, sha256="0" * 64)
    put_root(tree, root.model_copy(update={"objects": [item]}), A)
    opened = client.opens(tree)
    with pytest.raises(UnsafePath):
        document(opened, path)


def test_what_was_damaged_in_the_cache_is_fetched_again(client: Victim, history: History) -> None:
    source = Upstream(history["2027"])
    opened = client.opens(source)
    place = asyncio.run(opened.document(item_of(opened, README)))
    place.write_bytes(b"# 2026\n")
    assert document(opened) == b"# 2027\n"
    assert source.asked.count(README) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_in_the_cache_changes_nothing(client: Victim, history: History, data: st.DataObject) -> None:
    opened = client.opens(history["2027"])
    good = (opened.root_sha256, document(opened))
    files = sorted(path for path in client.cache.folder.rglob("*") if path.is_file())
    damaged = data.draw(st.sampled_from(files))
    text = bytearray(damaged.read_bytes())
    if text and data.draw(st.booleans()):
        text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        text = text[: len(text) // 2]
    damaged.write_bytes(text)
    opened = client.opens(history["2027"])
    assert (opened.root_sha256, document(opened)) == good


def test_two_at_once_fetch_a_document_once(client: Victim, history: History) -> None:
    said: list[Event] = []

    class Slow(Upstream):
        async def fetch(self, items: Iterable[Item], staging: Path) -> AsyncGenerator[Arrived | Failed, None]:
            await asyncio.sleep(0.1)
            async for outcome in super().fetch(items, staging):
                yield outcome

    source = Slow(history["2027"])
    opened = client.opens(source, report=said.append)

    async def twice() -> None:
        item = item_of(opened, README)
        places = await asyncio.gather(*(opened.document(item) for _ in range(3)))
        assert len(set(places)) == 1

    asyncio.run(twice())
    assert source.asked.count(README) == 1
    assert sum(isinstance(event, Notice) for event in said) == 2
    assert [event for event in said if not isinstance(event, Notice)] == [
        StepStarted("fetch README.md", 1, "documents", 7),
        StepFinished("fetch README.md", 1, 7),
    ]


def test_an_item_that_is_no_object_of_the_release_is_still_verified(client: Victim, history: History) -> None:
    source = Upstream(history["2027"])
    opened = client.opens(source)
    item = Object(path=README, size=7, sha256="0" * 64)
    with pytest.raises(IntegrityError):
        asyncio.run(opened.document(item))


# A folder of this machine


def test_a_folder_is_used_in_place(client: Victim, dataset: Path) -> None:
    opened = client.opens(dataset)
    assert (opened.release, opened.trust, opened.address) == ("2027", "first-use", str(dataset))
    assert asyncio.run(opened.document(item_of(opened, README))) == dataset / README
    assert not (client.cache.folder / "sha256").exists()
    assert client.opens(dataset, offline=True).trust == "remembered"


def test_damage_in_a_folder_is_found_and_mended_from_elsewhere(client: Victim, dataset: Path, tmp_path: Path) -> None:
    tree = Path(shutil.copytree(dataset, tmp_path / "tree"))
    opened = client.opens(tree)
    assert document(opened) == b"# 2027\n"
    (tree / README).write_bytes(b"# 2026\n")
    with pytest.raises(IntegrityError):
        document(opened)
    both = client.opens(tree, Upstream(tree_of(dataset)))
    assert document(both) == b"# 2027\n"
    path = "releases/2027/withdrawn.jsonl"
    (tree / path).unlink()
    with pytest.raises(StoreError):
        document(opened, path)
    (tree / path).symlink_to(dataset / path)
    with pytest.raises(StoreError):
        document(opened, path)


def test_a_folder_without_latest_opens_its_highest_release(client: Victim, dataset: Path, tmp_path: Path) -> None:
    tree = Path(shutil.copytree(dataset, tmp_path / "tree"))
    for path in tree.glob("latest.json*"):
        path.unlink()
    opened = client.opens(tree)
    assert (opened.release, opened.trust) == ("2027", "first-use")
    shutil.rmtree(tree / "releases/2027")
    with pytest.raises(TrustError, match="seen before"):
        client.opens(tree)
    assert client.opens(tree, release="2026").release == "2026"
    (tree / "keys.json").unlink()
    (tree / "keys.json.minisig").unlink()
    assert client.opens(tree, release="2026").trust == "remembered"  # by the keys that are known


def test_a_folder_and_a_link_in_it(client: Victim, dataset: Path, tmp_path: Path) -> None:
    tree = Path(shutil.copytree(dataset, tmp_path / "tree"))
    (tree / "latest.json").rename(tree / "elsewhere")
    (tree / "latest.json").symlink_to("elsewhere")
    with pytest.raises(TagswarmError):
        client.opens(tree)
    with pytest.raises(TagswarmError):
        client.opens(tmp_path / "nowhere")


def test_a_local_source_is_copied_into_the_cache(client: Victim, dataset: Path) -> None:
    opened = client.opens(LocalSource(dataset))
    place = asyncio.run(opened.document(item_of(opened, README)))
    assert place.is_relative_to(client.cache.folder)
    linked = client.opens(LocalSource(dataset, link=True))
    other = asyncio.run(linked.document(item_of(linked, "releases/2027/withdrawn.jsonl")))
    assert not other.samefile(dataset / "releases/2027/withdrawn.jsonl")


# A web server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder on a web server of this machine, its address, and what is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            asked.append(self.path)

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def write(folder: Path, tree: Tree) -> None:
    for path, data in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def over_http(client: Victim, address: str, path: str) -> tuple[Trusted, bytes]:
    async def run() -> tuple[Trusted, bytes]:
        source = HttpSource(address)
        try:
            opened = await open_release(source, cache=client.cache, memory=client.memory, today=TODAY)
            return opened, (await opened.document(item_of(opened, path))).read_bytes()
        finally:
            await source.aclose()

    return asyncio.run(run())


def test_a_release_on_a_web_server(client: Victim, history: History, served: tuple[Path, str, list[str]]) -> None:
    folder, address, asked = served
    path = "volumes/original-2026-0000.sha256"
    write(folder, history["2027"])
    opened, data = over_http(client, address, path)
    assert (opened.release, opened.trust, data) == ("2027", "first-use", history["2027"][path])
    asked.clear()
    opened, data = over_http(client, address, path)
    assert (opened.trust, data) == ("remembered", history["2027"][path])
    assert asked == ["/latest.json", "/latest.json.minisig"]
    write(folder, history["2028"])
    assert over_http(client, address, path)[0].release == "2028"
    shutil.rmtree(folder)
    write(folder, history["2027"])
    with pytest.raises(TrustError, match="was seen before"):
        over_http(client, address, path)


def test_a_web_server_with_a_damaged_document(
    client: Victim, history: History, served: tuple[Path, str, list[str]]
) -> None:
    folder, address, asked = served
    path = "volumes/original-2026-0000.sha256"
    write(folder, history["2027"])
    (folder / path).write_bytes(changed(history["2027"][path]))
    with pytest.raises(IntegrityError):
        over_http(client, address, path)
    assert asked.count(f"/{path}") == 2
    (folder / path).write_bytes(history["2027"][path])
    assert over_http(client, address, path)[1] == history["2027"][path]


def test_resign_is_what_it_says(history: History) -> None:
    """The harness itself: what it signs holds, so that a refusal is one of the attack."""
    tree = history["2027"]
    root = root_of(tree, "2027")
    said = Statement.of_root(root, tree[root_path("2027")])
    resign(tree, root_path("2027"), A, said)
    assert signing.verify([A.public], tree[root_path("2027")], tree[root_path("2027") + ".minisig"])
