"""Ways to spoil a text so that it contradicts its Scene: objects, numbers, colours, sides, places, boxes, text."""

from __future__ import annotations

import re

import numpy as np

from nunbit.data.teacher.template_base import TemplateBase
from nunbit.scene import Scene
from nunbit.scene_phrases import colour_of
from nunbit.world.base import COLOURS, Language
from nunbit.world.names import broader, english_plural, korean, korean_thing
from nunbit.world.wordings import Word


def add_sentence(text: str, sentence: str, rng: np.random.Generator) -> str:
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


def one_of(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def thing(scene: Scene, rng: np.random.Generator, language: Language) -> tuple[TemplateBase, str]:
    base = TemplateBase(scene, rng, language)
    return base, base.missing()


def absent(text, kind, language, scene, rng) -> str:
    base, name = thing(scene, rng, language)
    n = Word(called_ko(name))
    en = one_of(
        rng,
        f"There is also {base.say('present_one', n=name)[len('Yes, there is ') : -1] if False else 'one ' + name}.",
        f"I can see a {name} as well.",
        f"A {name} stands in the middle.",
        f"Beside it there are two {english_plural(name)}.",
    )
    ko = one_of(
        rng,
        f"{n:이/가} 하나 더 있습니다.",
        f"그 옆에 {n:도/도} 보입니다.",
        f"{n} 두 개가 놓여 있습니다.",
        f"{n:이/가} 서 있습니다.",
    )
    return add_sentence(text, ko if language == "ko" else en, rng)


def denied(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    names = [n for n in base.counts if base.counts[n] and not {*broader(n)} & {*base.counts}]
    name = names[int(rng.integers(len(names)))] if names else ""
    if not name or (language == "ko" and len(called_ko(name)) < 2):
        return ""
    n = Word(called_ko(name))
    en = one_of(rng, f"There is no {name} in the picture.", f"No {name} can be seen.", f"I do not see a {name}.")
    ko = one_of(rng, f"그림에 {n:은/는} 없습니다.", f"{n:은/는} 보이지 않습니다.")
    return add_sentence(text, ko if language == "ko" else en, rng)


def number(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    if not base.counted:
        return ""
    name = [*base.counted][int(rng.integers(len(base.counted)))]
    wrong = base.counted[name] + int(rng.integers(1, 4))
    if language == "ko":
        n = Word(called_ko(name))
        if len(n) < 2:
            return ""
        return add_sentence(
            text, one_of(rng, f"{n:이/가} {wrong}개 있습니다.", f"{n:은/는} 모두 {wrong}개입니다."), rng
        )
    words = "zero one two three four five six seven eight nine ten".split()
    many = english_plural(name)
    return add_sentence(
        text,
        one_of(
            rng,
            f"There are {words[wrong] if wrong < 11 else wrong} {many}.",
            f"I count {wrong} {many}.",
            f"Altogether {wrong} {many} can be seen.",
        ),
        rng,
    )


def colour(text, kind, language, scene, rng) -> str:
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
        return add_sentence(
            text, one_of(rng, f"{n:은/는} {COLOURS[far][0]}입니다.", f"{COLOURS[far][0]} {n:이/가} 보입니다."), rng
        )
    return add_sentence(
        text,
        one_of(rng, f"The {o.name} is {far}.", f"The {far} {o.name} is easy to spot.", f"There is a {far} {o.name}."),
        rng,
    )


def relation(text, kind, language, scene, rng) -> str:
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
        return add_sentence(
            text, one_of(rng, f"{n:은/는} {m}의 {word}에 있습니다.", f"{m}의 {word}에 {n:이/가} 있습니다."), rng
        )
    phrase = {"left": "to the left of", "right": "to the right of"}.get(wrong, wrong)
    return add_sentence(
        text,
        one_of(rng, f"The {a.name} is {phrase} the {b.name}.", f"A {a.name} can be seen {phrase} the {b.name}."),
        rng,
    )


def place(text, kind, language, scene, rng) -> str:
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
        return add_sentence(text, f"{n:은/는} 그림의 {word[1]}에 있습니다.", rng)
    return add_sentence(
        text,
        one_of(rng, f"The {o.name} is at the {word[0]} of the picture.", f"You find the {o.name} on the {word[0]}."),
        rng,
    )


def box(text, kind, language, scene, rng) -> str:
    base = TemplateBase(scene, rng, language)
    held = [o for o in base.alone if language == "en" or len(called_ko(o.name)) > 1]
    if not held:
        return ""
    o = held[int(rng.integers(len(held)))]
    x = (o.box[0] + o.box[2]) / 2 / scene.width
    y = (o.box[1] + o.box[3]) / 2 / scene.height
    left, top = (0.02 if x > 0.5 else 0.8), (0.02 if y > 0.5 else 0.8)
    numbers = [left, top, left + 0.17, top + 0.17]
    box = one_of(rng, str([round(100 * v) for v in numbers]), "[" + ", ".join(f"{v:.3f}" for v in numbers) + "]")
    n = Word(called_ko(o.name))
    return add_sentence(text, f"{n:은/는} {box}에 있습니다." if language == "ko" else f"The {o.name} is at {box}.", rng)


def text(text, kind, language, scene, rng) -> str:
    if len(scene.text_lines) != 1:
        return ""
    word = scene.text_lines[0].text
    if len(word) < 4:
        return ""
    wrong = word[:-2] + ("QX" if word[0].isascii() else "뷁뒓")
    old = f'"{word}"'
    if old in text:
        return text.replace(old, f'"{wrong}"')
    return add_sentence(
        text, f'"{wrong}"라고 쓰여 있습니다.' if language == "ko" else f'The writing says "{wrong}".', rng
    )


def called_ko(name: str) -> str:
    """The Korean name of a thing."""
    return korean_thing(name) or korean(name)
