"""Write the pages of docs/reference that are made from the program: errors, commands, findings, the Python API.

`python docs/generate.py` writes them; with `--check` it writes nothing and ends with 1 where a page differs. Nothing
else in docs/ is generated.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import tagswarm
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


OPENING = ("open", "Release", "Subset", "Resize")
"""Of the Python API, in the order of a working day; the rest follows by name, and errors at the end."""
INNER = {"ask", "found", "from_ids", "index", "of", "ordinals", "posts", "reach", "reached", "tables"}
"""Members that other modules of ours need."""


def python_page() -> str:
    """docs/reference/python.md."""
    lines = [MADE, "# Python", "", f"{_prose(tagswarm.__doc__)}", ""]
    lines += ["[A notebook](../how-to/use-from-python.md) shows all of it at work.", ""]
    public = {name: getattr(tagswarm, name) for name in tagswarm.__all__ if name != "__version__"}
    classes = {name: found for name, found in public.items() if isinstance(found, type)}
    failures = {name: found for name, found in classes.items() if issubclass(found, Exception)}
    for name in dict.fromkeys((*OPENING, *public)):
        if name not in failures:
            lines += _entry(name, public[name], public, "##")
    lines += ["## Errors", "", "[All of them](errors.md) have a `message` and a `hint`, which says what to do.", ""]
    lines += ["| class | meaning |", "| --- | --- |"]
    lines += [f"| `{name}` | {_meaning(found)} |" for name, found in failures.items()]
    return "\n".join([*lines, ""])


def _entry(name: str, found: Any, siblings: dict[str, Any], level: str) -> Iterator[str]:
    """A function or a class under a heading."""
    plain = name.removeprefix("a")
    if name != plain and plain in siblings:
        yield from (f"{level} {name}", "", f"`{plain}` for `await`: the same arguments, the same result.", "")
        return
    if not isinstance(found, type):
        yield from (f"{level} {name}", "")
        if callable(found):
            yield from ("```python", f"{name}{_signature(found)}", "```", "")
        yield from (_prose(inspect.getdoc(found)), "")
        return
    yield from (f"{level} class {name}", "", _prose(found.__dict__.get("__doc__")), "")
    if fields := list(_fields(found)):
        yield from (*fields, "")
    members = _members(found)
    for key in sorted(members, key=lambda key: key.removeprefix("a") in members):  # those for `await` at the end
        yield from _entry(key, members[key], members, f"{level}#")


def _members(found: type) -> dict[str, Any]:
    """The public methods and properties of a class and of ours that it stands on, in the order of the sources."""
    members: dict[str, Any] = {}
    for owner in (each for each in found.__mro__ if each.__module__.startswith("tagswarm")):
        for key, value in vars(owner).items():
            shown = inspect.isfunction(value) or isinstance(value, property | classmethod)
            if shown and not key.startswith("_") and key not in INNER:
                members.setdefault(key, value.__func__ if isinstance(value, classmethod) else value)
    return members


def _fields(found: type) -> Iterator[str]:
    """The attributes of a class with what the source says below each."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    assert isinstance(tree, ast.ClassDef)
    for part, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        said = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said = f": {' '.join(inspect.cleandoc(str(after.value.value)).split())}"
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_"):
            worth = "" if part.value is None or "(" in ast.unparse(part.value) else f" = {ast.unparse(part.value)}"
            yield f"- `{ast.unparse(part.target)}: {ast.unparse(part.annotation)}{worth}`{said}"
        elif isinstance(part, ast.Assign) and issubclass(found, enum.Enum):
            yield f"- `{ast.unparse(part)}`{said}"


class _Bare(str):
    """An annotation as it stands in the source."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(found: Callable[..., Any]) -> str:
    bare = inspect.signature(found)
    given = [
        one.replace(annotation=one.empty if one.annotation is one.empty else _Bare(one.annotation))
        for one in bare.parameters.values()
        if one.name not in {"self", "cls"}
    ]
    returned = bare.return_annotation
    text = str(bare.replace(parameters=given, return_annotation=_Bare(returned)))
    if len(text) < 100:
        return text
    parts = [str(one) for one in given]
    first = next((at for at, one in enumerate(given) if one.kind is one.KEYWORD_ONLY), None)
    if first is not None:
        parts.insert(first, "*")
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f") -> {returned}"


def _prose(doc: str | None) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines: list[str] = []
    section = False
    for line in inspect.cleandoc(doc or "").splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Attributes):", line):
            section = line != "Returns:"
            lines += [f"{line.removesuffix(':')}:".replace("Args", "Arguments"), ""]
        elif section and (match := re.fullmatch(r" {4}(\S+): (.*)", line)):
            lines.append(f"- `{match[1]}`: {match[2]}")
        elif section and line.strip():
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line.strip())
    return "\n".join(lines)


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": error_page,
    "cli.md": command_page,
    "findings.md": findings.reference,
    "python.md": python_page,
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
