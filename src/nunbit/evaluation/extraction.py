"""Answers read out of replies by rules.

Rules for English, Korean and Chinese, tried in order; the one that applied is named, with the span it read.

No rule, no answer: *unparsed* is a result of its own. No option is chosen at random or by nearness.
Every folding keeps the length of the text, so that a span always points into the reply as it was given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from nunbit.evaluation.answer_patterns import (
    ALONE,
    BOXED,
    BRACKETED,
    CIRCLED,
    DENIED,
    FULL_WIDTH,
    LEADING,
    LONE,
    MARKUP,
    MENTIONED,
    NO,
    NUMBER,
    NUMBERED,
    PARTICLE,
    REFUSALS,
    STATED,
    STATED_NUMBER,
    STATED_YES_NO,
    THINKING,
    WORD_AFTER,
    WORDS,
    YES,
)
from nunbit.evaluation.items import UNPARSED, ParsedAnswer


def prepare(reply: str) -> str:
    """The reply as the rules read it: reasoning between think tags replaced by spaces, full-width characters narrowed.

    The length stays the same.
    """
    text = THINKING.sub(lambda m: " " * len(m[0]), reply)
    return text.translate(FULL_WIDTH)


def refused(reply: str) -> bool:
    """Whether the reply declines to answer instead of answering."""
    return bool(REFUSALS.search(prepare(reply)))


def choice(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """The letter of one option.

    Args:
        reply: the text the model generated.
        options: text by letter.
    """
    text = prepare(reply)
    for boxed in reversed([*BOXED.finditer(text)]):
        inner = _letter_or_text(boxed[1], options)
        if inner:
            return ParsedAnswer(inner, "boxed", boxed.span(1))
    text = text.translate(MARKUP)
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


def yes_no(reply: str) -> ParsedAnswer:
    """``yes`` or ``no``."""
    text = prepare(reply)
    boxed = [*BOXED.finditer(text)]
    if boxed and boxed[-1][1].lower() in ("yes", "no"):
        return ParsedAnswer(boxed[-1][1].lower(), "boxed", boxed[-1].span(1))
    text = text.translate(MARKUP)
    stated = [*STATED_YES_NO.finditer(text)]
    if stated:
        return ParsedAnswer(_yes_or_no(stated[-1][1]), "stated", stated[-1].span(1))
    tokens = [*re.finditer(r"[A-Za-z]+|[가-힣]+|[\u4e00-\u9fff]+", text)]
    if tokens and (answer := _yes_or_no(tokens[0][0])):
        return ParsedAnswer(answer, "first word", tokens[0].span())
    said_by = {_yes_or_no(t[0]): t.span() for t in tokens} if not refused(reply) else {}
    said_by.pop(None, None)
    if len(said_by) == 1:
        value, span = next(iter(said_by.items()))
        return ParsedAnswer(value, "only one of the two", span)
    if not said_by and (denied := DENIED.search(text)):
        return ParsedAnswer("no", "denied", denied.span())
    return UNPARSED


def number(reply: str) -> ParsedAnswer:
    """One number, as plain digits without thousands separators."""
    text = prepare(reply)
    for boxed in reversed([*BOXED.finditer(text)]):
        if re.fullmatch(NUMBER, boxed[1]):
            return ParsedAnswer(_plain_number(boxed[1]), "boxed", boxed.span(1))
    text = text.translate(MARKUP)
    word = text.strip().strip(".").lower()
    if word in WORDS:
        return ParsedAnswer(WORDS[word], "number word", (0, len(reply)))
    stated = [*STATED_NUMBER.finditer(text)]
    if stated:
        return ParsedAnswer(_plain_number(stated[-1][1]), "stated", stated[-1].span(1))
    numbers = [*re.finditer(rf"(?<![A-Za-z\d]){NUMBER}", text)]
    if not numbers:
        return UNPARSED
    if len(numbers) == 1:
        return ParsedAnswer(_plain_number(numbers[0][0]), "only number", numbers[0].span())
    after = [*re.finditer(rf"=\s*({NUMBER})", text)]
    if after:
        return ParsedAnswer(_plain_number(after[-1][1]), "after =", after[-1].span(1))
    return ParsedAnswer(_plain_number(numbers[-1][0]), "last number", numbers[-1].span())


def number_list(reply: str) -> ParsedAnswer:
    """A list of numbers in brackets, written as Python writes it."""
    lists = [*re.finditer(rf"\[\s*(?:{NUMBER})(?:\s*,\s*(?:{NUMBER}))*\s*\]", prepare(reply))]
    if not lists:
        return UNPARSED
    inner = re.findall(NUMBER, re.sub(r",(?=\d{3}\b)", ", ", lists[-1][0]))
    return ParsedAnswer("[" + ", ".join(_plain_number(n) for n in inner) + "]", "last list", lists[-1].span())


def words(reply: str) -> ParsedAnswer:
    """The reply itself, without reasoning tags and an "Answer:" in front; silence and refusals are unparsed."""
    text = prepare(reply)
    boxed = [*BOXED.finditer(text)]
    if boxed:
        return ParsedAnswer(boxed[-1][1], "boxed", boxed[-1].span(1))
    if refused(reply) or not re.search(r"\w", text):
        return UNPARSED
    start = re.match(
        r"\s*(?:(?:the )?(?:final )?answer(?: is|:)|정답(?:은|:)|답(?:은|:)|答案(?:是|:|为))\s*:?\s*",
        text,
        re.IGNORECASE,
    )
    begin = start.end() if start and text[start.end() :].strip() else len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return ParsedAnswer(reply[begin:end], "whole reply" if not start else "after 'answer'", (begin, end))


def raw(reply: str) -> ParsedAnswer:
    """The reply as it is, which is how most harnesses read short answers; only silence is unparsed."""
    text = reply.strip()
    return ParsedAnswer(text, "as it is", (reply.find(text), reply.find(text) + len(text))) if text else UNPARSED


def literal(reply: str) -> ParsedAnswer:
    """The reply with its spaces, where a harness counts them."""
    return ParsedAnswer(reply, "as it is", (0, len(reply))) if reply.strip() else UNPARSED


def _known(letter: str, options: Mapping[str, str]) -> str | None:
    return letter.upper() if letter.upper() in options else None


def _letter_or_text(inner: str, options: Mapping[str, str]) -> str | None:
    alone = ALONE.fullmatch(inner)
    if alone:
        return _known(alone[1], options)
    same = [k for k, v in options.items() if _folded(v) == _folded(inner)]
    return same[0] if same else None


def _alone(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    m = ALONE.fullmatch(text)
    return ParsedAnswer(m[1].upper(), "letter alone", m.span(1)) if m and _known(m[1], options) else None


def _text_equal(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    folded = _folded(text)
    same = [k for k, v in options.items() if folded and _folded(v) == folded]
    return ParsedAnswer(same[0], "text of the option", (0, len(text))) if len(same) == 1 else None


def _last(matches: list[re.Match[str]], rule: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    """The last match whose letter is an option: a reply that corrects itself means its last word."""
    for m in reversed(matches):
        group = next(i for i, g in enumerate(m.groups(), start=1) if g)
        if _known(m[group], options):
            return ParsedAnswer(m[group], rule, m.span(group))
    return None


def _stated(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    return _last([m for m in STATED.finditer(_small_frame(text)) if not _is_article(text, m)], "stated", options)


def _mentioned(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    """ "Option B" counts when no other option is mentioned."""
    found = [m for m in MENTIONED.finditer(_small_frame(text)) if not _is_article(text, m)]
    one = len({next(g for g in m.groups() if g) for m in found}) == 1
    return _last(found, "option mentioned", options) if one else None


def _small_frame(text: str) -> str:
    """ "ANSWER IS B" and "Answer: B" alike; letters of options keep their case."""
    return re.sub(r"answer|correct|option|choice|(?<=[a-z] )IS\b", lambda m: m[0].lower(), text, flags=re.IGNORECASE)


def _is_article(text: str, m: re.Match[str]) -> bool:
    """ "The answer is A red car": an A followed by a lower-case English word is no letter."""
    group = next(i for i, g in enumerate(m.groups(), start=1) if g)
    return m[group] == "A" and bool(WORD_AFTER.match(text, m.end(group)))


def _leading(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    m = LEADING.match(text + "\n")
    if not m or not _known(m[1], options) or re.match(r"\s*(?:and|or)?\s*[A-Z]\b", (text + "\n")[m.end() :]):
        return None
    return ParsedAnswer(m[1], "letter first", m.span(1))


def _particle(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    found = [*PARTICLE.finditer(text)]
    found_letters = {next(g for g in m.groups() if g) for m in found}
    return _last(found, "letter with particle", options) if len(found_letters) == 1 else None


def _numbered(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    found = [*NUMBERED.finditer(text)]
    found_letters = {CIRCLED.index(m[1]) if m[1] else int(m[2]) - 1 for m in found}
    if len(found_letters) != 1:
        return None
    place = found_letters.pop()
    return ParsedAnswer([*options][place], "number of the option", found[-1].span()) if place < len(options) else None


def _bracketed(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    found = [m for m in BRACKETED.finditer(text) if _known(m[1], options)]
    return (
        ParsedAnswer(found[-1][1], "letter in brackets", found[-1].span(1)) if len({m[1] for m in found}) == 1 else None
    )


def _text_inside(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    """One option's whole text inside the reply; of nested texts ("car", "red car") the longest counts."""
    folded = unicodedata.normalize("NFC", text).casefold()
    hits: dict[str, tuple[int, int]] = {}
    for letter, option in options.items():
        words_ = option.strip().casefold().rstrip(".")
        edge = r"\b" if words_.isascii() else ""
        m = re.search(
            rf"{edge if words_[:1].isalnum() else ''}{re.escape(words_)}{edge if words_[-1:].isalnum() else ''}", folded
        )
        if len(words_) > 1 and m:
            hits[letter] = m.span()
    outer = {k: s for k, s in hits.items() if not any(o[0] <= s[0] and s[1] <= o[1] and o != s for o in hits.values())}
    if len(outer) != 1:
        return None
    letter, span = next(iter(outer.items()))
    return ParsedAnswer(letter, "text of the option inside", span)


def _lone(text: str, options: Mapping[str, str]) -> ParsedAnswer | None:
    found = [m for m in LONE.finditer(text) if _known(m[1], options) and not _is_article(text, m)]
    return ParsedAnswer(found[-1][1], "only letter", found[-1].span(1)) if len({m[1] for m in found}) == 1 else None


def _yes_or_no(word: str) -> str | None:
    word = word.lower()
    return "yes" if word in YES else "no" if word in NO else None


def _plain_number(text: str) -> str:
    return text.replace(",", "").replace("−", "-").lstrip("+")


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).casefold().strip(" .。,!\"'")
