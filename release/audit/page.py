"""The page for people: one HTML file that needs nothing else, with light and dark colours, for a phone as for a desk.

It is readable without scripts and has none; all that came from outside is escaped twice, for the eye and for HTML.
Of each kind of finding the first are shown; `audit.jsonl.zst` has them all. Nothing here counts or decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape as quote

from tagswarm.manifests.paths import escape
from tagswarm.release.config import Config

from .catalogue import Severity
from .findings import Evidence, Finding
from .summary import Group, Summary

_TEXT_LIMIT = 300
"""Characters of one piece of evidence that are shown."""

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #5c6877; --line: #dfe3e9;
  --error: #b3261e; --warning: #8a5a00; --info: #1d5fa8; --good: #1a7a45; --tint: 8%; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1a2029; --ink: #e4e9f0; --soft: #97a3b3;
  --line: #2c3542; --error: #ff8a80; --warning: #f2b84b; --info: #7db7f5; --good: #6fd39b; --tint: 14%; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system,
  "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: anywhere }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; letter-spacing: -.01em }
h2 { font-size: 1.12rem; line-height: 1.35; margin: 0; display: flex; flex-wrap: wrap; gap: .35rem .6rem;
  align-items: baseline }
h3 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 2.5rem 0 .75rem }
p { margin: .5rem 0 } a { color: inherit }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.soft { color: var(--soft) } .count { font-variant-numeric: tabular-nums }
.banner { margin: 1.5rem 0; padding: 1.1rem 1.25rem; border-radius: .75rem; border: 1px solid;
  border-color: color-mix(in srgb, var(--tone) 35%, transparent);
  background: color-mix(in srgb, var(--tone) var(--tint), var(--card)) }
.banner strong { display: block; font-size: 1.2rem; color: var(--tone); line-height: 1.35 }
.banner p { margin: .25rem 0 0 }
.error { --tone: var(--error) } .warning { --tone: var(--warning) }
.info { --tone: var(--info) } .waived { --tone: var(--soft) } .good { --tone: var(--good) }
.numbers { display: grid; grid-template-columns: repeat(4, 1fr); gap: .75rem; margin: 0; padding: 0; list-style: none }
.numbers li { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: .8rem 1rem }
.numbers b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums;
  color: var(--tone, var(--soft)) }
.numbers .none b { color: var(--soft) }
table { border-collapse: collapse; width: 100% }
.contents { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; overflow: hidden }
.contents td { padding: .5rem 1rem; border-top: 1px solid var(--line); vertical-align: baseline }
.contents tr:first-child td { border-top: 0 }
.contents td:first-child { white-space: nowrap } .contents td:last-child { text-align: right; white-space: nowrap }
.contents a { text-decoration: none; font-weight: 600 } .contents a:hover { text-decoration: underline }
.badge { font-size: .75rem; font-weight: 600; color: var(--tone); border: 1px solid currentColor; border-radius: 1rem;
  padding: .05rem .55rem; white-space: nowrap }
.badge + .count { display: inline-block; min-width: 2.2em }
section { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--tone);
  border-radius: .75rem; padding: 1.1rem 1.25rem; margin: 0 0 1rem; scroll-margin-top: 1rem }
section > p { max-width: 46rem }
.todo { margin-top: .6rem } .todo b { color: var(--tone) }
ol.findings { list-style: none; margin: 1rem 0 0; padding: 0 }
ol.findings > li { border-top: 1px solid var(--line); padding: .6rem 0 }
ol.findings > li:last-child { padding-bottom: 0 }
.where { display: flex; flex-wrap: wrap; gap: .1rem .75rem; align-items: baseline } .where code { font-weight: 600 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0 .9rem; margin: .3rem 0 0;
  font-size: .85rem }
dt { color: var(--soft) } dd { margin: 0 }
details summary { cursor: pointer; color: var(--soft); font-size: .85rem; width: max-content; max-width: 100% }
.passed { opacity: .75 } .reason { font-size: .9rem; font-style: italic }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem }
@media (max-width: 40rem) { main { padding: 1.25rem .8rem 3rem } h1 { font-size: 1.35rem }
  .numbers { grid-template-columns: repeat(2, 1fr); gap: .5rem } .contents td { padding: .5rem .7rem }
  .contents td:nth-child(2) { display: none } .contents td:first-child { white-space: normal }
  section { padding: .9rem } dl { grid-template-columns: 1fr } dd { margin-bottom: .25rem } }
@media print { body { background: none } section, .contents { break-inside: avoid-page } }
"""

_PLURAL = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "infos"}


def html(summary: Summary, config: Config) -> str:
    """The page of an audit, as text of one self-contained HTML document."""
    return "".join(_page(summary, config))


def _page(summary: Summary, config: Config) -> Iterator[str]:
    title = f"Audit of {config.dataset.title or config.dataset.name}, release {config.release.name}"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    sites = ", ".join(source.site for source in config.sources)
    yield f"<h1>{_safe(title)}</h1>\n"
    yield f'<p class="soft">{_safe(sites)}, to be issued on {config.release.issued}</p>\n'
    yield _banner(summary)
    yield _numbers(summary)
    if summary.groups:
        yield _contents(summary)
        for severity in Severity:
            groups = [group for group in summary.groups if group.severity is severity]
            if groups:
                yield f"<h3>{_PLURAL[severity].capitalize()}</h3>\n"
                yield from (_section(group) for group in groups)
        yield (
            "<footer>The first findings of each kind are shown; <code>audit.jsonl.zst</code> beside this page has them "
            "all, one line each.</footer>\n"
        )
    yield "</main>\n</body>\n</html>\n"


def _banner(summary: Summary) -> str:
    if summary.blocked:
        kinds = len(summary.blocking())
        tone, title = "error", f"The release is blocked by {_number(summary.errors, 'error')}."
        text = f"{_number(kinds, 'kind')} of error, named below. Mend them, or waive them by name in release.toml."
    elif summary.clean:
        tone, title = "good", "Metadata and files agree."
        text = "Every post has its file, every file its post, every image decodes whole. There are no findings."
    elif summary.warnings:
        tone, title = "warning", "The release can be built."
        text = f"{_number(summary.warnings, 'warning')} to look at; nothing blocks."
    else:
        tone, title = "good", "The release can be built."
        text = "Nothing blocks, and there are no warnings."
    if summary.waived:
        text += f" {_number(summary.waived, 'finding')} waived."
    return f'<div class="banner {tone}"><strong>{title}</strong><p>{text}</p></div>\n'


def _numbers(summary: Summary) -> str:
    cells = (
        ("error", "errors", summary.errors),
        ("warning", "warnings", summary.warnings),
        ("info", "infos", summary.infos),
        ("soft", "waived", summary.waived),
    )
    items = (f'<li class="{tone}{"" if n else " none"}"><b>{n:,}</b>{word}</li>' for tone, word, n in cells)
    return f'<ul class="numbers">{"".join(items)}</ul>\n'


def _contents(summary: Summary) -> str:
    rows = (
        f'<tr class="{_tone(group)}"><td><a href="#{_anchor(group)}">{group.name}</a></td>'
        f"<td>{quote(group.kind.title)}</td>"
        f'<td>{_badge(group)} <span class="count">{group.count:,}</span></td></tr>\n'
        for group in summary.groups
    )
    return f'<h3>What was found</h3>\n<div class="contents"><table>\n{"".join(rows)}</table></div>\n'


def _badge(group: Group) -> str:
    return f'<span class="badge">{_tone(group)}</span>'


def _tone(group: Group) -> str:
    return "waived" if group.waived == group.count else group.severity.value


def _section(group: Group) -> str:
    kind = group.kind
    waived = f" {group.waived:,} of them waived." if group.waived else ""
    items = "".join(_item(finding) for finding in group.examples)
    more = group.count - len(group.examples)
    rest = f'<p class="soft">{more:,} more in audit.jsonl.zst.</p>\n' if more > 0 else ""
    return (
        f'<section class="{_tone(group)}" id="{_anchor(group)}">\n'
        f'<h2>{group.name} {_badge(group)} <span class="soft count">{group.count:,}</span></h2>\n'
        f"<p>{quote(kind.title)} {quote(kind.why)}</p>\n"
        f'<p class="todo"><b>What to do:</b> {quote(kind.fix)}</p>\n'
        f'<p class="soft"><b>If waived:</b> {quote(kind.waived or "It cannot be waived.")}{waived}</p>\n'
        f'<ol class="findings">\n{items}</ol>\n{rest}</section>\n'
    )


def _item(finding: Finding) -> str:
    place = [f"<code>{_safe(finding.path)}</code>"] if finding.path else []
    if finding.id is not None:
        place.append(f'<span class="soft">{_safe(finding.site or "post")} {finding.id}</span>')
    elif finding.site and not finding.path:
        place.append(f'<span class="soft">{_safe(finding.site)}</span>')
    reason = f'<p class="reason">Waived: {_safe(finding.waived)}</p>' if finding.waived else ""
    passed = ' class="passed"' if finding.waived else ""
    rows = "".join(
        f"<dt>{_safe(key.replace('_', ' '))}</dt><dd>{_shown(value)}</dd>" for key, value in finding.evidence.items()
    )
    evidence = f"<details><summary>evidence</summary><dl>{rows}</dl></details>" if rows else ""
    place.append(f"<span>{_safe(finding.message)}</span>")
    return f'<li{passed}><div class="where">{"".join(place)}</div>{reason}{evidence}</li>\n'


def _shown(value: Evidence) -> str:
    if isinstance(value, list):
        return "<br>".join(f"<code>{_safe(str(item))}</code>" for item in value)
    return f"<code>{_safe(str(value))}</code>"


def _anchor(group: Group) -> str:
    return f"{group.severity}-{group.name}"


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _safe(text: str) -> str:
    """Text from outside for HTML: cut, what is hidden made visible, then quoted."""
    shown = escape(text)
    return quote(shown if len(shown) <= _TEXT_LIMIT else shown[:_TEXT_LIMIT] + "…")
