"""What a text-only teacher gets of a picture: captions, then one box a line (LLaVA, arXiv 2304.08485, sec. 3)."""

from __future__ import annotations

from nunbit.coco import short_name
from nunbit.scene import Box, Scene
from nunbit.scene_phrases import clean, colour_of, groups_of, list_groups
from nunbit.world.base import Language
from nunbit.world.names import korean, korean_thing, names_in

MOST_CAPTIONS, MOST_BOXES, MOST_CAPTION_CHARS = 8, 60, 400
"""What of a Scene is shown at most: a crowd of hundreds would fill the teacher's context."""
LEAST_SCORE = 0.5
"""What perception is less sure of is not shown to a teacher, who would state it as a fact."""


def symbolic_context(scene: Scene, language: Language) -> str:
    """Captions, one a line; an empty line; ``category: [x1, y1, x2, y2]``, one box a line, shares of the sides with
    three decimals. Two things of a name have two lines. Lines of writing follow as ``text "..."``."""
    captions = [flat for c in scene.captions if (flat := " ".join(c.split())[:MOST_CAPTION_CHARS])]
    lines = captions[:MOST_CAPTIONS] or [own_caption(scene, language)]
    boxes = [f"{called(o.name, language)}: {shares(o.box, scene)}" for o in scene.objects if o.score >= LEAST_SCORE][
        :MOST_BOXES
    ]
    written = "text" if language == "en" else "글자"
    boxes += [
        f'{written} "{clean(t.text)}": {shares(t.box, scene)}'
        for t in scene.text_lines
        if t.score >= LEAST_SCORE and t.text.strip()
    ][:MOST_BOXES]
    sure = [o for o in scene.objects if o.score >= LEAST_SCORE]
    colours = [line for o in sure if (line := _colour_line(o.name, colour_of(o), language))]
    return "\n".join([*lines, *dict.fromkeys(colours[:MOST_BOXES]), "", *boxes]).strip()


def called(name: str, language: Language) -> str:
    """What a thing is called in a language, without COCO's endings."""
    plain = short_name(name)
    return (korean_thing(plain) or korean(plain)) if language == "ko" else plain


def shares(box: Box, scene: Scene) -> str:
    """``[x1, y1, x2, y2]`` in shares of the picture's sides, three decimals."""
    sides = (scene.width, scene.height, scene.width, scene.height)
    return "[" + ", ".join(f"{min(1.0, max(0.0, v / s)):.3f}" for v, s in zip(box, sides, strict=True)) + "]"


def own_caption(scene: Scene, language: Language) -> str:
    """A caption of the objects and their numbers, where nobody wrote one."""
    groups = groups_of([o for o in scene.objects if o.score >= LEAST_SCORE])
    what = list_groups(groups, language, names_in(language))
    if language == "ko":
        return f"이미지에 보이는 것: {what}." if what else "이미지에서 알아볼 수 있는 사물이 없다."
    return f"There is {what}." if what else "No thing can be made out."


def _colour_line(name: str, colour: str, language: Language) -> str:
    if not colour:
        return ""
    if language == "ko":
        return f"{called(name, language)}의 색: {korean(colour)}."
    return f"The {name} is {colour}."
