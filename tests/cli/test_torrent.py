"""`tagswarm torrent ...`: what each command says of any .torrent, and that no .torrent makes it stumble."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.main import program
from tagswarm.manifests import bencode, torrentfile, torrentlint

PIECE = 16 * 1024
FLAGS = {
    "v1": lt.create_torrent.v1_only,
    "v2": lt.create_torrent.v2_only,
    "hybrid": 0,
}
SIZES = {"a/1.png": 40_000, "a/2.png": 0, "b/3.png": PIECE, "top.txt": 12}


def run(*args: str | Path, **extra: Any) -> Result:
    return CliRunner().invoke(program, ["torrent", *map(str, args)], **extra)


def result(*args: str | Path, code: int = 0) -> dict[str, Any]:
    """The last object of a command with --json."""
    ended = run(*args, "--json")
    assert ended.exit_code == code, ended.output
    assert ended.stderr == ""
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def torrent_of(folder: Path, kind: str) -> Path:
    """A .torrent that libtorrent makes of the folder `data`, with everything there is to say."""
    entries = [lt.create_file_entry(f"data/{path}", size, 0, 0, "") for path, size in sorted(SIZES.items())]
    made = lt.create_torrent(entries, PIECE, FLAGS[kind])
    made.add_tracker("http://one.example/announce", 0)
    made.add_tracker("udp://two.example:6969", 1)
    made.add_url_seed("https://seed.example/")
    made.set_comment("volume \x1b[31mred")
    made.set_creator("a test")
    made.set_priv(True)
    lt.set_piece_hashes(made, str(folder))
    file = folder / f"{kind}.torrent"
    document: Any = made.generate()
    file.write_bytes(lt.bencode({**document, b"creation date": 1_600_000_000, b"collections": [b"all"]}))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, size in SIZES.items():
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).write_bytes(random.Random(path).randbytes(size))
    return tmp_path


@pytest.mark.parametrize("kind", FLAGS)
def test_show(folder: Path, kind: str) -> None:
    file = torrent_of(folder, kind)
    loaded: Any = lt.load_torrent_file(str(file)).ti
    found = result("show", file)
    hashes = loaded.info_hashes()
    assert found["infohash_v1"] == (str(hashes.v1) if hashes.has_v1() else None)
    assert found["infohash_v2"] == (str(hashes.v2) if hashes.has_v2() else None)
    parsed = lt.parse_magnet_uri(found["magnet"])
    assert parsed.info_hashes == hashes
    assert parsed.name == "data"
    assert (found["name"], found["version"], found["piece_length"]) == ("data", kind, PIECE)
    assert (found["files"], found["bytes"], found["size"]) == (4, sum(SIZES.values()), file.stat().st_size)
    assert found["pieces"] == (loaded.num_pieces() if kind != "v2" else 5)
    assert found["private"] is True
    assert found["links"] == {
        "trackers": [["http://one.example/announce"], ["udp://two.example:6969"]],
        "web_seeds": ["https://seed.example/"],
        "similar": [],
        "collections": ["all"],
        "comment": "volume \x1b[31mred",
        "created_by": "a test",
        "creation_date": 1_600_000_000,
    }
    said = run("show", file).stdout
    assert "\x1b" not in said
    for part in (found["magnet"], "\\x1b[31mred", "2020-09-13 12:26:40 UTC", "two.example", "16 KiB", "private"):
        assert part in said
    for digest in (found["infohash_v1"], found["infohash_v2"]):
        assert digest is None or digest in said
    assert run("show", file, "-q").stdout == ""


def test_show_explains_its_lints(folder: Path) -> None:
    file = torrent_of(folder, "hybrid")
    document: Any = lt.bdecode(file.read_bytes())
    for entry in document[b"info"][b"files"]:
        if entry.get(b"attr") == b"p":
            entry[b"path"] = [b".pad", b"1"]
    file.write_bytes(lt.bencode(document))
    found = result("show", file)
    (lint,) = found["lints"]
    assert lint["name"] == "torrent-pad-names"
    said = run("show", file).stdout
    meaning = torrentlint.LINTS["torrent-pad-names"]
    for part in ("torrent-pad-names: ", meaning.text, meaning.remedy):
        assert part in " ".join(said.split())


@pytest.mark.parametrize("seconds", [-(2**63), -1, 0, 2**40, 2**63 - 1])
def test_show_any_date(folder: Path, seconds: int) -> None:
    file = torrent_of(folder, "v1")
    document: Any = lt.bdecode(file.read_bytes())
    document[b"creation date"] = seconds
    file.write_bytes(lt.bencode(document))
    ended = run("show", file)
    assert ended.exit_code == 0, ended.output
    assert f"{seconds} seconds" in ended.stdout or "UTC" in ended.stdout


@pytest.mark.parametrize("kind", FLAGS)
def test_files(folder: Path, kind: str) -> None:
    file = torrent_of(folder, kind)
    listed = [f"{path}\t{size}" for path, size in sorted(SIZES.items())]
    said = run("files", file).stdout.splitlines()
    assert said[0] == "path\tsize"
    assert sorted(said[1:]) == listed
    found = result("files", file, "--roots", "--pads")
    assert found["count"] == len(found["files"])
    real = [entry for entry in found["files"] if not entry["pad"]]
    assert {entry["path"]: entry["size"] for entry in real} == SIZES
    rooted = {entry["path"] for entry in real if entry["root"]}
    assert rooted == (set() if kind == "v1" else set(SIZES) - {"a/2.png"})
    assert (len(real) < found["count"]) is (kind != "v1")
    assert run("files", file, "--roots").stdout.startswith("path\tsize\troot\n")


def test_files_on_a_terminal_are_a_table(folder: Path) -> None:
    file = torrent_of(folder, "v1")
    command = f"{Path(sys.executable).parent / 'tagswarm'} torrent files {file}"
    ended = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    lines = [line.split() for line in ended.stdout.splitlines() if "png" in line]
    assert ["a/1.png", "40000"] in lines


@pytest.mark.parametrize("kind", FLAGS)
def test_verify(folder: Path, kind: str) -> None:
    file = torrent_of(folder, kind)
    ended = run("verify", file, folder, "--workers", "1")
    assert ended.exit_code == 0, ended.output
    assert "all files are right" in ended.stdout
    assert str(folder / "data") in ended.stdout.replace("\n", "")
    with (folder / "data/a/1.png").open("r+b") as opened:
        opened.write(b"broken")
    (folder / "data/b/3.png").unlink()
    (folder / "data/new").write_bytes(b"")
    ended = run("verify", file, folder / "data", "--extra")
    assert ended.exit_code == 3
    for said in ("damaged    a/1.png: bytes 0 to 16,384", "missing    b/3.png", "extra      new"):
        assert said in ended.stdout
    found = result("verify", file, folder, "--extra", code=3)
    assert (found["ok"], found["extra"], found["by"]) == (False, ["new"], "v1" if kind == "v1" else "v2")
    states = {entry["path"]: entry["state"] for entry in found["files"]}
    assert (states["a/1.png"], states["a/2.png"], states["b/3.png"]) == ("damaged", "ok", "missing")
    damaged = next(entry for entry in found["files"] if entry["path"] == "a/1.png")
    assert [0, PIECE] in damaged["ranges"] or damaged["ranges"][0][0] == 0
    quiet = run("verify", file, folder, "-q")
    assert quiet.stdout == ""
    assert "missing" in quiet.stderr


def test_verify_where_nothing_is(folder: Path, tmp_path: Path) -> None:
    file = torrent_of(folder, "hybrid")
    (empty := tmp_path / "empty").mkdir()
    ended = run("verify", file, empty)
    assert ended.exit_code == 3
    assert "4 missing" in ended.stdout
    shutil.rmtree(folder / "data")
    (folder / "data").symlink_to("/")
    assert run("verify", file, folder).exit_code == 15
    assert run("verify", file, folder / "nowhere").exit_code == 2


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    name = "\u202egnp.exe"
    info: dict[bytes, Any] = {b"name": name.encode(), b"length": 1, b"piece length": PIECE, b"pieces": bytes(20)}
    (file := tmp_path / "x.torrent").write_bytes(bencode.encode({b"info": info}))
    for args in (("show", file), ("verify", file, tmp_path)):
        said = run(*args).output
        assert "\u202e" not in said
        assert "\\u202e" in said
    assert result("files", file)["files"] == [{"path": name, "size": 1}]


def test_a_file_that_is_no_torrent(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"hello", b"d", b"de", b"i1e", b"d4:infodee", b"l" * 9_000_000, b"0:" * 1000)):
        (file := tmp_path / f"{number}.torrent").write_bytes(data)
        for args in (("show", file), ("files", file), ("verify", file, tmp_path)):
            ended = run(*args)
            assert ended.exit_code == 10, ended.output
            assert ended.stderr.startswith("error: ")
            assert "Traceback" not in ended.output
    os.mkfifo(tmp_path / "pipe")
    assert run("show", tmp_path / "pipe").exit_code == 15
    (tmp_path / "huge").write_bytes(b"")
    os.truncate(tmp_path / "huge", 1 << 40)
    assert run("show", tmp_path / "huge").exit_code == 15


def test_mutated_torrents_end_in_an_answer_or_in_an_error(folder: Path) -> None:
    chance = random.Random(4)
    torrents = [torrent_of(folder, kind).read_bytes() for kind in FLAGS]
    file = folder / "mutated.torrent"
    before = sorted(path for path in folder.rglob("*") if path != file)
    codes = set()
    for number in range(120):
        data = bytearray(torrents[number % 3])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.choice(b"0123456789ilde:-/.\0\\\xff")
                case 1:
                    del data[at : at + chance.randint(1, 30)]
                case 2:
                    data[at:at] = data[at : at + chance.randint(1, 30)]
        file.write_bytes(data)
        command = ("show", "files")[number % 2]
        ended = run(command, file)
        assert ended.exit_code in (0, 10), (ended.output, bytes(data))
        codes.add(ended.exit_code)
    assert codes == {0, 10}
    assert sorted(path for path in folder.rglob("*") if path != file) == before


def test_read_keeps_the_size(folder: Path) -> None:
    from tagswarm.cli.torrent import read

    file = torrent_of(folder, "hybrid")
    assert read(file) == (torrentfile.parse(file.read_bytes()), file.stat().st_size)
