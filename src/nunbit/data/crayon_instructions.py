"""Crayon instructions: a Scene -> a question about its numbered objects and the answer, which teaches what the crayon's
marks mean.

Three forms: names with their numbers; names, numbers and boxes; the boxes of one class. The object list is CoLLaVO's
(`nunbit.verbalise`); the wording is ours, in English and Korean. Source: CoLLaVO, arXiv 2402.11248, sec. 3.2.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nunbit.coco import NUMBER_MAX, short_name
from nunbit.scene import Scene
from nunbit.verbalise import box_to_string, mask_boxes, relative_box

Language = Literal["en", "ko"]
ASKED = {
    "en": (
        "Which objects are in the picture? Number them.",
        "Which objects are in the picture? Number them and give their boxes.",
        "Where is every {name}? Give the boxes.",
    ),
    "ko": (
        "그림에 어떤 물체가 있나요? 번호를 붙여 주세요.",
        "그림에 어떤 물체가 있나요? 번호와 위치를 함께 말해 주세요.",
        "{name}의 위치를 모두 알려 주세요.",
    ),
}
NOTHING = {"en": "Nothing that is known.", "ko": "알려진 것이 없습니다."}


def instruction(scene: Scene, rng: np.random.Generator, language: Language = "en") -> tuple[str, str]:
    """A question and its answer. Objects come in random order, as published; without segments the answer says so."""
    found = _numbered(scene)
    form = int(rng.integers(3)) if found else 0
    ask = ASKED[language][form]
    if not found:
        return ask, NOTHING[language]
    found = [found[int(i)] for i in rng.permutation(len(found))]
    if form == 2:
        name = found[0][1]
        return ask.format(name=name), ", ".join(box for _, other, box in found if other == name)
    return ask, ", ".join(f"(#{n} {name}) {box}" if form else f"(#{n} {name})" for n, name, box in found)


def _numbered(scene: Scene) -> list[tuple[int, str, str]]:
    """(number, name, box) of every segment that is in the map."""
    if scene.segment_map is None:
        return []
    boxes = mask_boxes(scene.segment_map)
    height, width = scene.segment_map.shape
    return [
        (min(s.number, NUMBER_MAX), short_name(s.name), box_to_string(relative_box(boxes[s.id], width, height)))
        for s in scene.segments
        if s.id in boxes
    ]
