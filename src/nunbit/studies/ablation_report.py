"""Summary, text table and HTML page of an ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nunbit.studies.figures import (
    by_kind,
    format_figure,
    format_table,
    group_by,
    mean_right,
    medians,
    over_seeds,
    study_page,
)

COSTS = ("first_token_ms", "added_megabytes", "training_seconds")
SIDES = {"image": ("aux", "language", "self"), "language": ("aux", "image", "self")}
"""Experts that MoAI's gates of each side weigh."""


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each variant and kind of Scenes: the mean over seeds with its interval over pictures, the unseen style, the
    paired gain over plain.
    """
    groups = group_by(records, "variant", "scenes")
    plain = next((runs for (variant, _), runs in groups.items() if variant == "plain"), [])
    rows = []
    for (variant, scenes), runs in groups.items():
        compared = variant != "plain" and len(plain) == len(runs)
        rows.append(
            {
                "variant": variant,
                "scenes": scenes,
                **over_seeds(runs, plain if compared else ()),
                "kinds": by_kind(mean_right(runs), runs[0]["kinds"]),
                "gates": runs[0]["gates"],
                **medians(runs, *COSTS),
            }
        )
    return {"rows": rows}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    heads = ("variant", "scenes", "seeds", "right, %", "unseen style", "gain over plain", "first token", "added")
    rows = []
    for r in result["rows"]:
        figures = (format_figure(r[k]) for k in ("all", "unseen", "gain"))
        costs = (f"{r['first_token_ms']:.1f} ms", f"{r['added_megabytes']:.2f} MB")
        rows.append((r["variant"], r["scenes"], str(r["seeds"]), *figures, *costs))
    return format_table(heads, rows)


def page(result: Mapping[str, Any]) -> str:
    """Table, bars and heat maps of the gates as one HTML page."""
    rows = result["rows"]
    scenes = dict.fromkeys(r["scenes"] for r in rows)
    groups = {f"{name} scenes": {r["variant"]: r["all"] for r in rows if r["scenes"] == name} for name in scenes}
    heat = "".join(_gates_table(r) for r in rows if r["gates"])
    return study_page("Scene conditioning", as_text(result), groups, _kinds_table(rows) + heat)


def _kinds_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Right answers by kind of question, one row a variant."""
    kinds = sorted({k for r in rows for k in r["kinds"]})
    heads = "".join(f"<th>{escape(k)}" for k in kinds)
    out = [f"<h2>By kind of question, % right</h2><table><tr><th>variant<th>scenes{heads}"]
    for r in rows:
        out.append(f"<tr><td>{escape(r['variant'])}<td>{escape(r['scenes'])}")
        out += [f"<td>{100 * r['kinds'][k]:.0f}" if k in r["kinds"] else "<td>" for k in kinds]
    return "".join(out) + "</table>"


def _gates_table(row: Mapping[str, Any]) -> str:
    title = f"Gates of {escape(row['variant'])}, {escape(row['scenes'])} scenes"
    heads = "".join(f"<th>{side} rows, {expert}" for side, experts in SIDES.items() for expert in experts)
    out = [f"<h2>{title}</h2><table><tr><th>kind{heads}"]
    for kind in sorted(row["gates"]["image"]):
        out.append(f"<tr><td>{escape(kind)}")
        for weight in (w for side in SIDES for w in row["gates"][side][kind]):
            style = f"background: color-mix(in srgb, var(--run1) {100 * weight:.0f}%, transparent)"
            out.append(f'<td class=heat style="{style}">{weight:.2f}')
    return "".join(out) + "</table>"
