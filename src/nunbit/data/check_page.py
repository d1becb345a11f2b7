"""The report of `nunbit.data.check` as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nunbit.data.check import CODES, Finding, Report
from nunbit.errors import UserError

SHOWN, THUMB_PX = 40, 160
"""Findings of a code that the page lists, and the side of their pictures."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --back: #fbfaf7; --paper: #fff; --ink: #1d2330; --soft: #5b6475; --line: #dcdad3;
  --bar: #3566b8; --mark: #d8efe2; }
@media (prefers-color-scheme: dark) { :root { --back: #14171d; --paper: #1c2028; --ink: #e7e9ee; --soft: #a3abba;
  --line: #363c48; --bar: #83aef5; --mark: #1f4a35; } }
body { margin: 0 auto; max-width: 1000px; padding: 28px 20px 60px; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, "Apple SD Gothic Neo", "Noto Sans KR", "Noto Sans CJK KR", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; } p { margin: 4px 0; }
.soft { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--paper); }
th, td { padding: 6px 10px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--soft); font-size: 13px; } .num { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 160px; max-height: 120px; display: block; border-radius: 4px; }
.bar { background: var(--bar); height: 12px; border-radius: 3px; min-width: 1px; } td.wide { width: 60%; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; padding: 12px; font: 13px/1.6 ui-monospace, monospace; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
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
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


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
    from nunbit.media import decode

    if path is None:
        return ""
    try:
        image = decode(path)
    except UserError:
        return ""
    image.thumbnail((THUMB_PX, THUMB_PX))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}">'
