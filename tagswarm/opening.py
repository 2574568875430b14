"""`tagswarm.open`: a release to be asked things, from Python and from the command line alike.

    with tagswarm.open("/data/danbooru") as release:
        print(len(release.query("1girl solo rating:g")))

Only the index is read; nothing of the language or of the index is loaded before it is needed, and nothing of a network
where the release lies on this machine.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .asking import Asked, understand
from .place import Place, find, is_address
from .ways import Reach, Trusting

if TYPE_CHECKING:
    from typing import Unpack

    import numpy.typing as npt

    from .listening import Listener
    from .manifests.records import Category
    from .subset import Subset
    from .tagindex.query.conditions import Checked
    from .tagindex.query.evaluate import Answer
    from .tagindex.reader import Index
    from .tagsearch import FoundTag


class Reply:
    """What became of a query: how it was understood, and, once it is asked for, what answers it.

    Attributes:
        release: the release that was asked.
        asked: the query.
    """

    def __init__(self, release: Release, asked: Asked) -> None:
        self.release, self.asked = release, asked

    @property
    def text(self) -> str:
        """The query as it was written."""
        return self.asked.text

    @property
    def checked(self) -> Checked:
        """How it was understood."""
        return self.asked.checked

    @property
    def seed(self) -> int:
        """Of `random:` and `order:random`."""
        return self.asked.seed

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a person should know of the answer."""
        return self.checked.notes

    @property
    def notes_without_order(self) -> tuple[str, ...]:
        """Those of them that matter where the order of the posts does not."""
        from .tagindex.query.controls import BY_DATES  # noqa: PLC0415

        return tuple(note for note in self.notes if note != BY_DATES)

    @cached_property
    def answer(self) -> Answer:
        """The posts."""
        from .tagindex.query.evaluate import evaluate  # noqa: PLC0415

        return evaluate(self.checked, self.release.index, seed=self.seed)

    def subset(self) -> Subset:
        """The posts as a subset of the release, in their order."""
        from .subset import Subset  # noqa: PLC0415

        return Subset.of(self.release.index, self.answer).reached(self.release.reach, self.asked)

    def count(self) -> int:
        """How many posts there are, without looking for the posts where their number is known."""
        from .tagindex.query.evaluate import count  # noqa: PLC0415

        return count(self.checked, self.release.index)


class Release:
    """A release that is open; use it as a context manager, or close it.

    Attributes:
        notes: sentences that a person should know of it: whose keys were believed, whether it is old.
    """

    def __init__(self, place: Place, index: Index, reach: Reach, notes: tuple[str, ...] = ()) -> None:
        """Put together what `open_release` found.

        Args:
            place: of the index.
            index: open.
            reach: how the files are reached.
            notes: as above.
        """
        self._place = place
        self.index = index
        self.reach = reach
        self.notes = notes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many posts there are."""
        return self.index.size

    def __repr__(self) -> str:
        return f"<Release {self.name}: {len(self):,} posts>"

    @property
    def name(self) -> str:
        """The name of the release."""
        return self._place.name

    @property
    def path(self) -> Path:
        """The file of the index."""
        return self._place.index

    @property
    def tables(self) -> Path:
        """The folder of the release's Parquet tables; it is missing where only the index was fetched."""
        return self._place.tables

    def close(self) -> None:
        """Close the index; subsets of it can no longer be read."""
        self.index.close()

    def query(
        self,
        text: str = "",
        *,
        dialect: str = "danbooru",
        allow_unknown: bool = False,
        now: datetime | None = None,
        tz: tzinfo = UTC,
        seed: int = 0,
    ) -> Subset:
        """The posts that a query answers, in its order.

        Args:
            text: the query; an empty one is answered by every post.
            dialect: whose spelling it has: `danbooru`, `gelbooru` or `e621`.
            allow_unknown: let a tag that no post has match nothing instead of refusing it.
            now: what `age:` counts from; the current time where it is left out.
            tz: the time zone of `date:`.
            seed: of `random:` and `order:random`; the same seed picks the same posts.

        Raises:
            QueryError: the query cannot be answered as it stands; the error knows the place.
            IntegrityError: the index is damaged.
        """
        return self.ask(text, dialect=dialect, allow_unknown=allow_unknown, now=now, tz=tz, seed=seed).subset()

    def subset(self, ids: npt.ArrayLike, site: str | None = None) -> Subset:
        """The posts with these ids, in this order.

        Args:
            ids: a list or an array of numbers, each once.
            site: whose ids they are; may be left out where all posts are of one site.

        Raises:
            QueryError: the release has no such site or post.
        """
        from .subset import Subset  # noqa: PLC0415

        return Subset.from_ids(self.index, ids, site).reached(self.reach)

    def ask(
        self,
        text: str = "",
        *,
        dialect: str = "danbooru",
        allow_unknown: bool = False,
        now: datetime | None = None,
        tz: tzinfo = UTC,
        seed: int = 0,
        limit: int | None = None,
    ) -> Reply:
        """Tell how a query is understood, and answer it when the answer is asked for.

        Args:
            text: as for `query`, and so are the next five.
            dialect: whose spelling it has.
            allow_unknown: let unknown tags match nothing.
            now: what `age:` counts from.
            tz: the time zone of `date:`.
            seed: of `random:` and `order:random`.
            limit: the most posts to take, the first ones of the answer; `limit:` in the query may take fewer.

        Raises:
            QueryError: the query cannot be answered as it stands; the error knows the place.
            IntegrityError: the index is damaged.
        """
        asked = understand(
            self.index, text, dialect=dialect, allow_unknown=allow_unknown, now=now, tz=tz, seed=seed, limit=limit
        )
        return Reply(self, asked)

    def tags(
        self,
        pattern: str = "",
        *,
        category: Category | None = None,
        min_count: int = 1,
        among: Subset | None = None,
        limit: int | None = 100,
    ) -> list[FoundTag]:
        """The tags that are asked for, the most frequent first: among the posts that are given, else in the release.

        Args:
            pattern: how a tag, or an alias of it, begins; a glob for a whole tag where it has a `*`.
            category: of the tags.
            min_count: posts that have it, of those that are counted.
            among: only tags that one of these posts has.
            limit: the most tags to find; None finds all.
        """
        from .tagsearch import search  # noqa: PLC0415

        posts = None if among is None else among.posts
        return search(self.index, pattern, category=category, min_count=min_count, among=posts, limit=limit)


def open_release(
    place: Path | str,
    release: str | None = None,
    *,
    report: Listener | None = None,
    **trusting: Unpack[Trusting],
) -> Release:
    """Open a release.

    At an address, its signature is checked and its index fetched into the cache of the user; the next time only
    latest.json is asked for. What lies on this machine is read as it is, and whether it can be trusted is asked when
    something is pulled.

    Args:
        place: a dataset, of which the latest release is opened: a folder, `https://host/danbooru`, `s3://bucket/prefix`
            or `rsync://host/module`; or the folder of a release, or an index.sqlite.
        release: the name of another release of the dataset.
        report: is called with the events of the opening, such as bytes that have come; without it, what a person
            should know goes to the log `tagswarm`.
        **trusting: `keys`, `pin`, `offline`, `strict_freshness`, `cache` and `trust_file`, as `Trusting` has them.

    Raises:
        TrustError: the release at an address cannot be believed.
        TransportError: the address is none, or does not answer.
        StoreError: there is no such file or folder, or it cannot be read.
        IncompleteBuild: there is no release, or it has no index.
        FormatError: the index or a document of the release is malformed, or newer than this program.
    """
    from .tagindex.reader import Index  # noqa: PLC0415 - it loads what a look at the version does not need

    if is_address(place):
        from .listening import Listening  # noqa: PLC0415 - only what is not here needs a network
        from .remote import fetched  # noqa: PLC0415
        from .running import run  # noqa: PLC0415

        address = str(place)
        heard = Listening(report)
        found = run(fetched(address, release, report=heard, **trusting))
        reach = Reach(index=found.index, address=address, release=found.name, trusting=trusting)
        return Release(found, Index.open(found.index), reach, heard.notes)
    found = find(place, release)
    dataset = found.dataset
    newest = dataset is None or (release is None and dataset == Path(place).absolute())
    reach = Reach(
        index=found.index,
        address=None if dataset is None else str(dataset),
        release=None if newest else found.name,
        trusting=trusting,
    )
    return Release(found, Index.open(found.index), reach)
