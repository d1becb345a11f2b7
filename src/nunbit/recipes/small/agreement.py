"""What can be asked about a photograph of which perception saw only a part: where it agrees with the truth, the truth;
what it names wrongly is not there; nothing that it overlooked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nunbit.recipes.small.rows import Turn
from nunbit.scene import Scene, SceneObject, box_iou
from nunbit.scene_phrases import UNSURE, facts_of
from nunbit.world.base import Language
from nunbit.world.names import broader, korean, table
from nunbit.world.scene_questions import SceneQuestions

SAME_IOU = 0.4
LOCAL = tuple(
    "exists exists_not coloured colour false_colour where part beside over larger at_box unknown followed no_text"
    " exists_broader about_broader inside looks sort".split()
)
"""Kinds of question that ask about single things: they can be answered although other things were overlooked."""


def agreed(true: Scene, estimated: Scene) -> tuple[list[SceneObject], list[str], bool]:
    """What both agree on, in the estimated boxes; wrong names; whether nothing is missing or wrong."""
    left, found, wrong = list(true.objects), [], []
    for o in sorted(estimated.objects, key=lambda o: -o.score):
        same = [t for t in left if korean(t.name) == korean(o.name) and box_iou(t.box, o.box) >= SAME_IOU]
        if same:
            best = max(same, key=lambda t: box_iou(t.box, o.box))
            left.remove(best)
            colour = (
                best.attributes.get("colour") if best.attributes.get("colour") == o.attributes.get("colour") else None
            )
            found.append(replace(o, score=1.0, attributes={"colour": colour} if colour else {}))
        elif o.name not in {t.name for t in true.objects}:
            wrong.append(o.name)
    sure = [o for o in estimated.objects if o.score >= UNSURE]
    return found, wrong, not left and len(sure) == len(found)


def knowable_questions(
    true: Scene, estimated: Scene, rng: np.random.Generator, language: Language, many: int
) -> list[list[Turn]]:
    """Conversations whose answers follow from what was estimated, or are "No" for what was estimated wrongly."""
    found, wrong, complete = agreed(true, estimated)
    meta: dict[str, Any] = {k: v for k, v in facts_of(estimated).items() if k in ("picture", "names")}
    meta["kind"] = str(dict(meta.get("picture") or {}).get("kind", ""))
    believed = Scene(estimated.width, estimated.height, found, text_lines=estimated.text_lines, meta=meta)
    named = {o.name for o in (*true.objects, *estimated.objects)}
    named |= {w for n in named for w in broader(n)}
    absent = [n for n in table() if not named & {n, *broader(n)}]
    questions = SceneQuestions(believed, rng, language, absent)
    conversations = questions.draw(many) if complete and found else questions.draw(many, LOCAL)
    out = [t.turns for t in conversations]
    for name in dict.fromkeys(wrong[:2]):
        out.append([(questions.wording("exists", n=name), questions.yes_no(False))])
    return out[-many:]
