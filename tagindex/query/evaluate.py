"""A checked query to posts: set operations over the tree as it stands, the cheapest first, and no normal form.

**Negation.** A comparison with an absent value is neither true nor false (`notes` of the language: Kleene's logic), so
`-score:>5` leaves out the posts without a score, as `score:>5` does. A `not` is carried down to the leaves by De
Morgan's laws, which hold in that logic: there a leaf answers either where it is true or where it is false, and nothing
in between ever needs two sets.

**Complements.** A set is kept as its members or as those it lacks, whichever came about: `a -b` is a difference and
only a query that is negative as a whole is turned round, once, at the end.

**Candidates.** Inside an `and` the parts are answered in the order of their estimated sizes, and each has to be right
only for the posts that all before it left: few candidates make a comparison read their values alone.

Nothing here refuses a query: `check` did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pyroaring import BitMap

from tagswarm.tagindex.bitmaps import from_ordinals
from tagswarm.tagindex.store import Ordinals, Store

from .conditions import Checked, ChildIs, ParentIs, Test
from .derived import children_of, missing, parents_of
from .leaves import ANYWHERE, Leaves
from .order import arrange, random_order
from .sets import Posts, union
from .syntax import All, And, Node, Not, Nothing, Or, Tag, fold


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a query that was answered."""

    node: Node
    negated: bool
    """Whether the part was asked for the posts where it is false, for it stands under a `not`."""
    size: int
    """How many posts it selects, of the candidates if there are some."""
    seconds: float
    """Time of its own, without that of its parts."""
    candidates: int | None = None
    """How many posts the parts before it had left; None where all posts were asked for."""


class Answer:
    """The posts that a query selects, and their order, which is found when it is asked for.

    Attributes:
        matches: the posts that the tree selects, before `random:` and `limit:`.
        notes: what the asker should know, a sentence each.
        steps: the parts in the order in which they were done.
        seed: of `order:random` and `random:`.
    """

    def __init__(self, matches: BitMap, checked: Checked, store: Store, seed: int, steps: Sequence[Step]) -> None:
        self.matches = matches
        self.notes = checked.notes
        self.steps = tuple(steps)
        self.seed = seed
        self._checked = checked
        self._store = store

    def __len__(self) -> int:
        bounds = [bound for bound in (self._checked.random, self._checked.limit) if bound is not None]
        return min([len(self.matches), *bounds])

    @cached_property
    def _drawn(self) -> BitMap:
        drawn = self._checked.random
        if drawn is None or drawn >= len(self.matches):
            return self.matches
        return from_ordinals(random_order(self.matches, self._store, self.seed, drawn))

    @cached_property
    def posts(self) -> BitMap:
        """The selected posts, after `random:` and `limit:`."""
        return self._drawn if len(self) == len(self._drawn) else from_ordinals(self.ordinals)

    @cached_property
    def ordinals(self) -> Ordinals:
        """The selected posts in their order; only as much of it is sorted as `limit:` asks for."""
        return arrange(self._drawn, self._store, self._checked.order, seed=self.seed, limit=self._checked.limit)


def evaluate(
    checked: Checked,
    store: Store,
    *,
    seed: int = 0,
    whole: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Answer:
    """Answer a checked query.

    Args:
        checked: what `check` made of the query for this store.
        store: the collection.
        seed: of `order:random` and `random:`; the same seed draws the same posts on every machine.
        whole: answer every part for all posts, so that the steps tell their sizes, not what was left to do.
        clock: tells the time in seconds, for the steps.
    """
    work = _Evaluation(store, clock, whole=whole)
    matches = work.run(checked.node)
    if checked.order.drops_nulls:
        matches = matches - missing(store, checked.order.by)
    return Answer(matches, checked, store, seed, work.steps)


def count(checked: Checked, store: Store) -> int:
    """How many posts a query selects; for one tag, or all, nothing but the dictionary is read."""
    matches: int
    match checked.node:
        case All() if not checked.order.drops_nulls:
            matches = store.size
        case Tag(name=name) if not checked.order.drops_nulls:
            row = store.tag(name)
            matches = row.count if row else 0
        case _:
            return len(evaluate(checked, store))
    return min(bound for bound in (matches, checked.random, checked.limit) if bound is not None)


_Asked = tuple[Node, bool, BitMap | None]
"""A part, whether it is to be false, and the candidates: None for all posts."""
_Solving = Generator[_Asked, Posts, Posts]


class _Evaluation:
    """Answers one tree; the parts ask for theirs by yielding, so a deep tree needs no deep stack of Python's."""

    def __init__(self, store: Store, clock: Callable[[], float], *, whole: bool) -> None:
        self.store = store
        self.leaves = Leaves(store)
        self.clock = clock
        self.whole = whole
        self.steps: list[Step] = []
        self.estimates: dict[int, int] = {}

    def run(self, node: Node) -> BitMap:
        self._estimate(node)
        stack: list[tuple[_Asked, _Solving, float]] = [((node, False, None), self._solve(node, False, None), 0.0)]
        answer: Posts | None = None
        while stack:
            asked, solving, spent = stack.pop()
            started = self.clock()
            try:
                part, negated, within = solving.send(answer)  # type: ignore[arg-type] # a new generator is sent None
            except StopIteration as done:
                answer = done.value
                spent += self.clock() - started
                if not isinstance(asked[0], Not):
                    self.steps.append(self._step(asked, done.value, spent))
                continue
            within = None if self.whole else within
            stack.append((asked, solving, spent + self.clock() - started))
            stack.append(((part, negated, within), self._solve(part, negated, within), 0.0))
            answer = None
        assert answer is not None
        return answer.members(self.store.size)

    def _step(self, asked: _Asked, answer: Posts, seconds: float) -> Step:
        node, negated, within = asked
        of = self.store.size if within is None else len(within)
        size = len(answer.posts) if within is None else answer.posts.intersection_cardinality(within)
        return Step(node, negated, of - size if answer.rest else size, seconds, None if within is None else of)

    def _estimate(self, node: Node) -> int:
        """Guess how many posts each part selects, without reading a posting list."""
        size = self.store.size

        def guess(node: Node, parts: tuple[int, ...]) -> int:
            match node:
                case All():
                    found = size
                case Nothing():
                    found = 0
                case Tag(name=name):
                    row = self.store.tag(name)
                    found = row.count if row else 0
                case And():
                    found = min(parts)
                case Or():
                    found = min(sum(parts), size) if max(parts) < ANYWHERE else sum(parts)
                case Not():
                    found = max(size - parts[0], 0) if parts[0] < ANYWHERE else parts[0]
                case Test(condition=condition):
                    found = self.leaves.guess(condition)
                case _:
                    found = size
            self.estimates[id(node)] = found
            return found

        return fold(node, guess)

    def _solve(self, node: Node, negated: bool, within: BitMap | None) -> _Solving:
        match node:
            case Not(child=child):
                return (yield child, not negated, within)
            case And(children=children):
                solve = self._either if negated else self._all_of
                return (yield from solve(children, negated, within))
            case Or(children=children):
                solve = self._all_of if negated else self._either
                return (yield from solve(children, negated, within))
            case Test(condition=ParentIs(node=other) | ChildIs(node=other) as condition):
                self._estimate(other)
                relatives = (yield other, False, None).members(self.store.size)
                related = children_of if isinstance(condition, ParentIs) else parents_of
                return Posts(related(self.store, relatives), negated)
            case Test(condition=condition):
                return self.leaves.select(condition, negated=negated, within=within)
            case Tag(name=name):
                row = self.store.tag(name)
                return Posts(self.store.posting(row) if row else BitMap(), negated)
            case All():
                return Posts(BitMap(), not negated)
            case _:
                return Posts(BitMap(), negated)

    def _all_of(self, children: Sequence[Node], negated: bool, within: BitMap | None) -> _Solving:
        """The posts that are in every part: each is asked only about those that the parts before it left."""
        found: BitMap | None = None
        barred = BitMap()
        for child in self._cheapest(children, negated):
            answer = yield child, negated, within if found is None else found
            if answer.rest:
                if found is None:
                    barred = barred | answer.posts
                else:
                    found = found - answer.posts
            elif found is None:
                found = (answer.posts if within is None else answer.posts & within) - barred
            else:
                found = found & answer.posts
            if found is not None and not found and not self.whole:
                break
        return Posts(barred, rest=True) if found is None else Posts(found)

    def _either(self, children: Sequence[Node], negated: bool, within: BitMap | None) -> _Solving:
        """The posts that are in any part."""
        found = []
        lacking: BitMap | None = None
        for child in self._cheapest(children, negated):
            answer = yield child, negated, within
            if answer.rest:
                lacking = answer.posts if lacking is None else lacking & answer.posts
            else:
                found.append(answer.posts if within is None else answer.posts & within)
        together = union(found)
        return Posts(together) if lacking is None else Posts(lacking - together, rest=True)

    def _cheapest(self, children: Sequence[Node], negated: bool) -> list[Node]:
        size = self.store.size

        def cost(child: Node) -> int:
            guess = self.estimates[id(child)]
            return size - guess if negated and guess <= size else guess

        return sorted(children, key=cost)
