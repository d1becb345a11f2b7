"""English sentences: what they say of the things that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.evidence.names import ANYTHING, Mention
from nunbit.evidence.statements import BOX, COLOURS, WINDOW_CHARS, Statement, clauses, part_named

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
NUMBERS = {w: i for i, w in enumerate(_WORDS)}
NUMBER_WORDS = dict(enumerate(_WORDS))
_ADJECTIVES = frozenset(
    "big small large little tiny huge tall short long young old adult baby cute whole other different same single"
    " visible wooden plastic metal dark light bright striped spotted parked wild tame beautiful main nice"
    " more and".split()
)
_ARTICLES = frozenset("a an the any this that these those some its his her their my your".split())
_NEGATIONS = frozenset("no not without neither nor none never cannot".split())
_PASSED = (
    _ADJECTIVES
    | _ARTICLES
    | frozenset(
        "or nor see seen sign signs of visible be can could i you we is are there kind in it picture image"
        " photo".split()
    )
)
_NEW_SENTENCE = frozenset("there is are was has have i we it see shows stands sits".split())
_TOKEN = re.compile(r"[A-Za-z]+(?:['’]t\b)?|[0-9]+|[,;:]")
_CLAUSE = re.compile(
    r"(?<![.!?;\n])[.!?;\n]++(?=\s|$)|\n|,?\s(?:but|however|whereas|while|although)\s|,\s(?=not\s)", re.I
)
_BOUNDS = (
    (re.compile(r"\b(?:at least|more than|over|no fewer than|no less than)\s*$", re.I), ">="),
    (re.compile(r"\b(?:at most|up to|fewer than|less than|no more than)\s*$", re.I), "<="),
    (re.compile(r"\b(?:about|around|approximately|roughly|almost|nearly|some)\s*$", re.I), "~"),
)
_GONE = re.compile(
    r"\s*(?:is|are|was|were)?\s*(?:(?:n['’]t|not)\s+(?:visible|present|there|shown|seen|here|in\b)"
    r"|not\s+to\s+be\s+(?:seen|found)|(?:can\s?not|can['’]t"
    r"|could not)\s+be\s+(?:seen|found)|absent|missing)",
    re.I,
)
_GONE_SHORT = re.compile(r"\s*(?:isn|aren|wasn|weren)['’]t\s+(?:visible|present|there|shown|seen|here|in\b)", re.I)
_OTHERWISE = re.compile(
    r"\s+(?:is|are|was|were|has|have|can|do|does)\b(?!\s+(?:visible|present|there|shown|seen|here|in\b|be\s+seen))",
    re.I,
)
_SOME_OF = re.compile(
    r"\s+(?:that|who|which|with|without|named|called|on|at|under|near|behind|beside|next|left|right|[a-z]+ing)\b", re.I
)
_SOMEWHERE = re.compile(
    r"\b(?:on|at|in|to|near)\s+the\s+(?:top|bottom|left|right|middle|center|centre|background|foreground)\b", re.I
)
_IS_COLOUR = re.compile(
    r"(?:['’]s)?(?:\s+colou?r)?\s+(?:is|are|was|were|looks?|appears?|seems?)(?P<not>\s+not|n['’]t)?"
    r"(?:\s+(?:all|both|mostly|mainly|also|a|very|dark|light|bright|to be))*\s+(?P<colour>[a-z]+)"
    r"(?:\s+and\s+(?P<second>[a-z]+))?",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:in|at|on|near|to|towards?)\s+(?:the\s+)?(?P<part>(?:very\s+)?(?:top|upper|bottom|lower|left|right|center"
    r"|centre|middle)(?:[\s-]+(?:left|right|center|centre|middle))?)\b"
    r"(?!\s*(?:hand\s+)?(?:side\s+)?of\s+(?!(?:the\s+|this\s+|a\s+)?(?:picture|image|photo|scene|frame)))",
    re.I,
)
_SIDE = r"\s*(?:-?\s*hand)?(?:\s+side)?\s+of\b"
_RELATIONS = (
    ("left of", rf"\b(?:to|on|at)\s+(?:the|its)\s+left{_SIDE}|\bleft\s+of\b"),
    ("right of", rf"\b(?:to|on|at)\s+(?:the|its)\s+right{_SIDE}|\bright\s+of\b"),
    ("on", r"\bon\s+top\s+of\b|\bon\b(?=\s+(?:the|a|an|its|his|her)?\s*$)"),
    ("above", r"\bto\s+the\s+top\s+of\b|\babove\b|\bhigher\s+than\b|\bover\b"),
    ("below", r"\bto\s+the\s+bottom\s+of\b|\bbelow\b|\bunder(?:neath)?\b|\bbeneath\b|\blower\s+than\b"),
    ("inside", r"\binside\b|\bin\b(?=\s+(?:the|a|an)?\s*$)"),
    ("in front of", r"\bin\s+front\s+of\b"),
    ("behind", r"\bbehind\b"),
    ("beside", r"\b(?:next\s+to|beside|near|by|alongside|close\s+to)\b"),
    *((verb, rf"\b{verb}\b") for verb in ("holding", "wearing", "carrying", "eating", "riding", "driving", "kicking")),
)
_RELATION_PATTERNS = tuple((name, re.compile(pattern, re.I)) for name, pattern in _RELATIONS)
_NEXT_NOUN = re.compile(r"\s*(?:(?!no\b|not\b|and\b|or\b)[A-Za-z-]+\s+){0,4}", re.I)
_DENIES = re.compile(r"\bnot\b|n['’]t\b|\bnever\b", re.I)


def statements(text: str, mentions: Sequence[Mention]) -> list[Statement]:
    """What the English parts of a text say of the things that it names."""
    mentions = [m for i, m in enumerate(mentions) if not _is_colour(text, m, mentions[i + 1 : i + 2])]
    out: list[Statement] = []
    for i, (m, clause) in enumerate(zip(mentions, clauses(text, mentions, _CLAUSE), strict=True)):
        before = mentions[i - 1] if i and mentions[i - 1].start >= clause[0] else None
        after = mentions[i + 1] if i + 1 < len(mentions) and mentions[i + 1].end <= clause[1] else None
        if text[m.start].isascii():
            out += _about(text, m, clause, before, after)
    return out


def _is_colour(text: str, m: Mention, following: Sequence[Mention]) -> bool:
    """Whether "orange" is a colour here: before another name, or after a verb."""
    if text[m.start : m.end].casefold() != "orange":
        return False
    before = text[max(0, m.start - 12) : m.start]
    return any(n.start - m.end == 1 for n in following) or bool(re.search(r"\b(?:is|are|was|and|looks)\s+$", before))


def _about(
    text: str, m: Mention, clause: tuple[int, int], before: Mention | None, after: Mention | None
) -> list[Statement]:
    left = max(clause[0], m.start - WINDOW_CHARS)
    start, number, bound, colours = _noun_phrase(text, left, m)
    rest = text[m.end : min(clause[1], m.end + WINDOW_CHARS)]
    own = rest if after is None else rest[: max(0, after.start - m.end)]
    denial = _denial(text, left, start, own)
    if denial == "unclear":
        return []
    denied = denial != ""
    if denial == "existence" and _OTHERWISE.match(rest):
        return []  # "no car is blue" denies the colour
    some = denied and bool(_SOME_OF.match(rest) or _SOMEWHERE.search(text, clause[0], start))
    out = [Statement("existence", start, m.end, m, colours=colours, denied=denied, partial=some)]
    if denial == "naming":
        out = [Statement("naming", start, m.end, m, colours=colours, denied=True)]
    elif number is not None:
        out = [Statement("count", start, m.end, m, str(number), colours=colours, denied=denied, bound=bound)]
    elif colours and not denied:
        out = [Statement("attribute", start, m.end, m, c, colours=colours) for c in colours]
    if m.names == (ANYTHING,) and number is None:
        out = []
    if not denied:
        out += [*_colour(m, own, after), *_place(m, own), *_relation(text, m, own, after)]
    return out


def _noun_phrase(text: str, left: int, m: Mention) -> tuple[int, int | None, str, tuple[str, ...]]:
    """Where the words that belong to a name begin, the number and its bound, the colours."""
    tokens = list(_TOKEN.finditer(text, left, m.start))
    start, colours, number, bound = m.start, list[str](), None, "="
    for token in reversed(tokens):
        word = token[0].casefold()
        if word in COLOURS and number is None:
            colours.append(COLOURS[word])
        elif number is None and (word.isdigit() or word in NUMBERS):
            number = int(word[:6]) if word.isdigit() else NUMBERS[word]
            start = token.start()
            bound = next((b for p, b in _BOUNDS if p.search(text, max(left, start - 20), start)), "=")
            break
        elif word in _ARTICLES:
            start = token.start()
            break
        elif word not in _ADJECTIVES or (word == "and" and not colours):
            break
        start = token.start() if word != "and" else start
    if number == 1 and re.search(r"\b(?:another|other)\b", text[m.end : m.end + WINDOW_CHARS], re.I):
        number = None  # "one dog ..., another dog"
    return start, number, bound, tuple(dict.fromkeys(reversed(colours)))


def _denial(text: str, left: int, start: int, rest: str) -> str:
    """ "existence" or "naming" if the name is denied, "unclear" if the sentence is negated in another way, else ""."""
    if _GONE.match(rest) or _GONE_SHORT.match(rest):
        return "existence"
    tokens = [t[0].casefold() for t in _TOKEN.finditer(text, left, start)]
    if tokens[-1:] == ["and"] and text[start : start + 2].casefold() in ("a ", "an", "th"):
        return ""  # "no dogs and a cat"
    passed = True
    for i in range(len(tokens) - 1, -1, -1):
        word = tokens[i]
        if word in (",", "and", ";", ":") and _NEW_SENTENCE & {*tokens[i:]}:
            return ""
        negation = word in _NEGATIONS or word.endswith(("n't", "n’t"))
        if negation and i + 1 < len(tokens) and tokens[i + 1] in ("only", ",", "more", "fewer", "less", "doubt"):
            return ""
        if negation and passed:
            naming = word == "not" and not {"there", "see", "any", "do", "does", "can"} & {*tokens}
            return "naming" if naming or (word in ("isn't", "isn’t") and "there" not in tokens) else "existence"
        if negation:
            return "unclear"
        passed = passed and (word in _PASSED or word in COLOURS or word == "," or _is_listed(tokens, i))
    return ""


def _is_listed(tokens: list[str], i: int) -> bool:
    """Whether a word is a name in a list: "no dogs or cats" denies both."""
    return i + 1 < len(tokens) and tokens[i + 1] in ("or", "nor", ",")


def _colour(m: Mention, rest: str, after: Mention | None) -> list[Statement]:
    found = _IS_COLOUR.match(rest)
    if not found:
        return []
    out = []
    for key in ("colour", "second"):
        word = (found[key] or "").casefold()
        end = m.end + found.end(key) if found[key] else 0
        adjective = after is not None and end and after.start - end <= 2  # "the car is a red truck"
        if word in COLOURS and not adjective:
            out.append(Statement("attribute", m.start, end, m, COLOURS[word], denied=bool(found["not"])))
    return out


def _place(m: Mention, rest: str) -> list[Statement]:
    box = BOX.search(rest)
    if box:
        return [Statement("place", m.start, m.end + box.end(), m, box[0])]
    found = _PLACE.search(rest)
    if not found:
        return []
    denied = bool(_DENIES.search(rest[: found.start()]))
    return [Statement("place", m.start, m.end + found.end("part"), m, part_named(found["part"]), denied=denied)]


def _relation(text: str, m: Mention, between: str, after: Mention | None) -> list[Statement]:
    if after is None or len(between) > WINDOW_CHARS - 2:
        return []
    hits = ((name, pattern.search(between)) for name, pattern in _RELATION_PATTERNS)
    found = next(((name, hit) for name, hit in hits if hit), None)
    # Between the predicate and its object stand articles and adjectives, nothing that begins another thought.
    if found is None or not _NEXT_NOUN.fullmatch(between, found[1].end()):
        return []
    name, denied = found[0], bool(_DENIES.search(between))
    return [Statement("relation", m.start, after.end, m, name, after, denied=denied)]


def relation_in(words: str) -> str:
    """The predicate that stands in some words, "" if none does."""
    return next((name for name, pattern in _RELATION_PATTERNS if pattern.search(words)), "")
