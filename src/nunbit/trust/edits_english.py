"""Edits of English sentences: a number, a colour, a side, a name, a member of a list.

Every function yields ``(start, end, new words)``, places of the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nunbit.english import article, plural, singular
from nunbit.evidence.english import NUMBER_WORDS, NUMBERS
from nunbit.evidence.sizes import SIZES
from nunbit.evidence.statements import BOX, COLOURS, part_named
from nunbit.trust.phrases import at_part, counted, first_colours
from nunbit.trust.trace import Check

Piece = tuple[int, int, str]
_FLIPS = {"yes": "No", "yeah": "No", "yep": "No", "no": "Yes", "nope": "Yes"}
_LEAD = re.compile(r"\s*(\w+)")
_BEFORE = re.compile(r"(?:,\s*(?:and|or)\s+|,\s*|\s+(?:and|or)\s+)$", re.I)
_AFTER = re.compile(r"\s*(?:,\s*(?:and|or)\s+|,\s*|\s+(?:and|or)\s+)", re.I)
_DETERMINER = re.compile(r"\b(?:an?|the|his|her|its|their)\s", re.I)
_MEMBER = re.compile(_AFTER.pattern + rf"(?:an?|the|some|\d+|{'|'.join(NUMBERS)})\s", re.I)
_CLAUSE = re.compile(r"\s*(?:,\s*(?:and|but|while|with)\s+|\s(?:and|but|while|with)\s+|,\s+|;\s*)", re.I)
_PART = r"(?:left|right|center|centre|middle)"
_PLACE = re.compile(
    r"(?:\b(?:in|at|on|near|to|towards?)\s+(?:the\s+)?)?(?:very\s+)?"
    rf"\b(?:top|upper|bottom|lower|{_PART})(?:[\s-]+{_PART})?(?:\s+(?:corner|side|part))?",
    re.I,
)
_SIDES = {
    "left of": (r"\bleft\b", "right"),
    "right of": (r"\bright\b", "left"),
    "above": (r"\b(?:above|over|higher than)\b", "below"),
    "below": (r"\b(?:below|under(?:neath)?|beneath|lower than)\b", "above"),
}
_IS = re.compile(r"\b(?:is|are)(?=\s+$)", re.I)


def flipped_lead(words: str) -> str:
    """No for yes, yes for no, in the same case."""
    lead = _LEAD.match(words)
    given = lead[1] if lead else ""
    flipped = _FLIPS.get(given.casefold(), "No")
    return flipped.lower() if given.islower() else flipped


def replacements(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """New words for a wrong statement about a thing that is there."""
    c, (start, end) = check.claim, check.claim.span
    if c.denied:
        yield from _not_denied(text, check, sentence)
    elif c.kind == "count":
        yield from _count(text, check)
    elif c.kind == "attribute" or (c.kind == "existence" and c.value):
        yield from _described(text, check, sentence)
    elif c.kind == "place":
        yield from _placed(text, check, sentence)
    elif c.kind == "relation" and c.value in _SIDES:
        pattern, new = _SIDES[c.value]
        yield from ((start + m.start(), start + m.end(), new) for m in re.finditer(pattern, text[start:end], re.I))
    elif c.kind == "text" and check.found:
        yield start, end, check.found
    elif check.found:  # a name
        yield from _named(text, start, end, check.found)


def _count(text: str, check: Check) -> Iterator[Piece]:
    start, end = check.claim.span
    number = re.match(r"\d+", check.found)
    if number is None:
        return
    many = int(number[0])
    least = "at least " if "-" in check.found else ""
    for m in re.finditer(rf"\b\d{{1,4}}\b|\b(?:{'|'.join(NUMBERS)})\b", text[start:end], re.I):
        word = str(many) if m[0].isdigit() else NUMBER_WORDS.get(many, str(many))
        word = least + (word.capitalize() if m[0][0].isupper() and not least else word)
        noun = text[start + m.end() : end]
        bare = noun.strip()
        if bare:
            one = singular(bare)
            noun = noun.replace(bare, one if many == 1 else plural(one))
        begin = start + m.start()
        verb = _IS.search(text, max(0, begin - 8), begin)
        if verb and bare:
            yield verb.start(), end, f"{'is' if many == 1 else 'are'}{text[verb.end() : begin]}{word}{noun}"
        after = re.match(r"\s+(is|are|was|were)\b", text[end:], re.I)
        if after and bare:
            new = {"is": "are", "are": "is", "was": "were", "were": "was"}
            old_one = after[1].casefold() in ("is", "was")
            kept = after[1] if old_one == (many == 1) else new[after[1].casefold()]
            yield begin, end + after.end(), f"{word}{noun} {kept}"
        yield begin, end, f"{word}{noun}"


def _described(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """Another colour or size."""
    said, table = check.claim.value.split(", "), {**COLOURS, **SIZES}
    new = first_colours(check.found, "en")
    for a, b in (check.claim.span, sentence):
        for m in re.finditer(r"[A-Za-z]+", text[a:b]):
            if new and table.get(m[0].casefold()) in said:
                yield from _with_article(text, a + m.start(), a + m.end(), new)


def _placed(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    start, end = check.claim.span
    if box := BOX.search(text, start, sentence[1]):
        yield *box.span(), check.found
        return
    for m in _PLACE.finditer(text, start, end):
        if part_named(m[0]) == check.claim.value and check.found:
            yield m.start(), m.end(), at_part(check.found)


def _named(text: str, start: int, end: int, name: str) -> Iterator[Piece]:
    words = text[start:end]
    if re.match(r"(?:an?|the|this|that)\s", words, re.I):
        lead = words.split()[0]
        new = article(name) if lead.casefold() in ("a", "an") else lead
        yield start, end, f"{new.capitalize() if lead[0].isupper() else new} {name}"
    yield start, end, name.capitalize() if words[:1].isupper() else name


def _with_article(text: str, start: int, end: int, new: str) -> Iterator[Piece]:
    """Another adjective, with "a" and "an" before it as it wants them."""
    before = re.search(r"\b(an?)\s+$", text[max(0, start - 4) : start], re.I)
    word = new.capitalize() if text[start].isupper() else new
    if before is None:
        yield start, end, word
        return
    at = max(0, start - 4) + before.start()
    given = article(new)
    yield at, end, f"{given.capitalize() if before[1][0].isupper() else given} {word}"


def _not_denied(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """ "There is no dog" becomes "There is a dog", or "are 2 dogs"."""
    c, (start, end) = check.claim, check.claim.span
    before = re.search(r"\b(?:(is|are)\s+)?(no|not any)\s+$", text[sentence[0] : start], re.I)
    if before is None or c.kind != "existence":
        return
    number = max(1, len(c.evidence))
    verb = "" if before[1] is None else ("is " if number == 1 else "are ")
    yield sentence[0] + before.start(), end, verb + counted(c.about, number, "en")


def removals(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """The words that name a thing which is not there: a member of a list, then the clause."""
    start, end = check.claim.span
    first, last = sentence
    for stop in dict.fromkeys((end, _item_end(text, end, last))):
        left, right = _BEFORE.search(text[first:start]), _AFTER.match(text[stop:last])
        if stop != end and (_DETERMINER.search(text, end, stop) or (right and not _MEMBER.match(text, stop, last))):
            continue  # the words behind the name hold another thing, or the list does not go on
        if left and right:
            yield first + left.start(), stop, ""
        elif right:
            yield start, stop + right.end(), ""
        elif left:
            yield from _last_of_list(text, first + left.start(), stop, first)
    cuts = [first, *(first + v for m in _CLAUSE.finditer(text[first:last]) for v in m.span()), last]
    for a, b in zip(cuts[::2], cuts[1::2], strict=True):
        if a <= start < b and len(cuts) > 2:
            if a > first:
                yield cuts[cuts.index(a) - 1], b, "." if b == last and text[last - 1] in ".!" else ""
            else:
                begin = cuts[2]
                yield first, begin + 1, text[begin : begin + 1].upper()


def _item_end(text: str, end: int, last: int) -> int:
    """Where the words that belong to a member of a list end: before the next comma, "and" or stop."""
    found = re.search(r",|\s(?:and|or|but|while)\s|[.!?]?$", text[end:last], re.I)
    return end + found.start() if found else last


def _last_of_list(text: str, start: int, end: int, first: int) -> Iterator[Piece]:
    """Take the last member off "a dog, a cat and a zebra": the comma before becomes "and"."""
    comma = text.rfind(", ", first, start)
    if comma >= 0 and not re.search(r"\b(?:is|are|has|have)\b", text[comma:start]):
        yield comma, end, " and " + text[comma + 2 : start].removeprefix("and ")
    yield start, end, ""
