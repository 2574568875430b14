"""The commands `tagswarm trust ...`: what is remembered of datasets, shown and changed by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tagswarm.manifests.errors import EXIT_OK
from tagswarm.manifests.paths import escape

from . import options
from .output import Output
from .steps import units

if TYPE_CHECKING:
    from rich.console import Console

    from tagswarm.mirror.memory import Known, Memory, Trusts

# The modules of the library are imported inside the commands: that keeps `--help` and `--version` quick.


def _file(command: options.F) -> options.F:
    return click.option(
        "--trust-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Where it is remembered; tagswarm/trust.json in XDG_DATA_HOME or ~/.local/share where it is left out.",
    )(command)


def _yes(command: options.F) -> options.F:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


@click.group(short_help="Show and change which keys and releases are trusted.")
@options.spoken
def trust() -> None:
    """Show and change what is remembered of datasets: keys, the newest release, addresses.

    \b
      tagswarm trust list                 every dataset that was ever opened
      tagswarm trust show   DATASET       its keys and releases
      tagswarm trust add    DATASET KEY   vouch for a public key, also before the first use
      tagswarm trust remove DATASET [KEY] forget a key that was added, or all of a dataset
      tagswarm trust reset  DATASET       forget what was learned, and trust the next release on first use

    DATASET is the id of a dataset, the first digits of it, its name, or an address.
    """  # noqa: D301 - click's mark for lines that stay as they are is a backspace, not a backslash


@trust.command("list", short_help="List every dataset that is known.")
@_file
@options.spoken
@click.pass_obj
def list_(output: Output, trust_file: Path | None) -> int:
    """List every dataset that is known, with its newest release and how far it is trusted."""
    trusts = _memory(trust_file).read()
    found = {
        "datasets": [_facts(known) for known in trusts.datasets],
        "addresses": {address: _lines(keys) for address, keys in trusts.addresses.items()},
    }
    output.result(found, lambda console: _list(console, trusts))
    return EXIT_OK


@trust.command(short_help="Show what is known of a dataset.")
@click.argument("dataset")
@_file
@options.spoken
@click.pass_obj
def show(output: Output, dataset: str, trust_file: Path | None) -> int:
    """Show the keys, the releases and the addresses of a dataset."""
    known = _memory(trust_file).read().find(_named(dataset))
    output.result(_facts(known), lambda console: _show(console, known))
    return EXIT_OK


@trust.command(short_help="Vouch for a public key.")
@click.argument("dataset")
@click.argument("key")
@_file
@options.spoken
@click.pass_obj
def add(output: Output, dataset: str, key: str, trust_file: Path | None) -> int:
    """Vouch for the public KEY of a dataset: the line that begins with RW, or a .pub file.

    A dataset that was never seen must be signed by this key when it is first opened; DATASET is then its id, or an
    address. A dataset that is known may go over to this key, also where the old one has not handed on to it.
    """
    from .keys import public_key  # noqa: PLC0415

    public = public_key(key)
    where = _named(dataset)
    _memory(trust_file).change(lambda trusts: trusts.vouched(where, public.line))
    found = {"dataset": where, "key_id": public.name, "public_key": public.line}

    def view(console: Console) -> None:
        from .page import pairs, say  # noqa: PLC0415

        say(console, "green", f"the key {public.name} is trusted for {escape(where)}")
        pairs(console, [("key id", public.name), ("public key", public.line)])
        say(console, "", "Compare it, character by character, with the one that the maintainer publishes.")

    output.result(found, view)
    return EXIT_OK


@trust.command(short_help="Forget a key that was added, or all of a dataset.")
@click.argument("dataset")
@click.argument("key", required=False)
@_yes
@_file
@options.spoken
@click.pass_obj
def remove(output: Output, dataset: str, key: str | None, yes: bool, trust_file: Path | None) -> int:
    """Forget a KEY that was added by hand, or, where no key is given, all of a dataset.

    A dataset that is forgotten is new when it is opened again: an older release and another key pass unnoticed.
    """
    from .keys import public_key  # noqa: PLC0415

    memory, where = _memory(trust_file), _named(dataset)
    if key is not None:
        line = public_key(key).line
        memory.read().unvouched(where, line)
        _ask(output, f"Trust the key {line} for {where} no longer?", yes=yes)
        memory.change(lambda trusts: trusts.unvouched(where, line))
        return _done(output, where, "the key is trusted no longer")
    memory.read().removed(where)
    _ask(output, f"Forget all that is known of {where}?", yes=yes)
    memory.change(lambda trusts: trusts.removed(where))
    return _done(output, where, "is forgotten")


@trust.command(short_help="Forget what was learned from a dataset.")
@click.argument("dataset")
@_yes
@_file
@options.spoken
@click.pass_obj
def reset(output: Output, dataset: str, yes: bool, trust_file: Path | None) -> int:
    """Forget the keys and the releases that were learned from a dataset; keys that were added by hand stay.

    For a maintainer who has lost the old key: the next release is trusted on first use, or by the key that was added.
    """
    memory, where = _memory(trust_file), _named(dataset)
    known = memory.read().find(where)
    _ask(output, f"Forget the keys and releases of {known.name or known.id}?", yes=yes)
    memory.change(lambda trusts: trusts.reset(where))
    return _done(output, where, "is trusted on first use again, or by the keys that were added")


def _memory(trust_file: Path | None) -> Memory:
    from tagswarm.mirror.memory import Memory  # noqa: PLC0415

    return Memory(trust_file)


def _named(dataset: str) -> str:
    """A folder by its whole path, as it is remembered; anything else as it was given."""
    path = Path(dataset)
    return str(path.absolute()) if "/" in dataset and "://" not in dataset and path.is_dir() else dataset


def _ask(output: Output, question: str, *, yes: bool) -> None:
    """Go on only if a person agrees, or --yes was given."""
    if yes:
        return
    if output.json or _nobody():
        raise click.UsageError("Nobody is there to be asked: give --yes to do it without asking.")
    click.confirm(escape(question), abort=True, err=True)


def _nobody() -> bool:
    return not sys.stdin.isatty()


def _done(output: Output, where: str, said: str) -> int:
    output.line({"dataset": where, "done": said}, f"{where}: {said}")
    return EXIT_OK


def _lines(keys: list[str]) -> list[dict[str, str]]:
    from tagswarm.manifests.signing import PublicKey  # noqa: PLC0415

    return [{"key_id": PublicKey.parse(line).name, "public_key": line} for line in keys]


def _facts(known: Known) -> dict[str, Any]:
    from tagswarm.mirror.keyring import Keyring  # noqa: PLC0415

    listed = Keyring.of(known).listed
    return {
        "id": known.id,
        "name": known.name,
        "trust": _trust(known),
        "keys_version": listed.version if listed else None,
        "threshold": listed.threshold if listed else None,
        "keys": _lines(listed.keys) if listed else [],
        "added": _lines(known.added),
        "releases": [root.model_dump(mode="json") for root in known.roots],
        "addresses": known.addresses,
        "first_seen": known.first_seen,
        "last_seen": known.last_seen,
    }


def _trust(known: Known) -> str:
    """How far a dataset is trusted, in a few words."""
    if known.added:
        return "keys added by hand"
    if known.keys is not None:
        return "keys of first use"
    return "UNSIGNED, releases pinned" if known.roots else "nothing is known"


def _list(console: Console, trusts: Trusts) -> None:
    from .page import pairs, say, table  # noqa: PLC0415

    if not trusts.datasets and not trusts.addresses:
        say(console, "", "nothing is known yet: a dataset becomes known when it is first opened")
    rows = [
        (
            escape(known.name) or "(never seen)",
            known.id,
            known.newest.release if known.newest else "",
            _trust(known),
            str(known.last_seen or ""),
        )
        for known in trusts.datasets
    ]
    table(console, ("dataset", "id", "release", "trust", "last seen"), rows, numbers=())
    for address, keys in trusts.addresses.items():
        say(console, "", f"{escape(address)}: never opened; {units(len(keys), 'keys')} added")
        pairs(console, [(key["key_id"], key["public_key"]) for key in _lines(keys)])


def _show(console: Console, known: Known) -> None:
    from .page import pairs, say, table  # noqa: PLC0415

    found = _facts(known)
    say(console, "bold", f"{escape(known.name) or '(never seen)'}: {_trust(known)}")
    of = f"{found['threshold']} of {units(len(found['keys']), 'keys')}, version {found['keys_version']}"
    pairs(
        console,
        [
            ("id", known.id),
            ("first seen", str(known.first_seen or "")),
            ("last seen", str(known.last_seen or "")),
            ("signed by", of if found["keys"] else ""),
            *((f"key {key['key_id']}", key["public_key"]) for key in found["keys"]),
            *((f"added {key['key_id']}", key["public_key"]) for key in found["added"]),
            *(("address", escape(address)) for address in known.addresses),
        ],
    )
    rows = [
        (root.release, str(root.sequence), root.sha256, ", ".join(root.signers) or "UNSIGNED") for root in known.roots
    ]
    table(console, ("release", "sequence", "root sha256", "signed by"), rows, numbers=(1,))
