"""Questions and true sentences about one claim, English and Korean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.english import article
from nunbit.evidence.claims import Claim
from nunbit.evidence.sizes import SIZE_WORDS
from nunbit.evidence.statements import BOX
from nunbit.evidence.wording import PARTS_KO, SIDES_KO, language_of
from nunbit.trust.trace import Check
from nunbit.world.base import Language
from nunbit.world.names import counter, english_plural, korean
from nunbit.world.wording import josa

MORE_SIDES_KO = {**SIDES_KO, "beside": "옆", "inside": "안", "on": "위", "in front of": "앞", "behind": "뒤"}
SIZES_KO = {"large": "큽니다", "small": "작습니다"}


def language_of_words(text: str, otherwise: Language = "en") -> Language:
    """The language of a text; ``otherwise`` where it has no letters, as a number."""
    return language_of(text) if re.search("[A-Za-z가-힣]", text) else otherwise


def counted(name: str, number: int, language: Language) -> str:
    """``a dog``, ``2 dogs`` / ``개 2마리``."""
    if language == "ko":
        return f"{korean(name)} {number}{counter(name)}"
    return f"{article(name)} {name}" if number == 1 else f"{number} {english_plural(name)}"


def at_part(part: str) -> str:
    """``on the left``, ``in the center``, ``at the top right``."""
    word = {"left": "on", "right": "on", "center": "in"}.get(part, "at")
    return f"{word} the {part}"


def first_colours(found: str, language: Language) -> str:
    """What perception found of a colour, "blue, white / red", as one phrase of the most common: ``blue and white``."""
    colours = [c.strip() for c in found.split("/")[0].split(",") if c.strip()]
    return ", ".join(map(korean, colours)) if language == "ko" else " and ".join(colours)


def question_for(claim: Claim, language: Language) -> str:
    """The question to which a claim is the answer."""
    return _question_ko(claim) if language == "ko" else _question_en(claim)


def _question_en(c: Claim) -> str:
    noun = c.about
    match c.kind:
        case "count":
            return f"How many {english_plural(noun)} are there?"
        case "attribute" if c.value in SIZE_WORDS:
            return f"Is the {noun} large or small?"
        case "attribute":
            return f"What color is the {noun}?"
        case "place":
            return f"Where is the {noun}?"
        case "relation":
            return f"Is the {noun} {c.value} the {c.other}?"
        case "text":
            return "What does the text say?"
    return f"Is there {article(noun)} {noun} in the picture?"


def _question_ko(c: Claim) -> str:
    noun = korean(c.about)
    match c.kind:
        case "count":
            return f"{josa(noun, '이/가')} 몇 {counter(c.about)} 있나요?"
        case "attribute" if c.value in SIZE_WORDS:
            return f"{josa(noun, '은/는')} 큰가요, 작은가요?"
        case "attribute":
            return f"{josa(noun, '은/는')} 무슨 색인가요?"
        case "place":
            return f"{josa(noun, '은/는')} 어디에 있나요?"
        case "relation":
            side = MORE_SIDES_KO.get(c.value, c.value)
            return f"{josa(noun, '은/는')} {korean(c.other)}의 {side}에 있나요?"
        case "text":
            return "뭐라고 쓰여 있나요?"
    return f"이미지에 {josa(noun, '이/가')} 있나요?"


def truth(check: Check, language: Language) -> str:
    """The true sentence about what a claim is about, without its stop; "" where nothing is known.

    Of a claim that holds, the claim itself.
    """
    c = check.claim
    if check.holds == "unknown":
        return ""
    if gone := check.missing:
        return f"{josa(korean(gone), '은/는')} 없습니다" if language == "ko" else f"there is no {gone}"
    denied_and_there = c.denied and check.holds == "no"
    return (_truth_ko if language == "ko" else _truth_en)(c, check.found, denied_and_there, check.holds == "yes")


def _number(c: Claim, found: str) -> int:
    digits = re.match(r"\d+", found or c.value)
    return int(digits[0]) if digits and c.kind == "count" else max(1, len(c.evidence))


def _truth_en(c: Claim, found: str, there: bool, holds: bool) -> str:
    value = c.value if holds or there else found
    match c.kind:
        case "text":
            return f'it says "{value or found}"' if not (holds and c.denied) else "there is no text"
        case "attribute":
            phrase = first_colours(value, "en")
            return f"the {c.about} is {'not ' if holds and c.denied else ''}{phrase}"
        case "place":
            where = value if BOX.fullmatch(value) else at_part(value)
            return f"the {c.about} is {'not ' if holds and c.denied else ''}{where}"
        case "relation" if value:
            return f"the {c.about} is {'not ' if holds and c.denied else ''}{value} the {c.other}"
        case "count" | "existence" if holds and (c.denied or c.value == "0"):
            return f"there is no {c.value + ' ' if c.kind == 'existence' and c.value else ''}{c.about}"
        case "existence" if c.value and not (holds or there):
            return f"the {c.about} is {first_colours(found, 'en')}"
        case "naming":
            named = c.about if holds else found or c.about
            return f"it is {article(named)} {named}"
        case "count" | "existence":
            number = _number(c, found if c.kind == "count" else "")
            least = "at least " if "-" in found and c.kind == "count" else ""
            return f"there {'is' if number == 1 else 'are'} {least}{counted(c.about, number, 'en')}"
    return ""


def _truth_ko(c: Claim, found: str, there: bool, holds: bool) -> str:
    value, noun = c.value if holds or there else found, korean(c.about)
    no = holds and c.denied
    match c.kind:
        case "text":
            return f'"{value or found}"라고 쓰여 있습니다' if not no else "글자가 없습니다"
        case "attribute" if value in SIZE_WORDS:
            return f"{josa(noun, '은/는')} {SIZES_KO[value]}"
        case "attribute":
            phrase = first_colours(value, "ko")
            return f"{josa(noun, '은/는')} {josa(phrase, '이/가') + ' 아닙니다' if no else phrase + '입니다'}"
        case "place":
            where = value if BOX.fullmatch(value) else PARTS_KO.get(value, value)
            return f"{josa(noun, '은/는')} {where}에 {'없습니다' if no else '있습니다'}"
        case "relation" if value:
            side = f"{korean(c.other)}의 {MORE_SIDES_KO.get(value, value)}"
            return f"{josa(noun, '은/는')} {side}에 {'없습니다' if no else '있습니다'}"
        case "count" | "existence" if no or (holds and c.value == "0"):
            return f"{josa(noun, '은/는')} 없습니다"
        case "existence" if c.value and not (holds or there):
            return f"{josa(noun, '은/는')} {first_colours(found, 'ko')}입니다"
        case "naming":
            return f"{korean(c.about if holds else found or c.about)}입니다"
        case "count" | "existence":
            number = _number(c, found if c.kind == "count" else "")
            least = " 이상" if "-" in found and c.kind == "count" else ""
            return f"{josa(noun, '이/가')} {number}{counter(c.about)}{least} 있습니다"
    return ""


def sentence(words: str) -> str:
    """Words with a capital and a stop."""
    return words[:1].upper() + words[1:] + "." if words else ""


def restated(checks: Sequence[Check], language: Language) -> str:
    """What holds of some claims, in short sentences. A thing of which more is said is not also said to be there."""
    held = [c for c in checks if c.holds == "yes"]
    described = {n for c in held if c.claim.kind not in ("existence", "text") for n in (c.claim.about, c.claim.other)}
    said = [truth(c, language) for c in held if c.claim.kind != "existence" or c.claim.about not in described]
    return " ".join(sentence(s) for s in dict.fromkeys(said) if s)


def reason(check: Check, language: Language) -> str:
    """Why a claim is corrected: one sentence."""
    share = round(100 * max((e.score for e in check.claim.evidence), default=0.0))
    sure = f" ({share} %)" if check.decided_by == "perception" and share else ""
    said = truth(check, language)
    if language == "ko":
        who = {"perception": "이미지 인식 결과", "absence": "이미지 인식 결과", "model": "다시 물어보니"}
        return f"{who.get(check.decided_by, '')}: {said}{sure}."
    who = {"perception": "perception finds", "absence": "perception finds", "model": "the model, asked again, says"}
    return f"{who.get(check.decided_by, '')}: {said}{sure}."
