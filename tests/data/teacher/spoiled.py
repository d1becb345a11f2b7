"""Labelled items for the validator: texts of the template teacher, and the same spoiled in one way that is known.

A spoiled item has the reason code that its spoiling must give. Each way takes the exact Scene, so that a change that
happens to be true as well is not made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nunbit.data.teacher.prompting import KINDS, Kind
from nunbit.data.teacher.sources import world_picture
from nunbit.data.teacher.template import WRITERS
from nunbit.data.teacher.template_base import TemplateBase
from nunbit.scene import Scene
from nunbit.scene_phrases import colour_of
from nunbit.world.base import COLOURS, Language
from nunbit.world.names import broader, english_plural, korean, korean_thing
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


def _said(text: str, sentence: str, rng: np.random.Generator) -> str:
    """The text with a sentence more in one of its answers."""
    if "Answer:" not in text:
        parts = re.split(r"(?<=[.!?])\s+", text)
        parts.insert(int(rng.integers(1, len(parts) + 1)), sentence)
        return " ".join(parts)
    blocks = text.split("\n===")
    answers = [k for k, b in enumerate(blocks) if "Answer:" in b]
    k = answers[int(rng.integers(len(answers)))]
    blocks[k] += " " + sentence
    return "\n===".join(blocks)


def _one(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def _thing(scene: Scene, rng: np.random.Generator, language: Language) -> tuple[TemplateBase, str]:
    base = TemplateBase(scene, rng, language)
    return base, base.missing()


def _absent(text, kind, language, scene, rng) -> str:
    base, name = _thing(scene, rng, language)
    n = Word(called_ko(name))
    en = _one(
        rng,
        f"There is also {base.say('present_one', n=name)[len('Yes, there is ') : -1] if False else 'one ' + name}.",
        f"I can see a {name} as well.",
        f"A {name} stands in the middle.",
        f"Beside it there are two {english_plural(name)}.",
    )
    ko = _one(
        rng,
        f"{n:이/가} 하나 더 있습니다.",
        f"그 옆에 {n:도/도} 보입니다.",
        f"{n} 두 개가 놓여 있습니다.",
        f"{n:이/가} 서 있습니다.",
    )
    return _said(text, ko if language == "ko" else en, rng)


def _denied(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    names = [n for n in base.counts if base.counts[n] and not {*broader(n)} & {*base.counts}]
    name = names[int(rng.integers(len(names)))] if names else ""
    if not name or (language == "ko" and len(called_ko(name)) < 2):
        return ""
    n = Word(called_ko(name))
    en = _one(rng, f"There is no {name} in the picture.", f"No {name} can be seen.", f"I do not see a {name}.")
    ko = _one(rng, f"그림에 {n:은/는} 없습니다.", f"{n:은/는} 보이지 않습니다.")
    return _said(text, ko if language == "ko" else en, rng)


def _number(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    if not base.counted:
        return ""
    name = [*base.counted][int(rng.integers(len(base.counted)))]
    wrong = base.counted[name] + int(rng.integers(1, 4))
    if language == "ko":
        n = Word(called_ko(name))
        if len(n) < 2:
            return ""
        return _said(text, _one(rng, f"{n:이/가} {wrong}개 있습니다.", f"{n:은/는} 모두 {wrong}개입니다."), rng)
    words = "zero one two three four five six seven eight nine ten".split()
    many = english_plural(name)
    return _said(
        text,
        _one(
            rng,
            f"There are {words[wrong] if wrong < 11 else wrong} {many}.",
            f"I count {wrong} {many}.",
            f"Altogether {wrong} {many} can be seen.",
        ),
        rng,
    )


def _colour(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    held = [o for o in base.coloured() if len(called_ko(o.name)) > 1 or language == "en"]
    if not held:
        return ""
    o = held[int(rng.integers(len(held)))]
    far = {
        "red": "blue",
        "orange": "blue",
        "yellow": "purple",
        "green": "red",
        "blue": "yellow",
        "purple": "green",
        "pink": "green",
        "brown": "blue",
        "black": "white",
        "white": "black",
        "gray": "red",
    }[colour_of(o)]
    if language == "ko":
        n = Word(called_ko(o.name))
        return _said(
            text, _one(rng, f"{n:은/는} {COLOURS[far][0]}입니다.", f"{COLOURS[far][0]} {n:이/가} 보입니다."), rng
        )
    return _said(
        text,
        _one(rng, f"The {o.name} is {far}.", f"The {far} {o.name} is easy to spot.", f"There is a {far} {o.name}."),
        rng,
    )


def _relation(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    found = base.pair()
    if not found:
        return ""
    a, b, side = found
    wrong = {"left": "right", "right": "left", "above": "below", "below": "above"}[side]
    if language == "ko":
        n, m = Word(called_ko(a.name)), called_ko(b.name)
        if min(len(n), len(m)) < 2:
            return ""
        word = {"left": "왼쪽", "right": "오른쪽", "above": "위", "below": "아래"}[wrong]
        return _said(text, _one(rng, f"{n:은/는} {m}의 {word}에 있습니다.", f"{m}의 {word}에 {n:이/가} 있습니다."), rng)
    phrase = {"left": "to the left of", "right": "to the right of"}.get(wrong, wrong)
    return _said(
        text,
        _one(rng, f"The {a.name} is {phrase} the {b.name}.", f"A {a.name} can be seen {phrase} the {b.name}."),
        rng,
    )


def _place(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    held = [o for o in base.alone if base._clear(o) and (language == "en" or len(called_ko(o.name)) > 1)]
    held = [o for o in held if base._part(o) not in ("center", "가운데")]
    if not held:
        return ""
    o = held[int(rng.integers(len(held)))]
    x, y = (o.box[0] + o.box[2]) / 2 / scene.width, (o.box[1] + o.box[3]) / 2 / scene.height
    if max(abs(x - 0.5), abs(y - 0.5)) < 0.2:
        return ""
    if abs(x - 0.5) >= abs(y - 0.5):
        word = ("right", "오른쪽") if x < 0.5 else ("left", "왼쪽")
    else:
        word = ("bottom", "아래") if y < 0.5 else ("top", "위")
    if language == "ko":
        n = Word(called_ko(o.name))
        return _said(text, f"{n:은/는} 그림의 {word[1]}에 있습니다.", rng)
    return _said(
        text,
        _one(rng, f"The {o.name} is at the {word[0]} of the picture.", f"You find the {o.name} on the {word[0]}."),
        rng,
    )


def _box(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    held = [o for o in base.alone if language == "en" or len(called_ko(o.name)) > 1]
    if not held:
        return ""
    o = held[int(rng.integers(len(held)))]
    x = (o.box[0] + o.box[2]) / 2 / scene.width
    y = (o.box[1] + o.box[3]) / 2 / scene.height
    left, top = (0.02 if x > 0.5 else 0.8), (0.02 if y > 0.5 else 0.8)
    numbers = [left, top, left + 0.17, top + 0.17]
    box = _one(rng, str([round(100 * v) for v in numbers]), "[" + ", ".join(f"{v:.3f}" for v in numbers) + "]")
    n = Word(called_ko(o.name))
    return _said(text, f"{n:은/는} {box}에 있습니다." if language == "ko" else f"The {o.name} is at {box}.", rng)


def _text(text, kind, language, scene, rng) -> str:
    if len(scene.text_lines) != 1:
        return ""
    word = scene.text_lines[0].text
    if len(word) < 4:
        return ""
    wrong = word[:-2] + ("QX" if word[0].isascii() else "뷁뒓")
    old = f'"{word}"'
    if old in text:
        return text.replace(old, f'"{wrong}"')
    return _said(text, f'"{wrong}"라고 쓰여 있습니다.' if language == "ko" else f'The writing says "{wrong}".', rng)


def _source(text, kind, language, scene, rng) -> str:
    if language == "ko":
        return _said(
            text,
            _one(
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
    return _said(
        text,
        _one(
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
        question = _one(rng, f"What colour is the {c} {o.name}?", f"What is the color of the {c} {o.name}?")
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
        return _one(
            rng,
            "Question:\n" + text,
            f'{{"description": "{text}"}}',
            f"```\n{text}\n```",
            f"{text}\n===\n{text}",
            f"### Answer\n{text}",
        )
    return _one(
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
        return _said(text, "The scene is calm and there is nothing else to be seen.", rng)
    if rng.random() < 0.5 and language == "en":
        return _said(
            text,
            _one(
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
        said = _one(
            rng,
            "죄송하지만 이미지를 볼 수 없습니다.",
            "저는 AI 언어 모델이므로 그림을 볼 수 없습니다.",
            "이미지가 제공되지 않아 답변을 드릴 수 없습니다.",
            "사진을 직접 확인할 수 없어서 도와드릴 수 없습니다.",
        )
    else:
        said = _one(
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
            else _said(text, said, rng)
        )
    return _said(text, said, rng)


def _empty(text, kind, language, scene, rng) -> str:
    if kind == "detail":
        return _one(rng, "", "  \n ", "...")
    return re.sub(
        r"(Answer:\n).*?(\n===)", lambda m: m[1] + _one(rng, "", "...", " ") + m[2], text, count=1, flags=re.S
    )


def _repeat(text, kind, language, scene, rng) -> str:
    said = "그것은 아주 조용한 장면입니다." if language == "ko" else "It is a very calm scene to look at."
    return _said(text, " ".join([said] * int(rng.integers(2, 8))), rng)


def _long(text, kind, language, scene, rng) -> str:
    words = (
        f"{i}번째로 살펴보아도 조용한 느낌이 듭니다."
        if language == "ko"
        else f"Look number {i} gives a feeling of calm."
        for i in range(120)
    )
    return _said(text, " ".join(words), rng)


Way = Callable[[str, Kind, Language, Scene, np.random.Generator], str]
WAYS: dict[str, Way] = {
    "contradicts-object/absent": _absent, "contradicts-object/denied": _denied, "contradicts-count": _number,
    "contradicts-colour": _colour, "contradicts-relation": _relation, "contradicts-place": _place,
    "contradicts-box": _box,
    "contradicts-text": _text, "mentions-source": _source, "leaks-answer": _leak, "breaks-format": _format,
    "wrong-language": _language, "refuses": _refusal, "empty": _empty, "repeats": _repeat, "too-long": _long,
}  # fmt: skip


def called_ko(name: str) -> str:
    """The Korean name of a thing."""
    return korean_thing(name) or korean(name)
