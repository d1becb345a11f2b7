"""Panoptic segmentation with any universal segmentation model of transformers that takes pixels alone.

Mask2Former, MaskFormer, EoMT (OneFormer wants a task text too). Thresholds are those of CoLLaVO and MoAI: class 0.5,
mask 0.95, overlap 0.8, stuff not fused. Source: released code of both.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.coco import PANOPTIC_CLASSES, segments_from_info
from nunbit.media.bounds import processed
from nunbit.perception.loading import fingerprint, load_model
from nunbit.scene import Scene, SceneObject, Segment
from nunbit.verbalise import mask_boxes

if TYPE_CHECKING:
    from PIL.Image import Image


MOST_CELLS = 1_000_000
"""The post-processing makes 32 bits of each cell for each segment: maps of larger pictures are made of so many cells,
which is more than the models' own masks have, and enlarged."""


class PanopticSegmenter:
    """A provider of segments: the map at the picture's size, its table, and one object a segment, boxed by its cells.

    Args:
        model: with a universal segmentation head; ``config.id2label`` names the classes.
        image_processor: its image processor, which has ``post_process_panoptic_segmentation``.
        threshold: a segment's class probability must reach it.
        mask_threshold: at which a pixel's mask probability is part of a segment.
        overlap: the share of a segment's mask that no better segment may take.
        fuse: label ids whose segments become one (e.g. all stuff); none in the papers.
    """

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        *,
        threshold: float = 0.5,
        mask_threshold: float = 0.95,
        overlap: float = 0.8,
        fuse: Sequence[int] = (),
    ) -> None:
        self.model, self.image_processor = model.eval(), image_processor
        self.settings = {
            "threshold": threshold,
            "mask_threshold": mask_threshold,
            "overlap_mask_area_threshold": overlap,
            "label_ids_to_fuse": set(fuse),
        }
        labels = model.config.id2label
        named = [str(labels[i]) for i in range(len(labels))]
        # The same object for COCO's table tells `segments_from_info` which classes are things.
        self.classes = PANOPTIC_CLASSES if len(named) == len(PANOPTIC_CLASSES) and named[0] == "person" else named
        self.name = "panoptic-" + fingerprint(model, image_processor, sorted(fuse), threshold, mask_threshold, overlap)

    @classmethod
    def from_pretrained(cls, path: str, *, device: str = "cpu", **settings: Any) -> PanopticSegmenter:
        """Open a model.

        Args:
            path: a folder or a locally cached hub name.
            settings: thresholds and ``fuse``.

        Raises:
            UserError: no usable model there.
        """
        from transformers import AutoImageProcessor, AutoModelForUniversalSegmentation

        model, processor = load_model(AutoModelForUniversalSegmentation, AutoImageProcessor, path, device)
        return cls(model, processor, **settings)

    def to(self, device: str) -> None:
        """Run on a device."""
        self.model.to(device)

    def segment(
        self, images: Sequence[Image], target_sizes: Sequence[tuple[int, int]] | None = None
    ) -> list[tuple[np.ndarray, list[Segment]]]:
        """Segment maps and tables. ``target_sizes``: (height, width); (35, 35) in CoLLaVO, by default the picture's.

        Returns:
            per picture an int32 map ``target_size``, 0 = unknown, and its rows; ids count from 1.
        """
        import torch

        sizes = list(target_sizes or [(i.height, i.width) for i in images])
        inputs = processed(self.image_processor, images).to(self.model.device)
        with torch.inference_mode():
            outputs = self.model(**{k: v for k, v in inputs.items() if k in ("pixel_values", "pixel_mask")})
        post = self.image_processor.post_process_panoptic_segmentation
        known = inspect.signature(post).parameters
        small = [_map_size(size) for size in sizes]
        results = post(outputs, target_sizes=small, **{k: v for k, v in self.settings.items() if k in known})
        del inputs, outputs
        tables = [self._table(r) for r in results]
        return [(_enlarged(cells, size), table) for (cells, table), size in zip(tables, sizes, strict=True)]

    def _table(self, result: dict[str, Any]) -> tuple[np.ndarray, list[Segment]]:
        cells = result["segmentation"].cpu().numpy().astype(np.int32)
        info = result["segments_info"]
        if any(row["id"] == 0 for row in info):
            # Some families count segments from 0 with -1 as background.
            cells, info = cells + 1, [{**row, "id": row["id"] + 1} for row in info]
        segments = segments_from_info(info, self.classes)
        cells[~np.isin(cells, [s.id for s in segments])] = 0
        return cells, segments

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes with the segments, and one object a segment."""
        scenes = []
        for image, (cells, segments) in zip(images, self.segment(images), strict=True):
            boxes = mask_boxes(cells)
            objects = [SceneObject(s.name, boxes[s.id], s.score, segment=s.id) for s in segments if s.id in boxes]
            scenes.append(Scene(image.width, image.height, objects, segments=segments, segment_map=cells))
        return scenes


def _map_size(size: tuple[int, int]) -> tuple[int, int]:
    """The height and width of the map that is made for one of this size."""
    scale = min(1.0, (MOST_CELLS / (size[0] * size[1])) ** 0.5)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _enlarged(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map ``(H, W)`` at this height and width, in the smallest type that holds its ids where it is enlarged."""
    if cells.shape == tuple(size):
        return cells
    (rows, columns), (height, width) = cells.shape, size
    places = np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)
    return cells.astype(np.min_scalar_type(int(cells.max(initial=0))))[places]
