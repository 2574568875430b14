"""From a question to a plan and a pull, as the command line and Python both have it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tagswarm.imaging.transform import Transform
from tagswarm.manifests.errors import DigestMismatch, QueryError, QuerySyntaxError
from tagswarm.manifests.events import Event, Notice
from tagswarm.mirror.access import Access, Use
from tagswarm.mirror.form import Form
from tagswarm.mirror.lock import LOCK, Lock
from tagswarm.mirror.subset import verify
from tagswarm.pulling import Chosen, Job, Ready, mended, prepared
from tagswarm.tagindex.reader import Index
from tests.released import Released

TODAY = date(2026, 11, 20)
SMALL = Form(transform=Transform(mode="pad", width=32))
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


@pytest.fixture
def access(released: Released, tmp_path: Path) -> Callable[..., Access]:
    """Access to the release, or to others, with a memory of the test's own."""

    def to(*places: Path, **more: Any) -> Access:
        addresses = tuple(map(str, places or (released.root,)))
        return Access(addresses=addresses, cache=tmp_path / "cache", trust_file=tmp_path / "trust.json", **more)

    return to


@asynccontextmanager
async def ready(job: Job, heard: list[Event] | None = None) -> AsyncIterator[Ready]:
    async with prepared(job, today=TODAY, report=(heard if heard is not None else []).append) as found:
        yield found


def ids_of(job: Job) -> list[int]:
    async def body() -> list[int]:
        async with ready(job) as found:
            return found.selection.ids.tolist()  # type: ignore[no-any-return]

    return run(body())


def test_a_query_ids_and_chosen_posts_are_the_same_thing(released: Released, access: Callable[..., Access]) -> None:
    by_query = ids_of(Job(access=access(), query="solo smile"))
    assert by_query
    assert ids_of(Job(access=access(), ids=[*reversed(by_query), by_query[0]])) == by_query
    path = released.root / "releases/2026/index.sqlite"
    with Index.open(path) as index:
        posts = index.posting(index.tag("solo")) & index.posting(index.tag("smile"))  # type: ignore[arg-type]  # they are there
    assert ids_of(Job(access=access(), chosen=Chosen(index=path, posts=posts, asked=None))) == by_query


def test_posts_of_another_index_are_refused(released: Released, access: Callable[..., Access], tmp_path: Path) -> None:
    path = released.root / "releases/2026/index.sqlite"
    with Index.open(path) as index:
        posts = index.posting(index.tag("solo"))  # type: ignore[arg-type]  # it is there
    same = Path(shutil.copy2(path, tmp_path / "same.sqlite"))
    assert ids_of(Job(access=access(), chosen=Chosen(index=same, posts=posts, asked=None)))
    other = Path(shutil.copy2(path, tmp_path / "other.sqlite"))
    other.write_bytes(other.read_bytes()[:-1] + b"x")
    with pytest.raises(DigestMismatch, match="where the posts were chosen"):
        ids_of(Job(access=access(), chosen=Chosen(index=other, posts=posts, asked=None)))


def test_how_a_query_is_read_reaches_it_and_the_lock(access: Callable[..., Access], tmp_path: Path) -> None:
    asking = {"limit": 3, "seed": 7, "dialect": "gelbooru", "now": datetime(2026, 11, 20, tzinfo=UTC)}
    job = Job(access=access(), query="solo sort:random", asking=asking, form=SMALL, out=tmp_path / "out")

    async def body() -> None:
        async with ready(job) as found:
            assert (found.plan.files, found.here) == (3, 0)
            assert found.plan.room.free is not None
            done = await found.pull()
            assert done.report.ok

    run(body())
    head = Lock(tmp_path / "out" / LOCK).header
    assert (head.query, head.canonical, head.seed, head.timezone) == (
        "solo sort:random",
        "solo order:random limit:3",
        7,
        "UTC",
    )
    assert head.now == "2026-11-20T00:00:00+00:00"


def test_a_wrong_query_knows_its_place(access: Callable[..., Access]) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        ids_of(Job(access=access(), query="solo (smile"))
    assert (caught.value.text, caught.value.span) == ("solo (smile", (5, 6))


def test_a_lock_brings_its_release_its_rendition_and_its_form(access: Callable[..., Access], tmp_path: Path) -> None:
    job = Job(access=access(), query="solo", rendition="64px", form=SMALL, out=tmp_path / "out")
    again = Job(access=access(), lock=tmp_path / "out" / LOCK, out=tmp_path / "again")

    async def body() -> None:
        async with ready(job) as found:
            await found.pull()
        async with ready(again) as found:
            assert (found.job.form, found.job.rendition, found.job.access.release) == (SMALL, "64px", "2026")
            done = await found.pull()
        assert done.reproduced is not None
        assert done.reproduced.ok
        assert (tmp_path / "again" / LOCK).read_bytes() == (tmp_path / "out" / LOCK).read_bytes()

    run(body())


def test_a_lock_of_another_dataset_is_refused(access: Callable[..., Access], tmp_path: Path) -> None:
    async def body() -> None:
        async with ready(Job(access=access(), query="solo", form=SMALL, out=tmp_path / "out")) as found:
            await found.pull()

    run(body())
    lock = tmp_path / "out" / LOCK
    lock.write_bytes(lock.read_bytes().replace(b'"id":"5a3f', b'"id":"0000', 1))
    with pytest.raises(QueryError, match="the lock is of the dataset pictures"):
        ids_of(Job(access=access(), lock=lock))


def test_what_a_newer_release_takes_back_is_told(
    released: Released, access: Callable[..., Access], tmp_path: Path
) -> None:
    mine = released.copy(tmp_path / "mine")

    async def pulled() -> None:
        async with ready(Job(access=access(mine.root), query="solo", form=SMALL, out=tmp_path / "out")) as found:
            await found.pull()

    run(pulled())
    entries = list(Lock(tmp_path / "out" / LOCK).entries())
    mine.publish("2027", f"danbooru,{entries[0].id},withdraw,asked by the artist\n")
    heard: list[Event] = []

    async def again() -> None:
        job = Job(access=access(mine.root), lock=tmp_path / "out" / LOCK, out=tmp_path / "again")
        async with ready(job, heard) as found:
            assert found.plan.withdrawn == (entries[0].id,)
            done = await found.pull()
        assert done.reproduced is not None
        assert done.reproduced.absent == (entries[0].id,)
        assert done.reproduced.same == len(entries) - 1

    run(again())
    said = [event.message for event in heard if isinstance(event, Notice)]
    assert f"taken back since the lock was made, and left out: 1 ({entries[0].id})" in said


def test_only_what_is_wrong_is_fetched_again(access: Callable[..., Access], tmp_path: Path) -> None:
    async def body() -> None:
        async with ready(Job(access=access(), query="solo", form=SMALL, out=tmp_path / "out")) as found:
            await found.pull()
        first, second, *_ = sorted((tmp_path / "out/images").rglob("*.jpg"))
        before = first.read_bytes(), second.read_bytes()
        first.write_bytes(b"x")
        second.unlink()
        problems = verify(tmp_path / "out", workers=1)
        done = await mended(tmp_path / "out", problems, access(), use=Use(), jobs=1, today=TODAY)
        assert (done.report.fetched, done.report.ok) == (2, True)
        assert (first.read_bytes(), second.read_bytes()) == before

    run(body())
