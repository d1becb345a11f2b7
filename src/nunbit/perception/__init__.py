"""Picture -> Scene: panoptic segmentation, open-vocabulary detection, relations and reading, each optional.

    perception = build_perception(PerceptionConfig())
    [scene] = perception([picture])

Nothing heavy is imported before a part is built.
"""

from nunbit.perception.base import Lazy, Provider, Relator
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.cache import SceneCache
from nunbit.perception.detection import ZeroShotDetector
from nunbit.perception.ocr import TesseractReader
from nunbit.perception.overlay import draw
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.pipeline import Perception, failed_parts, perception_fields
from nunbit.perception.relations import GeometricRelations, SceneGraph, SceneGraphOutput

__all__ = [
    "GeometricRelations",
    "Lazy",
    "PanopticSegmenter",
    "Perception",
    "PerceptionConfig",
    "Provider",
    "Relator",
    "SceneCache",
    "SceneGraph",
    "SceneGraphOutput",
    "TesseractReader",
    "ZeroShotDetector",
    "build_perception",
    "draw",
    "failed_parts",
    "perception_fields",
]
