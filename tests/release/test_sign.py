"""What is signed is whole, follows what was published, is accepted by the stock tool, and survives a kill anywhere."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tagswarm.manifests import disk
from tagswarm.manifests.errors import (
    ConfigInvalid,
    DestinationLocked,
    DigestMismatch,
    IncompleteBuild,
    KeyLocked,
    Rollback,
    SizeMismatch,
    TrustError,
    UnknownKey,
    Unreadable,
)
from tagswarm.manifests.events import Event, Notice
from tagswarm.manifests.models import KEYS_LIMIT, LATEST_LIMIT, Keys, Latest
from tagswarm.manifests.published import establish
from tagswarm.manifests.signing import PublicKey, SecretKey
from tagswarm.release.sign import LOCK, keygen, sign
from tests.publisher import Publisher, following, key, small

A, B, C = key(1), key(2), key(3)


def minisign(document: Path, signature: Path, public: PublicKey) -> str:
    """Check a signature with the stock program and return its trusted comment."""
    program = shutil.which("minisign")
    assert program, "the tests need the program minisign: apt-get install minisign"
    command = [program, "-V", "-q", "-m", str(document), "-x", str(signature), "-P", public.line]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    return signature.read_text().splitlines()[2].removeprefix("trusted comment: ")


def tree(dataset: Path) -> dict[str, bytes]:
    files = (path for path in dataset.rglob("*") if path.is_file() and ".tagswarm" not in path.parts)
    return {path.relative_to(dataset).as_posix(): path.read_bytes() for path in files}


def latest(dataset: Path) -> Latest:
    return Latest.parse((dataset / "latest.json").read_bytes(), limit=LATEST_LIMIT)


def keys(dataset: Path) -> Keys:
    return Keys.parse((dataset / "keys.json").read_bytes(), limit=KEYS_LIMIT)


def test_a_first_release_is_signed_and_published(tmp_path: Path) -> None:
    small(tmp_path, [A])
    result = sign(tmp_path, [A])
    assert result.published
    assert result.signers == (A.public.name,)
    assert result.written == (
        "releases/2026/release.json.minisig",
        "keys.json.minisig",
        "keys.json",
        "latest.json.minisig",
        "latest.json",
    )
    assert latest(tmp_path).root.sha256 == result.root_sha256
    assert (latest(tmp_path).expires - latest(tmp_path).issued).days == 400
    assert keys(tmp_path).keys == [A.public.line]


def test_the_stock_minisign_accepts_everything(tmp_path: Path) -> None:
    small(tmp_path, [A, B], threshold=2)
    sign(tmp_path, [A, B])
    for document in ("latest.json", "keys.json", "releases/2026/release.json"):
        path = tmp_path / document
        comment = minisign(path, path.with_name(f"{path.name}.minisig"), A.public)
        assert f"file={path.name}" in comment
        minisign(path, path.with_name(f"{path.name}.{B.public.name}.minisig"), B.public)


def test_signing_twice_changes_no_byte(tmp_path: Path) -> None:
    small(tmp_path, [A])
    sign(tmp_path, [A])
    before = tree(tmp_path)
    assert sign(tmp_path, [A]).written == ()
    assert tree(tmp_path) == before


def test_the_next_release_follows(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [A])
    result = sign(tmp_path, [A])
    assert (result.sequence, latest(tmp_path).release) == (2, "2027")
    assert "keys.json" not in result.written


def test_an_unsigned_dataset_is_published_loudly(tmp_path: Path) -> None:
    small(tmp_path)
    events: list[Event] = []
    result = sign(tmp_path, [], report=events.append)
    assert result.written == ("latest.json",)
    assert any(isinstance(event, Notice) and "UNSIGNED" in event.message for event in events)
    assert establish(tmp_path).trust == "unsigned"


def test_a_key_for_an_unsigned_dataset_is_refused_with_its_line(tmp_path: Path) -> None:
    small(tmp_path)
    with pytest.raises(ConfigInvalid) as caught:
        sign(tmp_path, [A])
    assert A.public.line in str(caught.value.hint)


def test_a_signed_dataset_cannot_become_unsigned(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher)
    with pytest.raises(ConfigInvalid, match="this dataset is signed"):
        sign(tmp_path, [])


@pytest.mark.parametrize("given", [[], [B], [A, B]])
def test_only_the_keys_of_the_dataset_sign(tmp_path: Path, given: list[SecretKey]) -> None:
    small(tmp_path, [A])
    with pytest.raises(UnknownKey):
        sign(tmp_path, given)
    assert not list(tmp_path.rglob("*.minisig"))


def test_an_unbuilt_release_is_not_signed(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    publisher.config("2027", [A])
    with pytest.raises(IncompleteBuild):
        sign(tmp_path, [A])


@pytest.mark.parametrize("victim", ["releases/2026/README.md", "volumes/original-2026-0000.jsonl.zst"])
def test_an_incomplete_build_is_not_signed(tmp_path: Path, victim: str) -> None:
    small(tmp_path, [A])
    data = (tmp_path / victim).read_bytes()
    (tmp_path / victim).unlink()
    with pytest.raises(IncompleteBuild, match=victim):
        sign(tmp_path, [A])
    (tmp_path / victim).write_bytes(data[:-1])
    with pytest.raises(SizeMismatch, match=victim):
        sign(tmp_path, [A])
    (tmp_path / victim).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DigestMismatch, match=victim):
        sign(tmp_path, [A])
    assert not list(tmp_path.rglob("*.minisig"))


def test_an_older_release_is_not_published_again(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [A])
    sign(tmp_path, [A])
    before = tree(tmp_path)
    with pytest.raises(Rollback, match="2027"):
        sign(tmp_path, [A], release="2026")
    assert tree(tmp_path) == before


def test_a_published_release_does_not_change(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    publisher.previous = None
    publisher.posts[99] = ("other",)
    publisher.release("2026")
    with pytest.raises(Rollback, match="other contents"):
        sign(tmp_path, [A])


def test_a_release_must_follow_the_published_one(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    following(publisher, [A])
    with pytest.raises(IncompleteBuild, match="follows 2026, and nothing is what is published"):
        sign(tmp_path, [A])
    publisher.config("2026", [A])
    sign(tmp_path, [A])
    publisher.previous = None
    publisher.release("2028")
    publisher.config("2028", [A])
    with pytest.raises(Rollback):
        sign(tmp_path, [A])


def test_the_id_of_the_dataset_never_changes(tmp_path: Path) -> None:
    small(tmp_path, [A])
    path = tmp_path / "release.toml"
    path.write_text(path.read_text().replace("00112233", "99999999"))
    with pytest.raises(ConfigInvalid, match=r"dataset\.id"):
        sign(tmp_path, [A])


def test_two_of_three_keys_sign_one_after_the_other(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A, B, C], threshold=2)
    with pytest.raises(UnknownKey, match="2 of the keys"):
        sign(tmp_path, [A])  # the first list of keys needs them together
    sign(tmp_path, [A, B])
    following(publisher, [A, B, C], threshold=2)
    first = sign(tmp_path, [C])
    assert (first.published, first.missing) == (False, 1)
    assert latest(tmp_path).release == "2026"
    second = sign(tmp_path, [A])
    assert second.published
    assert second.signers == (A.public.name, C.public.name)
    found = establish(tmp_path)
    assert (found.root.release, found.signers, found.threshold) == ("2027", (A.public.name, C.public.name), 2)


def test_the_order_of_signing_does_not_matter(tmp_path: Path) -> None:
    trees = []
    for name, turns in (("one", [[A, B]]), ("two", [[B, A]])):
        publisher = small(tmp_path / name, [A, B], threshold=1)
        for turn in turns:
            sign(tmp_path / name, turn)
        following(publisher, [A, B], threshold=2)
        sign(tmp_path / name, [A, B] if name == "one" else [B, A])
        trees.append(tree(tmp_path / name))
    assert trees[0] == trees[1]


def test_keys_are_rotated_by_the_old_and_the_new(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [B])
    for alone in (A, B):
        with pytest.raises(UnknownKey, match=r"a new keys\.json"):
            sign(tmp_path, [alone])
    before = keys(tmp_path)
    result = sign(tmp_path, [B, A])
    assert (before.version, keys(tmp_path).version) == (1, 2)
    assert keys(tmp_path).keys == [B.public.line]
    assert result.written[-1] == "keys.json"
    for public in (A.public, B.public):  # who knows the old key, and who knows the new one
        assert establish(tmp_path, keys=[public]).root.release == "2027"
    minisign(tmp_path / "keys.json", tmp_path / "keys.json.minisig", B.public)
    minisign(tmp_path / "keys.json", tmp_path / f"keys.json.{A.public.name}.minisig", A.public)
    assert sign(tmp_path, [B]).written == ()
    assert establish(tmp_path, release="2026").trust == "chain"


def test_a_signature_left_by_a_retired_key_goes_with_the_next_release(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [B])
    sign(tmp_path, [A, B])
    left = tmp_path / f"latest.json.{A.public.name}.minisig"
    assert left.exists()
    publisher.config("2028", [B])
    publisher.release("2028")
    sign(tmp_path, [B])
    assert not left.exists()
    assert establish(tmp_path).signers == (B.public.name,)


def test_a_damaged_signature_is_made_anew(tmp_path: Path) -> None:
    small(tmp_path, [A])
    sign(tmp_path, [A])
    before = tree(tmp_path)
    for name in ("latest.json.minisig", "releases/2026/release.json.minisig"):
        (tmp_path / name).write_bytes(before[name].replace(b"seq=1", b"seq=9"))
    sign(tmp_path, [A])
    assert tree(tmp_path) == before


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Dies before the n-th change of a file, n being the one item of the list; counts down."""
    left = [1 << 30]
    write, remove = disk.write_if_changed, disk.remove

    def step() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def dying_write(path: Path, data: bytes) -> bool:
        step()
        return write(path, data)

    def dying_remove(path: Path) -> None:
        step()
        remove(path)

    monkeypatch.setattr(disk, "write_if_changed", dying_write)
    monkeypatch.setattr(disk, "remove", dying_remove)
    return left


def _ready(path: Path, case: str) -> tuple[Publisher, list[SecretKey], set[str], list[PublicKey]]:
    """A dataset before a run of `sign`, the keys of the run, what a reader may see, and whom he may know."""
    if case == "first":
        return small(path, [A, B], threshold=2), [A, B], {"2026"}, [A.public]
    publisher = small(path, [A])
    sign(path, [A])
    if case == "next":
        return following(publisher, [A]), [A], {"2026", "2027"}, [A.public]
    return following(publisher, [B, C], threshold=2), [A, B, C], {"2026", "2027"}, [A.public]


@pytest.mark.parametrize("case", ["first", "next", "rotation"])
def test_killed_before_any_change_a_reader_sees_one_release_and_sign_finishes(
    tmp_path: Path, dying: list[int], case: str
) -> None:
    _, secrets, _, _ = _ready(tmp_path / "whole", case)
    sign(tmp_path / "whole", secrets)
    expected = tree(tmp_path / "whole")
    seen = set()
    for at in range(64):
        place = tmp_path / f"{at}"
        _, secrets, allowed, known = _ready(place, case)
        dying[0] = at
        try:
            sign(place, secrets)
        except Killed:
            pass
        else:
            break
        finally:
            dying[0] = 1 << 30
        for trusted in ([], known):
            try:
                found = establish(place, keys=trusted)
            except TrustError:
                assert case == "first"  # before the first release is published there is nothing to see
            else:
                assert found.root.release in allowed
                seen.add(found.root.release)
        sign(place, secrets)
        assert tree(place) == expected
    else:
        pytest.fail("sign does not end")
    assert at >= 3
    assert case == "first" or seen == {"2026", "2027"}


def test_a_reader_between_the_two_renames_sees_the_new_release(tmp_path: Path, dying: list[int]) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [A])
    dying[0] = 2  # the signature of the root, the signature of latest.json, then the end
    with pytest.raises(Killed):
        sign(tmp_path, [A])
    assert latest(tmp_path).release == "2026"
    found = establish(tmp_path, keys=[A.public])
    assert found.root.release == "2027"
    assert any("is being replaced" in note for note in found.notes)


def test_two_runs_at_once(tmp_path: Path) -> None:
    small(tmp_path, [A])
    with disk.locked(tmp_path / LOCK), pytest.raises(DestinationLocked):
        sign(tmp_path, [A])


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_keygen_writes_a_pair_that_minisign_takes(tmp_path: Path, password: str | None) -> None:
    path = tmp_path / "dataset.key"
    public = keygen(path, password=password)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PublicKey.parse((tmp_path / "dataset.key.pub").read_text()) == public
    secret = SecretKey.parse(path.read_text(), password)
    assert secret.public == public
    if password is not None:
        with pytest.raises(KeyLocked):
            SecretKey.parse(path.read_text())
        return
    document = tmp_path / "document"
    document.write_bytes(b"text")
    command = ["minisign", "-S", "-W", "-s", str(path), "-m", str(document), "-t", "a comment"]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    assert minisign(document, tmp_path / "document.minisig", public) == "a comment"


@pytest.mark.parametrize("taken", ["dataset.key", "dataset.key.pub"])
def test_keygen_overwrites_nothing(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(Unreadable, match="is there already"):
        keygen(tmp_path / "dataset.key")
    assert [path.name for path in tmp_path.iterdir()] == [taken]
