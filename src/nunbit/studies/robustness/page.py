"""A run of `nunbit robust` as one HTML page: curves, tables, and what the corruptions look like."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from nunbit.evaluation.charts import curves, stylesheet
from nunbit.html_page import html_page, inline_picture
from nunbit.studies.robustness.data import labelled
from nunbit.studies.robustness.run import as_text
from nunbit.studies.robustness.zero_shot import BOUNDS
from nunbit.trust.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupted

THUMB_PX = 96
_STYLE = "td img { display: block; width: 72px; height: 72px; object-fit: cover }"
_LEVELS = ("clean", *(str(s) for s in STRENGTHS))
_BOUNDS = tuple(str(b) for b in BOUNDS)


def page(result: Mapping[str, Any]) -> str:
    """The whole page; it loads nothing."""
    parts = [f"<pre>{escape(as_text(result))}</pre>"]
    for name, pair in result["pairs"].items():
        parts += _charts(name, pair)
    if found := result.get("answers"):
        parts += _charts(f"answers of {result['model']}", found)
    if len(result["pairs"]) > 1:
        parts += _beside(result["pairs"])
    parts += [f"<h2>What the corruptions do</h2>{_strip(result)}"]
    return html_page("Robustness", f"<h1>Robustness</h1>{''.join(parts)}", style=stylesheet() + _STYLE)


def _charts(name: str, found: Mapping[str, Any]) -> list[str]:
    """Curves of one model: by corruption, and by bound of the attack."""
    charts = []
    if rows := found.get("corruption"):
        series = {kind: [100 * r["right"] for r in row] for kind, row in rows.items()}
        charts.append(_figure(series, _LEVELS, "strength of the corruption"))
    if rows := found.get("attack"):
        series = {kind: [100 * rows[b][kind]["right"] for b in _BOUNDS] for kind in ("attack", "noise")}
        charts.append(_figure(series, _BOUNDS, "bound on every pixel, of 255"))
    return [f"<h2>{escape(name)}: right, %</h2><div class=charts>{''.join(charts)}</div>"] if charts else []


def _beside(pairs: Mapping[str, Any]) -> list[str]:
    """The contrastive models in one chart for each kind of change."""
    out = []
    attacked = {
        n: [100 * p["attack"][b]["attack"]["right"] for b in _BOUNDS] for n, p in pairs.items() if "attack" in p
    }
    if len(attacked) > 1:
        out.append(_figure(attacked, _BOUNDS, "bound of the attack, of 255"))
    for kind in CORRUPTIONS:
        rows = {n: [100 * r["right"] for r in p["corruption"][kind]] for n, p in pairs.items() if "corruption" in p}
        if len(rows) > 1:
            out.append(_figure(rows, _LEVELS, f"strength: {kind}"))
    return [f"<h2>Side by side: right, %</h2><div class=charts>{''.join(out)}</div>"] if out else []


def _figure(series: Mapping[str, list[float]], ticks: tuple[str, ...], label: str) -> str:
    names = " ".join(f'<span class="dot run{k % 6}"></span>{escape(n)}' for k, n in enumerate(series))
    return f'<div><p class="soft">{names}</p>{curves(series, ticks, label)}</div>'


def _strip(result: Mapping[str, Any]) -> str:
    """The first picture under every corruption at every strength."""
    [first] = labelled(result["pictures"], 1, result["seed"]).pictures[:1]
    image = Image.fromarray(first)
    image.thumbnail((224, 224))
    rows = []
    for kind in CORRUPTIONS:
        cells = []
        for strength in (0, *STRENGTHS):
            made = corrupted(np.asarray(image), kind, strength, np.random.default_rng((result["seed"], strength)))
            source = inline_picture(Image.fromarray(made), THUMB_PX)
            cells.append(f'<td><img alt="{kind} {strength}" src="{source}"></td>')
        rows.append(f"<tr><th>{kind}</th>{''.join(cells)}</tr>")
    heads = "".join(f"<th>{level}</th>" for level in _LEVELS)
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>'
