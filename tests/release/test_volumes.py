"""Every file is in exactly one volume, limits hold, and nothing depends on the order of the input."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagswarm.imaging.statistics import Statistics
from tagswarm.manifests import codec, paths
from tagswarm.manifests.digest import digest_bytes
from tagswarm.manifests.errors import ConfigInvalid
from tagswarm.manifests.models import FileEntry, VolumeHeader, parse_manifest, render_manifest
from tagswarm.manifests.paths import FilePath
from tagswarm.release import aspects, volumes
from tagswarm.release.config import VolumesTable
from tagswarm.release.layouts import Member, write_tar, write_zip
from tagswarm.release.naming import by_id
from tagswarm.release.torrentsize import torrent_size
from tagswarm.release.volumes import VolumeFile, VolumePlan, plan

KIB = 1024


def image(post: int, size: int = 1_000, tree: str = "512px", version: int = 1, **more: Any) -> VolumeFile:
    return VolumeFile(str(FilePath.of(tree, post, "jpg", version)), post, size, **more)


def table(**more: object) -> VolumesTable:
    return VolumesTable.model_validate({"piece_length": 64 * KIB, **more})


def planned(files: list[VolumeFile], **more: object) -> list[VolumePlan]:
    return plan(files, table(**more), tree="512px", generation="2026")


STATISTICS = st.none() | st.builds(
    Statistics,
    entropy=st.floats(0, 1),
    colours=st.integers(1, 400_000),
    standard_deviation=st.floats(0, 0.5),
    mean_chroma=st.floats(0, 1),
)
FILES = st.lists(
    st.builds(
        image,
        st.integers(0, 5_000),
        st.sampled_from((0, 1, 65_535, 65_536, 65_537)) | st.integers(0, 3_000_000),
        version=st.integers(1, 2),
        width=st.none() | st.integers(1, 4_000),
        height=st.integers(1, 4_000),
        year=st.none() | st.integers(2015, 2022),
        statistics=STATISTICS,
    ),
    unique_by=lambda file: file.path,
    max_size=60,
)
TABLES = st.builds(
    table,
    strategy=st.sampled_from(("bucket", "id-range")),
    layout=st.sampled_from(("loose", "tar", "zip")),
    max_files=st.integers(1, 30),
    max_bytes=st.integers(1, 20_000_000),
    archive_files=st.integers(1, 10),
) | st.builds(
    table,
    strategy=st.just("aspect-year"),
    layout=st.sampled_from(("tar", "zip")),
    max_files=st.integers(1, 30),
    max_bytes=st.integers(1, 20_000_000),
    archive_files=st.integers(1, 10),
    year_groups=st.sampled_from(([], [2017, 2018], [2020])),
)


@given(FILES, TABLES, st.randoms(use_true_random=False))
def test_volumes_are_a_partition_within_the_limits_whatever_the_order(files, table, random) -> None:  # type: ignore[no-untyped-def]
    made = plan(files, table, tree="512px", generation="2026")
    assert Counter(file for volume in made for file in volume.files) == Counter(files)
    for volume in made:
        assert volume.files
        assert list(volume.files) == sorted(volume.files, key=lambda file: paths.sort_key(file.path))
        if len(volume.files) > 1:
            assert len(volume.files) <= table.max_files
            assert sum(file.size for file in volume.files) <= table.max_bytes
        if table.layout == "loose":
            assert volume.archives == ()
        else:
            assert Counter(file for archive in volume.archives for file in archive.files) == Counter(volume.files)
            assert all(0 < len(archive.files) <= table.archive_files for archive in volume.archives)
    names = [volume.name for volume in made]
    assert len(set(names)) == len(names)
    assert not list(paths.lint(archive.path for volume in made for archive in volume.archives))
    shuffled = list(files)
    random.shuffle(shuffled)
    assert plan(shuffled, table, tree="512px", generation="2026") == made


@given(FILES, TABLES, st.integers(12_000, 40_000))
@settings(max_examples=60)
def test_the_torrent_of_a_volume_is_never_larger_than_its_limit(files, table, limit) -> None:  # type: ignore[no-untyped-def]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "TORRENT_LIMIT", limit)
        made = plan(files, table, tree="512px", generation="2026")
    for volume in made:
        if len(volume.files) > 1:
            on_disk = list(_on_disk(volume))
            size = torrent_size(on_disk, table.piece_length, name="d" * 64)
            assert size + 7_500 <= limit, "leaves no room for trackers and web seeds"


def _on_disk(volume: VolumePlan) -> Iterator[tuple[str, int]]:
    """The files of a volume with their sizes; archives are really written, of zeros."""
    if not volume.archives:
        yield from ((file.path, file.size) for file in volume.files)
    for archive in volume.archives:
        overhead = 10_240 + len(archive.files) * 1_023  # what a tar adds at most; a zip adds less
        yield archive.path, sum(file.size for file in archive.files) + overhead
        if archive.index is not None:
            yield archive.index, 200 + 1_000 * len(archive.files)


@pytest.mark.parametrize(("write", "count"), [(write_tar, 1), (write_tar, 40), (write_zip, 1), (write_zip, 40)])
def test_a_member_needs_no_more_than_the_planner_allows(write: Callable[..., object], count: int) -> None:
    empty = digest_bytes(b"", 16_384).sha256
    names = [
        f"{number:03} {'初' * 28}.jpg" for number in range(count)
    ]  # 92 bytes, the most a line of the index escapes
    out = io.BytesIO()
    packed = write(out, [Member(name, 0, empty, io.BytesIO) for name in names], piece_length=16_384)
    index = getattr(packed, "index", None) or b""
    assert len(out.getvalue()) + len(index) <= volumes.MEMBER_LIMIT * count + volumes.ARCHIVE_LIMIT


def test_buckets_stay_whole_and_fill_a_volume() -> None:
    files = [image(bucket + 1000 * number) for bucket in range(6) for number in range(10)]
    made = planned(files, max_files=25)
    assert [volume.name for volume in made] == ["512px-2026-0000", "512px-2026-0001", "512px-2026-0002"]
    assert [sorted({file.id % 1000 for file in volume.files}) for volume in made] == [[0, 1], [2, 3], [4, 5]]


def test_a_bucket_too_large_alone_is_cut_in_path_order() -> None:
    files = [image(1000 * number) for number in range(7)] + [image(1), image(1001)]
    made = planned(files, max_files=3)
    assert [[file.path for file in volume.files] for volume in made] == [
        ["512px/0000/0.jpg", "512px/0000/1000.jpg", "512px/0000/2000.jpg"],
        ["512px/0000/3000.jpg", "512px/0000/4000.jpg", "512px/0000/5000.jpg"],
        ["512px/0000/6000.jpg", "512px/0001/1.jpg", "512px/0001/1001.jpg"],
    ]


def test_a_file_larger_than_a_volume_is_a_volume() -> None:
    made = planned([image(1), image(2, 50_000), image(3)], max_bytes=10_000)
    assert [[file.id for file in volume.files] for volume in made] == [[1], [2], [3]]


def test_ids_follow_each_other() -> None:
    made = planned([image(post) for post in (5, 1000, 999, 2001, 7)], strategy="id-range", max_files=2)
    assert [{file.id for file in volume.files} for volume in made] == [{5, 7}, {999, 1000}, {2001}]


def test_the_torrent_of_a_full_volume_is_near_two_megabytes() -> None:
    """libtorrent's own torrents of files of 70 KB in 64 KiB pieces hold 7,900 files in 2 MB."""
    made = planned([image(number, 10_000 + number * 7_919 % 120_400) for number in range(20_000)], max_files=50_000)
    sizes = [(len(volume.files), torrent_size(_on_disk(volume), 64 * KIB, name="danbooru")) for volume in made]
    for count, size in sizes[:-1]:
        assert 1_950_000 < size <= 2_000_000
        assert 7_300 < count < 7_900


def test_archives_of_a_volume() -> None:
    one = planned([image(post) for post in range(3)], layout="tar")
    assert [(archive.path, archive.index) for archive in one[0].archives] == [
        ("512px/2026-0000.tar", "512px/2026-0000.json")
    ]
    several = planned([image(post) for post in range(5)], layout="zip", archive_files=2)
    assert [(archive.path, archive.index, len(archive.files)) for archive in several[0].archives] == [
        ("512px/2026-0000-00.zip", None, 2),
        ("512px/2026-0000-01.zip", None, 2),
        ("512px/2026-0000-02.zip", None, 1),
    ]


def test_members_by_id_keep_a_sample_together() -> None:
    for volume in planned([image(post, version=version) for post in (7, 1007, 12) for version in (1, 2)], layout="tar"):
        for archive in volume.archives:
            names = [by_id(FilePath.parse(file.path)) for file in archive.files]
            assert len(set(names)) == len(names)


RICH = Statistics(entropy=0.9, colours=200_000, standard_deviation=0.3, mean_chroma=0.4)
PLAIN = Statistics(entropy=0.2, colours=900, standard_deviation=0.1, mean_chroma=0.05)


def test_aspects_and_years_as_booru_chars_has_them() -> None:
    portrait: dict[str, Any] = {"width": 700, "height": 1000}
    files = [
        image(1, year=2015, **portrait, statistics=RICH),
        image(2, year=2017, **portrait, statistics=PLAIN),
        image(3, year=2018, **portrait),
        image(4, year=2021, width=768, height=1024, statistics=RICH),
        image(5, year=2021),
        image(6, **portrait),
    ]
    made = planned(files, strategy="aspect-year", layout="zip", year_groups=[2017, 2018, 2019])
    assert [(volume.name, [archive.path for archive in volume.archives]) for volume in made] == [
        ("512px-2026-2017-7x10", ["512px/2026-2017-7x10/M00.zip", "512px/2026-2017-7x10/R00.zip"]),
        ("512px-2026-2018-7x10", ["512px/2026-2018-7x10/R00.zip"]),
        ("512px-2026-2020-3x4", ["512px/2026-2020-3x4/M00.zip"]),
        ("512px-2026-2020-other", ["512px/2026-2020-other/R00.zip"]),
        ("512px-2026-undated-7x10", ["512px/2026-undated-7x10/R00.zip"]),
    ]


def test_archives_hold_the_main_list_from_rich_to_plain_and_the_reverse_list_the_other_way() -> None:
    same: dict[str, Any] = {"width": 1000, "height": 1000, "year": 2020}
    files = [
        image(1, **same, statistics=replace(RICH, entropy=0.6)),
        image(2, **same, statistics=RICH),
        image(3, **same, statistics=replace(RICH, entropy=0.7)),
        image(4, **same, statistics=replace(PLAIN, entropy=0.4)),
        image(5, **same, statistics=PLAIN),
        image(6, **same),
    ]
    (volume,) = planned(files, strategy="aspect-year", layout="zip", archive_files=2)
    assert [(archive.path[-7:], [file.id for file in archive.files]) for archive in volume.archives] == [
        ("M00.zip", [2, 3]),
        ("M01.zip", [1]),
        ("R00.zip", [5, 4]),
        ("R01.zip", [6]),
    ]


def test_a_class_too_large_goes_on_under_the_next_number() -> None:
    files = [image(post, year=2020, width=10, height=10) for post in range(5)]
    made = planned(files, strategy="aspect-year", layout="tar", max_files=2)
    assert [volume.name for volume in made] == [
        "512px-2026-2020-1x1",
        "512px-2026-2020-1x1-02",
        "512px-2026-2020-1x1-03",
    ]
    assert made[1].archives[0].path == "512px/2026-2020-1x1-02/R00.tar"


def test_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match="64 characters"):
        plan([image(1)], table(), tree="512px", generation="g" * 60)


def test_no_files_make_no_volumes() -> None:
    assert planned([]) == []


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (7, 10, "7x10"),
        (672, 1000, "7x10"),
        (728, 1000, "7x10"),
        (729, 1000, "3x4"),
        (825, 1000, "3x4"),
        (826, 1000, "1x1"),
        (1200, 1000, "1x1"),
        (1201, 1000, "3x2"),
        (2100, 1000, "3x2"),
        (2101, 1000, "other"),
        (671, 1000, "1x2"),
        (400, 1000, "1x2"),
        (399, 1000, "other"),
        (None, None, "other"),
        (0, 10, "other"),
    ],
)
def test_classes_of_aspect_ratio(width: int | None, height: int | None, name: str) -> None:
    assert aspects.NAMES[aspects.number(width, height)] == name


def test_each_year_is_a_group_unless_groups_are_given() -> None:
    years = aspects.YearGroups([])
    assert [years.name(years.number(year)) for year in (2005, 2020, None)] == ["2005", "2020", "undated"]


def test_the_page_of_the_format_shows_what_is_written(repository: Path) -> None:
    page = (repository / "docs/reference/formats/volume.md").read_text()
    shown = page.split("```jsonl\n")[1].split("```")[0].encode()
    assert b"".join(_examples()) == shown
    loose, packed = shown.split(b'{"format"')[1:]
    for lines in (loose, packed):
        data = b"".join(codec.compress([b'{"format"' + lines]))
        header, entries = parse_manifest(codec.read_lines(data, limit=1 << 20, line_limit=4_096))
        assert header.images == sum(entry.id is not None for entry in entries)
        assert header.bytes == sum(entry.size for entry in entries if entry.archive is None)


def _examples() -> Iterator[bytes]:
    """The two manifests of the page, from real bytes."""

    def entry(path: str, data: bytes, **more: object) -> FileEntry:
        digest = digest_bytes(data, 1 << 20)
        fields = {"path": path, "size": digest.size, "sha256": digest.sha256, "root": digest.root, **more}
        return FileEntry(**fields)  # type: ignore[arg-type]

    header = VolumeHeader(
        name="original-2026-0000",
        rendition="original",
        generation="2026",
        layout="loose",
        site="danbooru",
        piece_length=1 << 20,
        files=2,
        images=2,
        bytes=25,
    )
    yield from render_manifest(
        header,
        [
            entry(
                "original/0000/1000.png",
                b"a first file",
                id=1000,
                kind="png",
                width=640,
                height=480,
                md5="9e107d9d372bb6826bd81d3542a419d6",
            ),
            entry("original/0001/1.v2.jpg", b"a second file", id=1, version=2, kind="jpeg", width=850, height=1200),
        ],
    )
    data = b"a small image"
    out = io.BytesIO()
    member = Member("000001000.jpg", len(data), digest_bytes(data, 1 << 20).sha256, lambda: io.BytesIO(data))
    packed = write_tar(out, [member], piece_length=1 << 20)
    index = packed.index or b""
    header = VolumeHeader(
        name="512px-2026-0000",
        rendition="512px",
        generation="2026",
        layout="tar",
        site="danbooru",
        piece_length=1 << 20,
        engine="libvips 8.18.7",
        files=2,
        images=1,
        bytes=len(index) + len(out.getvalue()),
    )
    about = {"id": 1000, "kind": "jpeg", "width": 512, "height": 512}
    yield from render_manifest(
        header,
        [
            entry("512px/2026-0000.json", index, kind="json"),
            entry("512px/2026-0000.tar", out.getvalue(), kind="tar"),
            replace(
                entry(member.name, data, archive="512px/2026-0000.tar", offset=packed.members[0].offset, **about),
                root=None,
            ),
        ],
    )
