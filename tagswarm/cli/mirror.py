"""The commands of whoever carries a dataset: `tagswarm mirror ...`.

They parse their options, run one part of `tagswarm.mirror.service`, and show what it tells until a signal ends it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tagswarm.manifests.errors import EXIT_OK, EXIT_PARTIAL, TagswarmError
from tagswarm.manifests.events import Event, Notice, Report, StepAdvanced, StepStarted

from . import options, session
from .output import Output, facts
from .steps import amount, units

if TYPE_CHECKING:
    from rich.console import Console

    from tagswarm.manifests.published import Published
    from tagswarm.mirror.service.seed import Seeder, Serving

# The modules of the library are imported inside the commands: that keeps `--help` and `--version` quick.

BEAT = 1.0
"""Seconds between two looks at what is seeded."""
STEP = "seed"


@click.group(short_help="Carry a dataset: seed what lies on this disk.")
@options.spoken
def mirror() -> None:
    """Carry a dataset for others.

    \b
      tagswarm mirror seed DATASET        put the volumes that lie here into the swarm
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash


@mirror.command(short_help="Seed the volumes that lie here, by BitTorrent.")
@options.dataset
@click.option("--release", "release_name", metavar="NAME", help="Which release; the latest.")
@options.trust
@click.option(
    "--volumes",
    "names",
    multiple=True,
    metavar="GLOB",
    help="Only volumes with such a name, as '512px-*'. May be given several times.",
)
@click.option(
    "--rendition", "renditions", multiple=True, metavar="NAME", help="Only this rendition. May be given several times."
)
@click.option(
    "--max-volumes", type=click.IntRange(min=1), metavar="N", help="Only the first N, by name, of those that lie here."
)
@options.rehash
@options.workers
@session.chosen
@click.option(
    "--check-pieces",
    is_flag=True,
    help="Hash a piece before it is sent the first time, which finds files that were damaged since the start. Takes "
    "5 MB of memory a volume, of large files 20 MB.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=BEAT),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a log or --json is told how it stands.",
)
@options.spoken
@click.pass_obj
def seed(
    output: Output,
    /,
    dataset: Path,
    release_name: str | None,
    keys: tuple[str, ...],
    pin: str | None,
    names: tuple[str, ...],
    renditions: tuple[str, ...],
    max_volumes: int | None,
    rehash: bool,
    workers: int | None,
    check_pieces: bool,
    every: float,
    **given: Any,
) -> int:
    """Seed the volumes of a release that lie whole in the folder DATASET.

    Every file is compared with the signed manifest first. A volume with a missing or damaged file is named and left
    out; volumes of which nothing is here are no error. What was verified is remembered, so that the next start reads
    only what has changed since. A tree that came by rsync or HTTP will do as well as one that came by torrent, and
    nothing in it is ever written.

    Runs until Ctrl-C or SIGTERM; a second one ends it at once. SIGHUP, where there is no terminal, makes it look for
    a new release and for volumes that have come since.

    Exit code: 0 when it was stopped, 3 when there is nothing that can be seeded.
    """
    from tagswarm.manifests.published import establish  # noqa: PLC0415
    from tagswarm.mirror.service.choice import Choice  # noqa: PLC0415
    from tagswarm.mirror.service.place import place  # noqa: PLC0415
    from tagswarm.mirror.service.seed import Seeder  # noqa: PLC0415
    from tagswarm.mirror.swarm import Swarm  # noqa: PLC0415

    from .keys import public_key  # noqa: PLC0415

    settings, trackers = session.settings(given, web_seeds=False, checks=check_pieces)
    trusted = [public_key(key) for key in keys]
    choice = Choice(names=names, renditions=renditions, most=max_volumes)

    def find() -> Published:
        return establish(dataset, release=release_name, keys=trusted, pin=pin)

    with _signals() as asked:
        told = _Told(output, every)
        with told.until_stopped(), place(dataset) as home:
            found = find()
            output.notes(found.notes)
            with Swarm(settings) as swarm, output.progress() as report:
                seeder = Seeder(dataset, swarm, home, workers=workers, trackers=trackers, report=told)
                told.begin(seeder, report, swarm.port, settings.listen)
                if home.note:
                    told(Notice(home.note))
                seeder.adopt(found, choice, rehash=rehash)
                while seeder.volumes:
                    told.beat()
                    time.sleep(BEAT)
                    seeder.tend()
                    if asked.again:
                        asked.again = False
                        try:
                            seeder.adopt(find(), choice)
                        except TagswarmError as failure:
                            told(Notice(f"the volumes stay those that they are: {failure.message}"))
        return told.end()


@dataclass(slots=True)
class _Asked:
    """What signals have asked for and nobody has done yet."""

    again: bool = False


@contextlib.contextmanager
def _signals() -> Iterator[_Asked]:
    """Let the first SIGINT or SIGTERM interrupt the block, and the second one end the process at once."""
    asked = _Asked()

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    def again(*_: object) -> None:
        asked.again = True

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if not (sys.stdin and sys.stdin.isatty()):  # where there is one, SIGHUP says that it was closed
        handlers[signal.SIGHUP] = again
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Told:
    """Tells how the seeding stands: a line that moves on a terminal, a sentence now and then elsewhere."""

    def __init__(self, output: Output, every: float) -> None:
        self._output, self._every = output, every
        self._report: Report | None = None
        self._seeder: Seeder | None = None
        self._serving: Serving | None = None
        self._looked = self._said = 0.0
        self._live = output.moves
        self._stopped = False

    @contextlib.contextmanager
    def until_stopped(self) -> Iterator[None]:
        """Run a block that an interruption ends as it should."""
        try:
            yield
        except KeyboardInterrupt:
            self._stopped = True

    def begin(self, seeder: Seeder, report: Report, port: int, listen: Iterable[str]) -> None:
        """Take in what is to be told of, and to whom."""
        self._seeder, self._report = seeder, report
        if port:
            report(Notice(f"peers connect to port {port}", "info", {"port": port}))
        else:
            where = ", ".join(listen)
            report(Notice(f"no peer can connect: {where} cannot be listened on; name another with --listen"))
        if self._live:
            report(StepStarted(STEP, unit="volumes"))

    def __call__(self, event: Event) -> None:
        """Hand on an event of the seeder, and look how it stands meanwhile."""
        assert self._report is not None
        self._report(event)
        self.beat()

    def beat(self) -> None:
        """Look how the seeding stands, if it is time, and tell it."""
        now = time.monotonic()
        if self._seeder is None or self._report is None or now - self._looked < BEAT:
            return
        self._looked = now
        serving = self._serving = self._seeder.serving()
        if self._live:
            peers = f"{units(serving.peers, 'peers')}, {amount(serving.upload_rate)}/s"
            self._report(StepAdvanced(STEP, serving.volumes, serving.uploaded, peers))
        elif serving.volumes and now - self._said >= self._every:
            self._said = now
            said = f"seeding {units(serving.volumes, 'volumes')} to {units(serving.peers, 'peers')}: "
            said += f"{amount(serving.upload_rate)}/s, {amount(serving.uploaded)} so far"
            self._report(Notice(said, "info", facts(serving)))

    def end(self) -> int:
        """Tell what came of it all; the exit code."""
        seeder = self._seeder
        if seeder is None:
            return EXIT_OK
        left = list(seeder.unseeded.values())
        sent = self._serving.uploaded if self._serving else 0
        value = {
            "seeded": seeder.volumes,
            "unseeded": left,
            "absent": seeder.absent,
            "without_torrent": seeder.without,
            "uploaded": sent,
        }
        failed = "" if seeder.volumes or self._stopped else "nothing can be seeded"

        def view(console: Console) -> None:
            from .page import pairs, say  # noqa: PLC0415

            say(console, "bold red" if failed else "green", failed or "the seeding was stopped")
            pairs(
                console,
                [
                    ("seeded", units(len(seeder.volumes), "volumes") if seeder.volumes else ""),
                    ("sent", amount(sent) if seeder.volumes else ""),
                    ("not seeded", ", ".join(f"{each.volume} ({each.reason})" for each in left)),
                    ("not here", units(seeder.absent, "volumes") if seeder.absent else ""),
                    ("without a torrent", units(seeder.without, "volumes") if seeder.without else ""),
                ],
            )

        self._output.result(value, view, failed=failed)
        return EXIT_PARTIAL if failed else EXIT_OK
