"""Answers read out of replies by rules.

Rules for English, Korean and Chinese, tried in order; the one that applied is named, with the span it read.

No rule, no answer: *unparsed* is a result of its own. No option is chosen at random or by nearness, and none that a
reply only denies (`nunbit.evaluation.denials`). Every folding keeps the length of the text, so that a span always
points into the reply as it was given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from nunbit.evaluation.answer_patterns import (
    ALONE,
    ARTICLE,
    BRACKETED,
    CIRCLED,
    LAST,
    LEADING,
    LONE,
    MARKUP,
    MENTIONED,
    NAMED,
    NEXT_LETTER,
    NUMBERED,
    PARTICLE,
    PRONOUN,
    STATED,
)
from nunbit.evaluation.denials import denied
from nunbit.evaluation.items import UNPARSED, ParsedAnswer
from nunbit.evaluation.polarity import yes_no
from nunbit.evaluation.quantities import number, number_list
from nunbit.evaluation.reply_text import boxed, inner_span, prepare, refused

__all__ = ["choice", "literal", "number", "number_list", "prepare", "raw", "refused", "words", "yes_no"]

Options = Mapping[str, str]
MOST = 100
"""Letters of a reply that a rule looks at, the last ones."""
_FRAME = re.compile(
    r"(?:(?:the )?(?:final )?answer(?: is|:)|정답(?:은|:)|답(?:은|:)|答案(?:是|:|为))\s*:?\s*", re.IGNORECASE
)

_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
"""Words that are struck through in Markdown."""


def choice(reply: str, options: Options) -> ParsedAnswer:
    """The letter of one option.

    Args:
        reply: the text the model generated.
        options: text by letter.
    """
    text = prepare(reply)
    for box in reversed(boxed(text)):
        inner = _letter_or_text(box.text, options)
        if inner:
            return ParsedAnswer(inner, "boxed", box.span)
    text = _STRUCK.sub(lambda m: " " * len(m[0]), text).translate(MARKUP)
    for rule in (
        _alone,
        _text_equal,
        _stated,
        _leading,
        _mentioned,
        _particle,
        _numbered,
        _bracketed,
        _text_inside,
        _lone,
    ):
        found = rule(text, options)
        if found:
            return found
    return UNPARSED


def words(reply: str) -> ParsedAnswer:
    """The reply itself, without thoughts and an "Answer:" in front; silence and refusals are unparsed."""
    text = prepare(reply)
    if boxes := boxed(text):
        return ParsedAnswer(boxes[-1].text, "boxed", boxes[-1].span)
    if refused(reply) or not re.search(r"\w", text):
        return UNPARSED
    begin, end = inner_span(text)
    start = _FRAME.match(text, begin)
    begin = start.end() if start and start.end() < end else begin
    return ParsedAnswer(reply[begin:end], "whole reply" if not start else "after 'answer'", (begin, end))


def raw(reply: str) -> ParsedAnswer:
    """The reply as it is, which is how most harnesses read short answers; only silence is unparsed."""
    text = reply.strip()
    return ParsedAnswer(text, "as it is", (reply.find(text), reply.find(text) + len(text))) if text else UNPARSED


def literal(reply: str) -> ParsedAnswer:
    """The reply with its spaces, where a harness counts them."""
    return ParsedAnswer(reply, "as it is", (0, len(reply))) if reply.strip() else UNPARSED


def _known(letter: str, options: Options) -> str | None:
    return letter.upper() if letter.upper() in options else None


def _letter_or_text(inner: str, options: Options) -> str | None:
    alone = ALONE.fullmatch(inner)
    if alone:
        return _known(alone[1], options)
    same = [k for k, v in options.items() if _folded(v) == _folded(inner)]
    return same[0] if same else None


def _letters(pattern: re.Pattern[str], text: str, options: Options) -> Iterator[tuple[str, tuple[int, int]]]:
    """Letters of options that a pattern finds, with their spans: those that are words or only denied are left out."""
    for m in [*pattern.finditer(text)][-MOST:]:
        group = next(i for i, g in enumerate(m.groups(), start=1) if g)
        letter = _known(m[group], options)
        if letter and not _is_word(text, m, group) and not _denied(text, m.span(group), letter, options):
            yield letter, m.span(group)


def _denied(text: str, span: tuple[int, int], letter: str, options: Options) -> bool:
    """Whether a letter is denied where it stands, or where it is named last."""
    last = text.rfind(letter)
    while last > span[1] and not LONE.match(text, last):
        last = text.rfind(letter, 0, last)
    places = [span] if last <= span[1] else [span, (last, last + 1)]
    return any(denied(text, place, options[letter]) for place in places)


def _sole(pattern: re.Pattern[str], rule: str, text: str, options: Options) -> ParsedAnswer | None:
    """The letter that a pattern finds, if it finds no other."""
    found = [*_letters(pattern, text, options)]
    return ParsedAnswer(*found[-1][:1], rule, found[-1][1]) if len({letter for letter, _ in found}) == 1 else None


def _is_word(text: str, m: re.Match[str], group: int) -> bool:
    """The article in "the answer is A red car", the person in "I think", the shortening in "e.g."."""
    letter, stop = m[group], m.end(group)
    if letter in "aA":
        return bool(ARTICLE.match(text, stop))
    if letter in "iI" and (
        PRONOUN.match(text, stop) or letter == "i" and text[m.start(group) - 1 : m.start(group)] != "("
    ):
        return True
    return bool(re.match(r"\.[A-Za-z]", text[stop : stop + 2]))


def _alone(text: str, options: Options) -> ParsedAnswer | None:
    m = ALONE.fullmatch(text)
    return ParsedAnswer(m[1].upper(), "letter alone", m.span(1)) if m and _known(m[1], options) else None


def _text_equal(text: str, options: Options) -> ParsedAnswer | None:
    folded = _folded(text)
    same = [k for k, v in options.items() if folded and _folded(v) == folded]
    return ParsedAnswer(same[0], "text of the option", (0, len(text))) if len(same) == 1 else None


def _stated(text: str, options: Options) -> ParsedAnswer | None:
    """The last letter that is said to be the answer: a reply that corrects itself means its last word."""
    found = [f for f in _letters(STATED, text, options) if _decided(text, *f, options)]
    if found:
        return ParsedAnswer(found[-1][0], "stated", found[-1][1])
    return _sole(NAMED, "stated", text, options)


def _decided(text: str, letter: str, span: tuple[int, int], options: Options) -> bool:
    """Whether no other letter is named in the same breath."""
    other = NEXT_LETTER.match(text, span[1])
    if not other or not other[1].isupper() or _known(other[1], options) in (None, letter) or _is_word(text, other, 1):
        return True
    return denied(text, other.span(1), options[other[1]])


def _mentioned(text: str, options: Options) -> ParsedAnswer | None:
    """ "Option B" counts when no other option is mentioned."""
    return _sole(MENTIONED, "option mentioned", text, options)


def _leading(text: str, options: Options) -> ParsedAnswer | None:
    m = LEADING.match(text + "\n", inner_span(text)[0])
    if not m or not _known(m[1], options) or re.match(r"\s*(?:and|or)?\s*[A-Z]\b", (text + "\n")[m.end() :]):
        return None
    letter, listed = m[1].upper(), m[1].islower() and m[0].rstrip().endswith(",")
    if listed or _is_word(text, m, 1) or _denied(text, m.span(1), letter, options):
        return None
    return ParsedAnswer(letter, "letter first", m.span(1))


def _particle(text: str, options: Options) -> ParsedAnswer | None:
    return _sole(PARTICLE, "letter with particle", text, options)


def _numbered(text: str, options: Options) -> ParsedAnswer | None:
    found = [m for m in NUMBERED.finditer(text) if not denied(text, m.span(1 if m[1] else 2))]
    places = {CIRCLED.index(m[1]) if m[1] else int(m[2]) - 1 for m in found}
    if len(places) != 1:
        return None
    place = places.pop()
    return ParsedAnswer([*options][place], "number of the option", found[-1].span()) if place < len(options) else None


def _bracketed(text: str, options: Options) -> ParsedAnswer | None:
    return _sole(BRACKETED, "letter in brackets", text, options)


def _text_inside(text: str, options: Options) -> ParsedAnswer | None:
    """One option's whole text inside the reply; of nested texts ("car", "red car") the longest counts."""
    folded = unicodedata.normalize("NFC", text).casefold()
    hits: dict[str, tuple[int, int]] = {}
    for letter, option in options.items():
        words_ = option.strip().casefold().rstrip(".")
        if len(words_) < 2:
            continue
        edge = r"\b" if words_.isascii() else ""
        pattern = f"{edge if words_[:1].isalnum() else ''}{re.escape(words_)}{edge if words_[-1:].isalnum() else ''}"
        spans = [m.span() for m in re.finditer(pattern, folded)]
        if kept := [s for s in spans if not denied(folded, s)]:
            hits[letter] = kept[0]
    outer = {k: s for k, s in hits.items() if not any(o[0] <= s[0] and s[1] <= o[1] and o != s for o in hits.values())}
    if len(outer) != 1:
        return None
    letter, span = next(iter(outer.items()))
    return ParsedAnswer(letter, "text of the option inside", span)


def _lone(text: str, options: Options) -> ParsedAnswer | None:
    """The only letter of the reply; a small one only where it ends the reply."""
    large = [*_letters(LONE, text, options)]
    if not large:
        return _sole(LAST, "only letter", text, options)
    return _sole(LONE, "only letter", text, options)


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).casefold().strip(" .。,!\"'\0")
