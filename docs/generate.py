"""Write the pages of docs/reference that are made from the program: errors, commands, findings.

`python docs/generate.py` writes them; with `--check` it writes nothing and ends with 1 where a page differs. Nothing
else in docs/ is generated.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from tagswarm.cli.main import program
from tagswarm.manifests import errors
from tagswarm.release.audit import findings

REFERENCE = Path(__file__).resolve().parent / "reference"
MADE = "<!-- Made by docs/generate.py: run `make docs` instead of editing it. -->\n"


def error_classes() -> list[type[errors.TagswarmError]]:
    """Every error, in the order in which the module declares them."""
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, errors.TagswarmError)]


def error_page() -> str:
    """docs/reference/errors.md."""
    lines = [
        MADE,
        "# Errors and exit codes",
        "",
        "An error is one sentence on stderr, `error: ...`, and a second one that says what to do. With `--json` it is",
        "the last object on stdout, with the keys `error` (the class), `message`, `hint` and `exit_code`. The code",
        "is that of the family; a script should take any code it does not know for a failure.",
        "",
        "| code | meaning |",
        "| --- | --- |",
        f"| {errors.EXIT_OK} | all is well |",
        f"| {errors.EXIT_USAGE} | the command line is wrong: an unknown option, a missing argument |",
        f"| {errors.EXIT_PARTIAL} | done in part: the report names what failed |",
        f"| {errors.EXIT_INTERRUPTED} | stopped by Ctrl-C; the same command goes on |",
    ]
    families = [found for found in error_classes() if errors.TagswarmError in found.__bases__]
    lines += [f"| {errors.TagswarmError.exit_code} | something that no class foresaw |"]
    lines += [f"| {family.exit_code} | {_meaning(family)} |" for family in families]
    lines.append("")
    for family in families:
        lines += [f"## {family.__name__}: {family.exit_code}", "", f"{_meaning(family)}.", ""]
        lines += ["| class | meaning | what to do |", "| --- | --- | --- |"]
        members = [found for found in error_classes() if issubclass(found, family)]
        lines += [f"| `{found.__name__}` | {_meaning(found)} | {found.default_hint} |" for found in members]
        lines.append("")
    return "\n".join(lines)


def _meaning(found: type[errors.TagswarmError]) -> str:
    return (inspect.getdoc(found) or "").splitlines()[0].rstrip(".")


def command_page() -> str:
    """docs/reference/cli.md."""
    lines = [MADE, "# Commands", "", "What `--help` says of every command.", ""]
    for path, command in _commands(program, ("tagswarm",)):
        lines += [f"## {' '.join(path)}", "", "```text", _help(path, command), "```", ""]
    return "\n".join(lines)


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], (*path, name))


def _help(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(path), terminal_width=100, max_content_width=100)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context).rstrip()


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": error_page,
    "cli.md": command_page,
    "findings.md": findings.reference,
}


def stale() -> list[Path]:
    """The pages that differ from what the program says now."""
    return [path for name, page in PAGES.items() if _read(path := REFERENCE / name) != page()]


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def main() -> int:
    """Write the pages, or with `--check` name those that are stale."""
    if sys.argv[1:] == ["--check"]:
        for path in stale():
            print(f"{path.relative_to(REFERENCE.parent.parent)} is stale: run `make docs`")
        return 1 if stale() else 0
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
