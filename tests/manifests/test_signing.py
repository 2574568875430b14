from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import minisign  # type: ignore[import-untyped]  # py-minisign publishes no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests import signing
from tagswarm.manifests.errors import (
    FormatError,
    InvalidDocument,
    KeyLocked,
    LimitExceeded,
    SignatureInvalid,
    TrustError,
    UnknownKey,
)
from tagswarm.manifests.signing import PublicKey, SecretKey

KEY = SecretKey(bytes(range(8)), bytes(range(32)))
DATA = b"the bytes of a document\n"
COMMENT = "dataset=00 release=2026 seq=1 file=release.json"
SIGNED = signing.sign(KEY, DATA, COMMENT)


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    """A folder with DATA in it, to run the stock program in."""
    assert shutil.which("minisign"), "the minisign program must be installed: apt-get install minisign"
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path


def run(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = ["minisign", *arguments]
    return subprocess.run(command, cwd=folder, input=typed, capture_output=True, text=True, check=False, timeout=60)


def test_the_golden_signature() -> None:
    assert KEY.public.name == "706050403020100"
    assert KEY.public.line == "RWQAAQIDBAUGBwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert SIGNED.decode().splitlines() == [
        "untrusted comment: signature from tagswarm",
        "RUQAAQIDBAUGBx+tKgSLMsN2j+J73N4vyQjcxarLuBpZIVe+T9lDSBBOzbUOzTDb5FrUPPiZE6mDeAQU40ghDyJ5sQQiQIKpcgY=",
        f"trusted comment: {COMMENT}",
        "gZsd7AG9jf3eX638UHWU/LIfihjczXmtNAWAbFQgMNlzdLXinIocKUlnujFaiNH2WLMiOozm1X/4IHyxfkEUDg==",
    ]
    assert signing.sign(KEY, DATA, COMMENT) == SIGNED


def test_the_stock_program_verifies_ours(stock: Path) -> None:
    (stock / "data.minisig").write_bytes(SIGNED)
    (stock / "key.pub").write_bytes(KEY.public.render())
    for key in (["-P", KEY.public.line], ["-p", "key.pub"]):
        done = run(stock, "-V", *key, "-m", "data")
        assert done.returncode == 0, done.stderr
        assert f"Trusted comment: {COMMENT}" in done.stdout
    (stock / "data").write_bytes(DATA + b" ")
    assert run(stock, "-V", "-P", KEY.public.line, "-m", "data").returncode != 0


@pytest.mark.parametrize("options", [[], ["-l"], ["-t", COMMENT]], ids=["prehashed", "legacy", "comment"])
def test_we_verify_the_stock_program(stock: Path, options: list[str]) -> None:
    assert run(stock, "-G", "-W", "-p", "key.pub", "-s", "key.sec").returncode == 0
    assert run(stock, "-S", "-s", "key.sec", "-m", "data", *options).returncode == 0
    public = PublicKey.parse((stock / "key.pub").read_text())
    signature = (stock / "data.minisig").read_bytes()
    verified = signing.verify([KEY.public, public], DATA, signature)
    assert verified.key == public
    assert verified.trusted_comment.startswith(COMMENT if options == ["-t", COMMENT] else "timestamp:")
    assert signing.authenticate([public], signature) == verified
    with pytest.raises(SignatureInvalid):
        signing.verify([public], DATA + b" ", signature)


def test_we_sign_with_a_plain_key_of_the_stock_program(stock: Path) -> None:
    assert run(stock, "-G", "-W", "-p", "key.pub", "-s", "key.sec").returncode == 0
    key = SecretKey.parse((stock / "key.sec").read_text())
    assert key.public.render() == (stock / "key.pub").read_bytes()
    (stock / "data.minisig").write_bytes(signing.sign(key, DATA, COMMENT))
    assert run(stock, "-V", "-p", "key.pub", "-m", "data").returncode == 0


def test_we_open_a_protected_key_of_the_stock_program(stock: Path) -> None:
    assert run(stock, "-G", "-p", "key.pub", "-s", "key.sec", typed="pässword\npässword\n").returncode == 0
    text = (stock / "key.sec").read_text()
    assert SecretKey.parse(text, "pässword").public.render() == (stock / "key.pub").read_bytes()
    with pytest.raises(KeyLocked, match="protected"):
        SecretKey.parse(text)


@pytest.mark.parametrize("password", [None, "secret words"])
def test_the_stock_program_signs_with_our_keys(stock: Path, password: str | None) -> None:
    (stock / "key.sec").write_bytes(KEY.render(password))
    done = run(stock, "-S", "-s", "key.sec", "-m", "data", typed=f"{password}\n" if password else "")
    assert done.returncode == 0, done.stderr
    assert signing.verify([KEY.public], DATA, (stock / "data.minisig").read_bytes()).key == KEY.public


@pytest.mark.parametrize("password", [None, "secret words"])
def test_py_minisign_and_we_share_keys_and_signatures(password: str | None) -> None:
    theirs = minisign.SecretKey.from_bytes(KEY.render(password))
    if password:
        theirs.decrypt(password)
    public = minisign.PublicKey.from_secret_key(theirs)
    assert PublicKey.parse(bytes(public).decode()) == KEY.public
    public.verify(DATA, minisign.Signature.from_bytes(SIGNED))
    for prehash in (True, False):
        signature = bytes(theirs.sign(DATA, prehash=prehash, trusted_comment=COMMENT))
        assert signing.verify([KEY.public], DATA, signature).trusted_comment == COMMENT
    pair = minisign.KeyPair.generate()
    if password:
        pair.secret_key.encrypt(password)
    ours = SecretKey.parse(bytes(pair.secret_key).decode(), password)
    assert ours.public == PublicKey.parse(bytes(pair.public_key).decode())
    pair.public_key.verify(DATA, minisign.Signature.from_bytes(signing.sign(ours, DATA, COMMENT)))


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    start = len("untrusted comment: ")
    vouched = [*range(start), *range(SIGNED.index(b"\n"), len(SIGNED))]
    for at in vouched:
        for bit in range(8):
            damaged = bytearray(SIGNED)
            damaged[at] ^= 1 << bit
            with pytest.raises((FormatError, TrustError)):
                signing.verify([KEY.public], DATA, bytes(damaged))
            try:
                said = signing.authenticate([KEY.public], bytes(damaged))
            except (FormatError, TrustError):
                continue
            assert said.trusted_comment == COMMENT, "the algorithm is not part of the statement, the comment is"


def test_every_flipped_bit_of_the_data_is_refused() -> None:
    for bit in range(len(DATA) * 8):
        damaged = bytearray(DATA)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SignatureInvalid):
            signing.verify([KEY.public], bytes(damaged), SIGNED)


def test_a_signature_is_a_statement_of_its_own() -> None:
    assert signing.authenticate([KEY.public], SIGNED).trusted_comment == COMMENT
    with pytest.raises(SignatureInvalid, match="trusted comment"):
        signing.authenticate([KEY.public], SIGNED.replace(b"seq=1", b"seq=2"))


def test_the_parts_of_two_signatures_do_not_mix() -> None:
    one = SIGNED.splitlines(keepends=True)
    two = signing.sign(KEY, b"other", "seq=2").splitlines(keepends=True)
    for mixed in ([*one[:2], *two[2:]], [*two[:2], *one[2:]], [*one[:3], two[3]], [one[0], two[1], one[2], one[3]]):
        with pytest.raises(SignatureInvalid):
            signing.verify([KEY.public], DATA, b"".join(mixed))


def test_another_key_is_not_believed() -> None:
    other = SecretKey.generate()
    with pytest.raises(UnknownKey, match=KEY.public.name):
        signing.verify([other.public], DATA, SIGNED)
    with pytest.raises(UnknownKey):
        signing.verify([], DATA, SIGNED)
    twin = SecretKey(KEY.id, other.seed)
    with pytest.raises(SignatureInvalid):
        signing.verify([twin.public], DATA, SIGNED)
    assert signing.verify([twin.public, KEY.public], DATA, SIGNED).key == KEY.public


@pytest.mark.parametrize("comment", ["two\nlines", "a\rb", "a\tb", "\x1b[2J", "é", "\u202e", "\0"])
def test_a_comment_that_not_every_tool_takes_is_not_written(comment: str) -> None:
    with pytest.raises(InvalidDocument):
        signing.sign(KEY, DATA, comment)
    with pytest.raises(InvalidDocument):
        signing.sign(KEY, DATA, "a", untrusted_comment=comment)


@pytest.mark.parametrize("comment", ["a\rb", "\x1b[2J", "\u202e", "\0"])
def test_a_comment_that_a_terminal_would_obey_is_not_read(comment: str) -> None:
    lines = SIGNED.splitlines()
    signature = base64.b64decode(lines[1])[10:]
    lines[2] = f"trusted comment: {comment}".encode()
    lines[3] = base64.b64encode(KEY.private().sign(signature + comment.encode()))
    with pytest.raises(InvalidDocument, match="control"):
        signing.authenticate([KEY.public], b"\n".join(lines))


def test_signature_files_are_small() -> None:
    with pytest.raises(LimitExceeded):
        signing.sign(KEY, DATA, "x" * 4000)
    with pytest.raises(LimitExceeded):
        signing.verify([KEY.public], DATA, SIGNED + bytes(4096))
    assert len(signing.sign(KEY, DATA, "x" * 3500)) <= signing.SIGNATURE_LIMIT


@given(st.binary(max_size=300) | st.sampled_from([SIGNED, KEY.public.render(), KEY.render()]).map(lambda d: d[7:]))
def test_only_our_errors_leave(data: bytes) -> None:
    with pytest.raises((FormatError, TrustError)):
        signing.verify([KEY.public], DATA, data)
    text = data.decode("latin-1")
    for parse in (PublicKey.parse, SecretKey.parse):
        with pytest.raises((FormatError, TrustError)):
            parse(text)


def test_a_damaged_secret_key_is_refused() -> None:
    lines = KEY.render().decode().splitlines()
    data = base64.b64decode(lines[1])
    for at in [*range(6), *range(54, len(data))]:
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises((FormatError, TrustError)):
            SecretKey.parse(base64.b64encode(damaged).decode())
    halves = bytearray(data)
    halves[54 + 72 :] = bytes(32)  # without a checksum, as the stock program writes it
    assert SecretKey.parse(base64.b64encode(halves).decode()) == KEY
    halves[54 + 8] ^= 1
    with pytest.raises(InvalidDocument, match="halves"):
        SecretKey.parse(base64.b64encode(halves).decode())


def test_a_wrong_password_is_refused_and_a_right_one_opens() -> None:
    text = KEY.render("right").decode()
    assert SecretKey.parse(text, "right") == KEY
    with pytest.raises(KeyLocked, match="password"):
        SecretKey.parse(text, "wrong")
    assert KEY.render("right") != KEY.render("right"), "the salt is new"


@pytest.mark.parametrize(("operations", "memory"), [(1 << 40, 1 << 20), (1 << 20, 1 << 40)])
def test_a_key_that_asks_for_too_much_is_refused(operations: int, memory: int) -> None:
    data = bytearray(base64.b64decode(KEY.render("right").decode().splitlines()[1]))
    data[38:54] = operations.to_bytes(8, "little") + memory.to_bytes(8, "little")
    with pytest.raises(LimitExceeded):
        SecretKey.parse(base64.b64encode(data).decode(), "right")


def test_secrets_are_not_shown() -> None:
    assert repr(KEY.seed) not in repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)


def test_new_keys_differ() -> None:
    one, two = SecretKey.generate(), SecretKey.generate()
    assert one.id != two.id
    assert one.seed != two.seed
