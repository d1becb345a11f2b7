"""COCO's 80 names in photographs, by the CenterNet that ships with the package.

Legend: B pictures, H and W sides of the network's input, K = 80 classes, h and w cells of its maps, n objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nunbit.coco import PANOPTIC_CLASSES
from nunbit.encoders.centernet import WEIGHTS, CenterNet
from nunbit.media.images import as_rgb
from nunbit.perception.base import clip_objects
from nunbit.scene import Scene, SceneObject, as_box, box_iou

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCE = "coco-detector"
SIDE_PX, MULTIPLE_PX = 512, 32
"""Longest side of the network's input, and what both sides are a multiple of."""
SAME_CLASS_IOU, ANY_CLASS_IOU = 0.5, 0.75
"""At this overlap two boxes are one object: of the same class, and of any two classes."""
SLOPE, MIDDLE = 12.0, 0.33
"""The network's scores are low (0.6 is sure). A logistic curve turns them into how often such an object is right; see
`calibrated`."""
MAX_OBJECTS = 40


class CocoDetector:
    """A provider of objects with COCO's names.

    Args:
        keep: objects below this raw score are left out.
    """

    def __init__(self, net: CenterNet, *, keep: float = 0.25) -> None:
        self.net, self.keep = net.eval(), keep
        self.name = f"{SOURCE}-centernet-mobilenet-v3-{SIDE_PX}-{keep}-{SLOPE}-{MIDDLE}"

    @classmethod
    def from_pretrained(cls, file: Path = WEIGHTS, **settings: float) -> CocoDetector:
        """The detector of a weight file; the shipped one if none is named."""
        return cls(CenterNet.from_pretrained(file), **settings)

    def to(self, device: str) -> None:
        """Run on a device."""
        self.net.to(device)

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        return [self._scene(image) for image in images]

    def _scene(self, image: Image) -> Scene:
        kept = suppress([o for o in self.peaks(image) if o.score >= self.keep])[:MAX_OBJECTS]
        for o in kept:
            o.score, o.attributes["source"] = round(calibrated(o.score), 3), SOURCE
        return Scene(image.width, image.height, kept)

    @torch.inference_mode()
    def peaks(self, image: Image) -> list[SceneObject]:
        """The 100 strongest local maxima with the network's own scores, the strongest first; one thing may be there
        several times."""
        pixels, scale = network_input(image)
        maps = self.net(pixels.to(next(self.net.parameters()).device))
        found = self.net.peaks(*(m.cpu() for m in maps))
        objects = [
            SceneObject(PANOPTIC_CLASSES[int(label)], as_box(box / scale), float(score))
            for box, score, label in zip(found.boxes[0], found.scores[0], found.classes[0], strict=True)
        ]
        return clip_objects(objects, *image.size)


def network_input(image: Image) -> tuple[torch.Tensor, float]:
    """The picture with its longest side at 512 pixels, padded at the right and the bottom: ``(1, 3, H, W)`` and the
    factor."""
    from PIL import Image as images

    scale = SIDE_PX / max(image.size)
    width, height = (max(1, round(v * scale)) for v in image.size)
    small = np.asarray(as_rgb(image).resize((width, height), images.Resampling.BILINEAR), np.float32)
    padded = np.full([math.ceil(n / MULTIPLE_PX) * MULTIPLE_PX for n in (height, width)] + [3], 127.0, np.float32)
    padded[:height, :width] = small
    return torch.from_numpy(padded).permute(2, 0, 1)[None], scale


def suppress(objects: Sequence[SceneObject]) -> list[SceneObject]:
    """The strongest of boxes that are one object; a cat that is also reported as a dog is kept under the stronger
    name."""
    kept: list[SceneObject] = []
    for o in sorted(objects, key=lambda o: -o.score):
        if all(box_iou(o.box, k.box) < (SAME_CLASS_IOU if k.name == o.name else ANY_CLASS_IOU) for k in kept):
            kept.append(o)
    return kept


def calibrated(score: float) -> float:
    """The network's score as a probability that the name is right."""
    return 1 / (1 + math.exp(-SLOPE * (score - MIDDLE)))
