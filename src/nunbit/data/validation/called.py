"""Things that are called by the name of another kind, and numbers in words that are no numerals: "a couple of dogs"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nunbit.evidence.names import Lexicon, canonical, labels_of
from nunbit.evidence.statements import COLOURS
from nunbit.scene import Scene
from nunbit.world.base import Language
from nunbit.world.names import KINDS_KO, broader, korean

Found = tuple[str, str, str]
"""Reason code, words, why."""
_IS_A = re.compile(r"\s+(?:is|are)\s+(?:actually\s+|really\s+|also\s+)?(?:an?\s+|the\s+)?(?:[a-z]+\s+)?", re.I)
_IS_A_KO = re.compile(r"(?:은|는|이|가)\s+(?:[가-힣]+색\s+)?")
_SOME = re.compile(
    r"\b(?:(?P<two>a\s+couple\s+of|a\s+pair\s+of|both)"
    r"|(?P<more>several|many|numerous|multiple|a\s+(?:few|group|row|number|lot)(?:\s+of)?"
    r"|lots\s+of))\s+(?:the\s+)?(?:[a-z]+\s+)?$"
    r"|(?P<more_ko>여러|많은|수많은)\s*(?:마리|개|명|대|송이|그루)?의?\s*$",
    re.I,
)
_BEFORE = re.compile(r"(?:[A-Za-z가-힣]+\s+){1,2}$")
_SOME_KO = re.compile(r"(?:이|가|은|는)?\s*(?:여러\s*(?:마리|개|명|대|송이|그루)|많이)\s*(?:가\s*|이\s*)?(?:있|보)")


def misnamed(answer: str, scene: Scene, lexicon: Lexicon, language: Language) -> Iterator[tuple[str, str, str]]:
    """ "A hat is a syringe": a thing of the Scene called by the name of another kind of thing."""
    mentions = lexicon.mentions(answer)
    held = {canonical(o.name) for o in scene.objects}
    for a, b in zip(mentions, mentions[1:], strict=False):
        between = answer[a.end : b.start]
        if language == "ko":
            after = re.match(r"(?:입니다|이에요|예요|이다)\s*(?:[.!]|$)", answer[b.end :])
            linked = bool(_IS_A_KO.fullmatch(between)) and after
        else:
            linked = bool(_IS_A.fullmatch(between)) and re.match(
                r"\s*(?:[.,!;]|$|\s(?:and|that|which|with|in|on|at)\b)", answer[b.end :]
            )
        names = {*a.names, *a.broader}
        if answer[b.start : b.end].casefold() in COLOURS and not re.search(r"\ban?\s", between):
            continue  # "the diamond is orange"
        if not linked or not names & held or b.name in {*KINDS_KO, "thing"} - {"person"}:
            continue
        other = {*b.names, *b.broader}
        around = {n for one in names for n in (*labels_of(one), *broader(one))}
        if not (
            other & around
            or names & {n for one in other for n in (*labels_of(one), *broader(one))} - {*KINDS_KO, "thing"}
        ):
            words = answer[a.start : b.end]
            why = (
                f"{korean(a.name)}: 다른 이름으로 불렸습니다." if language == "ko" else f"The {a.name} is no {b.name}."
            )
            yield "contradicts-object", words, why


def quantities(answer: str, scene: Scene, lexicon: Lexicon, language: Language) -> Iterator[Found]:
    """Several of what is there once; a pair of what is not there twice."""
    crowds = {canonical(str(n)) for n in scene.meta.get("crowds", ())}
    for m in lexicon.mentions(answer):
        held = [o for o in scene.objects if labels_of(o.name) & {*m.names}]
        if not held or m.name == "thing" or {*m.names} & crowds or any(o.score < 1 for o in held):
            continue
        before = answer[max(0, m.start - 30) : m.start]
        found = _SOME.search(before)
        several = (found is not None and not found["two"]) or bool(_SOME_KO.match(answer[m.end :]))
        wrong = len(held) != 2 if found is not None and found["two"] else several and len(held) < 2
        if wrong:
            words = answer[m.start - len(found[0]) if found else m.start : m.end]
            many = f"이미지에는 {len(held)}개 있습니다." if language == "ko" else f"The picture shows {len(held)}."
            yield "contradicts-count", words, many
    yield from _two_of_one(answer, scene, lexicon, language)


def _two_of_one(answer: str, scene: Scene, lexicon: Lexicon, language: Language) -> Iterator[Found]:
    """ "A gray penguin and a white penguin", "another penguin", where there is one penguin."""
    colours: dict[str, set[str]] = {}
    for m in lexicon.mentions(answer):
        held = [o for o in scene.objects if labels_of(o.name) & {*m.names}]
        if not held or any(o.score < 1 for o in held) or m.name in {*KINDS_KO, "thing"} - {"person"}:
            continue
        before = _BEFORE.search(answer[: m.start])
        words = before[0].casefold().split() if before else []
        seen = colours.setdefault(m.name, set())
        seen |= {COLOURS[w] for w in words[-1:] if w in COLOURS}
        more = bool({"another", "또", "또다른"} & {*words}) and len(held) < 2
        if more or len(seen) > len(held):
            many = korean(m.name) if language == "ko" else m.name
            yield "contradicts-count", answer[max(0, m.start - 12) : m.end], f"{many}: {len(held)}."
            colours[m.name] = set()
