"""Draws papers of all kinds, and lays them out as Scenes without pixels."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Scene, TextLine
from nunbit.world import bar_charts, sheets, tables
from nunbit.world.base import COLOURS, Language, pick
from nunbit.world.papers import PLAIN, Paper

KINDS = (*(tables.draw,) * 6, *(sheets.draw,) * 4, *(sheets.receipt,) * 3, *(bar_charts.draw,) * 2, *PLAIN)


def draw(rng: np.random.Generator, language: Language) -> Paper:
    """A paper, most often in the language it will be asked about in."""
    hangul = bool(rng.random() < (0.6 if language == "ko" else 0.2))
    return pick(rng, KINDS)(rng, hangul)


def scene_of(paper: Paper, rng: np.random.Generator) -> Scene:
    """The lines on a page: cells left to right in columns, rows from top to bottom; of a chart its bars."""
    if paper.colours:
        return bar_charts.scene_of(paper, rng)
    width, height = pick(rng, ((600, 800), (640, 480), (400, 700), (480, 480)))
    scene = Scene(width, height, meta=_looks(paper, rng))
    columns = max(len(r) for r in paper.rows)
    step = min(60.0, 0.9 * height / len(paper.rows))
    top = float(rng.uniform(0.03, 0.08)) * height
    for i, row in enumerate(paper.rows):
        y = top + i * step
        for j, cell in enumerate(row):
            x = (0.06 + 0.88 * j / columns) * width
            wide = min(0.85 * width / columns, 0.55 * step * max(1, len(cell)) * 0.5 + 8)
            scene.text_lines.append(
                TextLine.from_box(
                    cell,
                    (round(x), round(y), round(x + wide), round(y + 0.6 * step)),
                    round(float(rng.uniform(0.6, 1)), 2),
                )
            )
    return scene


def _looks(paper: Paper, rng: np.random.Generator) -> dict[str, object]:
    """What perception measures on a page: its kind, its colours, the colour of the writing."""
    if rng.random() < 0.2:
        return {}
    kind = pick(rng, ("document", "document", "document", "screenshot", "chart"))
    if paper.kind == "screenshot" and rng.random() < 0.6:
        kind = "screenshot"
    looks = {"kind": kind, "brightness": "bright", "colour": "black and white", "main colours": "white"}
    if rng.random() < 0.4:
        main = pick(rng, tuple(COLOURS))
        looks |= {"brightness": pick(rng, ("bright", "medium", "dark")), "colour": "colour"}
        looks["main colours"] = pick(rng, (f"white, {main}", main, f"{main}, white"))
    return {"picture": looks, "ink": pick(rng, ("black", "black", "black", "white", "blue", "brown"))}
