"""What is remembered survives, is changed as a whole, and is never forgotten in silence."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagswarm.manifests.errors import InvalidDocument, UnknownKey, UnsupportedVersion
from tagswarm.mirror.memory import ADDRESSES, LIMIT, Known, KnownKeys, KnownRoot, Memory, Trusts, place
from tests.publisher import key

ONE, TWO = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
A, B = key(1).public.line, key(2).public.line

PAGE = Path(__file__).parents[2] / "docs/reference/formats/trust.md"
GOLDEN = PAGE.read_text().partition("```json\n")[2].partition("```")[0]


def known(number: str = ONE, name: str = "small", **more: object) -> Known:
    return Known.model_validate({"id": number, "name": name, **more})


def golden() -> Trusts:
    root = KnownRoot(release="2026", sequence=1, sha256="a" * 64, signers=["6BBFD08FF84A7F1C"])
    return Trusts(
        datasets=[
            Known(
                id=ONE,
                name="small",
                keys=KnownKeys(document="{}\n", signatures={"keys.json.minisig": "untrusted comment: x\n"}),
                roots=[root],
                addresses=["https://a.example/small"],
                first_seen=date(2026, 11, 20),
                last_seen=date(2027, 1, 2),
            )
        ],
        addresses={"https://b.example": ["RWQAAQIDBAUGBwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"]},
    )


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "share" / "trust.json")


def test_the_file_is_its_golden_vector(memory: Memory) -> None:
    memory.change(lambda _: golden())
    assert memory.path.read_text() == GOLDEN
    assert memory.read() == golden()


def test_every_field_of_the_file_is_explained() -> None:
    for model in (Trusts, Known, KnownKeys, KnownRoot):
        for field in model.model_fields:
            assert f"`{field}`" in PAGE.read_text(), field


def test_nothing_is_known_at_first_and_nothing_is_written(memory: Memory) -> None:
    assert memory.read() == Trusts()
    assert not memory.path.parent.exists()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", GOLDEN[:200].encode(), GOLDEN.replace('"sequence": 1', '"sequence": 0').encode()]
)
def test_a_damaged_file_is_refused_and_kept(memory: Memory, text: bytes) -> None:
    memory.path.parent.mkdir()
    memory.path.write_bytes(text)
    for act in (memory.read, lambda: memory.change(lambda now: now)):
        with pytest.raises(InvalidDocument, match=r"trust\.json") as failure:
            act()
        assert "move it away" in failure.value.hint
    assert memory.path.read_bytes() == text


def test_a_newer_file_is_refused_and_kept(memory: Memory) -> None:
    memory.path.parent.mkdir()
    memory.path.write_text(GOLDEN.replace("trust/1", "trust/2"))
    with pytest.raises(UnsupportedVersion, match="newer"):
        memory.change(lambda _: Trusts())
    assert "trust/2" in memory.path.read_text()
    memory.path.write_bytes(b" " * (LIMIT + 1))
    with pytest.raises(Exception, match="larger"):
        memory.read()


def test_a_change_that_changes_nothing_writes_nothing(memory: Memory) -> None:
    memory.change(lambda _: golden())
    before = memory.path.stat().st_mtime_ns
    memory.change(lambda now: now)
    assert memory.path.stat().st_mtime_ns == before


def test_a_change_that_fails_changes_nothing(memory: Memory) -> None:
    memory.change(lambda _: golden())
    with pytest.raises(UnknownKey):
        memory.change(lambda now: now.removed("nobody"))
    assert memory.read() == golden()


def test_changes_of_several_processes_all_count(memory: Memory) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tagswarm.mirror.memory import Memory\n"
        "memory, first = Memory(Path(sys.argv[1])), int(sys.argv[2])\n"
        "for number in range(first, first + 25):\n"
        "    memory.change(lambda now: now.with_keys(f'https://{number}.example', ['RW']))\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(memory.path), str(first)]) for first in (0, 25, 50)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert len(memory.read().addresses) == 75


def test_a_dataset_is_found_by_what_people_call_it() -> None:
    trusts = Trusts().with_known(known(addresses=["https://a.example/small"])).with_known(known(TWO, "other"))
    for text in (ONE, "small", "0123", "https://a.example/small", "https://a.example/small/"):
        assert trusts.find(text).id == ONE
    assert trusts.find("fedc").name == "other"
    for text in ("012", "", "https://c.example", "larger", "\x1b[31m"):
        with pytest.raises(UnknownKey, match="no such dataset") as failure:
            trusts.find(text)
        assert "\x1b" not in failure.value.message
    with pytest.raises(UnknownKey, match="2 datasets"):
        trusts.with_known(known("01" * 16, "small")).find("small")


def test_an_address_leads_to_one_dataset_and_old_ones_are_dropped() -> None:
    trusts = Trusts().with_known(known(addresses=["https://a.example"]))
    trusts = trusts.with_known(known(TWO, "other", addresses=["https://a.example"]))
    assert trusts.at("https://a.example") == trusts.of(TWO)
    many = [f"https://{number}.example" for number in range(ADDRESSES + 5)]
    kept = trusts.with_known(known(addresses=many)).of(ONE)
    assert kept is not None
    assert kept.addresses == many[5:]


def test_keys_of_an_address_become_those_of_its_dataset() -> None:
    trusts = Trusts().vouched("https://a.example/", A)
    assert trusts.addresses == {"https://a.example": [A]}
    trusts = trusts.with_known(known(addresses=["https://a.example"]))
    assert trusts.addresses == {}
    assert trusts.find("small").added == [A]


def test_a_person_vouches_and_takes_it_back() -> None:
    trusts = Trusts().vouched(ONE, A).vouched(ONE, A).vouched("0123", B)
    assert trusts.find(ONE).added == [A, B]
    assert trusts.unvouched(ONE, A).find(ONE).added == [B]
    with pytest.raises(UnknownKey, match="nobody vouched"):
        trusts.unvouched(ONE, key(3).public.line)
    with pytest.raises(UnknownKey):
        trusts.vouched("danbooru", A)
    assert trusts.removed("0123") == Trusts()
    waiting = trusts.vouched("rsync://a.example/x", A)
    assert waiting.unvouched("rsync://a.example/x", A) == trusts
    assert waiting.removed("rsync://a.example/x") == trusts


def test_a_reset_forgets_what_was_learned_and_keeps_what_was_said() -> None:
    found = golden().vouched(ONE, A).reset("small").find("small")
    assert (found.keys, found.roots, found.added) == (None, [], [A])
    assert found.addresses == ["https://a.example/small"]


@pytest.mark.parametrize(
    ("given", "remembered"),
    [
        ("https://a.example/small/", "https://a.example/small"),
        ("https://user:secret@a.example/", "https://a.example"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("/", "/"),
        ("/data/user@host/", "/data/user@host"),
    ],
)
def test_addresses_are_remembered_without_credentials(given: str, remembered: str) -> None:
    assert place(given) == remembered


@given(st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.sampled_from(["https://a", "https://b"]), st.integers(1, 9))))
def test_whatever_is_remembered_is_in_order_and_single(steps: list[tuple[str, str, int]]) -> None:
    trusts = Trusts()
    for number, address, sequence in steps:
        before = trusts.of(number) or known(number, "x")
        roots = [root for root in before.roots if root.sequence != sequence]
        root = KnownRoot(release="2026", sequence=sequence, sha256="a" * 64, signers=[])
        trusts = trusts.with_known(before.model_copy(update={"roots": [root, *roots], "addresses": [address]}))
    assert [one.id for one in trusts.datasets] == sorted({number for number, _, _ in steps})
    for one in trusts.datasets:
        assert [root.sequence for root in one.roots] == sorted({s for n, _, s in steps if n == one.id})
        assert one.newest == one.roots[-1]
    addresses = [address for one in trusts.datasets for address in one.addresses]
    assert len(addresses) == len(set(addresses))
    assert Trusts.parse(trusts.render(), limit=LIMIT) == trusts


def test_the_usual_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Memory().path == tmp_path / "tagswarm" / "trust.json"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Memory().path == tmp_path / ".local/share/tagswarm/trust.json"
