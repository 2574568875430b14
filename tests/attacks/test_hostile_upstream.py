"""0 attacks accepted, 0 honest states refused."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import date
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagswarm.manifests.errors import FormatError, IncompleteBuild, TrustError
from tagswarm.manifests.models import Keys
from tagswarm.mirror.trusted import Trusted
from tests.publisher import DATASET_ID

from .catalogue import ATTACKS, HIGHEST, MEMORYLESS, Attack
from .upstream import (
    ADDRESS,
    A,
    B,
    History,
    Tree,
    Upstream,
    put_keys,
    put_root,
    root_of,
    root_path,
)
from .victim import Victim

REFUSED = (TrustError, FormatError, IncompleteBuild)
OTHER = "https://other.example/small"


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    return Victim(tmp_path)


def name(attack: Attack) -> str:
    return attack.name


def experienced(victim: Victim, attack: Attack, histories: dict[str, History]) -> None:
    """Let a victim see every honest release up to the one that the attack begins with."""
    history = histories[attack.history]
    for release in history.states:
        if attack.seen is not None and release <= attack.seen:
            victim.opens(history[release])


@pytest.mark.parametrize("attack", ATTACKS, ids=name)
def test_an_attack_is_refused_and_leaves_no_trace(
    victim: Victim, attack: Attack, histories: dict[str, History]
) -> None:
    experienced(victim, attack, histories)
    victim.empty_cache()  # so that every document is asked for
    before = victim.remembers
    with pytest.raises(REFUSED):
        victim.opens(attack.tree(histories), keys=attack.keys, release=attack.release)
    assert victim.remembers == before
    history = histories[attack.history]
    assert victim.opens(history[max(history.states)], keys=()).release == max(history.states)


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.seen], ids=name)
def test_an_attack_on_what_is_cached_is_refused_or_never_looked_at(
    victim: Victim, attack: Attack, histories: dict[str, History]
) -> None:
    experienced(victim, attack, histories)
    before = victim.remembers
    try:
        opened = victim.opens(attack.tree(histories), keys=attack.keys, release=attack.release)
    except REFUSED:
        assert victim.remembers == before
    else:
        assert opened.release == (attack.release or attack.seen)
        assert opened.root_sha256 == known_root(victim, opened.release)


@pytest.mark.parametrize("attack", MEMORYLESS, ids=name)
def test_an_attack_is_refused_at_first_sight(victim: Victim, attack: Attack, histories: dict[str, History]) -> None:
    with pytest.raises(REFUSED):
        victim.opens(attack.tree(histories), release=attack.release)
    assert not victim.remembers.datasets


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.seen], ids=name)
def test_an_attack_from_another_address_is_refused(
    victim: Victim, attack: Attack, histories: dict[str, History]
) -> None:
    """The dataset is known by its id, the address is new; another dataset there is a new dataset, and told to be."""
    experienced(victim, attack, histories)
    before = victim.remembers
    hostile = Upstream(attack.tree(histories), OTHER)
    if attack.name == "another_dataset_at_a_known_address":
        assert any("another dataset is known by the name" in note for note in victim.opens(hostile).notes)
        assert victim.remembers.of(DATASET_ID) == before.of(DATASET_ID)
        return
    with pytest.raises(REFUSED):
        victim.opens(hostile, release=attack.release)
    assert victim.remembers == before


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.seen and not one.release], ids=name)
def test_one_hostile_upstream_of_three_changes_nothing(
    victim: Victim, attack: Attack, histories: dict[str, History]
) -> None:
    experienced(victim, attack, histories)
    honest = histories[attack.history][str(attack.seen)]
    victim.empty_cache()
    hostile = Upstream(attack.tree(histories))
    opened = victim.opens(hostile, Upstream(honest, "https://b.example"), Upstream(honest, "https://c.example"))
    assert opened.release == attack.seen
    assert opened.root_sha256 == known_root(victim, str(attack.seen))
    assert any(note.startswith("not used: ") for note in opened.notes)


def known_root(victim: Victim, release: str) -> str:
    known = victim.remembers.of(DATASET_ID)
    assert known is not None
    return next(root.sha256 for root in known.roots if root.release == release)


def digests(history: History) -> dict[str, str]:
    """The SHA-256 of every honest root, by release."""
    newest = max(history.states)
    return {name: hashlib.sha256(history[newest][root_path(name)]).hexdigest() for name in history.states}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_upstream_that_says_something_else_each_time(
    tmp_path: Path, histories: dict[str, History], data: st.DataObject
) -> None:
    """Every answer comes from some honest state: what is opened is one of them, and never older than what was seen."""
    history = histories["simple"]
    victim = Victim(tmp_path)
    victim.empty_cache()
    victim.memory.path.unlink(missing_ok=True)
    seen = data.draw(st.sampled_from([None, *history.states]))
    if seen is not None:
        victim.opens(history[seen])

    def turn(source: Upstream) -> None:
        source.tree = history[data.draw(st.sampled_from(sorted(history.states)))]

    try:
        opened = victim.opens(Upstream({}, before_read=turn))
    except REFUSED:
        return
    assert opened.root_sha256 == digests(history)[opened.release]
    assert seen is None or opened.release >= seen


DOCUMENTS = [
    f"{document}{suffix}" for document in ("latest.json", "keys.json", root_path("2027")) for suffix in ("", ".minisig")
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(DOCUMENTS), st.booleans(), st.data())
def test_every_flipped_bit_is_refused_or_does_not_matter(
    tmp_path: Path, histories: dict[str, History], document: str, known: bool, data: st.DataObject
) -> None:
    history = histories["simple"]
    victim = Victim(tmp_path)
    victim.memory.path.unlink(missing_ok=True)
    if known:
        victim.opens(history["2027"])
    victim.empty_cache()
    tree = history["2027"]
    flipped = bytearray(tree[document])
    bit = data.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    tree[document] = bytes(flipped)
    try:
        opened = victim.opens(tree)
    except REFUSED:
        return
    untrusted = document.endswith(".minisig") and bit // 8 < tree[document].index(b"\n") + 1
    assert untrusted or document == "keys.json.minisig"  # of a list that is known already
    assert opened.root_sha256 == digests(history)["2027"]


def test_the_catalogue_is_large_enough_and_names_are_single() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 45


# Honest flows


def journeys(history: History) -> Iterator[tuple[str, ...]]:
    names = sorted(history.states)
    for count in range(1, len(names) + 1):
        yield from combinations(names, count)


def followable(kind: str, journey: tuple[str, ...]) -> bool:
    """Whether keys hand on along a journey, as the documents allow it."""
    return kind != "hurried" or ("2026", "2028") not in pairwise(journey)


@pytest.mark.parametrize("kind", ["simple", "spared", "hurried", "guarded", "unsigned"])
def test_every_honest_journey_is_believed(kind: str, tmp_path: Path, histories: dict[str, History]) -> None:
    for number, journey in enumerate(journeys(histories[kind])):
        if not followable(kind, journey):
            continue
        victim = Victim(tmp_path / str(number))
        for release in journey:
            for _ in range(2):
                opened = victim.opens(histories[kind][release])
                assert opened.release == release
        assert len(victim.remembers.datasets) == 1


def test_two_exchanges_of_the_only_key_cannot_be_followed_at_once_and_a_person_can_help(
    victim: Victim, histories: dict[str, History]
) -> None:
    victim.opens(histories["hurried"]["2026"])
    newest = histories["hurried"]["2028"]
    with pytest.raises(TrustError, match="must be signed by 1 of the keys of version 1"):
        victim.opens(newest)
    listed = Keys.parse(newest["keys.json"], limit=1 << 16)
    known = victim.remembers.of(DATASET_ID)
    assert known is not None
    victim.memory.change(lambda now: now.with_known(known.model_copy(update={"added": listed.keys})))
    assert victim.opens(newest).release == "2028"
    assert victim.opens(newest).trust == "remembered"


@pytest.mark.parametrize("kind", ["simple", "spared", "guarded"])
def test_every_moment_of_a_publication_is_believed(kind: str, tmp_path: Path, histories: dict[str, History]) -> None:
    history = histories[kind]
    names = sorted(history.states)
    for before, release in zip([None, *names], names, strict=False):
        for number, stage in enumerate(history.steps[release]):
            if before is None and number < len(history.steps[release]) - 1:
                continue  # nothing was published yet
            for seen in ("nothing", "before"):
                victim = Victim(tmp_path / f"{release}-{number}-{seen}")
                if seen == "before" and before:
                    victim.opens(history[before])
                opened = victim.opens(stage)
                assert opened.release in (before, release)
                assert victim.opens(stage).release == opened.release
                victim.empty_cache()
                assert victim.opens(stage).release == opened.release
                assert victim.opens(history[release]).release == release


@pytest.mark.parametrize("kind", ["simple", "spared", "guarded"])
def test_a_publication_between_two_requests_is_survived(
    kind: str, tmp_path: Path, histories: dict[str, History]
) -> None:
    """The upstream moves on by one write before each request, from every moment on."""
    history = histories[kind]
    names = sorted(history.states)
    for before, release in pairwise(names):
        stages = history.steps[release]
        for start in range(len(stages)):
            for seen in (False, True):
                victim = Victim(tmp_path / f"{release}-{start}-{seen}")
                if seen:
                    victim.opens(history[before])
                rest = iter(stages[start:])

                def move(source: Upstream, rest: Iterator[Tree] = rest) -> None:
                    source.tree = next(rest, source.tree)

                assert victim.opens(Upstream(stages[start], before_read=move)).release in (before, release)


def fast_forwarded(history: History, release: str) -> Tree:
    """What a thief of key A makes of a state: the highest number there is."""
    tree = history[release]
    put_root(tree, root_of(tree, release).model_copy(update={"release": "9999", "sequence": HIGHEST}), A)
    return tree


def test_a_fast_forward_is_taken_back_by_new_keys(victim: Victim, histories: dict[str, History]) -> None:
    history = histories["simple"]
    victim.opens(history["2026"])
    assert (
        victim.opens(fast_forwarded(history, "2026")).root.sequence == HIGHEST
    )  # the key is a key until it is retired
    with pytest.raises(TrustError, match="seen before"):
        victim.opens(history["2027"])
    opened = victim.opens(history["2028"])
    assert opened.release == "2028"
    assert any("taken back" in note for note in opened.notes)
    assert victim.opens(history["2029"]).release == "2029"
    with pytest.raises(TrustError):
        victim.opens(fast_forwarded(history, "2026"))


def test_a_fast_forward_is_not_taken_back_by_the_new_keys_with_an_old_release(
    victim: Victim, histories: dict[str, History]
) -> None:
    history = histories["simple"]
    victim.opens(fast_forwarded(history, "2027"))
    tree = history["2027"]
    tree.update({path: data for path, data in history["2028"].items() if path.startswith("keys.json")})
    with pytest.raises(TrustError):
        victim.opens(tree)


def test_a_fast_forward_by_a_key_that_stays_is_not_taken_back(victim: Victim, histories: dict[str, History]) -> None:
    history = histories["simple"]
    victim.opens(fast_forwarded(history, "2026"))
    tree = history["2028"]
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, keys=[A.public.line, B.public.line]), [A, B])
    with pytest.raises(TrustError):
        victim.opens(tree)


def test_a_release_that_was_kept_back_is_told_by_its_date(victim: Victim, histories: dict[str, History]) -> None:
    late = {"today": date(2099, 1, 1)}
    opened = victim.opens(histories["simple"]["2027"], **late)
    assert any("was to be renewed" in note for note in opened.notes)
    with pytest.raises(TrustError, match="was to be renewed"):
        victim.opens(histories["simple"]["2027"], **late, strict_freshness=True)
    assert not any("renewed" in note for note in victim.opens(histories["simple"]["2027"]).notes)


def served(opened: Trusted, path: str) -> bytes:
    item = next(item for item in opened.root.all_objects() if item.path == path)
    return asyncio.run(opened.document(item)).read_bytes()


def test_the_address_is_that_of_the_upstream(victim: Victim, histories: dict[str, History]) -> None:
    opened = victim.opens(histories["simple"]["2027"])
    assert opened.address == ADDRESS
    assert served(opened, "releases/2027/README.md") == b"# 2027\n"
