"""`tagswarm.export`: a pulled folder in the form that a trainer reads, with the options as keywords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .listening import Listener, Listening
from .manifests.errors import InvalidDocument
from .manifests.paths import escape
from .mirror.exports.registry import EXPORTS, Exported, Options
from .mirror.exports.style import CaptionStyle
from .mirror.posts import export as write

_HINT = "docs/how-to/export-for-training.md has every form with its options."


def export(
    folder: Path | str,
    form: str,
    *,
    to: Path | str,
    replace: bool = False,
    copy: bool = False,
    report: Listener | None = None,
    **options: object,
) -> Exported:
    """Write the images of a folder that was pulled in a form that trainers read; nothing is fetched.

    Args:
        folder: of the subset.
        form: `imagefolder`, `webdataset`, `parquet`, `kohya` or `sidecars`.
        to: the folder to make; it must be new or empty.
        replace: put it in the place of an earlier export.
        copy: copy images where they could be linked.
        report: is called with the events.
        **options: of the form, such as `samples_per_shard=1000`; `captions` is a `CaptionStyle`, or some of its keys.

    Raises:
        InvalidDocument: there is no such form or option, or its value is none.
        IncompleteBuild: the folder was not pulled.
        StoreError: the folder to make is taken or cannot be written to, or there is nothing to export.
    """
    chosen = options_of(form, options)
    return write(Path(folder), Path(to), chosen, replace=replace, copy=copy, report=Listening(report))


def options_of(form: str, given: Mapping[str, object]) -> Options:
    """The options of a form by their names; texts that stand for a number or a truth value are taken for it.

    Raises:
        InvalidDocument: there is no such form or option, or its value is none.
    """
    if form not in EXPORTS:
        raise InvalidDocument(f"there is no form {escape(form)!r}; there are {', '.join(EXPORTS)}", hint=_HINT)
    kind = EXPORTS[form].options
    values: dict[str, Any] = dict(given)
    known = [field.name for field in fields(kind)]
    if unknown := [name for name in values if name not in known]:
        what = f"{form} has no option {escape(unknown[0])!r}; it has {', '.join(known)}"
        raise InvalidDocument(what, hint=_HINT)
    if isinstance(style := values.get("captions"), Mapping):
        values["captions"] = CaptionStyle.from_dict(style)
    try:
        found: Options = TypeAdapter(kind).validate_python(values)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        name = escape(".".join(map(str, first["loc"])))
        raise InvalidDocument(f"{form}: {name}: {first['msg']}", hint=_HINT) from failure
    return found
