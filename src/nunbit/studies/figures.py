"""Figures of a study: accuracies and paired gains with intervals, and the tables and pages that show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from nunbit.evaluation.charts import bars, stylesheet
from nunbit.evaluation.statistics import bootstrap_interval, paired_bootstrap
from nunbit.html_page import html_page

Figure = dict[str, Any]
"""An accuracy (``right``, ``interval``, ``n``; shares of 1) or a gain (``points``, ``interval``, ``p``; percentage
points).
"""
_STYLE = "td.heat { text-align: center }"


def group_by(records: Iterable[Mapping[str, Any]], *keys: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """Records by the values they have under the keys, in order of appearance."""
    out: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        out[tuple(record[k] for k in keys)].append(record)
    return out


def mean_right(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """For each question, the share of runs (seeds) that answer it right."""
    return np.mean([r["right"] for r in records], axis=0).tolist()


def over_seeds(records: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Figures of one variant over its seeds.

    Args:
        records: the variant's runs, with ``right``, ``pictures`` and ``splits`` a question.
        baseline: the runs it is compared with, if any.

    Returns:
        ``seeds``, ``by_seed``, ``all`` (accuracy with its interval over pictures), ``unseen`` (of the unseen style)
        and ``gain``.
    """
    mean, pictures = mean_right(records), records[0]["pictures"]
    unseen = [i for i, s in enumerate(records[0]["splits"]) if s == "unseen"]
    return {
        "seeds": len(records),
        "by_seed": [float(np.mean(r["right"])) for r in records],
        "all": accuracy(mean, pictures),
        "unseen": accuracy([mean[i] for i in unseen], [pictures[i] for i in unseen]) if unseen else None,
        "gain": paired_gain(mean_right(baseline), mean, pictures) if baseline else None,
    }


def medians(records: Sequence[Mapping[str, Any]], *keys: str) -> dict[str, float]:
    """Medians over runs of costs, which get no interval."""
    return {k: float(np.median([r[k] for r in records])) for k in keys}


def by_kind(values: Sequence[float], kinds: Sequence[str]) -> dict[str, float]:
    """The mean value of each kind of question."""
    pairs = [*zip(kinds, values, strict=True)]
    return {kind: float(np.mean([v for k, v in pairs if k == kind])) for kind in dict.fromkeys(kinds)}


def accuracy(right: Sequence[float], clusters: Sequence[Any]) -> Figure:
    """A share of right answers with its 95 % interval over clusters (pictures, episodes)."""
    return {
        "right": float(np.mean(right)),
        "interval": bootstrap_interval(list(right), list(clusters)),
        "n": len(right),
    }


def paired_gain(baseline: Sequence[float], other: Sequence[float], clusters: Sequence[Any]) -> Figure:
    """How much better ``other`` is on the same questions: percentage points with their 95 % interval and p value."""
    points, interval, p = paired_bootstrap(baseline, other, [str(c) for c in clusters])
    return {"points": 100 * points, "interval": [100 * v for v in interval], "p": p}


def format_figure(figure: Mapping[str, Any] | None) -> str:
    """``61.2 (55.0 to 67.1)`` for an accuracy, ``+3.1 (-0.2 to 6.0)`` for a gain, empty for None."""
    if figure is None:
        return ""
    low, high = figure["interval"]
    if "points" in figure:
        return f"{figure['points']:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{100 * figure['right']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A text table; the first column is left-aligned, the others right-aligned."""
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    lines = []
    for row in [heads, *rows]:
        cells = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def chart_bar(figure: Mapping[str, Any]) -> dict[str, Any]:
    """An accuracy in the form that `nunbit.evaluation.charts.bars` draws."""
    return {"n": figure["n"], "score": 100 * figure["right"], "interval": [100 * v for v in figure["interval"]]}


def study_page(title: str, body: str, groups: Mapping[str, Mapping[str, Mapping[str, Any]]], below: str = "") -> str:
    """One self-contained HTML page: the text table, and a bar chart of accuracies.

    Args:
        body: the text table.
        groups: name of a colour -> category -> accuracy.
        below: HTML after the chart.
    """
    legend = " ".join(f'<span class="dot run{k}"></span>{escape(name)}' for k, name in enumerate(groups))
    charts = bars([{c: chart_bar(f) for c, f in rows.items()} for rows in groups.values()], list(groups))
    return html_page(
        title,
        f"<h1>{escape(title)}</h1><pre>{escape(body)}</pre>"
        f"<h2>Right answers, %</h2><p>{legend}</p><div class=charts>{charts}</div>{below}",
        style=stylesheet() + _STYLE,
    )
