"""Held-out pictures with exact Scenes: drawings of the world, and composites of photographed things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nunbit.errors import UserError
from nunbit.scene import Scene
from nunbit.world.base import Language, generator
from nunbit.world.samples import sample

Source = Literal["drawing", "photograph"]
SEED = 2310


@dataclass(frozen=True, slots=True)
class ExactPicture:
    """Pixels ``(H, W, 3)`` uint8 with their exact Scene, and the language in which they are asked about."""

    source: Source
    number: int
    pixels: np.ndarray
    scene: Scene
    language: Language


def exact_pictures(many: int, say: Callable[[str], None] = lambda _: None) -> list[ExactPicture]:
    """So many drawings and so many composites, every third one asked about in Korean; each shows a thing at least.

    Composites of held-out cut-outs are left out, with a message, where their package is not installed.
    """
    return drawings(many) + _composites(many, say)


def drawings(many: int) -> list[ExactPicture]:
    """Held-out drawings of things."""
    out: list[ExactPicture] = []
    number = 0
    while len(out) < many:
        drawn = sample(number, seed=SEED, split="test", mixture={"things": 1.0}, questions=0).picture
        if drawn.scene.objects:
            out.append(ExactPicture("drawing", number, drawn.pixels, drawn.scene, _language(number)))
        number += 1
    return out


def _composites(many: int, say: Callable[[str], None]) -> list[ExactPicture]:
    from nunbit.world import composites

    out: list[ExactPicture] = []
    number = 0
    while len(out) < many:
        try:
            drawn = composites.draw(generator(SEED, number, "test"), "test", most=4)
        except UserError as e:
            say(str(e))
            return []
        if drawn.scene.objects:
            out.append(ExactPicture("photograph", number, drawn.pixels, drawn.scene, _language(number)))
        number += 1
    return out


def _language(number: int) -> Language:
    return "ko" if number % 3 == 2 else "en"
