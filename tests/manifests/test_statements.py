"""A signature speaks of one document and no other, and every key counts once."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import SignatureInvalid, TagswarmError
from tagswarm.manifests.signing import SecretKey, sign
from tagswarm.manifests.statements import Statement, weigh

DATA = b"the document"
A, B = (SecretKey(bytes([n]) * 8, bytes([n]) * 32) for n in (1, 2))
SAID = Statement(
    dataset="0" * 32, file="release.json", release="2026", number=7, sha256=hashlib.sha256(DATA).hexdigest()
)


def signed(key: SecretKey = A, said: Statement = SAID, data: bytes = DATA) -> bytes:
    return sign(key, data, said.render())


def test_the_words_of_a_root() -> None:
    assert SAID.render() == f"dataset={'0' * 32} release=2026 seq=7 file=release.json sha256={SAID.sha256}"


def test_the_words_of_a_list_of_keys() -> None:
    said = Statement(dataset="0" * 32, file="keys.json", release=None, number=2, sha256="f" * 64)
    assert said.render() == f"dataset={'0' * 32} version=2 file=keys.json sha256={'f' * 64}"


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)


@given(names | st.none(), st.integers(1, 2**53 - 1), digests, st.sampled_from(["release.json", "latest.json"]))
def test_what_is_rendered_is_read_back(release: str | None, number: int, digest: str, file: str) -> None:
    file = "keys.json" if release is None else file
    said = Statement(dataset=digest[:32], file=file, release=release, number=number, sha256=digest)
    assert Statement.parse(said.render()) == said


@given(st.text())
def test_nothing_but_a_statement_is_read(comment: str) -> None:
    with contextlib.suppress(SignatureInvalid):
        assert Statement.parse(comment).render() == comment


def test_signers_stand_in_the_order_of_the_keys_and_once() -> None:
    texts = {"x.minisig": signed(B), "y.minisig": signed(A), "z.minisig": signed(A)}
    standing = weigh([A.public, A.public, B.public], texts, data=DATA, expected=SAID)
    assert standing.signers == (A.public, B.public)


def test_a_signature_of_nobody_known_is_a_stranger() -> None:
    standing = weigh([A.public], {"x": signed(A), "y": signed(B)}, data=DATA, expected=SAID)
    assert standing.signers == (A.public,)
    assert standing.strangers == ("y",)


def test_two_keys_may_claim_one_id() -> None:
    twin = SecretKey(A.id, B.seed)
    standing = weigh([twin.public, A.public], {"x": signed(A)}, data=DATA, expected=SAID)
    assert standing.signers == (A.public,)


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "1" * 32},
        {"file": "latest.json"},
        {"release": "2025"},
        {"number": 6},
        {"number": 8},
        {"sha256": "a" * 64},
        {"file": "keys.json", "release": None},
    ],
)
def test_a_comment_about_something_else_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SignatureInvalid, match="speaks of something else"):
        weigh([A.public], {"x": signed(said=replace(SAID, **changes))}, data=DATA, expected=SAID)  # type: ignore[arg-type]


def test_a_later_statement_is_heard_before_its_document_is_there() -> None:
    later = replace(SAID, number=8, sha256="a" * 64)
    standing = weigh([A.public], {"x": signed(said=later, data=b"later")}, data=DATA, expected=SAID)
    assert standing.signers == ()
    assert standing.ahead == (later,)


def test_an_earlier_statement_counts_for_nothing() -> None:
    earlier = replace(SAID, number=6)
    standing = weigh([A.public], {"x": signed(said=earlier, data=b"earlier")}, data=DATA, expected=SAID)
    assert (standing.signers, standing.ahead) == ((), ())


@pytest.mark.parametrize(
    "said", [SAID, replace(SAID, number=8, dataset="1" * 32), replace(SAID, number=8, file="latest.json")]
)
def test_other_bytes_are_refused(said: Statement) -> None:
    with pytest.raises(SignatureInvalid):
        weigh([A.public], {"x": signed(said=said, data=b"other bytes")}, data=DATA, expected=SAID)


@given(st.integers(0, 8 * len(signed()) - 1))
def test_every_bit_below_the_untrusted_comment_matters(bit: int) -> None:
    text = bytearray(signed())
    text[bit // 8] ^= 1 << bit % 8
    if bit // 8 <= text.index(b"\n") and bytes(text[text.index(b"\n") :]) == signed()[text.index(b"\n") :]:
        return
    with contextlib.suppress(TagswarmError):
        assert weigh([A.public], {"x": bytes(text)}, data=DATA, expected=SAID).signers == ()
