"""The torrents of real builds: what libtorrent makes of them, and what a later release leaves alone."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any

import libtorrent
import pytest

from tagswarm.manifests import codec, paths, torrentfile, torrentlint, torrentlist
from tagswarm.manifests.errors import AuditFailed, ConfigInvalid, DigestMismatch, ReleaseError, SizeMismatch
from tagswarm.manifests.events import Event, Notice, StepFinished
from tagswarm.manifests.models import Object, VolumeEntry
from tagswarm.manifests.torrentfile import Torrent
from tagswarm.manifests.torrentlint import Lint
from tagswarm.mirror.verify import verify
from tagswarm.release import compat, rereading, torrents
from tagswarm.release.build import build
from tagswarm.release.journal import Journal
from tagswarm.release.sign import sign
from tests.collection import Collection
from tests.release.test_build import _without_loose_ends, entries_of, manifest, root_of, snapshot

LINKS = """
[torrents]
trackers = ["udp://one.example:6969/announce", "https://two.example/announce"]
web_seeds = ["https://files.example/mirror/test/"]
"""
COMPAT = '[torrents]\ncompat = ["512px", "original"]\n'
TABLE = '\n[[renditions]]\nname = "512px"\n[renditions.volumes]\n{}\n'


def configure(collection: Collection, name: str = "2025", links: str = LINKS, volumes: str = "") -> None:
    collection.write_config(name=name, renditions=[] if volumes else ["512px"])
    with (collection.root / "release.toml").open("a") as file:
        file.write((TABLE.format(volumes) if volumes else "") + links)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    made = Collection.make(tmp_path / "set", 40, buckets=4)
    configure(made)
    return made


def torrent(dataset: Path, volume: VolumeEntry, *, compat: bool = False) -> Torrent:
    item = volume.compat if compat else volume.torrent
    assert item is not None
    return torrentfile.parse((dataset / item.path).read_bytes())


def bundle(dataset: Path, release: str) -> dict[str, bytes]:
    """The members of torrents.tar.zst by name."""
    packed = (dataset / f"releases/{release}/torrents.tar.zst").read_bytes()
    plain = b"".join(codec.decompress(io.BytesIO(packed), limit=1 << 30))
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == sorted(member.name for member in members)
        assert {(member.mtime, member.uid, member.uname) for member in members} <= {(0, 0, "")}
        found = {}
        for member in members:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.removeprefix("torrents/")] = file.read()
    return found


def checked(torrents: list[Path], folder: Path) -> list[float]:
    """How much of the payload libtorrent finds below a folder, as a share of 1, when it reads every file."""
    quiet = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False}
    settings: Any = {**quiet, "listen_interfaces": "", "webtorrent_stun_server": "", "alert_mask": 0}
    session = libtorrent.session(settings)
    handles = []
    for path in torrents:
        parameters = libtorrent.load_torrent_file(str(path))
        assert not parameters.renamed_files
        parameters.save_path = str(folder)
        parameters.flags &= ~libtorrent.torrent_flags.auto_managed & ~libtorrent.torrent_flags.paused
        handles.append(session.add_torrent(parameters))
    shares = []
    for handle in handles:
        for _ in range(1000):
            status = handle.status()
            if status.state in (status.states.seeding, status.states.finished, status.states.downloading):
                break
            time.sleep(0.01)
        assert not status.errc.value(), status.errc.message()
        shares.append(status.progress)
    return shares


def named(dataset: Path, tmp_path: Path) -> Path:
    """A folder in which the dataset has its name."""
    folder = tmp_path / "named"
    folder.mkdir()
    shutil.copytree(dataset, folder / "test", ignore=shutil.ignore_patterns(".tagswarm"))
    return folder


LAYOUTS = ["", 'layout = "zip"\narchive_files = 7', 'layout = "tar"\narchive_files = 7']


@pytest.mark.parametrize("volumes", LAYOUTS)
def test_libtorrent_finds_every_volume_whole(collection: Collection, tmp_path: Path, volumes: str) -> None:
    configure(collection, links=LINKS + 'compat = ["512px", "original"]\n', volumes=volumes)
    build(collection.root)
    root = root_of(collection.root, "2025")
    folder = named(collection.root, tmp_path)
    listed = [item for volume in root.volumes for item in (volume.torrent, volume.compat) if item is not None]
    assert len(listed) == 2 * len(root.volumes)
    assert checked([folder / "test" / item.path for item in listed], folder) == [1.0] * len(listed)
    victim = folder / "test" / manifest(collection.root, root.volumes[0].manifest.path)[1][0].path
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    damaged = root.volumes[0].torrent
    assert damaged is not None
    assert checked([folder / "test" / damaged.path], folder)[0] < 1.0


def test_a_torrent_lists_the_files_of_its_manifest(collection: Collection) -> None:
    build(collection.root)
    for volume in root_of(collection.root, "2025").volumes:
        header, entries = manifest(collection.root, volume.manifest.path)
        found = torrent(collection.root, volume)
        files = [entry for entry in found.entries if not entry.pad]
        assert [(f.path, f.size, f.root and f.root.hex()) for f in files] == [(e.path, e.size, e.root) for e in entries]
        assert (found.name, found.version, found.private) == ("test", "hybrid", False)
        assert found.piece_length == header.piece_length
        assert found.links == torrentfile.Links(
            trackers=(("udp://one.example:6969/announce",), ("https://two.example/announce",)),
            web_seeds=("https://files.example/mirror/",),
            collections=(f"test-{volume.name}",),
            comment=f"test: {volume.name}",
            created_by="tagswarm",
        )
        assert torrents.read(collection.root, volume) == found


def test_nothing_of_the_release_is_inside_the_infohash(collection: Collection, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(collection.root, other)
    build(collection.root, workers=1)
    plain = Collection(other, collection.last, collection.posts)
    configure(plain, links="")
    path = other / "release.toml"
    path.write_text(
        path.read_text().replace('name = "test"', 'name = "test"\ntitle = "A title"').replace("06-30", "07-01")
    )
    build(other, workers=3)
    for one, two in zip(root_of(collection.root, "2025").volumes, root_of(other, "2025").volumes, strict=True):
        first, second = torrent(collection.root, one), torrent(other, two)
        assert first.info == second.info
        assert (second.links.trackers, second.links.web_seeds) == ((), ())
        assert second.links.comment == f"A title: {two.name}"


def test_the_bundle_holds_every_torrent_of_the_release(collection: Collection) -> None:
    configure(collection, links=LINKS + 'compat = ["512px"]\n')
    build(collection.root)
    root = root_of(collection.root, "2025")
    listed = [item for volume in root.volumes for item in (volume.torrent, volume.compat) if item is not None]
    there = {item.path.removeprefix("volumes/"): (collection.root / item.path).read_bytes() for item in listed}
    assert bundle(collection.root, "2025") == there
    assert "releases/2025/torrents.tar.zst" in {item.path for item in root.objects}


def halve(collection: Collection) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Take half of the posts away, and say what they were."""
    later = collection.posts[len(collection.posts) // 2 :]
    kept = {collection.path(row): collection.read(collection.path(row)) for row in later}
    for path in kept:
        (collection.root / path).unlink()
    collection.posts = collection.posts[: len(collection.posts) // 2]
    _without_loose_ends(collection)
    return later, kept


def bring_back(collection: Collection, later: list[dict[str, Any]], kept: dict[str, bytes]) -> None:
    for path, data in kept.items():
        collection.put(path, data)
    collection.posts += later
    _without_loose_ends(collection)


def test_a_year_later_torrents_keep_their_bytes_and_the_bundle_has_the_new_trackers(collection: Collection) -> None:
    rest = halve(collection)
    build(collection.root)
    first = root_of(collection.root, "2025")
    before = snapshot(collection.root)
    bring_back(collection, *rest)
    links = LINKS.replace("one.example", "three.example").replace("mirror", "elsewhere")
    configure(collection, "2026", links)
    build(collection.root)
    second = root_of(collection.root, "2026")
    after = snapshot(collection.root)
    carried = [volume for volume in second.volumes if volume.generation == "2025"]
    assert carried == first.volumes
    assert {path: after[path] for path in before if path.startswith("volumes/")} == {
        path: digest for path, digest in before.items() if path.startswith("volumes/")
    }
    handed = bundle(collection.root, "2026")
    assert len(handed) == len(second.volumes)
    for volume in second.volumes:
        found, given = torrent(collection.root, volume), torrentfile.parse(handed[f"{volume.name}.torrent"])
        assert found.info == given.info
        assert found.entries == given.entries
        assert given.links.trackers[0] == ("udp://three.example:6969/announce",)
        assert given.links.web_seeds == ("https://files.example/elsewhere/",)
        assert (given.links.comment, given.links.collections) == (found.links.comment, found.links.collections)
        assert (found.links == given.links) == (volume.generation == "2026")


def test_a_dataset_keeps_its_name(collection: Collection) -> None:
    build(collection.root)
    configure(collection, "2026", "")
    path = collection.root / "release.toml"
    path.write_text(path.read_text().replace('name = "test"', 'name = "other"'))
    with pytest.raises(ConfigInvalid, match=r"dataset\.name: other, but published as test"):
        build(collection.root)


@pytest.mark.parametrize("volumes", LAYOUTS)
def test_a_purge_reissues_the_torrent_and_names_the_one_before(
    collection: Collection, tmp_path: Path, volumes: str
) -> None:
    withdrawals = 'withdrawals = "w.csv"\n'
    configured = collection.root / "release.toml"

    def release(name: str, *purged: int) -> list[VolumeEntry]:
        rows = "".join(f"danbooru,{post},purge,court order\n" for post in purged)
        (collection.root / "w.csv").write_text(f"site,id,action,reason\n{rows}")
        configure(collection, name, volumes=volumes)
        configured.write_text(withdrawals + configured.read_text())
        build(collection.root)
        return root_of(collection.root, name).volumes

    one, two = collection.posts[3]["id"], collection.posts[4]["id"]
    years = [release("2025"), release("2026", one), release("2027", one, two)]
    for volumes_of_year, revision in zip(years, (1, 2, 3), strict=True):
        assert {volume.revision for volume in volumes_of_year} == {revision}
    for first, second, third in zip(*years, strict=True):
        hashes = [torrent(collection.root, volume).infohash_v1 for volume in (first, second, third)]
        assert len(set(hashes)) == 3
        assert second.torrent is not None
        assert second.torrent.path == f"volumes/{second.name}.r2.torrent"
        assert torrent(collection.root, second).links.similar == (hashes[0],)
        assert torrent(collection.root, third).links.similar == (hashes[0], hashes[1])
        assert torrent(collection.root, third).links.comment == f"test: {third.name}, revision 3"
        parameters = libtorrent.load_torrent_file(str(collection.root / second.torrent.path))
        assert parameters.ti is not None
        assert [str(similar) for similar in parameters.ti.similar_torrents()] == [hashes[0]]
        assert parameters.ti.collections() == [f"test-{second.name}"]
    folder = named(collection.root, tmp_path)
    listed = [folder / "test" / v.torrent.path for v in years[2] if v.torrent is not None]
    assert checked(listed, folder) == [1.0] * len(years[2])


def test_the_journal_lost_gives_the_same_torrents(collection: Collection) -> None:
    configure(collection, links=LINKS + 'compat = ["512px"]\n')
    build(collection.root)
    before = snapshot(collection.root)
    shutil.rmtree(collection.root / ".tagswarm")
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before


def without_torrents(dataset: Path, release: str) -> None:
    """Make of a release one that was built before there were torrents."""
    root = root_of(dataset, release)
    for volume in root.volumes:
        for item in (volume.torrent, volume.compat):
            if item is not None:
                (dataset / item.path).unlink()
    stripped = [volume.model_copy(update={"torrent": None, "compat": None}) for volume in root.volumes]
    place = dataset / "releases" / release / "release.json"
    place.write_bytes(root.model_copy(update={"volumes": stripped}).render())


@pytest.mark.parametrize("volumes", LAYOUTS)
@pytest.mark.parametrize("forgotten", [False, True])
def test_volumes_from_before_there_were_torrents_get_the_same_ones(
    collection: Collection, volumes: str, *, forgotten: bool
) -> None:
    configure(collection, volumes=volumes)
    build(collection.root)
    there = {v.name: torrent(collection.root, v) for v in root_of(collection.root, "2025").volumes}
    without_torrents(collection.root, "2025")
    if forgotten:
        shutil.rmtree(collection.root / ".tagswarm")
    configure(collection, "2026", volumes=volumes)
    told: list[Event] = []
    build(collection.root, report=told.append)
    now = root_of(collection.root, "2026").volumes
    assert {v.generation for v in now} == {"2025"}
    assert {v.name: torrent(collection.root, v) for v in now} == there
    again = [event for event in told if isinstance(event, StepFinished) and event.step == "read files of older volumes"]
    assert bool(again) == forgotten
    before = snapshot(collection.root)
    told.clear()
    assert not build(collection.root, report=told.append).changed
    assert snapshot(collection.root) == before
    assert not [e for e in told if isinstance(e, StepFinished) and e.step == "read files of older volumes"]


def test_an_archive_that_a_refused_build_left_is_not_taken_for_the_published_one(collection: Collection) -> None:
    configure(collection, volumes=LAYOUTS[2])
    build(collection.root)
    without_torrents(collection.root, "2025")
    sign(collection.root, [])
    configure(collection, volumes=LAYOUTS[2].replace("7", "11"))
    with pytest.raises(ReleaseError, match="2025 is published"):
        build(collection.root)
    assert list((collection.root / ".tagswarm/archives").rglob("*.tar"))
    configure(collection, "2026", volumes=LAYOUTS[2])
    build(collection.root)
    sign(collection.root, [])
    assert all(volume.torrent is not None for volume in root_of(collection.root, "2026").volumes)
    assert verify(collection.root, workers=2).ok


@pytest.mark.parametrize(("change", "error"), [(b"", DigestMismatch), (b"more", SizeMismatch)])
def test_a_file_that_is_not_that_of_the_manifest_makes_no_torrent(
    collection: Collection, change: bytes, error: type[Exception]
) -> None:
    build(collection.root)
    without_torrents(collection.root, "2025")
    shutil.rmtree(collection.root / ".tagswarm")
    victim = min((collection.root / "512px").rglob("*.jpg"))
    data = bytearray(victim.read_bytes() + change)
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    configure(collection, "2026")
    with pytest.raises(error, match=victim.name):
        build(collection.root)
    assert not (collection.root / "releases" / "2026").exists()


def test_a_volume_whose_withdrawn_file_is_gone_gets_no_torrent_and_that_is_said(collection: Collection) -> None:
    build(collection.root)
    without_torrents(collection.root, "2025")
    gone = collection.posts[5]
    (collection.root / "w.csv").write_text(f"site,id,action,reason\ndanbooru,{gone['id']},withdraw,asked\n")
    (collection.root / collection.path(gone)).unlink()
    configure(collection, "2026", COMPAT)
    path = collection.root / "release.toml"
    path.write_text('withdrawals = "w.csv"\n' + path.read_text())
    told: list[Event] = []
    build(collection.root, report=told.append)
    have = {
        v.rendition: (v.torrent is not None, v.compat is not None) for v in root_of(collection.root, "2026").volumes
    }
    assert have == {"original": (False, False), "512px": (True, True)}
    notices = [event.message for event in told if isinstance(event, Notice)]
    assert any("gets no torrent" in message and str(gone["id"]) in message for message in notices)


def test_the_compat_torrent_is_that_of_libtorrent(collection: Collection, tmp_path: Path) -> None:
    configure(collection, links=COMPAT)
    build(collection.root)
    folder = named(collection.root, tmp_path)
    for volume in root_of(collection.root, "2025").volumes:
        header, entries = manifest(collection.root, volume.manifest.path)
        files = [
            libtorrent.create_file_entry(f"test/{e.path}", e.size)
            for e in sorted(entries, key=lambda entry: paths.sort_key(entry.path))
        ]
        made = libtorrent.create_torrent(files, header.piece_length, libtorrent.create_torrent.v1_only)
        libtorrent.set_piece_hashes(made, str(folder))
        found = torrent(collection.root, volume, compat=True)
        assert libtorrent.bencode(made.generate()[b"info"]) == found.info
        assert (found.version, [entry.pad for entry in found.entries]) == ("v1", [False] * len(entries))


def test_a_compat_torrent_is_hashed_once(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(collection, links=COMPAT)
    build(collection.root)
    with Journal(collection.root / ".tagswarm" / "journal.sqlite") as journal:
        assert journal.last_made("volumes/512px-2025-0000.compat.torrent")
    before = snapshot(collection.root)

    def never(*_: object, **__: object) -> object:
        raise AssertionError("a file was read again")

    monkeypatch.setattr(compat, "pieces", never)
    monkeypatch.setattr(rereading, "facts_of", never)
    assert not build(collection.root).changed
    assert snapshot(collection.root) == before


def test_a_published_volume_gets_a_compat_torrent_later_and_keeps_it(collection: Collection) -> None:
    build(collection.root)
    before = snapshot(collection.root)
    configure(collection, "2026", COMPAT)
    build(collection.root)
    second = root_of(collection.root, "2026").volumes
    assert all(volume.compat is not None and volume.generation == "2025" for volume in second)
    after = snapshot(collection.root)
    assert {path: after[path] for path in before if path != "release.toml"} == {
        path: digest for path, digest in before.items() if path != "release.toml"
    }
    configure(collection, "2027", "")
    build(collection.root)
    assert root_of(collection.root, "2027").volumes == second


def test_what_an_unsigned_build_added_to_older_volumes_goes_with_it(collection: Collection) -> None:
    build(collection.root)
    before = {path for path in snapshot(collection.root) if path.startswith("volumes/")}
    configure(collection, "2026", COMPAT)
    build(collection.root)
    configure(collection, "2026")
    build(collection.root)
    assert {path for path in snapshot(collection.root) if path.startswith("volumes/")} == before


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_is_not_as_it_was_is_read_whole_before_a_compat_torrent(
    collection: Collection, *, damaged: bool
) -> None:
    build(collection.root)
    victim = min((collection.root / "512px").rglob("*.jpg"))
    data = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(data[:-1] + b"!" if damaged else data)  # another inode
    configure(collection, "2026", COMPAT)
    told: list[Event] = []
    if damaged:
        with pytest.raises(DigestMismatch, match=victim.name):
            build(collection.root)
        return
    build(collection.root, report=told.append)
    again = [event for event in told if isinstance(event, StepFinished) and event.step == "read files of older volumes"]
    assert [event.done for event in again] == [1]


def test_a_lint_blocks_the_build_unless_it_is_waived(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    lint = torrentlint.lint

    def strict(found: Torrent, size: int) -> Any:
        yield from lint(found, size)
        if found.piece_length == 1 << 20:
            yield Lint("torrent-too-large", "has more bytes than this test allows")

    monkeypatch.setattr(torrentlint, "lint", strict)
    with pytest.raises(AuditFailed, match="torrent-too-large") as refused:
        build(collection.root)
    assert refused.value.findings == ("torrent-too-large",)
    assert not (collection.root / "releases").exists()
    assert not (collection.root / "volumes").exists()
    with (collection.root / "release.toml").open("a") as file:
        file.write('\n[[waivers]]\nfinding = "torrent-too-large"\nreason = "our clients load it"\n')
    outcome = build(collection.root)
    (waiver,) = root_of(collection.root, "2025").waivers
    assert (waiver.finding, waiver.reason, waiver.count) == ("torrent-too-large", "our clients load it", 1)
    (group,) = [group for group in outcome.audit.summary.groups if group.name == "torrent-too-large"]
    assert group.examples[0].path == "volumes/original-2025-0000.torrent"
    assert not build(collection.root).changed


def test_every_lint_can_be_waived() -> None:
    from tagswarm.release.audit import CATALOGUE

    assert torrentlint.LINTS.keys() == {name for name, kind in CATALOGUE.items() if kind.section == "Torrents"}
    assert all(CATALOGUE[name].waivable for name in torrentlint.LINTS)


def test_a_volume_without_a_byte_has_no_torrent(tmp_path: Path) -> None:
    made = Collection.make(tmp_path / "set", 12, buckets=2)
    for row in made.posts:
        made.put(made.path(row), b"")
    made.write_config(name="2025")
    with (made.root / "release.toml").open("a") as file:
        file.write(COMPAT.replace('"512px", ', ""))
    with pytest.raises(AuditFailed) as refused:
        build(made.root)
    with (made.root / "release.toml").open("a") as file:
        for name in refused.value.findings:
            file.write(f'\n[[waivers]]\nfinding = "{name}"\nreason = "a test lets it pass"\n')
    build(made.root)
    root = root_of(made.root, "2025")
    assert [(volume.torrent, volume.compat) for volume in root.volumes] == [(None, None)]
    assert len(entries_of(made.root, "2025")) == 12
    assert bundle(made.root, "2025") == {}


def test_a_torrent_is_no_larger_than_was_planned(collection: Collection) -> None:
    from tagswarm.release.torrentsize import FRAME_LIMIT, torrent_size

    trackers = [f"https://{number}.example/{'a' * 470}" for number in range(5)]
    configure(collection, links=f'[torrents]\ntrackers = {trackers}\nweb_seeds = ["https://{"b" * 400}/test/"]\n')
    path = collection.root / "release.toml"
    path.write_text(path.read_text().replace('name = "test"', f'name = "test"\ntitle = "{"題" * 1000}"'))
    build(collection.root)
    for volume in root_of(collection.root, "2025").volumes:
        header, entries = manifest(collection.root, volume.manifest.path)
        planned = torrent_size(((e.path, e.size) for e in entries), header.piece_length, name="test")
        assert volume.torrent is not None
        assert planned < volume.torrent.size < planned + FRAME_LIMIT


def test_the_root_vouches_for_every_torrent(collection: Collection) -> None:
    configure(collection, links=COMPAT)
    build(collection.root)
    root = root_of(collection.root, "2025")
    listed = {item.path for item in root.all_objects()}
    assert {path for path in snapshot(collection.root) if path.endswith(".torrent")} <= listed
    assert all(len(list(volume.documents())) == 5 for volume in root.volumes)


def test_verify_holds_a_build_and_finds_an_infohash_that_is_not_listed(collection: Collection) -> None:
    configure(collection, links=COMPAT)
    build(collection.root)
    sign(collection.root, [])
    assert verify(collection.root, workers=2).ok
    path = "releases/2025/torrents.json"
    rows = torrentlist.parse((collection.root / path).read_bytes())
    wrong = [rows[0].model_copy(update={"btih": "0" * 40}), *rows[2:]]
    data = torrentlist.render(wrong)
    (collection.root / path).write_bytes(data)
    root = root_of(collection.root, "2025")
    written = Object(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    objects = [written if item.path == path else item for item in root.objects]
    (collection.root / "releases/2025/release.json").write_bytes(root.model_copy(update={"objects": objects}).render())
    (collection.root / "latest.json").unlink()
    sign(collection.root, [])
    report = verify(collection.root, workers=2)
    assert {problem.path for problem in report.problems} == {rows[0].path, rows[1].path}
    assert all("infohash" in problem.detail for problem in report.problems)
