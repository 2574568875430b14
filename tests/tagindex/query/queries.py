"""Random and broken queries: words of the language in any order, and real queries with something put in or left out."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.tagindex.conformance import CARRIED, rows

WORDS = (
    *("(", ")", "((", "))", "-", "~", "--", "-(", "~(", "{", "}", "and", "or", "AND ", "or ", "not", "*", "a*", "**", "\\", "\\ "),
    *("a", "b", "long_hair", "foo_(bar)", ":)", ";(", ">:(", "(o)_(o)", "1girl", "re:zero", "/ab", "é", "初音ミク", "\u017f", "\x00"),
    *('source:"', 'source:"x"', "source:'a b'", "source:", 'pool:"a\\"b"', "note:(a)", "id:1,2,3", "order:score", "ORDER:comments_asc"),
    *("score:>5", "score:..", "score:1...2", "date:2017-05-15", "age:<1w", "ratio:16:9", "filesize:1mb", "md5:x", "is:sfw", "rating:s"),
    *("limit:5", "random:3", "parent:none", "status:any", "unaliased:x", "fav:me", "sort:score:asc", "[", "]", '"', "'", ",", ":", "::"),
    *(" ", "\t", "\n", "\x0b", "\x85", "\xa0", "\u3000", "\u2028", "\x1c", "\u200b", "\ufeff", "\ud7ff", "\U0001f600"),
)  # fmt: skip


def hostile(count: int, seed: int) -> Iterator[str]:
    """This many queries, the same for a seed."""
    draw = random.Random(seed)
    real = [row["query"] for row in rows(CARRIED) if row.get("query")]
    for at in range(count):
        if at % 2:
            separator = draw.choice(("", " ", " "))
            yield separator.join(draw.choices(WORDS, k=draw.randint(1, 12)))
            continue
        text = draw.choice(real)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(text) + 1)
            cut = draw.randrange(3)
            text = (
                text[:place] + draw.choice(("", draw.choice(WORDS), chr(draw.randrange(0xD800)))) + text[place + cut :]
            )
        yield text
