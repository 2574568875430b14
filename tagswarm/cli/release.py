"""The commands of the maintainer: `tagswarm release ...`.

Each parses its options, calls one function of `tagswarm.release`, shows what it tells and returns the exit code.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from tagswarm.manifests.errors import EXIT_OK, EXIT_PARTIAL, AuditFailed
from tagswarm.manifests.events import StepFinished, StepStarted

from . import options
from .output import Output, facts

# The modules of the library are imported inside the commands: that keeps `--help` and `--version` quick.


@click.group(short_help="Make, check, sign and verify a release.")
@options.spoken
def release() -> None:
    """Make, check, sign and verify the releases of a dataset.

    \b
    From a tree of images to a signed release:
      tagswarm release init   DATASET     write release.toml from what is found
      tagswarm release audit  DATASET     name every disagreement of metadata and files
      tagswarm release build  DATASET     renditions, volumes, manifests, checksums, lists
      tagswarm release keygen KEY         make the key that signs, once
      tagswarm release sign   DATASET     sign it and make it the latest
      tagswarm release verify DATASET     read everything back
      tagswarm release scrape DATASET     ask the trackers who seeds

    Every command can be stopped at any moment and run again; audit and build go on where they stopped.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash


@release.command()
@options.dataset
@click.option("--name", metavar="NAME", help="Name of the dataset; that of its folder where it is left out.")
@click.option("--site", metavar="SITE", help="The booru the posts come from, such as danbooru.")
@click.option("--release", "release_name", metavar="NAME", help="Name of the release; the year where it is left out.")
@click.option("--issued", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Date of the release; today.")
@click.option("--force", is_flag=True, help="Overwrite a release.toml that is there.")
@options.spoken
@click.pass_obj
def init(
    output: Output,
    dataset: Path,
    name: str | None,
    site: str | None,
    release_name: str | None,
    issued: datetime | None,
    force: bool,
) -> int:
    """Write release.toml from what lies in the folder DATASET.

    Looks for originals (original/0000/1000.png), for metadata in any format it knows, and for the rating scheme, and
    writes a commented release.toml to be read and mended before the first audit. Nothing else is written.
    """
    from tagswarm.release.init import init as write_config  # noqa: PLC0415

    from . import views  # noqa: PLC0415

    day = issued.date() if issued else None
    with output.progress() as report:
        report(StepStarted(step := "look for images and metadata"))
        path = write_config(dataset, name=name, site=site, release=release_name, issued=day, force=force)
        report(StepFinished(step, 0, note="done"))
    output.result({"path": path}, lambda console: views.written(console, path, dataset))
    return EXIT_OK


@release.command()
@options.dataset
@options.workers
@options.rehash
@options.spoken
@click.pass_obj
def audit(output: Output, dataset: Path, workers: int | None, rehash: bool) -> int:
    """Compare metadata and files and name every disagreement.

    Reads every file once (only what is new or changed when run again) and writes the findings as JSON lines and as a
    page for the browser. Findings that are errors block `build` until they are mended or waived by name in
    release.toml.

    Exit code: 0 when no error is left, also with warnings and waived findings; 16 when there are errors.
    """
    from tagswarm.release.build import audit as find  # noqa: PLC0415

    from . import views  # noqa: PLC0415

    with output.progress() as report:
        outcome = find(dataset, workers=workers, rehash=rehash, report=report)
    output.result(
        views.audit_facts(outcome),
        lambda console: views.audit(console, outcome, dataset),
        failed=views.audit_failed(outcome),
    )
    return AuditFailed.exit_code if outcome.blocked else EXIT_OK


@release.command()
@options.dataset
@options.workers
@options.rehash
@options.spoken
@click.pass_obj
def build(output: Output, dataset: Path, workers: int | None, rehash: bool) -> int:
    """Build the release that release.toml describes.

    Audits first and refuses what disagrees with itself. Then makes the renditions, groups new files into volumes,
    reads each file once and writes manifests, checksum files, rsync lists and the report into DATASET/volumes and
    DATASET/releases. The result is neither signed nor the latest until `sign`. Run again, it reads nothing that has
    not changed and writes the same bytes.
    """
    from tagswarm.release.build import build as make  # noqa: PLC0415

    from . import views  # noqa: PLC0415

    with output.progress() as report:
        outcome = make(dataset, workers=workers, rehash=rehash, report=report)
    output.result(views.build_facts(outcome), lambda console: views.build(console, outcome, dataset))
    return EXIT_OK


@release.command()
@options.dataset
@click.option(
    "--key",
    "key_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A secret key of minisign or `keygen`; may be given several times.",
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The first line is the password of the keys; asked for at the terminal where it is left out.",
)
@click.option("--release", "release_name", metavar="NAME", help="Which release; the one of release.toml.")
@options.spoken
@click.pass_obj
def sign(
    output: Output, dataset: Path, key_files: tuple[Path, ...], password_file: Path | None, release_name: str | None
) -> int:
    """Sign a release that was built, and make it the latest.

    Checks that the build is complete, signs its root and, where they changed, the list of keys, and then replaces
    latest.json; copies of feed.xml and torrents.json follow it to the top of DATASET. The stock `minisign -V`
    verifies every signature. A dataset whose release.toml names no keys is published unsigned when no --key is given;
    whoever uses it is told so.
    """
    from tagswarm.release.sign import sign as put_name  # noqa: PLC0415

    from . import views  # noqa: PLC0415
    from .keys import secret_key  # noqa: PLC0415

    keys = [secret_key(path, password_file) for path in key_files]
    with output.progress() as report:
        outcome = put_name(dataset, keys, release=release_name, report=report)
    output.result(outcome, lambda console: views.signed(console, outcome))
    return EXIT_OK


@release.command(short_help="Verify signatures, documents and every file.")
@options.dataset
@click.option("--release", "release_name", metavar="NAME", help="Which release; the latest.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="A public key that is trusted: the line that begins with RW, or a .pub file. May be given several times.",
)
@click.option("--pin", metavar="SHA256", help="The SHA-256 that release.json must have: trust without a signature.")
@click.option("--fast", is_flag=True, help="Compare sizes only; the bytes of the files are not read.")
@click.option(
    "--sample", type=click.FloatRange(0, 1, min_open=True), metavar="FRACTION", help="Read this part of the files."
)
@click.option("--extra", is_flag=True, help="Also list files that no volume of the release has.")
@options.workers
@options.spoken
@click.pass_obj
def verify(
    output: Output,
    dataset: Path,
    release_name: str | None,
    keys: tuple[str, ...],
    pin: str | None,
    fast: bool,
    sample: float | None,
    extra: bool,
    workers: int | None,
) -> int:
    """Verify a release: signatures, documents, and the SHA-256 of every file.

    Without --key or --pin the keys of keys.json are taken on trust, as at a first meeting; the report says so. A file
    that differs is read a second time before it is called damaged.

    Exit code: 0 when everything holds, 3 when files are missing or damaged, 17 when a signature does not hold.
    """
    from tagswarm.mirror.verify import verify as read_back  # noqa: PLC0415

    from . import views  # noqa: PLC0415
    from .keys import public_key  # noqa: PLC0415

    if fast and sample is not None:
        raise click.UsageError("--fast reads no file and --sample reads some: give one of them.")
    with output.progress() as report:
        outcome = read_back(
            dataset,
            release=release_name,
            keys=[public_key(key) for key in keys],
            pin=pin,
            depth="fast" if fast else "full" if sample is None else "sample",
            sample=0.01 if sample is None else sample,
            extra=extra,
            workers=workers,
            report=report,
        )
    output.result(
        {"ok": outcome.ok, **facts(outcome)},
        lambda console: views.verified(console, outcome),
        failed=views.verify_failed(outcome),
    )
    return EXIT_OK if outcome.ok else EXIT_PARTIAL


@release.command()
@options.dataset
@click.argument("old")
@click.argument("new")
@options.spoken
@click.pass_obj
def diff(output: Output, dataset: Path, old: str, new: str) -> int:
    """Tell what changed from release OLD to release NEW.

    Posts, files, bytes, tags and volumes: what came, what went, what was replaced and what was carried over.
    """
    from tagswarm.release.diff import diff as compare  # noqa: PLC0415

    from . import overview  # noqa: PLC0415

    with output.progress() as report:
        outcome = compare(dataset, old, new, report=report)
    output.result(outcome, lambda console: overview.difference(console, outcome))
    return EXIT_OK


@release.command(short_help="Show what is in a release.")
@options.dataset
@click.option("--release", "release_name", metavar="NAME", help="Which release; the latest.")
@options.spoken
@click.pass_obj
def show(output: Output, dataset: Path, release_name: str | None) -> int:
    """Show what is in a release: numbers, renditions, volumes, sources, waivers, signatures."""
    from tagswarm.release.show import show as look  # noqa: PLC0415

    from . import overview  # noqa: PLC0415

    outcome = look(dataset, release_name)
    output.result(outcome, lambda console: overview.shown(console, outcome))
    return EXIT_OK


@release.command(short_help="Ask the trackers who seeds.")
@options.dataset
@click.option(
    "--tracker",
    "urls",
    multiple=True,
    metavar="URL",
    help="Ask this tracker, by its announce URL, and not those of release.toml; may be given several times.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long each tracker may take in all.",
)
@options.spoken
@click.pass_obj
def scrape(output: Output, dataset: Path, urls: tuple[str, ...], seconds: int) -> int:
    """Ask the trackers how many seed each torrent of the newest release.

    Speaks to trackers of HTTP, HTTPS and UDP and writes seeders, leechers, downloads and the time into
    DATASET/torrents.json; nothing that is signed changes. Where trackers differ, the largest number counts.

    Exit code: 0 when every tracker answered, 3 when some did not, 14 when none did.
    """
    from tagswarm.release.scrape import scrape as count  # noqa: PLC0415

    from . import views  # noqa: PLC0415

    with output.progress() as report:
        outcome = count(dataset, urls=urls, seconds=seconds, report=report)
    output.result(
        outcome, lambda console: views.scraped(console, outcome), failed="; ".join(views.scrape_failures(outcome))
    )
    return EXIT_PARTIAL if outcome.failed else EXIT_OK


@release.command(short_help="Make a key pair.")
@click.argument("key", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The first line becomes the password; asked for at the terminal where it is left out.",
)
@click.option("--no-password", is_flag=True, help="Write the key unprotected: whoever can read the file can sign.")
@options.spoken
@click.pass_obj
def keygen(output: Output, key: Path, password_file: Path | None, no_password: bool) -> int:
    """Make a key pair: the secret KEY and the public KEY.pub, in the format of minisign.

    Keep the secret key off the machines that serve the dataset, and a second one on paper. An existing file is never
    overwritten.
    """
    from tagswarm.release.sign import keygen as make  # noqa: PLC0415

    from . import views  # noqa: PLC0415
    from .keys import new_password  # noqa: PLC0415

    if no_password and password_file:
        raise click.UsageError("--no-password makes a key that has none, and --password-file gives one: choose.")
    public = make(key, password=new_password(password_file, without=no_password))
    output.result(
        {"path": key, "public_key": public.line, "key_id": public.name},
        lambda console: views.key_made(console, key, public),
    )
    return EXIT_OK
