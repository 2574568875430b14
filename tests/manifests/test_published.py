"""Attacks on a published tree: each is refused, whoever makes it, and no honest state is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests import published, signing
from tagswarm.manifests.errors import (
    FormatError,
    IncompleteBuild,
    InvalidDocument,
    SignatureInvalid,
    TagswarmError,
    TrustError,
    UnknownKey,
)
from tagswarm.manifests.models import KEYS_LIMIT, LATEST_LIMIT, ROOT_LIMIT, Keys, Latest, Object, Root
from tagswarm.manifests.published import establish
from tagswarm.manifests.signing import PublicKey, SecretKey
from tagswarm.manifests.statements import Statement
from tagswarm.release.sign import sign
from tests.publisher import DATASET_ID, following, key, small

A, B, C, MALLORY = key(1), key(2), key(3), key(66)
ROOT_2027 = "releases/2027/release.json"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with two signed releases."""
    path = tmp_path_factory.mktemp("honest")
    publisher = small(path, [A])
    sign(path, [A])
    following(publisher, [A])
    sign(path, [A])
    return path


@pytest.fixture
def tree(honest: Path, tmp_path: Path) -> Path:
    """A copy of its documents to be attacked; no image is ever looked at here."""
    for name in ("latest.json", "keys.json", "releases"):
        for path in sorted(honest.glob(f"{name}*")):
            target = tmp_path / path.name
            shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
    return tmp_path


def resign(tree: Path, document: str, secret: SecretKey, statement: Statement) -> None:
    data = (tree / document).read_bytes()
    (tree / f"{document}.minisig").write_bytes(signing.sign(secret, data, statement.render()))


def root_of(tree: Path, release: str = "2027") -> tuple[Root, bytes]:
    data = (tree / f"releases/{release}/release.json").read_bytes()
    return Root.parse(data, limit=ROOT_LIMIT), data


def replace_root(tree: Path, root: Root, secret: SecretKey, *, latest_by: SecretKey) -> None:
    """Put another root in the place of the newest, with latest.json following it."""
    data = root.render()
    (tree / ROOT_2027).write_bytes(data)
    statement = Statement.of_root(root, data)
    resign(tree, ROOT_2027, secret, statement)
    latest = Latest.parse((tree / "latest.json").read_bytes(), limit=LATEST_LIMIT)
    forged = latest.model_copy(
        update={"sequence": root.sequence, "root": Object(path=ROOT_2027, size=len(data), sha256=statement.sha256)}
    )
    (tree / "latest.json").write_bytes(forged.render())
    resign(tree, "latest.json", latest_by, Statement.of_latest(forged))


def forged_root(tree: Path) -> None:
    root, _ = root_of(tree)
    data = root.model_copy(update={"generator": "mallory"}).render()
    (tree / ROOT_2027).write_bytes(data)


def forged_everything_with_another_key(tree: Path) -> None:
    root, _ = root_of(tree)
    replace_root(tree, root.model_copy(update={"generator": "mallory"}), MALLORY, latest_by=MALLORY)


def forged_root_under_the_signature_of_the_honest_one(tree: Path) -> None:
    text = (tree / f"{ROOT_2027}.minisig").read_bytes()
    forged_everything_with_another_key(tree)
    (tree / f"{ROOT_2027}.minisig").write_bytes(text)


def stripped_root_signature(tree: Path) -> None:
    (tree / f"{ROOT_2027}.minisig").unlink()


def stripped_latest_signature(tree: Path) -> None:
    (tree / "latest.json.minisig").unlink()


def stripped_keys_signature(tree: Path) -> None:
    (tree / "keys.json.minisig").unlink()


def stripped_keys(tree: Path) -> None:
    (tree / "keys.json").unlink()
    (tree / "keys.json.minisig").unlink()


def stripped_signatures(tree: Path) -> None:
    for path in tree.rglob("*.minisig"):
        path.unlink()


def rolled_back_latest_body(tree: Path) -> None:
    root, data = root_of(tree, "2026")
    latest = Latest.parse((tree / "latest.json").read_bytes(), limit=LATEST_LIMIT)
    place = Object(path="releases/2026/release.json", size=len(data), sha256="0" * 64)
    old = latest.model_copy(update={"sequence": root.sequence, "release": "2026", "root": place})
    (tree / "latest.json").write_bytes(old.render())


def mixed_roots(tree: Path) -> None:
    """The honest root of 2026 in the place of that of 2027."""
    for name in ("release.json", "release.json.minisig"):
        shutil.copy(tree / "releases/2026" / name, tree / "releases/2027" / name)


def renamed_release(tree: Path) -> None:
    """The folder of 2026 under the name of 2027, with a root that says so: only the comment tells."""
    root, _ = root_of(tree, "2026")
    data = root.model_copy(update={"release": "2027"}).render()
    (tree / ROOT_2027).write_bytes(data)
    shutil.copy(tree / "releases/2026/release.json.minisig", tree / f"{ROOT_2027}.minisig")


def signature_of_another_file(tree: Path) -> None:
    shutil.copy(tree / f"{ROOT_2027}.minisig", tree / "latest.json.minisig")


def right_bytes_wrong_comment(tree: Path) -> None:
    root, data = root_of(tree)
    said = Statement.of_root(root, data)
    wrong = Statement(dataset=said.dataset, file=said.file, release="2099", number=9, sha256=said.sha256)
    resign(tree, ROOT_2027, A, wrong)


def foreign_comment(tree: Path) -> None:
    data = (tree / ROOT_2027).read_bytes()
    (tree / f"{ROOT_2027}.minisig").write_bytes(signing.sign(A, data, "timestamp:1700000000 file:release.json"))


def keys_of_mallory(tree: Path) -> None:
    listed = Keys(dataset_id=DATASET_ID, version=2, keys=[MALLORY.public.line])
    (tree / "keys.json").write_bytes(listed.render())
    resign(tree, "keys.json", MALLORY, Statement.of_keys(listed, listed.render()))


def keys_with_mallory_added(tree: Path) -> None:
    listed = Keys(dataset_id=DATASET_ID, version=2, keys=[A.public.line, MALLORY.public.line])
    (tree / "keys.json").write_bytes(listed.render())
    resign(tree, "keys.json", MALLORY, Statement.of_keys(listed, listed.render()))


def keys_of_another_dataset(tree: Path) -> None:
    listed = Keys(dataset_id="f" * 32, version=1, keys=[A.public.line])
    (tree / "keys.json").write_bytes(listed.render())
    resign(tree, "keys.json", A, Statement.of_keys(listed, listed.render()))


def latest_of_another_dataset(tree: Path) -> None:
    latest = Latest.parse((tree / "latest.json").read_bytes(), limit=LATEST_LIMIT)
    other = latest.model_copy(update={"dataset_id": "f" * 32})
    (tree / "latest.json").write_bytes(other.render())
    resign(tree, "latest.json", A, Statement.of_latest(other))


def unknown_field(tree: Path) -> None:
    value = json.loads((tree / ROOT_2027).read_bytes())
    value["mallory"] = True
    (tree / ROOT_2027).write_text(json.dumps(value))


def key_twice(tree: Path) -> None:
    text = (tree / "latest.json").read_text().replace('"sequence": 2,', '"sequence": 2,\n  "sequence": 2,')
    (tree / "latest.json").write_text(text)


def endless_latest(tree: Path) -> None:
    (tree / "latest.json").write_bytes(b" " * (LATEST_LIMIT + 1))


def endless_signature(tree: Path) -> None:
    (tree / "latest.json.minisig").write_bytes(b"x" * 5000)


def a_link_for_latest(tree: Path) -> None:
    (tree / "latest.json").rename(tree / "elsewhere.json")
    (tree / "latest.json").symlink_to("elsewhere.json")


ATTACKS: list[Callable[[Path], None]] = [
    forged_root,
    forged_everything_with_another_key,
    forged_root_under_the_signature_of_the_honest_one,
    stripped_root_signature,
    stripped_latest_signature,
    stripped_keys_signature,
    rolled_back_latest_body,
    mixed_roots,
    renamed_release,
    signature_of_another_file,
    right_bytes_wrong_comment,
    foreign_comment,
    keys_of_mallory,
    keys_of_another_dataset,
    latest_of_another_dataset,
    unknown_field,
    key_twice,
    endless_latest,
    endless_signature,
    a_link_for_latest,
]


def test_an_honest_tree_is_believed(honest: Path) -> None:
    found = establish(honest)
    assert (found.root.release, found.trust, found.signers) == ("2027", "first-use", (A.public.name,))
    assert establish(honest, keys=[A.public]).trust == "given"
    assert establish(honest, keys=[A.public]).notes == ()
    assert establish(honest, release="2026").root.release == "2026"
    assert establish(honest, pin=f"sha256:{found.root_sha256}").root_sha256 == found.root_sha256


@pytest.mark.parametrize("trusted", [(), (A.public,)], ids=["first use", "given"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_refused(tree: Path, attack: Callable[[Path], None], trusted: tuple[PublicKey, ...]) -> None:
    attack(tree)
    with pytest.raises(TagswarmError):
        establish(tree, keys=trusted)


def test_a_key_that_was_slipped_in_is_refused_to_who_knows_the_key(tree: Path) -> None:
    keys_with_mallory_added(tree)
    with pytest.raises(UnknownKey):
        establish(tree, keys=[A.public])
    assert "on first use" in establish(tree).notes[0]  # who knows no key cannot see it, and is told so


@pytest.mark.parametrize("attack", [stripped_signatures, stripped_keys], ids=lambda attack: attack.__name__)
def test_a_tree_without_its_signatures_is_refused(tree: Path, attack: Callable[[Path], None]) -> None:
    attack(tree)
    with pytest.raises(TrustError):
        establish(tree)


def test_a_tree_stripped_of_all_trust_is_unsigned_and_refused_to_who_knows_the_key(tree: Path) -> None:
    stripped_signatures(tree)
    (tree / "keys.json").unlink()
    found = establish(tree)
    assert found.trust == "unsigned"
    assert found.notes[0].startswith("UNSIGNED")
    with pytest.raises(SignatureInvalid):
        establish(tree, keys=[A.public])


def test_given_keys_do_without_the_list(tree: Path) -> None:
    stripped_keys(tree)
    found = establish(tree, keys=[A.public])
    assert found.signers == (A.public.name,)
    assert "keys.json is missing" in found.notes[0]


def test_the_wrong_key_is_named(honest: Path) -> None:
    with pytest.raises(UnknownKey, match=r"keys\.json"):
        establish(honest, keys=[B.public])


def test_a_pin_holds_one_root(tree: Path) -> None:
    pin = establish(tree).root_sha256
    for path in [*tree.rglob("*.minisig"), tree / "keys.json"]:
        path.unlink()
    assert establish(tree, pin=pin).trust == "pinned"
    with pytest.raises(SignatureInvalid, match="pinned"):
        establish(tree, release="2026", pin=pin)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that needs two of three keys."""
    path = tmp_path_factory.mktemp("guarded")
    small(path, [A, B, C], threshold=2)
    sign(path, [A, C])
    return path


def _copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


@pytest.mark.parametrize("trusted", [[], [A.public, B.public, C.public]], ids=["first use", "given"])
def test_one_stolen_key_of_two_does_not_sign(guarded: Path, tmp_path: Path, trusted: list[PublicKey]) -> None:
    tree = _copied(guarded, tmp_path)
    (tree / f"releases/2026/release.json.{C.public.name}.minisig").unlink()
    with pytest.raises(SignatureInvalid, match="1 of 2"):
        establish(tree, keys=trusted)


def test_one_key_does_not_count_twice(guarded: Path, tmp_path: Path) -> None:
    tree = _copied(guarded, tmp_path)
    document = "releases/2026/release.json"
    first = (tree / f"{document}.minisig").read_bytes()
    for name in (C.public.name, B.public.name):
        (tree / f"{document}.{name}.minisig").write_bytes(first)
    with pytest.raises(SignatureInvalid, match="1 of 2"):
        establish(tree)


def test_a_key_listed_twice_does_not_count_twice(tmp_path: Path) -> None:
    small(tmp_path, [A])
    sign(tmp_path, [A])
    listed = Keys(dataset_id=DATASET_ID, version=1, threshold=2, keys=[A.public.line, A.public.line])
    (tmp_path / "keys.json").write_bytes(listed.render())
    resign(tmp_path, "keys.json", A, Statement.of_keys(listed, listed.render()))
    with pytest.raises(SignatureInvalid, match="1 of 2"):
        establish(tmp_path)


def test_a_list_of_keys_needs_its_own_threshold(guarded: Path, tmp_path: Path) -> None:
    tree = _copied(guarded, tmp_path)
    (tree / f"keys.json.{C.public.name}.minisig").unlink()
    with pytest.raises(SignatureInvalid, match=r"keys\.json: has 1 of 2"):
        establish(tree)


def test_a_signature_of_nobody_beside_a_good_one_does_no_harm(tree: Path) -> None:
    root, data = root_of(tree)
    text = signing.sign(MALLORY, data, Statement.of_root(root, data).render())
    (tree / f"{ROOT_2027}.{MALLORY.public.name}.minisig").write_bytes(text)
    assert establish(tree).signers == (A.public.name,)


def test_a_release_is_reached_through_those_after_it(tmp_path: Path) -> None:
    publisher = small(tmp_path, [A])
    sign(tmp_path, [A])
    following(publisher, [B])
    sign(tmp_path, [A, B])
    publisher.config("2028", [B])
    publisher.release("2028")
    sign(tmp_path, [B])
    for name in ("2026", "2028"):
        assert establish(tmp_path, release=name).signers == (B.public.name,)
    assert establish(tmp_path, release="2026").trust == "chain"
    root, _ = root_of(tmp_path, "2026")
    (tmp_path / "releases/2026/release.json").write_bytes(root.model_copy(update={"generator": "x"}).render())
    with pytest.raises(TrustError):
        establish(tmp_path, release="2026")


def test_a_damaged_root_is_named_and_never_passed_over(tree: Path) -> None:
    (tree / "releases/2026/release.json").write_bytes(b"{")
    with pytest.raises(FormatError, match=r"releases/2026/release\.json"):
        published.releases(tree)


@pytest.mark.parametrize("name", ["../2026", "2025", "con", ""])
def test_a_release_that_is_not_there(tree: Path, name: str) -> None:
    with pytest.raises((IncompleteBuild, FormatError)):
        published.read_root(tree, name)


def test_a_pin_that_is_no_digest_is_told_so(tree: Path) -> None:
    for pin in ("", "sha256:", "zz", "a" * 63, "\x1b[31m"):
        with pytest.raises(InvalidDocument, match="no SHA-256"):
            establish(tree, pin=pin)


def test_an_empty_folder_has_no_release(tmp_path: Path) -> None:
    with pytest.raises(IncompleteBuild):
        establish(tmp_path)


DOCUMENTS = [
    f"{document}{suffix}" for document in ("latest.json", "keys.json", ROOT_2027) for suffix in ("", ".minisig")
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(DOCUMENTS), st.data())
def test_every_flipped_bit_is_refused(tree: Path, document: str, data: st.DataObject) -> None:
    path = tree / document
    text = path.read_bytes()
    first = text.index(b"\n") + 1 if document.endswith(".minisig") else 0  # nobody vouches for an untrusted comment
    bit = data.draw(st.integers(8 * first, 8 * len(text) - 1))
    flipped = bytearray(text)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        with pytest.raises(TagswarmError):
            establish(tree)
    finally:
        path.write_bytes(text)


def test_limits_of_documents_hold() -> None:
    with pytest.raises(FormatError):
        Keys.parse(b"[" * (KEYS_LIMIT + 1), limit=KEYS_LIMIT)
