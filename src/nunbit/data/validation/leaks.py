"""Questions that hold their own answer, and questions for reasoning that give away what is in the picture."""

from __future__ import annotations

import re

from nunbit.data.teacher.prompting import Kind
from nunbit.data.validation.missing import HOMOGRAPHS
from nunbit.evidence import english, hangul
from nunbit.evidence.answers import yes_or_no
from nunbit.evidence.english import NUMBERS
from nunbit.evidence.names import ANYTHING, NUMERALS_KO, TAIL, Lexicon
from nunbit.evidence.questions import WHAT, parse_question
from nunbit.evidence.statements import COLOURS, part_named
from nunbit.evidence.text_lines import plain, quoted

_CHOICE = re.compile(
    r"\bor\b|\bthan\b|\bbetween\b|아니면|중에|중에서|중 |가운데|또는|혹은|인가요,|있나요,|많나요,|나요, .*나요|"
    r"과 .*(?:둘|어느)|더 ",
    re.I,
)
_WORD = re.compile(r"[A-Za-z]+|[0-9]+|[가-힣]+")
_SMALL = frozenset(
    "the a an is are was were of in on at to and or it its there this that with for be can do does i see you "
    "they them he she"
    " one picture image photo scene here shown visible located side what which how many where who why as by has have"
    " 있습니다 있어요 있다 보입니다 보여요 입니다 두 가지 것들 그림 그림에 그림에는 사진 사진에 사진에는 "
    "이미지 이미지에 이미지에는 것 그것은 이것은 네 아니요 yes no".split()
)
_YES_NO_START = re.compile(
    r"^\s*(?:so\s+|and\s+)?(?:is|are|was|were|do|does|did|can|could|has|have|isn['’]t|aren['’]t|would|will|"
    r"should|might)\b",
    re.I,
)
_YES_NO_KO = re.compile(r"(?:나요|습니까|ㅂ니까|입니까|인가요|어요|아요|까요|죠|지요)\s*[?.]*\s*$")
_ASKS_KO = re.compile(r"무엇|뭐|무슨|어떤|어디|어느|몇|누구|언제|왜|얼마|어떻게|색은|색깔은|이름은")
_EN_NUMBER = re.compile(rf"\b(?:{'|'.join(w for w in NUMBERS if w not in ('one', 'zero'))}|[2-9]|[1-9]\d)\b", re.I)
_KO_NUMBER = re.compile(
    rf"(?:^|\s)(?:{'|'.join(w for w in NUMERALS_KO if NUMERALS_KO[w] > 1)}|[2-9]|[1-9]\d)\s?(?:마리|개|명|대|"
    rf"권|송이|그루|채)"
)
_DENIAL = re.compile(r"\bno\b|\bnot\b|n['’]t\b|\bnone\b|없|않|아닙|아니", re.I)
MOST_SHARED = 0.75
"""Share of an answer's words in its question, from which the question holds the answer."""


def leak(question: str, answer: str, kind: Kind, lexicon: Lexicon) -> str:
    """The words of a question that give its answer away; "" if none do."""
    if kind == "detail" or not question.strip() or not answer.strip():
        return ""
    if kind == "reasoning":
        return _detail_in(question, answer, lexicon) or _same_words(question, answer)
    named = parse_question(question, lexicon).kind == "what" and WHAT.search(question) is not None
    return _answer_in(question, answer, lexicon) or (_same_words(question, answer) if named else "")


def _answer_in(question: str, answer: str, lexicon: Lexicon) -> str:
    """The colour, number, place or text that is asked for, where the question says it already."""
    if _is_yes_no(question) or _CHOICE.search(question):
        return ""
    asked = parse_question(question, lexicon)
    if _DENIAL.search(answer):
        return ""
    if asked.kind == "colour":
        there = {COLOURS[w]: w for w in _colour_words(question)}
        return next((there[COLOURS[w]] for w in _colour_words(answer) if COLOURS[w] in there), "")
    if asked.kind == "count":
        return _shared_number(question, answer)
    if asked.kind == "read" or quoted(question):
        said = {plain(question[a:b]): question[a:b] for a, b in quoted(question)}
        return next((said[p] for a, b in quoted(answer) if (p := plain(answer[a:b])) in said), "")
    if asked.kind == "where":
        rest = question
        for m in reversed(lexicon.mentions(question)):
            rest = rest[: m.start] + " " + rest[m.end :]  # 가위 holds the word for "above"
        part = part_named(
            re.sub(r"(?:which|what)\s+(?:part|side)\s+of\s+the|어느\s*(?:쪽|부분)", " ", rest, flags=re.I)
        )
        return question.strip()[:80] if part and part == part_named(answer) and not asked.relation else ""
    return ""


def _detail_in(question: str, answer: str, lexicon: Lexicon) -> str:
    """A number, colour, place, relation or line of text of the picture in a question for reasoning."""
    if found := quoted(question):
        a, b = found[0]
        return question[a:b]
    mentions = lexicon.mentions(question)
    said = english.statements(question, mentions) + hangul.statements(question, mentions)
    for s in said:
        if s.about is not None and (
            s.about.names == (ANYTHING,) or question[s.about.start : s.about.end] in HOMOGRAPHS
        ):
            continue  # "which two things ..." asks for them
        if s.kind in ("attribute", "place", "relation") or (s.kind == "count" and s.value != "1"):
            return question[s.start : s.end]
        if s.colours:
            return question[s.start : s.end]
    colours = {COLOURS[w] for w in _colour_words(answer)}
    return next((w for w in _colour_words(question) if COLOURS[w] in colours), "")


def _colour_words(text: str) -> list[str]:
    """Colour words of a text, in order; Korean ones at the beginning of a word."""
    out = []
    for m in _WORD.finditer(text.casefold()):
        word = m[0]
        if word in COLOURS:
            out.append(word)
        elif not word.isascii():
            found = max((c for c in COLOURS if not c.isascii() and word.startswith(c)), key=len, default="")
            out += [found] if found else []
    return out


def _shared_number(question: str, answer: str) -> str:
    """A number above one with which both count."""
    ours = {_value(m[0]) for p in (_EN_NUMBER, _KO_NUMBER) for m in p.finditer(answer)}
    found = (m[0].strip() for p in (_EN_NUMBER, _KO_NUMBER) for m in p.finditer(question) if _value(m[0]) in ours)
    return next(found, "")


def _value(words: str) -> int:
    word = re.sub(r"(?:마리|개|명|대|권|송이|그루|채)$", "", words.strip()).strip().casefold()
    return int(word) if word.isdigit() else NUMBERS.get(word, NUMERALS_KO.get(word, -1))


def _is_yes_no(question: str) -> bool:
    last = re.split(r"(?<=[.?!])\s+(?=\S)", question.strip())[-1]
    if _YES_NO_START.search(last):
        return True
    return bool(_YES_NO_KO.search(last)) and not _ASKS_KO.search(last)


def _same_words(question: str, answer: str) -> str:
    """Whether nearly all words of an answer stand in its question, so that nothing is left to find out."""
    denied = yes_or_no(answer) is not None or _DENIAL.search(answer)
    if _is_yes_no(question) or _CHOICE.search(question) or denied:
        return ""
    ours, theirs = _content(answer), _content(question)
    held = [w for w in ours if w in theirs]
    if not ours or len(held) < max(1, MOST_SHARED * len(ours)) or (len(held) < len(ours) and len(ours) < 4):
        return ""
    return " ".join(held)[:80]


def _content(text: str) -> list[str]:
    """The words of a text that say something, without particles and plurals."""
    out = []
    for m in _WORD.finditer(text.casefold()):
        word = m[0]
        if word in _SMALL:
            continue
        if not word.isascii():
            word = next((word[:k] for k in range(1, len(word)) if TAIL.fullmatch(word[k:])), word)
        elif len(word) > 3 and word.endswith("s"):
            word = word[:-1]
        if word not in _SMALL:
            out.append(str(NUMBERS.get(word, word)))
    return out
