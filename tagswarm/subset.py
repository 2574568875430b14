"""`tagswarm.Subset`: posts of a release that can be planned and pulled.

What comes from the index is in `tagindex.subset`; what fetches is loaded when something is fetched.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .running import blocking
from .tagindex.subset import Subset as Posts
from .ways import Reach, Ways

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack

    from pyroaring import BitMap

    from .asking import Asked
    from .imaging.transform import Transform
    from .listening import Listener, Listening
    from .mirror.form import Form, Layout
    from .mirror.plan import Plan
    from .pulling import Ready
    from .report import Report
    from .tagindex.store import Ordinals


class Subset(Posts):
    """Posts of a release in an order; made by `Release.query` and `Release.subset`.

    Two subsets of one release are put together with `&`, `|` and `-`, and are equal where their posts are.
    """

    _reach: Reach
    _asked: Asked | None = None

    def reached(self, reach: Reach, asked: Asked | None = None) -> Self:
        """The same posts, whose files are reached so; `asked` is the query that they answer."""
        self._reach, self._asked = reach, asked
        return self

    def _made(self, posts: BitMap, ordinals: Ordinals | None = None) -> Self:
        return super()._made(posts, ordinals).reached(self._reach)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a person should know of how the query was understood."""
        return () if self._asked is None else self._asked.checked.notes

    async def aplan(
        self,
        rendition: str | None = None,
        *,
        resize: Transform | None = None,
        keep_originals: bool = False,
        out: Path | str | None = None,
        report: Listener | None = None,
        **ways: Unpack[Ways],
    ) -> Plan:
        """Plan how the files would come: files, bytes, requests and seconds by source, before one of them moves.

        Args:
            rendition: which tree of images, such as `512px`; the originals where it is left out.
            resize: what is made of every image, made by `Resize`; without it files are kept as they are.
            keep_originals: count in what each image is made from.
            out: a folder whose disk is asked for room.
            report: is called with the events.
            **ways: `sources`, `via`, `forbid`, `prefer`, `limit_rate`, `torrents` and `peers`, as `Ways` has them.

        Raises:
            TrustError: the release cannot be believed.
            TransportError: no address is known, or none answers.
            PlanError: no source may be used, or knows the files.
            DigestMismatch: the posts were chosen from another index than that of the release.
        """
        from .listening import Listening  # noqa: PLC0415 - as the head says
        from .mirror.form import Form  # noqa: PLC0415

        form = Form(transform=resize, originals=keep_originals)
        async with self._prepared(Listening(report), ways, rendition=rendition, form=form, out=out) as ready:
            return ready.plan

    async def apull(
        self,
        out: Path | str,
        *,
        rendition: str | None = None,
        resize: Transform | None = None,
        layout: Layout = "buckets",
        keep_originals: bool = False,
        export: str | None = None,
        jobs: int | None = None,
        report: Listener | None = None,
        **ways: Unpack[Ways],
    ) -> Report:
        """Pull the files into a folder: each verified by SHA-256, and resized on this machine if asked.

        Stop it at any moment and call it again: what was verified is never fetched twice. Another subset that is pulled
        into the folder fetches and removes the difference. A file that does not come is no exception but an entry of
        the report.

        Args:
            out: the folder; tagswarm.lock in it says exactly what was pulled.
            rendition: which tree of images, such as `512px`; the originals where it is left out.
            resize: what is made of every image, made by `Resize`; without it files are kept as they are.
            layout: `buckets`, a folder for every 1000th post, or `flat`, one folder for all.
            keep_originals: keep what each image was made from beside it.
            export: also write the images in this form into `out/<form>`: `imagefolder`, `webdataset`, `parquet`,
                `kohya` or `sidecars`, with its default options.
            jobs: processes that decode; one a processor where it is left out.
            report: is called with the events.
            **ways: `sources`, `via`, `forbid`, `prefer`, `limit_rate`, `torrents` and `peers`, as `Ways` has them.

        Raises:
            TrustError: the release cannot be believed.
            TransportError: no address is known, or none answers.
            PlanError: there is nothing to pull, no source has it, or the disk is too small.
            DigestMismatch: the posts were chosen from another index than that of the release.
            StoreError: the folder cannot be written, or another run works on it.
        """
        from .exporting import options_of  # noqa: PLC0415 - as the head says
        from .folders import told  # noqa: PLC0415
        from .listening import Listening  # noqa: PLC0415
        from .mirror.form import Form  # noqa: PLC0415

        if export is not None:
            options_of(export, {})  # what is no form is told before anything is fetched
        heard = Listening(report)
        form = Form(transform=resize, layout=layout, originals=keep_originals)
        async with self._prepared(heard, ways, rendition=rendition, form=form, out=out, jobs=jobs) as ready:
            done = await ready.pull()
        return await told(done, heard, export)

    plan = blocking(aplan, "plan")
    pull = blocking(apull, "pull")

    def _prepared(
        self,
        heard: Listening,
        ways: Ways,
        *,
        rendition: str | None,
        form: Form,
        out: Path | str | None,
        jobs: int | None = None,
    ) -> AbstractAsyncContextManager[Ready]:
        from .pulling import Chosen, Job, prepared  # noqa: PLC0415 - as the head says
        from .ways import access  # noqa: PLC0415

        reach = self._reach
        known = [] if reach.address is None else [reach.address]
        reached, use = access(known, release=reach.release, **reach.trusting, **ways)
        job = Job(
            access=reached,
            chosen=Chosen(index=reach.index, posts=self.posts, asked=self._asked),
            rendition=rendition,
            form=form,
            use=use,
            jobs=jobs,
            out=None if out is None else Path(out),
        )
        return prepared(job, today=datetime.now(UTC).date(), report=heard)
