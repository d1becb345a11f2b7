"""Picture -> Scene: panoptic segmentation, open-vocabulary detection, relations and reading, each optional.

    eyes = Perception(panoptic=Lazy(lambda: PanopticSegmenter.from_pretrained(folder)), ocr=TesseractReader())
    [scene] = eyes([picture])

Nothing heavy is imported before a part is built.
"""

from nunbit.perception.base import Lazy, Perception, Provider, Relator
from nunbit.perception.cache import SceneCache
from nunbit.perception.detection import ZeroShotDetector
from nunbit.perception.ocr import TesseractReader
from nunbit.perception.overlay import draw
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.relations import GeometricRelations, SceneGraph, SceneGraphOutput

__all__ = [
    "GeometricRelations",
    "Lazy",
    "PanopticSegmenter",
    "Perception",
    "Provider",
    "Relator",
    "SceneCache",
    "SceneGraph",
    "SceneGraphOutput",
    "TesseractReader",
    "ZeroShotDetector",
    "draw",
]
