"""COCO's 133 panoptic classes and PSG's 56 predicates: tables of facts, numbered as released checkpoints do.

Source: COCO panoptic categories (80 things, then 53 kinds of stuff); OpenPSG relation list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.scene import Segment

THINGS = 80
"""Classes 0 to 79 are countable things, the others are stuff."""
NUMBER_MAX = 20
"""CoLLaVO's numbering table has rows 1 to 20."""

# fmt: off
PANOPTIC_CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush", "banner",
    "blanket", "bridge", "cardboard", "counter", "curtain", "door-stuff", "floor-wood", "flower", "fruit", "gravel",
    "house", "light", "mirror-stuff", "net", "pillow", "platform", "playingfield", "railroad", "river", "road",
    "roof", "sand", "sea", "shelf", "snow", "stairs", "tent", "towel", "wall-brick", "wall-stone", "wall-tile",
    "wall-wood", "water-other", "window-blind", "window-other", "tree-merged", "fence-merged", "ceiling-merged",
    "sky-other-merged", "cabinet-merged", "table-merged", "floor-other-merged", "pavement-merged", "mountain-merged",
    "grass-merged", "dirt-merged", "paper-merged", "food-other-merged", "building-other-merged", "rock-merged",
    "wall-other-merged", "rug-merged",
)

PREDICATES: tuple[str, ...] = (
    "over", "in front of", "beside", "on", "in", "attached to", "hanging from", "on back of", "falling off",
    "going down", "painted on", "walking on", "running on", "crossing", "standing on", "lying on", "sitting on",
    "flying over", "jumping over", "jumping from", "wearing", "holding", "carrying", "looking at", "guiding",
    "kissing", "eating", "drinking", "feeding", "biting", "catching", "picking", "playing with", "chasing",
    "climbing", "cleaning", "playing", "touching", "pushing", "pulling", "opening", "cooking", "talking to",
    "throwing", "slicing", "driving", "riding", "parked on", "driving on", "about to hit", "kicking", "swinging",
    "entering", "exiting", "enclosing", "leaning on",
)
# fmt: on


def short_name(name: str) -> str:
    """The class name without ``-merged``, ``-other`` and ``-stuff``, wherever in the name they are."""
    return name.replace("-merged", "").replace("-other", "").replace("-stuff", "")


CLASS_INDEX: dict[str, int] = {n: i + 1 for i, full in enumerate(PANOPTIC_CLASSES) for n in (full, short_name(full))}
"""Full or short class name -> row of the semantic table, 1 to 133 (0 = unknown)."""


def segments_from_info(info: Sequence[Mapping[str, Any]], classes: Sequence[str] = PANOPTIC_CLASSES) -> list[Segment]:
    """The table that panoptic post-processing gives (rows with ``id``, ``label_id`` and maybe ``score``) as Segments.

    Numbers count each class from 1 in the order given. A label outside the table gives a segment without a name.
    """
    seen: Counter[int] = Counter()
    rows = []
    for row in info:
        label = int(row["label_id"])
        seen[label] += 1
        name = short_name(classes[label]) if 0 <= label < len(classes) else ""
        thing = label < THINGS if classes is PANOPTIC_CLASSES else True
        rows.append(Segment(int(row["id"]), name, seen[label], thing, float(row.get("score", 1.0))))
    return rows
