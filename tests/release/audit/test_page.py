"""The page for people."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from tagswarm.release.audit import CATALOGUE, Finding, Severity, Tally, found, html, summarise
from tests.release.audit.world import configuration

CONFIG = configuration()
VOID = {"meta", "br"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J\u202e</style></code>"


class Outline(HTMLParser):
    """Checks that every tag is closed in its order, and collects tags, ids, links and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "action"}
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(*findings: Finding, examples: int = 200) -> str:
    tally = Tally(examples)
    for finding in findings:
        tally.add(finding)
    return html(tally.summary(), CONFIG)


def test_a_clean_audit_is_green_and_short() -> None:
    text = page()
    assert "Metadata and files agree." in text
    assert 'class="banner good"' in text
    assert "What was found" not in text
    Outline(text)


def test_every_kind_has_a_section_and_a_line_of_contents() -> None:
    findings = [
        found(name, f"message of {name}", post=at, site="danbooru", size=at) for at, name in enumerate(CATALOGUE)
    ]
    text = page(*findings)
    outline = Outline(text)
    assert len(outline.ids) == len(set(outline.ids)) == len(CATALOGUE)
    assert sorted(link.removeprefix("#") for link in outline.links) == sorted(outline.ids)
    for name, kind in CATALOGUE.items():
        assert f"message of {name}" in outline.texts
        assert kind.fix in "".join(outline.texts)


def test_nothing_from_outside_gets_through() -> None:
    finding = found("stray-file", HOSTILE, path=HOSTILE, site=HOSTILE, post=1, key=HOSTILE, names=[HOSTILE], number=7)
    title = "".join(filter(str.isprintable, HOSTILE))  # release.toml lets no other pass
    text = html(
        summarise([replace(finding, waived=HOSTILE)]),
        configuration(dataset={"id": "0" * 32, "name": "x", "title": title}),
    )
    outline = Outline(text)
    assert "script" not in outline.tags
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("</style>") == 1
    assert "\\u202e" in "".join(outline.texts)


def test_it_needs_nothing_else() -> None:
    text = page(found("truncated", "x", path="original/0000/1000.png"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


@given(
    st.lists(
        st.builds(found, st.sampled_from(sorted(CATALOGUE)), st.text(), path=st.none() | st.text(), text=st.text()),
        max_size=8,
    )
)
def test_any_finding_gives_a_whole_page(findings: list[Finding]) -> None:
    text = page(*findings)
    Outline(text)
    assert text == page(*findings)


def test_the_rest_is_counted() -> None:
    text = page(*(found("truncated", "x", post=at) for at in range(1300)), examples=100)
    assert "1,200 more in audit.jsonl.zst." in text
    assert text.count("<li><div") == 100


def test_the_banner_says_what_comes_of_it() -> None:
    error, warning, info = found("truncated", "x"), found("no-tags", "x"), found("no-rating", "x")
    assert "blocked by 2 errors." in page(error, error, warning)
    assert "1 warning to look at; nothing blocks." in page(warning, info)
    assert "there are no warnings" in page(info)
    waived = page(replace(error, waived="as it was made"))
    assert "The release can be built." in waived
    assert "1 finding waived." in waived
    assert "Waived: as it was made" in waived
    assert found("size-mismatch", "x", severity=Severity.INFO).severity in page(info)


def test_long_texts_are_cut() -> None:
    text = page(found("bad-row", "x", text="y" * 5000))
    assert "y" * 300 + "…" in text
    assert "y" * 301 not in text
