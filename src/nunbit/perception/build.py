"""Which perception a model is told by: named once, written beside the model, opened anywhere. Nothing is loaded before a picture comes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.perception.base import Lazy, Perception
from nunbit.perception.cache import SceneCache
from nunbit.perception.detection import ZeroShotDetector
from nunbit.perception.ocr import TesseractReader
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.relations import GeometricRelations


@dataclass(frozen=True, kw_only=True)
class PerceptionConfig:
    """What looks at a picture.

    Attributes:
        panoptic: folder of a universal segmentation model; empty for the embedded eyes.
        detector, queries: folder of a zero-shot detector, and the names it looks for, separated by commas.
        ocr: read with tesseract where it is installed; the embedded eyes read where it is not.
        cache: a folder that keeps Scenes by picture content.
    """

    panoptic: str = ""
    detector: str = ""
    queries: str = ""
    ocr: bool = True
    cache: str = ""


def build_perception(choice: PerceptionConfig) -> Perception:
    """The perception of a choice."""
    names = [q.strip() for q in choice.queries.split(",") if q.strip()]
    if bool(choice.detector) != bool(names):
        raise UserError("a detector without names to look for" if choice.detector else "names to look for without a detector",
                        allowed="both detector and queries, or neither")  # fmt: skip
    ocr = choice.ocr and shutil.which("tesseract") is not None
    return Perception(
        panoptic=Lazy(lambda: PanopticSegmenter.from_pretrained(choice.panoptic)) if choice.panoptic else build_segmenter(read=not ocr),
        detection=Lazy(lambda: ZeroShotDetector.from_pretrained(choice.detector, names)) if names else None,
        relations=GeometricRelations(), ocr=TesseractReader() if ocr else None,
        cache=SceneCache(Path(choice.cache)) if choice.cache else None,
    )  # fmt: skip


def build_segmenter(folder: str = "", *, read: bool) -> Any:
    """A universal segmentation model, or the embedded eyes if none is named; those also read where no reading engine does.

    What is named is opened at once, so that a wrong name is said at once; the embedded eyes when the first picture comes.
    """
    if folder:
        return PanopticSegmenter.from_pretrained(folder)

    def embedded() -> Any:
        from nunbit.perception.cells import CellPerception

        return CellPerception.from_pretrained(EMBEDDED, read=read)

    return Lazy(embedded)


def class_names(choice: PerceptionConfig) -> tuple[str, ...]:
    """Class names that the segmentation of a choice may report; empty: COCO's."""
    if choice.panoptic:
        return ()
    from nunbit.perception.cells import head_class_names

    return head_class_names(EMBEDDED)
