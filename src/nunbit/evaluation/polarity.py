"""Yes or no read out of a reply in English, Korean or Chinese: a denial turns a word round, both words are neither."""

from __future__ import annotations

import re

from nunbit.evaluation.items import UNPARSED, ParsedAnswer
from nunbit.evaluation.reply_text import boxed, prepare, refused

_MARKUP = str.maketrans("*_`#$", "     ")
_END_KO = r"(?![가-힣])"
_FOUR = (
    r"(?!\s*(?:개|명|마리|대|권|장|잔|살|번|가지|군데|사람|시|분|채|그루|송이|켤레|벌|척|자루|병|곳|쪽|층|줄|칸|쌍|달|해|집|조각|바퀴"
    r"|모금|방울|번째|글자|자리|종류|척|판|봉지|상자|다리|손가락|방향|면|변|각)[가-힣]*)"
)
"""네 is also "four", before a counter."""
_YES_EN, _NO_EN = (
    r"yes|yeah|yep|yup",
    r"nope|nah|no(?!\s+(?:doubt|wonder|problem|idea|matter|longer|need|reason"
    r"|question|clue|telling|one|way\s+(?:to|of))\b"
    r"|\.\s*\d+\W*\Z)",
)
_YES_KO, _NO_KO = rf"네{_END_KO}{_FOUR}|예{_END_KO}(?!\s*[:：])|응{_END_KO}", rf"(?:아니요|아니오|아뇨|아니){_END_KO}"
_YES_ZH = r"(?<![一-鿿])(?:是的?|对的?|有的?|肯定的?)(?![一-鿿])"
_NO_ZH = r"(?<![一-鿿])(?:不是的?|不对|不|否定的?|否|没有?)(?![一-鿿])"
_SAID = re.compile(
    rf"(?P<yes>\b(?:{_YES_EN})\b|(?<![가-힣])(?:{_YES_KO})|{_YES_ZH})"
    rf"|(?P<no>\b(?:{_NO_EN})\b|(?<![가-힣])(?:{_NO_KO})|{_NO_ZH})",
    re.IGNORECASE,
)
_TRUE_EN, _FALSE_EN = r"true|correct|right|accurate|valid", r"false|incorrect|wrong|untrue|inaccurate|invalid"
_NOT_KO = r"지(?:는|도)?\s*않"
_JUDGED = re.compile(
    rf"(?P<true>\b(?:{_TRUE_EN})\b"
    rf"|(?<![가-힣])(?:맞습니다|맞아요|맞다|맞음|그렇습니다|그래요|그렇다|옳습니다|옳다|있습니다|있어요|있다|있음|존재합니다|사실입니다|참입니다){_END_KO}"
    rf"|(?<![가-힣])(?:(?:맞는|그런|옳은|있는)\s*(?:것|거|듯)|참(?=\W*(?:\Z|\n)))"
    r"|(?<![不非否未一-鿿])(?:这|该|此)?(?:说法|描述|陈述)?是?(?:正确|对|真|属实)的?(?=\s*(?:$|[。！!.,，]))|(?<![一-鿿])正确(?![一-鿿]))"
    rf"|(?P<false>\b(?:{_FALSE_EN})\b"
    rf"|(?<![가-힣])(?:맞|그렇|옳|올바르|있|존재하|보이){_NOT_KO}|(?<![가-힣])(?:사실|정답|참)(?:이|은)\s*(?:아니|아닙|아님)"
    rf"|(?<![가-힣])(?:아닙니다|아니에요|아니다|아님|없습니다|없어요|없다|없음|틀렸습니다|틀립니다|틀려요|틀렸어요|거짓입니다|거짓){_END_KO}"
    rf"|(?<![가-힣])(?:아닌|아닐|없는|틀린)\s*(?:것|거|듯)"
    r"|(?:不|并不|并非|不是|不太|不完全)(?:正确|对|真|属实|准确)的?(?![一-鿿])|(?<![一-鿿])(?:错误|错)的?(?![一-鿿])|是(?:错误|错|假)的)",
    re.IGNORECASE,
)
_TURNED = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\bneither|\bnor|\bhardly|\bcannot\s+be)"
    r"(?:\s+(?:be|is|it|that|the|a|an|at\s+all|really|quite|entirely"
    r"|completely|totally|necessarily|exactly|actually|strictly|factually|always|either|statement"
    r"|answer|say|think|believe))*\s*[\"'(“‘]*$",
    re.IGNORECASE,
)
_BOTH = re.compile(
    r"\byes\b\s*(?:/|\||,|or|and|nor|vs\.?)\s*\bno\b|\bno\b\s*(?:/|\||or|and)\s*\byes\b"
    r"|\btrue\b\s*(?:/|\||or|and)\s*\bfalse\b|\bcorrect\b\s*(?:/|or)\s*\bincorrect\b"
    r"|(?:네|예)\s*(?:/|또는|혹은|나|,)\s*(?:아니요|아니오)|是\s*(?:/|或者?|还是)\s*(?:否|不是)|有\s*(?:/|或|还是)\s*没有",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"(?:\banswer\s*(?:is|:|would\s+be|should\s+be)|정답은|정답:|답은|답:|답변은|答案是|答案为|答案:)\s*:?\s*[\"'(“‘\[]*\s*",
    re.IGNORECASE,
)
_SHORT_DENIAL = re.compile(
    r"\bthere (?:is|are|was|were)(?: not|n['’]t)\b"
    r"|^\W*(?:it|this|that|they|he|she)\s+(?:is|are|was|were|do|does|did|has|have|can|will)"
    r"(?:\s+not|n['’]t)\s*(?:$|[.!,])",
    re.IGNORECASE,
)
_IDIOM = re.compile(
    r"\W*(?P<no>(?:absolutely|certainly|definitely|clearly|obviously|surely|probably|of\s+course"
    r"|most\s+likely|i['’]?m\s+afraid|i\s+am\s+afraid)\s+not"
    r"|not\s+(?:at\s+all|really|quite|exactly|likely|that\s+i\s+can\s+see)|by\s+no\s+means"
    r"|i\s+(?:do\s+not|don['’]t|wouldn['’]t)\s+(?:think|believe|say)\s+so)(?=\W*(?:\Z|[.,;!\n]))"
    r"|\W*(?P<yes>(?:absolutely|certainly|definitely|indeed|sure|surely|of\s+course"
    r"|i\s+(?:think|believe|would\s+say)\s+so"
    r"|it\s+(?:does|is|has|can))(?=\s*(?:\Z|[.!])))",
    re.IGNORECASE,
)
"""What answers without either word, at the beginning of a reply."""
_INITIAL = re.compile(r"\W*([yn])\W*", re.IGNORECASE)


def yes_no(reply: str) -> ParsedAnswer:
    """``yes`` or ``no``."""
    text = prepare(reply)
    for box in reversed(boxed(text)):
        if word := _SAID.fullmatch(box.text) or _JUDGED.fullmatch(box.text):
            return ParsedAnswer(_value(word), "boxed", box.span)
    text = text.translate(_MARKUP)
    if initial := _INITIAL.fullmatch(text):
        return ParsedAnswer("yes" if initial[1].lower() == "y" else "no", "initial", initial.span(1))
    text = _BOTH.sub(lambda m: " " * len(m[0]), text)
    stated = [word for frame in _STATED.finditer(text) if (word := _word_at(text, frame.end()))]
    if stated:
        return _found(text, stated[-1], "stated")
    said = [m for m in _SAID.finditer(text) if not _turned(text, m)]
    apart = {_value(m) for m in said if _stands_apart(text, m)}
    if len(apart) > 1:
        return UNPARSED
    if (idiom := _IDIOM.match(text.replace("\0", " "))) and not said:
        return ParsedAnswer(_value(idiom), "idiom", idiom.span(idiom.lastgroup or 0))
    if first := _word_at(text, _beginning(text)):
        return _found(text, first, "first word")
    return _only_one(reply, text)


def _only_one(reply: str, text: str) -> ParsedAnswer:
    """The answer that every word of a reply gives, if they agree."""
    if refused(reply):
        return UNPARSED
    found = [_found(text, m, "only one of the two") for p in (_SAID, _JUDGED) for m in p.finditer(text)]
    found = [f for f in found if f.parsed]
    if len({f.value for f in found}) == 1:
        return found[0]
    if not found and (denial := _SHORT_DENIAL.search(text)):
        return ParsedAnswer("no", "denied", denial.span())
    return UNPARSED


def _word_at(text: str, at: int) -> re.Match[str] | None:
    """A word of either kind that begins there, whatever stands before it."""
    text = " " * at + text[at:]
    return _SAID.match(text, at) or _JUDGED.match(text, at)


def _beginning(text: str) -> int:
    start = re.search(r"[A-Za-z가-힣一-鿿]", text)
    return start.start() if start else len(text)


def _stands_apart(text: str, m: re.Match[str]) -> bool:
    """Whether a word is said on its own ("No, wait. Yes."), and not inside a sentence ("there is no dog")."""
    return re.match(r"\s*(?:$|[.,;:!?。，！])|[ \t]*\n", text[m.end() :]) is not None


def _found(text: str, m: re.Match[str], rule: str) -> ParsedAnswer:
    value = _value(m)
    if _turned(text, m):
        if m.lastgroup == "no":  # "not no" is nothing
            return UNPARSED
        value = "no" if value == "yes" else "yes"
    return ParsedAnswer(value, rule, m.span())


def _turned(text: str, m: re.Match[str]) -> bool:
    return _TURNED.search(text[max(0, m.start() - 80) : m.start()]) is not None


def _value(m: re.Match[str]) -> str:
    return "yes" if m.lastgroup in ("yes", "true") else "no"
