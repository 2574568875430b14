"""The style of captions: every choice in one frozen value, so that a lock can record how captions were made.

Page: docs/reference/captions.md. Nothing here makes a caption; `captions` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from tagswarm.manifests.errors import InvalidDocument
from tagswarm.manifests.paths import escape

from .template import parse

TEMPLATE = "{count}, {character}, {copyright}, {artist} ||| {species}, {general}"
"""Who and by whom, which stays in front; then what is to be seen, which a trainer may shuffle."""

NOISE = (
    *("tagme", "*_request", "duplicate", "pixel-perfect_duplicate", "revision", "has_bad_revision"),
    *("md5_mismatch", "resolution_mismatch", "source_mismatch", "source_larger", "source_smaller", "*_sample"),
    *("bad_id", "bad_*_id", "bad_link", "bad_source", "third-party_edit", "third-party_source"),
    *("commentary", "commentary_*", "check_commentary", "partial_commentary", "mixed-language_commentary"),
    *("hashtag-only_commentary", "english_commentary", "japanese_commentary", "chinese_commentary"),
    *("korean_commentary", "translated", "check_translation", "partially_translated", "hard-translated"),
    *("paid_reward", "paid_reward_available", "pixiv_commission", "banned_artist"),
)
"""Names and patterns of tags that say something of the record, not of the image."""

KAOMOJI = frozenset(
    "0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_||".split()  # noqa: SIM905
)
"""Tags whose underscore is a mouth: it stays."""

_UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")  # ends a line somewhere, or has no UTF-8
_LIST = "a list of texts"
_TYPES = {str: "a text", bool: "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionStyle:
    """How captions are made.

    Raises:
        InvalidDocument: a value is not what its key takes; the message names the key.
    """

    template: str = TEMPLATE
    """See `template`."""
    separator: str = ", "
    """Between tags."""
    keep_separator: str = "|||"
    """Between the sections of the template; sd-scripts calls it `keep_tokens_separator`."""
    secondary_separator: str = ";;;"
    """Between tags that are shuffled as one."""
    spaces: bool = True
    """Write spaces for underscores, but in `KAOMOJI`."""
    escape_parens: bool = False
    """Put a backslash before parentheses and backslashes, as prompts want and training captions do not."""
    exclude: tuple[str, ...] = NOISE
    """Tags to leave out; `*` stands for any text."""
    expand_series: bool = False
    """Write `name_(series)` of a character as two tags."""
    drop_implied: bool = False
    """Leave out a tag that another one in the caption implies."""
    shuffle: int | None = None
    """A seed to shuffle the section behind the first `|||` by, or the only section; None keeps the order."""
    max_tags: int | None = None
    """The most tags of a caption; what comes last is left out."""
    prefix: str = ""
    """A text in front of the tags."""
    suffix: str = ""
    """A text behind the tags."""

    def __post_init__(self) -> None:
        parse(self.template)
        for key in ("separator", "keep_separator", "secondary_separator"):
            _check(getattr(self, key) != "", key, "", "a text")
        _check(len(set(self.separators)) == 3, "separator", self.separator, "three separators that differ")
        texts = ("template", "separator", "keep_separator", "secondary_separator", "prefix", "suffix")
        for key, text in [(key, getattr(self, key)) for key in texts] + [("exclude", name) for name in self.exclude]:
            _check(not _UNFIT.search(text), key, text, "a text without line ends and control characters")
        _check(self.max_tags is None or self.max_tags >= 1, "max_tags", self.max_tags, "1 or more")

    @property
    def separators(self) -> tuple[str, str, str]:
        """The three separators without the spaces around them, as a trainer looks for them."""
        given = (self.separator, self.keep_separator, self.secondary_separator)
        first, second, third = (mark.strip() or mark for mark in given)
        return first, second, third

    def to_dict(self) -> dict[str, Any]:
        """Every choice by its name, for JSON."""
        return {**asdict(self), "exclude": list(self.exclude)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaptionStyle:
        """Read what `to_dict` wrote; keys that are absent have their defaults.

        Raises:
            InvalidDocument: an unknown key, or a value of another type or out of its range.
        """
        given = dict(values)
        defaults = {field.name: field.default for field in fields(cls)}
        for key, value in values.items():
            _check(key in defaults, key, value, f"one of the keys {', '.join(defaults)}")
            if key == "exclude":
                _check(isinstance(value, list) and all(isinstance(name, str) for name in value), key, value, _LIST)
                given[key] = tuple(value)
            elif key in ("shuffle", "max_tags"):
                _check(value is None or type(value) is int, key, value, "a whole number, or nothing")
            else:
                _check(type(value) is type(defaults[key]), key, value, _TYPES[type(defaults[key])])
        return cls(**given)


def _check(good: bool, key: str, value: object, expected: str) -> None:
    if not good:
        raise InvalidDocument(
            f"captions: {escape(str(key))} is {escape(repr(value))}, expected {expected}",
            hint="Mend it in the options of the captions; docs/reference/captions.md has them all.",
        )


DEFAULT = CaptionStyle()
"""The style of whoever chooses nothing."""


def one_line(text: str) -> str:
    """Text without what ends a line or has no UTF-8: a space stands for it."""
    return _UNFIT.sub(" ", text)
