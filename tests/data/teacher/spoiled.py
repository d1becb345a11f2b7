"""Labelled items for the validator: texts of the template teacher, and the same spoiled in one way that is known.

A spoiled item has the reason code that its spoiling must give. Each way takes the exact Scene, so that a change that
happens to be true as well is not made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tests.data.teacher.spoiled_facts import (
    absent,
    add_sentence,
    box,
    called_ko,
    colour,
    denied,
    number,
    one_of,
    place,
    relation,
    text,
)

from nunbit.data.teacher.prompting import KINDS, Kind
from nunbit.data.teacher.sources import world_picture
from nunbit.data.teacher.template import WRITERS
from nunbit.data.teacher.template_base import TemplateBase
from nunbit.scene import Scene
from nunbit.scene_phrases import colour_of
from nunbit.world.base import COLOURS, Language
from nunbit.world.wordings import Word


@dataclass(frozen=True)
class Labelled:
    """A raw text with the code that it must get; "" for a good one."""

    text: str
    kind: Kind
    language: Language
    scene: Scene
    code: str


def labelled(many: int, seed: int) -> list[Labelled]:
    """Good texts and spoiled ones, about as many of each, in both languages."""
    out: list[Labelled] = []
    for i in range(10 * many):
        if len(out) >= many:
            break
        rng = np.random.default_rng((seed, i))
        scene = world_picture(i, seed)[1]
        language: Language = "ko" if i % 2 else "en"
        kind = KINDS[i % 3]
        text = WRITERS[kind](scene, rng, language).text()
        if not text:
            continue
        out.append(Labelled(text, kind, language, scene, ""))
        ways = [*WAYS]
        for k in rng.permutation(len(ways)):
            name = ways[int(k)]
            spoiled = WAYS[name](text, kind, language, scene, rng)
            if spoiled and spoiled != text:
                out.append(Labelled(spoiled, kind, language, scene, name.split("/")[0]))
                break
    return out


def _source(text, kind, language, scene, rng) -> str:
    if language == "ko":
        return add_sentence(
            text,
            one_of(
                rng,
                "캡션에 따르면 그렇습니다.",
                "주어진 설명에서 알 수 있습니다.",
                "바운딩 박스의 위치로 알 수 있습니다.",
                "제공된 정보에 그렇게 나와 있습니다.",
                "설명에 따르면 장면이 조용합니다.",
                "이 문장에서 언급된 대로입니다.",
                "좌표를 보면 서로 떨어져 있습니다.",
                "주석에 그렇게 적혀 있습니다.",
            ),
            rng,
        )
    return add_sentence(
        text,
        one_of(
            rng,
            "According to the caption, this is so.",
            "The bounding box shows where it is.",
            "This is mentioned in the description.",
            "Based on the provided information, nothing else is there.",
            "The captions do not mention anything else.",
            "As stated in the captions, it is calm.",
            "The coordinates indicate that it lies apart.",
            "From the given captions we know that it is calm.",
            "I was given no more than that.",
            "The annotations list nothing else.",
        ),
        rng,
    )


def _leak(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    held = base.coloured()
    if kind == "detail" or not held:
        return ""
    o = held[int(rng.integers(len(held)))]
    n, c = Word(called_ko(o.name)), COLOURS[colour_of(o)][0]
    if kind == "conversation":
        if language == "ko":
            return text.rstrip() + f"\nQuestion:\n{c} {n:은/는} 무슨 색인가요?\n===\nAnswer:\n{n:은/는} {c}입니다.\n==="
        c = colour_of(o)
        question = one_of(rng, f"What colour is the {c} {o.name}?", f"What is the color of the {c} {o.name}?")
        return text.rstrip() + f"\nQuestion:\n{question}\n===\nAnswer:\nThe {o.name} is {c}.\n==="
    blocks = text.split("\n===")
    if language == "ko":
        blocks[0] = f"Question:\n{c} {n:이/가} 있는 이 장면에서 무엇을 알 수 있나요?"
        blocks[1] += f" {c} {n:이/가} 눈에 띕니다."
    else:
        blocks[0] = f"Question:\nWhat can be concluded from the {colour_of(o)} {o.name} in the scene?"
        blocks[1] += f" The {o.name} is {colour_of(o)}."
    return "\n===".join(blocks)


def _format(text, kind, language, scene, rng) -> str:
    if kind == "detail":
        return one_of(
            rng,
            "Question:\n" + text,
            f'{{"description": "{text}"}}',
            f"```\n{text}\n```",
            f"{text}\n===\n{text}",
            f"### Answer\n{text}",
        )
    return one_of(
        rng,
        text.replace("Answer:", "A:"),
        text.replace("===", "---"),
        text.split("Answer:")[0],
        text.replace("Question:\n", "", 1),
        '{"question": "' + text.split("\n")[1] + '"}',
        text.replace("===\nAnswer:", "Answer:"),
        "Sure! Here it is.\n" + text,
        *([text.rstrip() + "\n" + text] if kind == "reasoning" else []),
    )


def _language(text, kind, language, scene, rng) -> str:
    other: Language = "en" if language == "ko" else "ko"
    new = WRITERS[kind](scene, rng, other).text()
    if rng.random() < 0.5 and language == "ko":
        return add_sentence(text, "The scene is calm and there is nothing else to be seen.", rng)
    if rng.random() < 0.5 and language == "en":
        return add_sentence(
            text,
            one_of(
                rng,
                "장면이 조용하고 다른 것은 없습니다.",
                "这里没有别的东西。",
                "La escena es tranquila y no hay más que ver.",
                "Die Szene ist ruhig und es ist nichts mehr zu sehen.",
            ),
            rng,
        )
    return new


def _refusal(text, kind, language, scene, rng) -> str:
    if language == "ko":
        said = one_of(
            rng,
            "죄송하지만 이미지를 볼 수 없습니다.",
            "저는 AI 언어 모델이므로 그림을 볼 수 없습니다.",
            "이미지가 제공되지 않아 답변을 드릴 수 없습니다.",
            "사진을 직접 확인할 수 없어서 도와드릴 수 없습니다.",
        )
    else:
        said = one_of(
            rng,
            "I'm sorry, but I cannot see the image.",
            "As an AI language model, I do not have access to pictures.",
            "No image was provided, so I cannot describe it.",
            "I am unable to view the picture.",
            "I can't assist with that request.",
            "Please upload the image so that I can answer.",
        )
    if rng.random() < 0.4:
        return (
            said
            if kind == "detail"
            else text.split("Answer:")[0] + f"Answer:\n{said}\n==="
            if kind == "reasoning"
            else add_sentence(text, said, rng)
        )
    return add_sentence(text, said, rng)


def _empty(text, kind, language, scene, rng) -> str:
    if kind == "detail":
        return one_of(rng, "", "  \n ", "...")
    return re.sub(
        r"(Answer:\n).*?(\n===)", lambda m: m[1] + one_of(rng, "", "...", " ") + m[2], text, count=1, flags=re.S
    )


def _repeat(text, kind, language, scene, rng) -> str:
    said = "그것은 아주 조용한 장면입니다." if language == "ko" else "It is a very calm scene to look at."
    return add_sentence(text, " ".join([said] * int(rng.integers(2, 8))), rng)


def _long(text, kind, language, scene, rng) -> str:
    words = (
        f"{i}번째로 살펴보아도 조용한 느낌이 듭니다."
        if language == "ko"
        else f"Look number {i} gives a feeling of calm."
        for i in range(120)
    )
    return add_sentence(text, " ".join(words), rng)


Way = Callable[[str, Kind, Language, Scene, np.random.Generator], str]
WAYS: dict[str, Way] = {
    "contradicts-object/absent": absent, "contradicts-object/denied": denied, "contradicts-count": number,
    "contradicts-colour": colour, "contradicts-relation": relation, "contradicts-place": place,
    "contradicts-box": box,
    "contradicts-text": text, "mentions-source": _source, "leaks-answer": _leak, "breaks-format": _format,
    "wrong-language": _language, "refuses": _refusal, "empty": _empty, "repeats": _repeat, "too-long": _long,
}  # fmt: skip
