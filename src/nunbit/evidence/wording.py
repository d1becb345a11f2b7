"""Claims in words, English and Korean: one line each, and one sentence for what answer and picture do not agree on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nunbit.english import article
from nunbit.evidence.claims import Claim, Evidence, to_json
from nunbit.scene_phrases import PARTS
from nunbit.world.base import Language
from nunbit.world.names import counter, english_plural, korean
from nunbit.world.wording import josa

VERDICTS = {
    "en": {"supported": "supported", "contradicted": "CONTRADICTED", "not found": "not found in the picture"},
    "ko": {"supported": "근거 있음", "contradicted": "서로 다름", "not found": "이미지에서 찾지 못함"},
}
_DENIED = {
    "en": ("not found in the picture, as the answer says", "unclear: perception is not sure of it"),
    "ko": ("이미지에서도 찾지 못함", "불확실: 인식 신뢰도가 낮음"),
}
PARTS_KO = dict(zip(PARTS["en"], PARTS["ko"], strict=True))
SIDES_KO = {"left of": "왼쪽", "right of": "오른쪽", "above": "위", "below": "아래"}
SIZES_KO = {"large": ("크다", "크게"), "small": ("작다", "작게")}
MOST_LISTED = 4


def language_of(text: str) -> Language:
    """The language in which a user wrote."""
    return "ko" if re.search("[가-힣]", text) else "en"


def contradiction(claim: Claim, language: Language) -> str:
    """One sentence that says where an answer and what perception found differ."""
    share = round(100 * max((e.score for e in claim.evidence), default=0.0))
    if language == "ko":
        differ = f"답변은 {_said_ko(claim)}, 이미지에서는 {_found_ko(claim)}"
        return f"답변과 이미지 인식 결과가 다릅니다: {differ} ({share} %)."
    differ = f"the answer says {_said(claim)}, perception finds {_found(claim)}"
    return f"The answer and the picture do not agree: {differ} ({share} %)."


def report(claims: Sequence[Claim]) -> dict[str, Any]:
    """`claims.to_json`, with the number of each contradicted claim and a sentence about it in both languages."""
    notes = [
        {"claim": i, "en": contradiction(c, "en"), "ko": contradiction(c, "ko")}
        for i, c in enumerate(claims)
        if c.verdict == "contradicted"
    ]
    return to_json(claims) | {"contradictions": notes}


def _said(c: Claim) -> str:
    noun = c.about or "text"
    match c.kind:
        case "count":
            many = noun if c.value == "1" else english_plural(noun)
            return f"{'not ' if c.denied else ''}{c.value} {many}" if c.value != "0" else f"no {noun}"
        case "attribute":
            return f"the {noun} is {'not ' if c.denied else ''}{c.value}"
        case "place":
            return f"the {noun} is {'not ' if c.denied else ''}at {c.value}"
        case "relation":
            return f"the {noun} is {'not ' if c.denied else ''}{c.value} the {c.other}"
        case "text":
            return "no text" if c.denied and not c.value else f'{"not " if c.denied else ""}"{_short(c.value)}"'
    noun = f"{c.value} {noun}".strip()
    return f"no {noun}" if c.denied else f"{article(noun)} {noun}"


def _found(c: Claim) -> str:
    match c.kind:
        case "text":
            return f'"{_short(c.found)}"'
        case "count":
            return f"{c.found}"
        case "place":
            return f"it at {c.found}"
        case "relation":
            return f"it {c.found} the {c.other}" if c.found else "otherwise"
        case "attribute":
            return f"it {c.found}"
    if c.found in _COLOURS or " / " in c.found:
        return f"it {c.found}"
    return f"{article(c.found)} {c.found}"


_COLOURS = frozenset("red orange yellow green blue purple pink brown black white gray beige".split())


def _said_ko(c: Claim) -> str:
    noun = korean(c.about) if c.about else "글자"
    no = "아니라고" if c.denied else "라고"
    match c.kind:
        case "count":
            counted = f"{noun} {c.value}{counter(c.about)}"
            return f"{josa(counted, '이/가')} 아니라고 하고" if c.denied else f"{josa(counted, '이라/라')}고 하고"
        case "attribute":
            if c.value in SIZES_KO:
                return f"{josa(noun, '이/가')} {SIZES_KO[c.value][0]}고 하고"
            colour = korean(c.value)
            return (
                f"{josa(noun, '이/가')} {josa(colour, '이/가') + ' 아니라고' if c.denied else colour + '이라고'} 하고"
            )
        case "place":
            return f"{josa(noun, '이/가')} {PARTS_KO.get(c.value, c.value)}에 {'없다고' if c.denied else '있다고'} 하고"
        case "relation":
            side = SIDES_KO.get(c.value, c.value)
            return f"{josa(noun, '이/가')} {korean(c.other)}의 {side}에 {'없다고' if c.denied else '있다고'} 하고"
        case "text":
            return (
                "글자가 없다고 하고"
                if c.denied and not c.value
                else f'"{_short(c.value)}"{"가 " if c.denied else ""}{no} 하고'
            )
    noun = f"{_colours_ko(c.value)} {noun}".strip()
    return f"{josa(noun, '이/가')} {'없다고' if c.denied else '있다고'} 하고"


def _found_ko(c: Claim) -> str:
    match c.kind:
        case "text":
            return f'"{_short(c.found)}"라고 읽힙니다'
        case "count":
            return f"{josa(c.found + counter(c.about), '이/가')} 보입니다"
        case "place":
            return f"{PARTS_KO.get(c.found, c.found)}에 보입니다"
        case "relation":
            return f"{SIDES_KO[c.found]}에 보입니다" if c.found in SIDES_KO else "다르게 보입니다"
        case "attribute":
            if c.found in SIZES_KO:
                return f"{SIZES_KO[c.found][1]} 보입니다"
            return f"{_colours_ko(c.found)}으로 보입니다"
    if c.found in _COLOURS or " / " in c.found:
        return f"{_colours_ko(c.found)}으로 보입니다"
    return f"{josa(korean(c.found), '이/가')} 보입니다"


def _colours_ko(words: str) -> str:
    return re.sub(r"[a-z]+", lambda m: korean(m[0]), words)


def lines_of(claims: Sequence[Claim], language: Language, *, pictures: int = 1) -> list[str]:
    """A numbered line for each claim: its words, the verdict, what it rests on.

    Args:
        pictures: how many the conversation has; with several, a line says which.
    """
    out = []
    for number, claim in enumerate(claims, start=1):
        verdict = VERDICTS[language][claim.verdict]
        if claim.verdict == "not found" and claim.denied:
            verdict = _DENIED[language][bool(claim.evidence)]
        if claim.weak:
            verdict += " (weakly)" if language == "en" else " (약함)"
        names = "; ".join(_piece(e, language, pictures) for e in claim.evidence[:MOST_LISTED])
        more = len(claim.evidence) - MOST_LISTED
        names += f"; +{more}" if more > 0 else ""
        out.append(
            f'{number}. "{_short(claim.text)}"{_relation(claim, language)}: {verdict}' + (f": {names}" if names else "")
        )
    return out


def _relation(c: Claim, language: Language) -> str:
    """Of a relation, what it is to: the words alone may be one name that other lines have, too."""
    if c.kind != "relation" or not c.other:
        return ""
    if language == "en":
        return f" ({c.value} the {c.other})"
    return f" ({korean(c.other)} {SIDES_KO.get(c.value, c.value)})"


def _piece(e: Evidence, language: Language, pictures: int) -> str:
    name = f'"{_short(e.text)}"' if e.kind == "text" else korean(e.text) if language == "ko" else e.text
    box = ", ".join(str(round(v)) for v in e.box)
    which = "" if pictures < 2 else f" ({'picture' if language == 'en' else '이미지'} {e.picture + 1})"
    return f"{name} {round(100 * e.score)} % [{box}]{which}"


def _short(text: str, longest: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
