"""What a question asks for, as far as its words say it; so that "yes", "3" and "red" get their meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nunbit.evidence import english, hangul
from nunbit.evidence.names import ANYTHING, Lexicon, Mention
from nunbit.evidence.statements import COLOURS, Statement, without_doubles

COUNT = re.compile(
    r"\bhow many\b|\bnumber of\b|^\s*count\b|몇\s*(?:개|마리|명|대|권|장|송이|그루)|몇이나|수를 세"
    r"|모두 세|전부 세|세어",
    re.I,
)
COLOUR = re.compile(r"\bcolou?rs?\b|무슨 색|어떤 색|색깔|색은|색이 뭐", re.I)
READ = re.compile(
    r"\b(?:says?|reads?|written|text|title|heading|headline|word|words|writing)\b|쓰여|써 있|써있|읽어|적힌"
    r"|적혀|제목|글자",
    re.I,
)
READ_ALL = re.compile(
    r"^\s*(?:what does (?:it|this|the (?:sign|text|picture|image|label))\s+say|read (?:out )?(?:the|this) "
    r"(?:text|writing|sign)|what (?:is|text is) (?:written|in the picture)|which words can you read)"
    r"|^\s*(?:표지판에 |여기에 )?뭐라고|^\s*글자를 읽|무슨 글이",
    re.I,
)
WHERE = re.compile(
    r"^\s*where\b|\bwhich (?:part|side)\b|\bwhat part\b|\broughly\b|^\s*locate\b|^\s*find the\b|coordinates|box of",
    re.I,
)
WHERE_KO = re.compile(r"어디|어느 쪽|어느 부분|위치|좌표|상자를")
WHAT = re.compile(r"^\s*(?:what|which|who|name|identify)\b|무엇|무슨|뭐|어떤|누구|이름", re.I)
YES_NO = re.compile(
    r"^\s*(?:is|are|was|were|do|does|did|can|could|has|have|isn['’]t|aren['’]t|any)\b"
    r"|(?:나요|습니까|ㅂ니까|입니까|인가요|어요|아요|까요|죠|지요|있어|보여|있니|보이니|있을까)\s*\?*\s*$",
    re.I,
)
_QUESTION_WORDS = re.compile(
    r"무엇|뭐|무슨|어떤|어디|어느|몇|누구|언제|왜|얼마|어떻게|\b(?:what|which|who|where|when|why|how)\b", re.I
)
WANTED = {
    **{k: k for k in ("animal", "vehicle", "food", "instrument", "plant", "clothing", "shape")},
    "fruit": "food", "동물": "animal", "탈것": "vehicle", "음식": "food", "악기": "instrument",
    "식물": "plant", "도형": "shape",
}  # fmt: skip
_FREE = re.compile(
    r"(?>\s|[?.!,]|\b(?:how|many|count|number|what|is|are|the|of|there|do|does|can|could|you|i|we|see|be|seen|found"
    r"|visible|present|shown|here|in|on|this|that|these|picture|image|photo|photograph|drawing|scene|all|total|have|has"
    r"|show|shows|contain|depict|anywhere|at|a|an|one|or|and|got|we|does|appear|altogether|it|exactly|tell|me|any"
    r"|please)\b"
    r"|\b(?:first|second|third)\b|(?:첫|두|세)\s*번째"
    r"|(?:이|그|저)?\s*(?:그림|사진|이미지|화면|여기)(?:에는|에서|에|속에)?"
    r"|몇\s*(?:개|마리|명|대|권|장|송이|그루)?(?:이나|나)?|모두|전부|총|수를|수는|세어|주세요"
    r"|줘|말해|있나요|있습니까|있어요|있어|있니|있는지|보이나요|보여요|보이는|보입니까|인가요|이에요|예요|입니까|나오나요|지|알려)*+",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question.

    Attributes:
        kind: ``count``, ``colour``, ``read``, ``where``, ``yes or no``, ``what``, or "" for any other.
        about: the first thing that it names.
        said: what a "yes" would say.
        relation: the predicate and the second thing, where the first is asked for ("what is left of the dog?").
        wanted: the kind of thing that is asked for ("animal"), if one is.
        partial: only some of the things are asked for: "dogs on the left", "a bar named Max".
        everything: all that is written is asked for.
    """

    text: str
    kind: str
    about: Mention | None = None
    said: tuple[Statement, ...] = ()
    relation: tuple[str, Mention] | None = None
    wanted: str = ""
    partial: bool = False
    everything: bool = False


def parse_question(text: str, lexicon: Lexicon) -> Asked:
    """What a question asks for."""
    mentions = lexicon.mentions(text)
    kind = _kind(text)
    about = mentions[0] if mentions else None
    if kind == "count":
        things = [m for m in mentions if m.names != (ANYTHING,)]
        about = things[0] if things else Mention(0, 0, 0, (ANYTHING,))
        return Asked(text, kind, about, tuple(_colours_of(text, about)), partial=not _free(text, [about]))
    if kind == "yes or no":
        return Asked(text, kind, about, tuple(_said(text, mentions)), partial=not _free(text, mentions))
    relation = _dangling(text, about) if kind == "what" and len(mentions) == 1 else None
    wanted = next((w for word, w in WANTED.items() if re.search(rf"\b{word}\b|^{word}|\s{word}", text.casefold())), "")
    return Asked(text, kind, about, (), relation, wanted, everything=bool(READ_ALL.search(text)))


def _kind(text: str) -> str:
    ask_yes = YES_NO.search(text) and not _QUESTION_WORDS.search(text)
    if COUNT.search(text):
        return "count"
    if ask_yes:
        return "yes or no"
    if READ.search(text):
        return "read"
    if COLOUR.search(text):
        return "colour"
    if WHERE.search(text) or WHERE_KO.search(text):
        return "where"
    return "what" if WHAT.search(text) else ""


def _colours_of(text: str, about: Mention) -> list[Statement]:
    """The statement that carries the colours of a counted thing."""
    if about.end == 0:
        return []
    found = english.statements(text, [about]) + hangul.statements(text, [about])
    return [s for s in found if s.kind in ("existence", "count")][:1]


def _free(text: str, mentions: Sequence[Mention]) -> bool:
    """Whether a question for things, or for their number, has no further condition than their colours."""
    rest = text
    for m in reversed([m for m in mentions if m.end]):
        rest = rest[: m.start] + " " + rest[m.after :]
    rest = re.sub("|".join(sorted(map(re.escape, COLOURS), key=len, reverse=True)), " ", rest, flags=re.I)
    rest = re.sub(r"\b(?:things|objects|items)\b|(?:물건|물체|사물)(?:은|이|는|가|을|를|의)?", " ", rest, flags=re.I)
    return _FREE.fullmatch(rest) is not None


def _said(text: str, mentions: Sequence[Mention]) -> list[Statement]:
    """What a "yes" would say: a relation, a place or a colour if there is one, else that the things are there."""
    found = without_doubles(english.statements(text, mentions) + hangul.statements(text, mentions))
    asked_colour = [s for m in mentions if (s := _colour_after(text, m))]
    for special in (
        [s for s in found if s.kind == "relation"],
        [s for s in found if s.kind == "place"],
        asked_colour or [s for s in found if s.kind == "attribute" and not s.colours],
        [s for s in found if s.kind == "count"],
    ):
        if special:
            return special[:1]
    return [replace(s, kind="existence", value="") for s in found if s.kind == "existence" or s.colours]


def _colour_after(text: str, m: Mention) -> Statement | None:
    """ "Is the car red?": the colour stands behind the name."""
    found = re.match(r"\s+(?:all\s+|really\s+|a\s+)?([a-z]+)\b(?!\s+or\b)(?!\s+[a-z])", text[m.end : m.end + 30], re.I)
    if found and found[1].casefold() in COLOURS:
        return Statement("attribute", m.start, m.end + found.end(1), m, COLOURS[found[1].casefold()])
    return None


def _dangling(text: str, m: Mention | None) -> tuple[str, Mention] | None:
    """``What is left of the dog?``: the predicate and the dog."""
    if m is None:
        return None
    side = hangul.side_after(text, m.after) if not text[m.start].isascii() else ""
    name = side or (english.relation_in(text[: m.start]) if text[m.start].isascii() else "")
    return (name, m) if name else None
