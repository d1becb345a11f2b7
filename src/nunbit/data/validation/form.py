"""The form of questions and answers: marks of a format, language, length, repetition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from nunbit.data.teacher.prompting import Kind
from nunbit.world.base import Language

MOST_CHARS: dict[Kind, tuple[int, int]] = {
    "conversation": (500, 1500),
    "detail": (500, 3500),
    "reasoning": (600, 3000),
}
"""Characters of a question and of an answer, by kind: about twice what the longest of LLaVA's have."""
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]*'(?!\w)|‘[^’\n]*’|「[^」\n]*」|`[^`\n]*`|\[[^\]\n]*\]|https?://\S+"
)
_SENTENCE = re.compile(r"(?<=[.!?。？！])\s+|\n+")
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’][a-z]+)?")
_HANGUL = re.compile(r"[가-힣]")
_OTHER_SCRIPT = re.compile("[぀-ヿ㐀-鿿Ѐ-ӿ؀-ۿऀ-ॿ฀-๿Ͱ-Ͽ֐-׿]")
_ENGLISH = frozenset(
    "the a an is are was were of in on at to and or it there this that with for not no yes be can do does what "
    "which how"
    " many where who why i you we they he she its one two three has have see picture image from by as but so".split()
)
_FOREIGN = frozenset(
    "el la los las un una unos es está están son hay en y de del que con por para se su no sí como más pero muy qué"
    " le les des du une et est sont dans sur avec pour il elle ce cette qui pas deux trois oui au aux"
    " der die das ein eine einen und ist sind im auf mit für nicht zwei drei ja nein dem den von zu"
    " il lo gli e è sono nel nella con per che non due tre di o os uma são em não com há do da dos das".split()
)  # fmt: skip
LEAST_WORDS = 3


def wrong_language(text: str, language: Language, written: Iterable[str] = ()) -> str:
    """Words of a text that are in another language than the item's; "" if there are none.

    Args:
        written: lines of writing in the picture, which may be quoted as they are.
    """
    plain = _QUOTED.sub(" ", text)
    for line in sorted((w for w in written if w.strip()), key=len, reverse=True):
        plain = re.sub(re.escape(line), " ", plain, flags=re.I)
    if found := _OTHER_SCRIPT.search(plain):
        return plain[max(0, found.start() - 5) : found.end() + 20].strip()
    for sentence in _SENTENCE.split(plain):
        hangul, words = len(_HANGUL.findall(sentence)), _LATIN_WORD.findall(sentence)
        if language == "en":
            if hangul >= 2 or _foreign(words):
                return sentence.strip()[:80]
        elif words and not _is_name(words) and (not hangul or sum(map(len, words)) > 2 * hangul):
            return sentence.strip()[:80]
    return ""


def _foreign(words: list[str]) -> bool:
    """Whether Latin words are of another language than English, by their short words."""
    small = [w.casefold() for w in words]
    foreign = sum(w in _FOREIGN and w not in _ENGLISH for w in small)
    return len(words) >= LEAST_WORDS and foreign >= 2 and foreign > sum(w in _ENGLISH for w in small)


def _is_name(words: list[str]) -> bool:
    """Whether Latin words inside Korean text are only names or abbreviations."""
    return len(words) <= 2 and all(w[:1].isupper() for w in words) and not {w.casefold() for w in words} & _ENGLISH


def repeated_words(text: str) -> str:
    """What a text says again and again; "" if nothing."""
    if found := re.search(r"(?:(?<=\s)|^)(\S+)(?:[\s,]+\1){3,}(?=[\s.,!?]|$)", text):
        return found[0][:80]
    sentences = [" ".join(s.casefold().split()).rstrip(".!?") for s in _SENTENCE.split(text)]
    for sentence, n in Counter(s for s in sentences if s).most_common():
        if n >= (2 if len(sentence.split()) >= 3 or len(sentence) >= 16 else 3):
            return sentence[:80]
    words = text.casefold().split()
    if len(words) >= 24:
        grams = Counter(zip(*(words[k:] for k in range(5)), strict=False))
        gram, n = grams.most_common(1)[0]
        if n >= 4 or len(grams) < 0.6 * (len(words) - 4):
            return " ".join(gram)
    return ""


def is_empty(text: str) -> bool:
    """Whether a text has no word."""
    return not re.search(r"[^\W_]", text)


def too_long(question: str, answer: str, kind: Kind, language: Language) -> str:
    """The beginning of what is too long; "" if nothing is."""
    most_question, most_answer = (n * (3 if language == "ko" else 5) // 5 for n in MOST_CHARS[kind])
    if len(question) > most_question:
        return question[:60]
    return answer[:60] if len(answer) > most_answer else ""
