"""Everyday names of a whole photograph and of crops of it, from ImageNet's 1,000 names.

ImageNet's names are too fine for people ("Egyptian cat", "minibus"); a table maps each to an everyday name, and where
there is one to
COCO's name, so that this part and the COCO detector can agree or correct each other.

Legend: n crops, N cells of the feature map, K = 1,000 fine names, E everyday names.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nunbit.encoders.efficientnet_lite import MEAN, SCALE, WEIGHTS, EfficientNetLiteForImageClassification
from nunbit.media.images import as_rgb
from nunbit.scene import Box, Scene, SceneObject

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCE = "image-names"
TABLE = WEIGHTS / "names.tsv"
HOT = 0.4
"""Cells whose activation reaches this share of the strongest one belong to the named thing."""
FINER = 8
"""How much the activation map is enlarged before a box is drawn around it."""
MAX_CROPS = 6
CROP_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class FineName:
    """A row of the table: ImageNet's name, its everyday name, its kind (animal, thing,
    clothing, food, plant, building, place, person), COCO's name or ``""``."""

    fine: str
    everyday: str
    kind: str
    coco: str


@lru_cache(maxsize=4)
def name_table(file: Path = TABLE) -> tuple[FineName, ...]:
    """The table in the order of ImageNet's classes."""
    with file.open(encoding="utf-8", newline="") as f:
        return tuple(
            FineName(r["fine"], r["everyday"], r["kind"], r["coco"]) for r in csv.DictReader(f, delimiter="\t")
        )


@dataclass(slots=True)
class Naming:
    """Probabilities of one picture or crop over the fine names, ``(K,)``."""

    fine: np.ndarray

    def everyday(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest everyday names with the sum of their fine names' probabilities."""
        sums: dict[str, float] = {}
        for row, p in zip(name_table(), self.fine.tolist(), strict=True):
            sums[row.everyday] = sums.get(row.everyday, 0.0) + p
        return sorted(sums.items(), key=lambda item: -item[1])[:count]

    def coco(self, name: str) -> float:
        """How probable it is that this shows a thing of COCO's name."""
        return float(sum(p for row, p in zip(name_table(), self.fine.tolist(), strict=True) if row.coco == name))

    def kind(self, kind: str) -> tuple[str, float]:
        """The likeliest everyday name of a kind, with its probability."""
        wanted = {row.everyday for row in name_table() if row.kind == kind}
        return next(((n, p) for n, p in self.everyday(len(name_table())) if n in wanted), ("", 0.0))

    def best(self) -> FineName:
        """The row of the likeliest fine name among those of the likeliest everyday name."""
        everyday = self.everyday(1)[0][0]
        order = np.argsort(-self.fine)
        return next(name_table()[int(i)] for i in order if name_table()[int(i)].everyday == everyday)


class ImageNamer:
    """Names pictures and crops.

    As a provider it reports the whole picture's likeliest name as one object, boxed by its class activation.

    Args:
        keep: a name below this probability is not reported.
    """

    def __init__(self, model: EfficientNetLiteForImageClassification, *, keep: float = 0.35) -> None:
        self.model, self.keep = model.eval(), keep
        self.side: int = model.config.image_size
        self.name = f"{SOURCE}-efficientnet-{model.config.width}-{model.config.depth}-{self.side}-{keep}"

    @classmethod
    def from_pretrained(cls, folder: Path = WEIGHTS, **settings: float) -> ImageNamer:
        """The classifier of a folder with compact weights; the shipped one if none is named."""
        return cls(EfficientNetLiteForImageClassification.shipped(folder), **settings)

    def to(self, device: str) -> None:
        """Run on a device."""
        self.model.to(device)

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        scenes = []
        for image in images:
            [naming], heat = self.look(image, [])
            scene, best = Scene(image.width, image.height), naming.best()
            (name, p), *_ = naming.everyday()
            if p >= self.keep and best.kind != "place":
                box = activation_box(
                    heat([i for i, row in enumerate(name_table()) if row.everyday == name]), *image.size
                )
                scene.objects.append(SceneObject(name, box, round(p, 3), {"source": SOURCE, "fine_name": best.fine}))
            scene.meta["names"] = [[n, round(q, 3)] for n, q in naming.everyday()]
            scenes.append(scene)
        return scenes

    @torch.inference_mode()
    def look(self, image: Image, boxes: Sequence[Box]) -> tuple[list[Naming], Heat]:
        """Namings of the whole picture and of each box (at most 6), and where in the picture a name is."""
        rgb = as_rgb(image)
        pixels = [self._pixels(rgb)] + [self._pixels(rgb.crop(crop_box(b, *rgb.size))) for b in boxes[:MAX_CROPS]]
        out = self.model(pixels[0][None], cells=True)
        # One by one: on a processor a batch is no faster, and with two threads slower.
        logits = [out.logits] + [self.model(p[None]).logits for p in pixels[1:]]
        return [Naming(p) for p in torch.cat(logits).softmax(-1).cpu().numpy()], Heat(
            out.cell_logits[0].softmax(-1).cpu().numpy(), out.grid
        )

    def _pixels(self, image: Image) -> torch.Tensor:
        """A square picture as the network takes it, ``(3, side, side)``."""
        from PIL import Image as images

        square = image.resize((self.side, self.side), images.Resampling.BICUBIC)
        return torch.from_numpy((np.asarray(square, np.float32) - MEAN) / SCALE).permute(2, 0, 1).to(self.model.device)


@dataclass(slots=True)
class Heat:
    """Class probabilities of each cell ``(N, K)`` and the rows and columns of the map. arXiv 1512.04150 (class
    activation mapping)."""

    cells: np.ndarray
    grid: tuple[int, int]

    def __call__(self, fine: Sequence[int]) -> np.ndarray:
        """Where things of these classes are, ``(rows, columns)``."""
        return self.cells[:, fine].sum(1).reshape(self.grid)


def activation_box(heat: np.ndarray, width: int, height: int) -> Box:
    """The box in pixels of the connected hot cells around the hottest one.

    The map is enlarged first, so that the box does not end at cell edges, and moved by a quarter of a cell: SAME
    padding at stride 2 centres
    what a cell reads further to the right and down, and a quarter fits best on photographs looked at.
    """
    from scipy import ndimage

    large = ndimage.zoom(np.pad(heat, 1, mode="edge"), FINER, order=1, grid_mode=True, mode="nearest")
    shift = FINER // 4
    fine = large[FINER - shift : -FINER - shift, FINER - shift : -FINER - shift]
    labels, _ = ndimage.label(fine >= HOT * fine.max())
    ys, xs = np.nonzero(labels == labels[np.unravel_index(fine.argmax(), fine.shape)])
    rows, columns = fine.shape
    return (float(xs.min()) / columns * width, float(ys.min()) / rows * height,
            float(xs.max() + 1) / columns * width, float(ys.max() + 1) / rows * height)  # fmt: skip


def crop_box(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box with a margin, made square where the picture allows it, in whole pixels."""
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1) * (1 + 2 * CROP_MARGIN)
    left, right = _span((x1 + x2) / 2, side, width)
    top, bottom = _span((y1 + y2) / 2, side, height)
    return left, top, right, bottom


def _span(middle: float, length: float, limit: int) -> tuple[int, int]:
    """A span of this length around the middle, moved inside 0 to limit and cut where it is longer."""
    length = min(length, limit)
    start = min(max(0.0, middle - length / 2), limit - length)
    return int(start), max(int(start) + 1, min(limit, round(start + length)))
