"""From a question, its answer and the Scenes of the pictures to claims.

    claims = claims_of("How many dogs are there?", "Three.", [scene])

By rules and tables alone: no model is asked, the same input gives the same claims, and the time grows with the length
of the answer and the size of the Scenes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from nunbit.evidence import english, hangul
from nunbit.evidence.claims import Claim
from nunbit.evidence.index import Index, index_of
from nunbit.evidence.lookups import lookup_claims
from nunbit.evidence.names import ANYTHING, COUNTERS, NUMERALS_KO, Lexicon, Mention
from nunbit.evidence.questions import Asked, parse_question
from nunbit.evidence.sizes import size_statements
from nunbit.evidence.statements import BOX, COLOURS, Statement, part_named, without_doubles
from nunbit.evidence.text_lines import NO_TEXT, Lines, named_lines, no_text_claim, quoted, read_claim, reading_claims
from nunbit.evidence.things import check
from nunbit.scene import Scene

MOST_CLAIMS, MOST_MENTIONS = 200, 800
"""Claims of one answer, and names that are looked at; what a longer answer says further on is not compared."""
MOST_CHARS, MOST_QUESTION_CHARS = 60_000, 2_000
"""Characters of an answer and of a question that are compared."""
SHORT_WORDS = 8
"""Words of an answer up to which a lone number, colour or place is what the question asks for."""
_STOP = r"(?=\s*(?:$|[,.!;:—-]))"
_YES = re.compile(
    rf"\s*(?P<word>yes|yeah|yep|네|예|응|맞습니다|맞아요|그렇습니다|있습니다|있어요|보입니다){_STOP}", re.I
)
_NO = re.compile(rf"\s*(?P<word>no|nope|아니요|아니오|아뇨|아니|아닙니다|없습니다|없어요|보이지 않습니다){_STOP}", re.I)
_NUMERAL = "|".join(sorted(NUMERALS_KO, key=len, reverse=True))
_NUMBER = re.compile(
    rf"\b(?P<en>{'|'.join(english.NUMBERS)})\b|(?<![\d.,])(?P<digits>\d{{1,4}})(?![\d]|[.,]\d)(?:\s*(?:{COUNTERS}))?"
    rf"|(?<![가-힣])(?P<ko>{_NUMERAL})(?:\s*(?:{COUNTERS})|(?=\s*$|[.!]|입니다|이에요|예요))",
    re.I,
)
_NONE = re.compile(r"\s*(?:none|zero|no)\b|\s*(?:하나도\s*)?(?:없습니다|없어요|없음)", re.I)
_ORDINALS = {
    **dict.fromkeys(("first", "picture 1", "image 1", "첫 번째", "첫번째", "1번"), 0),
    **dict.fromkeys(("second", "picture 2", "image 2", "두 번째", "두번째", "2번"), 1),
    **dict.fromkeys(("third", "picture 3", "image 3", "세 번째", "세번째", "3번"), 2),
}
_PICTURE = re.compile(
    rf"(?P<which>{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})"
    r"(?:\s*(?:picture|image|photo|one|그림|사진|이미지))?",
    re.I,
)


def claims_of(
    question: str, answer: str, scenes: Sequence[Scene], pictures: Sequence[int] | None = None
) -> list[Claim]:
    """The claims of an answer, in the order of its words.

    Args:
        question: the question that was answered; it gives "yes", "3" and "red" their meaning.
        scenes: of the pictures of the conversation, in order.
        pictures: their positions in the conversation; 0, 1 ... if None.
    """
    question, answer = question[:MOST_QUESTION_CHARS], answer[:MOST_CHARS]
    if not answer.strip() or not scenes:
        return []
    index = _index_for(question, scenes, pictures)
    lexicon = Lexicon(index.names)
    asked = parse_question(question, lexicon)
    lines = Lines(index.lines)
    found = [*_text_claims(asked, answer, lines)]
    checked: dict[Statement, Claim] = {}
    for s in _statements(asked, answer, lexicon)[:MOST_CLAIMS]:
        same = replace(s, start=0, end=0, about=_place_less(s.about), other=_place_less(s.other))
        if same not in checked:
            checked[same] = check(s, answer, index)
        found.append(replace(checked[same], text=answer[s.start : s.end], span=(s.start, s.end)))
    if not _reads(asked, answer):
        found += named_lines(answer, lines, [c.span for c in found if c.verdict == "supported"])
    kept = [c for c in found if not _doubtful(c, asked, answer)]
    return sorted(dict.fromkeys(kept), key=lambda c: (c.span, c.kind))[:MOST_CLAIMS]


def _index_for(question: str, scenes: Sequence[Scene], pictures: Sequence[int] | None) -> Index:
    """The Scenes that a question is about: one, where it says which."""
    numbers = [*(pictures if pictures is not None else range(len(scenes)))]
    named = {_ORDINALS[m["which"].casefold()] for m in _PICTURE.finditer(question)} if len(scenes) > 1 else set()
    if len(named) == 1 and (one := named.pop()) < len(scenes):
        return index_of([scenes[one]], [numbers[one]])
    return index_of(scenes, numbers)


def _place_less(m: Mention | None) -> Mention | None:
    """A mention without its place, so that a statement made twice is compared once."""
    return None if m is None else replace(m, start=0, end=0, after=0)


def yes_or_no(answer: str) -> bool | None:
    """What a reply begins with: True for yes, False for no, None for neither."""
    return True if _YES.match(answer) else False if _NO.match(answer) else None


def _statements(asked: Asked, answer: str, lexicon: Lexicon) -> list[Statement]:
    """What an answer says of things, with the help of the question where it does not name them."""
    lead = _YES.match(answer) or _NO.match(answer)
    begin = lead.end() if lead else 0
    mentions = [m for m in lexicon.mentions(answer) if m.start >= begin][:MOST_MENTIONS]
    own = english.statements(answer, mentions) + hangul.statements(answer, mentions)
    own += size_statements(answer, mentions)
    own = _short_answer(asked, answer, begin, mentions, own)
    if lead and asked.kind == "yes or no":
        denied = lead.re is _NO
        said = [*asked.said]
        if denied and len({s.about for s in said if s.about}) > 1 and said[0].kind == "existence":
            said = []  # "no" to several things: one of them may be there
        if said and any(s.denied for s in said):
            said = []  # "is there no dog?" "yes": either may be meant
        some = asked.partial and all(s.kind in ("existence", "count") for s in said)
        at = [s.at(lead.start("word"), lead.end("word"), denied=denied) for s in said]
        at = [replace(s, partial=some) for s in at]
        own += [s for s in at if not any(_says_same(s, o) for o in own)]
    return without_doubles(own)


def _says_same(a: Statement, b: Statement) -> bool:
    """Whether two statements say one thing of things of one name."""
    about = a.about is not None and b.about is not None and a.about.same(b.about)
    return about and (a.kind, a.value, a.colours, a.denied) == (b.kind, b.value, b.colours, b.denied)


def _short_answer(
    asked: Asked, answer: str, begin: int, mentions: Sequence[Mention], own: list[Statement]
) -> list[Statement]:
    """The statements of an answer whose thing or relation stands in the question."""
    short = len(answer[begin:].split()) <= SHORT_WORDS
    topic = asked.about
    if asked.kind == "count" and topic is not None:
        counted = [s for s in own if s.kind == "count" and s.about and s.about.same(topic)]
        if counted:
            return [replace(s, partial=asked.partial) if s in counted else s for s in own]
        return own + _bare_count(asked, answer, begin, topic) if short else own
    if asked.kind == "yes or no" and topic is not None and begin and short and not own:
        return [s for s in _bare_count(asked, answer, begin, topic) if not answer[s.start : s.end].isalnum()]
    if not short or topic is None:
        return own if not (asked.kind == "what" and short) else _named(own, asked)
    if asked.kind == "colour" and not any(s.kind == "attribute" for s in own):
        return _without(own, "orange", answer) + _bare_colours(answer, topic)
    if asked.kind == "where" and not any(s.kind == "place" for s in own):
        return own + _bare_place(answer, begin, topic)
    if asked.relation and mentions and not any(s.denied for s in own):
        first = mentions[0]
        name, second = asked.relation
        if first.names == second.names:  # "What is in the cup?" "A cup."
            return own
        return [*own, Statement("relation", first.start, first.end, first, name, second)]
    return _named(own, asked) if asked.kind == "what" else own


def _without(own: list[Statement], word: str, answer: str) -> list[Statement]:
    return [s for s in own if answer[s.start : s.end].casefold() != word]


def _named(own: list[Statement], asked: Asked) -> list[Statement]:
    """Statements of existence become namings, where the question asks what something is."""
    return [replace(s, kind="naming", value=asked.wanted) if s.kind == "existence" and not s.denied else s for s in own]


def _bare_count(asked: Asked, answer: str, begin: int, topic: Mention) -> list[Statement]:
    found = list(_NUMBER.finditer(answer, begin))
    colours = asked.said[0].colours if asked.said else ()
    if len(found) == 1:
        m = found[0]
        word = m["digits"] or ""
        number = int(word) if word else english.NUMBERS[m["en"].casefold()] if m["en"] else NUMERALS_KO[m["ko"]]
        return [Statement("count", *m.span(), topic, str(number), colours=colours, partial=asked.partial)]
    if none := _NONE.match(answer):
        start = none.start() + len(none[0]) - len(none[0].lstrip())
        return [Statement("count", start, none.end(), topic, "0", colours=colours, partial=asked.partial)]
    return []


def _bare_colours(answer: str, topic: Mention) -> list[Statement]:
    pattern = "|".join(rf"\b{c}\b" if c.isascii() else c for c in sorted(COLOURS, key=len, reverse=True))
    denied = bool(re.search(r"\bnot\b|n['’]t\b|아니|않|없", answer, re.I))
    if denied:
        return []
    return [
        Statement("attribute", m.start(), m.end(), topic, COLOURS[m[0].casefold()])
        for m in re.finditer(pattern, answer, re.I)
    ]


def _bare_place(answer: str, begin: int, topic: Mention) -> list[Statement]:
    text = answer[begin:]
    start = begin + len(text) - len(text.lstrip())
    end = start + len(text.strip())
    if box := BOX.search(answer, begin):
        return [Statement("place", *box.span(), topic, box[0])]
    part = part_named(text)
    denied = bool(re.search(r"\bno\b|\bnot\b|n['’]t\b|아니|않|없", text, re.I))
    return [Statement("place", start, end, topic, part)] if part and not denied else []


def _reads(asked: Asked, answer: str) -> bool:
    return asked.kind == "read" or bool(quoted(answer))


def _text_claims(asked: Asked, answer: str, lines: Lines) -> list[Claim]:
    """Claims about what is written."""
    asked_for = quoted(asked.text)
    lead = _YES.match(answer) or _NO.match(answer)
    if asked.kind in ("yes or no", "read") and asked_for and lead:
        texts = [asked.text[a:b] for a, b in asked_for[:1]]
        at = lead.span("word")
        return [read_claim(answer, *at, lines, text=t, denied=lead.re is _NO) for t in texts]
    if asked.kind == "read" and not lead:
        return reading_claims(answer, lines, only=asked.everything)
    if (
        asked.kind == "yes or no"
        and lead
        and lead.re is _NO
        and re.search(r"\b(?:text|writing)\b|글자|글씨", asked.text)
    ):
        return no_text_claim(answer, *lead.span("word"), lines)
    out = [read_claim(answer, a, b, lines) for a, b in quoted(answer)]
    if asked.kind in ("what", "") and not out and not lead:
        out = lookup_claims(asked.text, answer, lines)
    none = NO_TEXT.search(answer)
    return out + (no_text_claim(answer, *none.span(), lines) if none else [])


def _doubtful(claim: Claim, asked: Asked, answer: str) -> bool:
    """Claims that rest on a guess of ours: a one-syllable name that the Scene does not have, inside a longer answer;
    "things" as a name; the words that were read, taken as names."""
    if claim.verdict != "not found" or claim.kind not in ("existence", "naming"):
        return claim.about == ANYTHING and claim.kind in ("existence", "naming")
    if asked.kind == "read":
        return True
    lone = len(claim.text) == 1 and not claim.text.isascii()
    named = asked.about is not None and claim.about in asked.about.names
    return claim.about == ANYTHING or (lone and not named and len(answer.split()) > 2)
