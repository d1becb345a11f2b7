"""Names of the things that the domain *things* draws: artwork objects and shapes, in English and Korean."""

from __future__ import annotations

import json
from functools import lru_cache

from nunbit.world.artwork import ART

SHAPES = {
    "circle": ("circles", "원"),
    "square": ("squares", "정사각형"),
    "triangle": ("triangles", "삼각형"),
    "star": ("stars", "별"),
    "diamond": ("diamonds", "마름모"),
    "cross": ("crosses", "십자가"),
    "heart": ("hearts", "하트"),
    "hexagon": ("hexagons", "육각형"),
}
"""English name -> (plural, Korean) of every drawn shape."""


@lru_cache(maxsize=1)
def names() -> dict[str, tuple[str, str]]:
    """English name -> (plural, Korean) of every artwork object and shape."""
    art = {row["en"]: (row["plural"], row["ko"]) for row in json.loads((ART / "things.json").read_text())}
    return art | SHAPES


@lru_cache(maxsize=1)
def artwork_names() -> tuple[str, ...]:
    """English names of the artwork objects, in the order of their tiles."""
    return tuple(n for n in names() if n not in SHAPES)
