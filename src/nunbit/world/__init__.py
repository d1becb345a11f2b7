"""The procedural world: pictures with exact Scenes, and questions with exact answers.

Importing it registers every domain.
"""

from nunbit.world import charts, documents, panels, puzzles, things, writing
from nunbit.world.base import DOMAINS, KINDS, QA, SIZE_PX, Glyph, Picture, generator

__all__ = [
    "DOMAINS",
    "KINDS",
    "QA",
    "SIZE_PX",
    "Glyph",
    "Picture",
    "charts",
    "documents",
    "generator",
    "panels",
    "puzzles",
    "things",
    "writing",
]
