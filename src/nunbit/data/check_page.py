"""The report of `nunbit.data.check` as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nunbit.data.check import CODES, Finding, Report
from nunbit.html_page import html_page, inline_picture

SHOWN, THUMB_PX = 40, 160
"""Findings of a code that the page lists, and the side of their pictures."""
_STYLE = """body { max-width: 1000px; }
:root { --bar: #3566b8; --learnt: #d8efe2; }
@media (prefers-color-scheme: dark) { :root { --bar: #83aef5; --learnt: #1f4a35; } }
td { overflow-wrap: anywhere; } td.wide { width: 60%; }
img { max-width: 160px; max-height: 120px; display: block; border-radius: 4px; }
.bar { background: var(--bar); height: 12px; border-radius: 3px; min-width: 1px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; padding: 12px; }
mark { background: var(--learnt); }
"""


def page(report: Report, title: str, pictures: dict[int, Path] | None = None) -> str:
    """The whole page.

    Args:
        title: what was checked.
        pictures: a picture of samples, by their number, for those that can be shown.
    """
    grouped: dict[str, list[Finding]] = defaultdict(list)
    for f in report.findings:
        grouped[f.code].append(f)
    body = [
        f"<h1>{escape(title)}</h1><p class=soft>{report.samples:,} samples; {sum(report.counts.values()):,} findings."
        " Nothing was changed or left out.</p>",
        _overview(report),
        *(_table(name, rows) for name, rows in report.facts.items() if rows),
        *(_targets(report.targets) if report.targets else []),
        *(_findings(code, report.counts[code], grouped[code], pictures or {}) for code in CODES if grouped.get(code)),
    ]
    return html_page(title, "".join(body), style=_STYLE)


def _overview(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(code)}</td><td class=num>{report.counts.get(code, 0):,}</td>"
        f"<td class=soft>{escape(about)}</td></tr>"
        for code, about in CODES.items()
    )
    head = "<tr><th>Finding</th><th class=num>Samples</th><th>What it is</th></tr>"
    return f"<div class=scroll><table>{head}{rows}</table></div>"


def _table(name: str, rows: dict[str, int]) -> str:
    most = max(rows.values())
    lines = "".join(
        f"<tr><td>{escape(label)}</td><td class=num>{n:,}</td>"
        f'<td class=wide><div class=bar style="width:{100 * n / most:.1f}%"></div></td></tr>'
        for label, n in rows.items()
    )
    return f"<h2>{escape(name[:1].upper() + name[1:])}</h2><div class=scroll><table>{lines}</table></div>"


def _targets(targets: Sequence[tuple[str, list[tuple[str, bool]]]]) -> list[str]:
    """The prompts of a few samples; what is learnt is marked."""
    out = ["<h2>What the model reads, and what it learns</h2>"]
    for name, pieces in targets:
        text = "".join(f"<mark>{escape(words)}</mark>" if learnt else escape(words) for words, learnt in pieces)
        out.append(f"<p class=soft>{escape(name)}</p><pre>{text}</pre>")
    return out


def _findings(code: str, many: int, found: Sequence[Finding], pictures: dict[int, Path]) -> str:
    rows = "".join(
        f"<tr><td>{_thumb(pictures.get(f.number))}</td><td>{escape(f.name)}</td><td>{escape(f.about)}</td></tr>"
        for f in found[:SHOWN]
    )
    more = f"<p class=soft>{many - SHOWN:,} more.</p>" if many > SHOWN else ""
    return (
        f"<h2>{escape(code[:1].upper() + code[1:])}</h2><p class=soft>{escape(CODES[code])}</p>"
        f"<div class=scroll><table>{rows}</table></div>{more}"
    )


def _thumb(path: Path | None) -> str:
    source = inline_picture(path, THUMB_PX) if path is not None else ""
    return f'<img alt="" src="{source}">' if source else ""
