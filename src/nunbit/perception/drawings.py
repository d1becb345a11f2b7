"""The world's own encoder alone, for models that know drawings only.

Such a model answers about a photograph too, and is wrong. So each Scene says what kind of picture it is of, and who
shows the answer can say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.perception.base import Provider, covered_parts
from nunbit.perception.picture_kind import kind_at_a_glance
from nunbit.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

NOTICE = (
    "this model knows drawings only, and the picture looks like a photograph: the answer is a guess; "
    "'nunbit models get nunbit-small' fetches a model for photographs"
)
WORLD_SIDE_PX = 256
"""The world's encoder is trained on pictures of 192 pixels; of larger documents it knows nothing."""
SURE, LIKELY = 0.95, 0.5
"""How probable a photograph must be: among pictures of the world's size, nearly all drawings, and among others."""


class DrawingParts:
    """A provider: what the world's encoder finds, and in ``meta["facts"]`` the picture's kind.

    Args:
        cells: the encoder's provider (`cells.CellPerception`).
    """

    def __init__(self, cells: Provider) -> None:
        self.cells, self.name, self.covers = cells, f"drawings-{cells.name}", covered_parts(cells)

    @classmethod
    def from_pretrained(cls, folder: Path, *, read: bool) -> DrawingParts:
        """With the encoder of a model's folder.

        Args:
            read: report text too.
        """
        from nunbit.perception.cells import CellPerception

        return cls(CellPerception.from_pretrained(folder, read=read))

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        scenes = self.cells(images)
        for image, scene in zip(images, scenes, strict=True):
            kinds = kind_at_a_glance(image)
            scene.meta["facts"] = {"picture": {"kind": max(kinds, key=lambda k: kinds[k]), "kinds": kinds}}
        return scenes


def notices(scenes: Sequence[Scene]) -> list[str]:
    """What a model of drawings should say of its answer about these pictures: `NOTICE` once, or nothing."""
    return [NOTICE] if any(map(_is_photograph, scenes)) else []


def _is_photograph(scene: Scene) -> bool:
    chance = scene.meta.get("picture", {}).get("kinds", {}).get("photograph", 0.0)
    return chance >= (SURE if max(scene.width, scene.height) <= WORLD_SIDE_PX else LIKELY)


def with_other_pictures(
    own: Callable[[Sequence[Image]], list[Scene]], default: Callable[[Sequence[Image]], list[Scene]]
) -> Callable[[Sequence[Image]], list[Scene]]:
    """What shows people the Scenes of any picture beside a model of drawings: its own perception for drawings of the
    world's size, so that they see what the model is given; the default one for photographs and larger pictures."""

    def perceive(images: Sequence[Image]) -> list[Scene]:
        scenes = own(images)
        for i, (image, scene) in enumerate(zip(images, scenes, strict=True)):
            if max(image.size) > WORLD_SIDE_PX or notices([scene]):
                [scenes[i]] = default([image])
        return scenes

    return perceive
