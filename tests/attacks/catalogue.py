"""Attacks by name: what the victim has seen before, and the tree that a hostile upstream then shows.

Every one must be refused, by whoever follows an upstream. `MEMORYLESS` are those that are refused at first sight too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tagswarm.manifests.models import KEYS_LIMIT, LATEST_LIMIT, ROOT_LIMIT, Keys, Object
from tagswarm.manifests.signing import SIGNATURE_LIMIT, PublicKey
from tagswarm.manifests.signing import sign as signature
from tagswarm.manifests.statements import Statement
from tests.publisher import DATASET_ID

from .upstream import (
    MALLORY,
    A,
    B,
    C,
    History,
    Tree,
    drop,
    latest_of,
    put_keys,
    put_root,
    resign,
    root_of,
    root_path,
)

Change = Callable[[Tree, History], None]

HIGHEST = (1 << 53) - 1


@dataclass(frozen=True)
class Attack:
    """One way to deceive."""

    name: str
    change: Change
    """Turns the honest tree into what is shown."""
    shown: str
    """The release whose tree is changed."""
    seen: str | None
    """The release that the victim has seen before; None at first sight."""
    history: str = "simple"
    keys: tuple[PublicKey, ...] = ()
    """Keys that the victim was given."""
    release: str | None = None
    """The release that the victim asks for."""

    def tree(self, histories: dict[str, History]) -> Tree:
        """What the hostile upstream shows."""
        history = histories[self.history]
        tree = history[self.shown]
        self.change(tree, history)
        return tree


ATTACKS: list[Attack] = []
MEMORYLESS: list[Attack] = []


def attack(
    *,
    shown: str = "2027",
    seen: str | None = "2027",
    history: str = "simple",
    keys: Sequence[PublicKey] = (),
    release: str | None = None,
    first_sight: bool = False,
) -> Callable[[Change], Change]:
    """Put an attack into the catalogue; `first_sight` also for a victim without memory."""

    def add(change: Change) -> Change:
        made = Attack(change.__name__, change, shown, seen, history, tuple(keys), release)
        ATTACKS.append(made)
        if first_sight:
            MEMORYLESS.append(Attack(change.__name__, change, shown, None, history, tuple(keys), release))
        return change

    return add


# Rollback


@attack(shown="2026")
def rollback_to_an_older_release(tree: Tree, history: History) -> None:
    pass


@attack(shown="2026", seen="2029")
def rollback_to_before_a_key_was_replaced(tree: Tree, history: History) -> None:
    pass


@attack()
def rollback_of_latest_alone(tree: Tree, history: History) -> None:
    for path in ("latest.json", "latest.json.minisig"):
        tree[path] = history["2026"][path]


@attack(shown="2026", seen="2029")
def rollback_with_the_newest_list_of_keys(tree: Tree, history: History) -> None:
    drop(tree, "keys.json")
    tree.update({path: data for path, data in history["2029"].items() if path.startswith("keys.json")})


@attack(shown="2026")
def rollback_under_cover_of_a_new_list_of_keys(tree: Tree, history: History) -> None:
    drop(tree, "keys.json")
    tree.update({path: data for path, data in history["2028"].items() if path.startswith("keys.json")})


@attack(shown="2028", seen="2029")
def rollback_with_both_keys_on_the_older_release(tree: Tree, history: History) -> None:
    pass


@attack()
def rollback_by_removing_latest(tree: Tree, history: History) -> None:
    drop(tree, "latest.json")
    drop(tree, "releases/2027/")


# Mixtures of states


@attack(first_sight=True)
def the_root_of_last_year_under_this_name(tree: Tree, history: History) -> None:
    for suffix in ("", ".minisig"):
        tree[root_path("2027") + suffix] = tree[root_path("2026") + suffix]


@attack(first_sight=True)
def the_root_of_last_year_renamed_inside(tree: Tree, history: History) -> None:
    tree[root_path("2027")] = root_of(tree, "2026").model_copy(update={"release": "2027"}).render()
    tree[root_path("2027") + ".minisig"] = tree[root_path("2026") + ".minisig"]


@attack(first_sight=True)
def latest_names_another_root(tree: Tree, history: History) -> None:
    latest = latest_of(tree)
    place = latest.root.model_copy(update={"sha256": "0" * 64})
    tree["latest.json"] = latest.model_copy(update={"root": place}).render()


@attack(first_sight=True)
def the_signature_of_another_file(tree: Tree, history: History) -> None:
    tree["latest.json.minisig"] = tree[root_path("2027") + ".minisig"]


@attack(first_sight=True)
def the_signature_of_last_year_on_latest(tree: Tree, history: History) -> None:
    tree["latest.json.minisig"] = history["2026"]["latest.json.minisig"]


@attack(first_sight=True)
def a_list_of_keys_of_another_dataset(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id="f" * 32, version=1, keys=[A.public.line]), [A])


@attack(first_sight=True)
def latest_of_another_dataset(tree: Tree, history: History) -> None:
    other = latest_of(tree).model_copy(update={"dataset_id": "f" * 32})
    tree["latest.json"] = other.render()
    resign(tree, "latest.json", A, Statement.of_latest(other))


@attack()
def another_dataset_at_a_known_address(tree: Tree, history: History) -> None:
    root = root_of(tree, "2027")
    other = root.model_copy(update={"dataset": root.dataset.model_copy(update={"id": "f" * 32}), "sequence": 9})
    put_root(tree, other, MALLORY)
    put_keys(tree, Keys(dataset_id="f" * 32, version=1, keys=[MALLORY.public.line]), [MALLORY])


# Forgery


@attack(first_sight=True)
def a_forged_root(tree: Tree, history: History) -> None:
    tree[root_path("2027")] = root_of(tree, "2027").model_copy(update={"generator": "mallory"}).render()


@attack(first_sight=True)
def a_forged_root_and_latest_by_another_key(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2027").model_copy(update={"generator": "mallory"}), MALLORY)


@attack(first_sight=True)
def a_forged_root_under_the_honest_signature(tree: Tree, history: History) -> None:
    text = tree[root_path("2027") + ".minisig"]
    put_root(tree, root_of(tree, "2027").model_copy(update={"generator": "mallory"}), MALLORY)
    tree[root_path("2027") + ".minisig"] = text


@attack(first_sight=True)
def a_forged_newer_release_by_another_key(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)


@attack(first_sight=True)
def no_signature_on_the_root(tree: Tree, history: History) -> None:
    del tree[root_path("2027") + ".minisig"]


@attack(first_sight=True)
def no_signature_on_latest(tree: Tree, history: History) -> None:
    del tree["latest.json.minisig"]


@attack()
def everything_unsigned_after_it_was_signed(tree: Tree, history: History) -> None:
    drop(tree, "keys.json")
    for path in [path for path in tree if path.endswith(".minisig")]:
        del tree[path]


@attack()
def a_newer_unsigned_release_after_signed_ones(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)
    drop(tree, "keys.json")
    for path in [path for path in tree if path.endswith(".minisig")]:
        del tree[path]


@attack(first_sight=True)
def the_right_bytes_under_a_wrong_comment(tree: Tree, history: History) -> None:
    said = Statement.of_root(root_of(tree, "2027"), tree[root_path("2027")])
    wrong = Statement(dataset=said.dataset, file=said.file, release="2099", number=9, sha256=said.sha256)
    resign(tree, root_path("2027"), A, wrong)


@attack(first_sight=True)
def a_comment_that_says_nothing(tree: Tree, history: History) -> None:
    data = tree[root_path("2027")]
    tree[root_path("2027") + ".minisig"] = signature(A, data, "timestamp:1700000000 file:release.json")


@attack()
def a_stolen_key_signs_another_root_for_a_number_that_was_seen(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2027").model_copy(update={"generator": "mallory"}), A)


@attack(shown="2028", seen="2028", release="2027")
def a_stolen_key_changes_an_older_release_that_was_seen(tree: Tree, history: History) -> None:
    """The victim has seen 2027 as the newest, then 2028 (see the harness)."""
    root = root_of(tree, "2027").model_copy(update={"generator": "mallory"})
    tree[root_path("2027")] = root.render()
    resign(tree, root_path("2027"), A, Statement.of_root(root, root.render()))
    resign(tree, root_path("2027"), B, Statement.of_root(root, root.render()), named=True)


# Keys


@attack()
def keys_exchanged_without_the_old_one(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, keys=[MALLORY.public.line]), [MALLORY])
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)


@attack()
def keys_of_a_high_version_without_the_old_one(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=1 << 40, keys=[MALLORY.public.line]), [MALLORY])
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)


@attack()
def a_key_slipped_in_beside_the_honest_one(tree: Tree, history: History) -> None:
    lines = [A.public.line, MALLORY.public.line]
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, keys=lines), [MALLORY])
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)


@attack(keys=[A.public], seen=None)
def a_key_slipped_in_where_the_key_was_given(tree: Tree, history: History) -> None:
    lines = [A.public.line, MALLORY.public.line]
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, keys=lines), [MALLORY])


@attack()
def another_list_of_keys_under_a_version_that_was_seen(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=1, keys=[A.public.line, MALLORY.public.line]), [A, MALLORY])
    put_root(tree, root_of(tree, "2027").model_copy(update={"release": "2099", "sequence": 99}), MALLORY)


@attack(shown="2029", seen="2029")
def a_retired_key_signs_a_new_release(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2029").model_copy(update={"release": "2099", "sequence": 99}), A)


@attack(shown="2029", seen="2029")
def a_retired_key_signs_a_new_release_and_brings_its_old_list(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2029").model_copy(update={"release": "2099", "sequence": 99}), A)
    drop(tree, "keys.json")
    tree.update({path: data for path, data in history["2026"].items() if path.startswith("keys.json")})


@attack(shown="2029", seen="2029")
def a_retired_key_hands_on_to_itself(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=3, keys=[A.public.line]), [A])
    put_root(tree, root_of(tree, "2029").model_copy(update={"release": "2099", "sequence": 99}), A)


@attack(history="guarded", shown="2026", seen="2026", first_sight=True)
def one_stolen_key_of_two_signs_a_release(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2026").model_copy(update={"release": "2099", "sequence": 99}), C)


@attack(history="guarded", shown="2026", seen="2026", first_sight=True)
def one_stolen_key_counts_twice(tree: Tree, history: History) -> None:
    put_root(tree, root_of(tree, "2026").model_copy(update={"release": "2099", "sequence": 99}), C)
    for other in (A, B):
        tree[f"{root_path('2099')}.{other.public.name}.minisig"] = tree[root_path("2099") + ".minisig"]


@attack(history="guarded", shown="2026", seen="2026")
def one_stolen_key_of_two_hands_on(tree: Tree, history: History) -> None:
    lines = [C.public.line, MALLORY.public.line]
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, threshold=2, keys=lines), [C, MALLORY])


@attack(history="guarded", shown="2026", seen="2026")
def one_stolen_key_of_two_lowers_the_threshold(tree: Tree, history: History) -> None:
    put_keys(tree, Keys(dataset_id=DATASET_ID, version=2, threshold=1, keys=[C.public.line]), [C])
    put_root(tree, root_of(tree, "2026").model_copy(update={"release": "2099", "sequence": 99}), C)


@attack(history="guarded", shown="2026", seen="2026", first_sight=True)
def fast_forward_by_one_stolen_key_of_two(tree: Tree, history: History) -> None:
    latest = latest_of(tree).model_copy(update={"sequence": HIGHEST})
    tree["latest.json"] = latest.render()
    resign(tree, "latest.json", C, Statement.of_latest(latest))


@attack(first_sight=True)
def a_number_beyond_what_may_be(tree: Tree, history: History) -> None:
    text = tree["latest.json"].replace(b'"sequence": 2,', f'"sequence": {HIGHEST + 1},'.encode())
    tree["latest.json"] = text


# Documents that are none


@attack(first_sight=True)
def an_endless_latest(tree: Tree, history: History) -> None:
    tree["latest.json"] = b" " * (LATEST_LIMIT + 1)


@attack(first_sight=True)
def an_endless_list_of_keys(tree: Tree, history: History) -> None:
    tree["keys.json"] = b" " * (KEYS_LIMIT + 1)


@attack(first_sight=True)
def an_endless_root(tree: Tree, history: History) -> None:
    tree[root_path("2027")] = b" " * (ROOT_LIMIT + 1)


@attack(first_sight=True)
def an_endless_signature(tree: Tree, history: History) -> None:
    tree["latest.json.minisig"] = b"x" * (SIGNATURE_LIMIT + 1)


@attack(first_sight=True)
def a_deep_document(tree: Tree, history: History) -> None:
    tree[root_path("2027")] = b"[" * 100_000


@attack(first_sight=True)
def a_key_twice(tree: Tree, history: History) -> None:
    tree["latest.json"] = tree["latest.json"].replace(b'"sequence": 2,', b'"sequence": 2,\n  "sequence": 2,')


@attack(first_sight=True)
def a_field_that_nobody_knows(tree: Tree, history: History) -> None:
    value = json.loads(tree[root_path("2027")])
    value["mallory"] = True
    tree[root_path("2027")] = json.dumps(value).encode()


@attack(first_sight=True)
def a_release_whose_name_leaves_the_tree(tree: Tree, history: History) -> None:
    text = tree["latest.json"].replace(b'"release": "2027"', b'"release": "../../2027"')
    tree["latest.json"] = text


@attack(first_sight=True)
def a_captive_portal(tree: Tree, history: History) -> None:
    for path in list(tree):
        tree[path] = b"<!doctype html><title>Log in to the network</title>"


def lying_about(tree: Tree, item: Object, data: bytes) -> None:
    """Put other bytes in the place of a document that the root names."""
    assert tree[item.path] != data
    tree[item.path] = data
