"""Charts as inline SVG: bars with intervals, a radar, curves.

Colours are the page's variables, so that they follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Table = Mapping[str, Mapping[str, Any]]
_LABEL, _PLOT, _BAR, _GAP = 230, 460, 12, 10
"""Pixels: width of the names, width of the plot, height of a bar, space between categories."""


def stylesheet() -> str:
    """The CSS of charts and samples, after that of `nunbit.html_page`, whose variables it takes."""
    return (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


def bars(tables: Sequence[Table], names: Sequence[str]) -> str:
    """Horizontal bars, a group a category and a bar a run, 0 to 100 with 95 % whiskers.

    Args:
        tables: per run, category -> row with ``n``, ``score``, ``interval``.
        names: what the runs are called.
    """
    categories = sorted({c for t in tables for c in t})
    block = _BAR * len(tables) + _GAP
    height = block * len(categories) + 24
    out = [
        f'<svg class="bars" role="img" aria-label="Scores per category" viewBox="0 0 {_LABEL + _PLOT + 60} {height}">'
    ]
    for tick in range(0, 101, 25):
        x = _LABEL + _PLOT * tick / 100
        out.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 18}"/>'
            f'<text class="tick" x="{x:.1f}" y="{height - 4}" text-anchor="middle">{tick}</text>'
        )
    for row, category in enumerate(categories):
        top = row * block + _GAP / 2
        n = max((t[category]["n"] for t in tables if category in t), default=0)
        middle = top + _BAR * len(tables) / 2 + 4
        out.append(
            f'<text class="name" x="{_LABEL - 8}" y="{middle:.1f}" text-anchor="end">{escape(_short(category))} '
            f'<tspan class="n">{n}</tspan></text>'
        )
        for k, table in enumerate(tables):
            if category in table:
                out.append(_bar(table[category], top + k * _BAR, k, f"{names[k]}: {category}"))
    return "".join(out) + "</svg>"


def radar(tables: Sequence[Table], names: Sequence[str]) -> str:
    """One axis a category, 0 in the middle and 100 at the rim; for three to twelve categories."""
    categories = sorted({c for t in tables for c in t})
    if not 3 <= len(categories) <= 12:
        return ""
    size, rim = 420, 130
    middle = size / 2

    def at(k: int, share: float) -> tuple[float, float]:
        turn = 2 * math.pi * k / len(categories) - math.pi / 2
        return middle + rim * share * math.cos(turn), middle * 0.85 + rim * share * math.sin(turn)

    def ring(shares: Sequence[float]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(k, s) for k, s in enumerate(shares)))

    out = [f'<svg class="radar" role="img" aria-label="Scores per category" viewBox="0 0 {size} {size * 0.85:.0f}">']
    out += [f'<polygon class="grid" points="{ring([s] * len(categories))}"/>' for s in (0.25, 0.5, 0.75, 1.0)]
    for k, category in enumerate(categories):
        x, y = at(k, 1.12)
        anchor = "middle" if abs(x - middle) < 12 else "start" if x > middle else "end"
        out.append(
            f'<text class="name" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">'
            f"{escape(_short(category, 20))}</text>"
        )
    for k, table in enumerate(tables):
        shares = [max(0.0, min(1.0, table[c]["score"] / 100)) if c in table else 0.0 for c in categories]
        out.append(
            f'<polygon class="shape run{k % 6}" points="{ring(shares)}"><title>{escape(names[k])}</title></polygon>'
        )
    return "".join(out) + "</svg>"


def curves(series: Mapping[str, Sequence[float]], ticks: Sequence[str], label: str) -> str:
    """Lines over evenly spaced ticks, 0 to 100, a colour a name.

    Args:
        series: name -> one score for each tick.
        label: what the ticks are.
    """
    wide, high, left, top = 420, 200, 34, 10

    def at(k: int, score: float) -> tuple[float, float]:
        x = left + (wide - left - 10) * k / max(1, len(ticks) - 1)
        return x, top + high * (1 - max(0.0, min(100.0, score)) / 100)

    out = [f'<svg class="radar" role="img" aria-label="{escape(label)}" viewBox="0 0 {wide} {high + 46}">']
    for tick in range(0, 101, 25):
        y = at(0, tick)[1]
        out.append(f'<line class="grid" x1="{left}" x2="{wide - 10}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    for k, name in enumerate(ticks):
        x = at(k, 0)[0]
        out.append(f'<text class="tick" x="{x:.1f}" y="{high + top + 16}" text-anchor="middle">{escape(name)}</text>')
    out.append(f'<text class="tick" x="{wide / 2}" y="{high + top + 32}" text-anchor="middle">{escape(label)}</text>')
    for k, (name, scores) in enumerate(series.items()):
        points = [at(i, s) for i, s in enumerate(scores)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        said = ", ".join(f"{t}: {s:.1f}" for t, s in zip(ticks, scores, strict=True))
        out.append(
            f'<g class="shape run{k % 6}" style="fill:none"><title>{escape(name)} ({escape(said)})</title>'
            f'<polyline points="{line}"/>'
            + "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
            + "</g>"
        )
    return "".join(out) + "</svg>"


def _bar(row: Mapping[str, Any], y: float, k: int, title: str) -> str:
    def x(score: float) -> float:
        return _PLOT * max(0.0, min(100.0, score)) / 100

    low, high = (_LABEL + x(v) for v in row["interval"])
    middle = y + (_BAR - 2) / 2
    return (
        f'<g class="run{k % 6}"><title>{escape(title)}: {row["score"]:.1f} '
        f"[{row['interval'][0]:.1f}, {row['interval'][1]:.1f}], n = {row['n']}</title>"
        f'<rect x="{_LABEL}" y="{y:.1f}" width="{max(x(row["score"]), 1):.1f}" height="{_BAR - 2}"/>'
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        f'<text class="value" x="{max(high, _LABEL + x(row["score"])) + 5:.1f}" y="{middle + 4:.1f}">'
        f"{row['score']:.1f}</text></g>"
    )


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
