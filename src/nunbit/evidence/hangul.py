"""Korean sentences: what they say of the things that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.evidence.names import ANYTHING, COUNTERS, NUMERALS_KO, TAIL, Mention
from nunbit.evidence.statements import BOX, COLOURS, WINDOW_CHARS, Statement, clauses, part_named

_NUMERAL = "|".join(sorted(NUMERALS_KO, key=len, reverse=True))
_NUMBER = rf"(?P<n>[0-9]{{1,4}}|{_NUMERAL})"
_COLOUR = "|".join(sorted((c for c in COLOURS if not c.isascii()), key=len, reverse=True))
_ADVERBS = "모두|전부|총|다|각각|단|오직|딱|정확히|합쳐|합해서"
_COUNT_AFTER = re.compile(
    rf"(?:\s*(?:{_ADVERBS}))?(?:\s*(?P<about>약|대략|한 번에|최소|적어도|최대))?\s*{_NUMBER}\s*(?:{COUNTERS})"
    r"\s*(?P<bound>이상|이하|정도|쯤)?(?![가-힣]*째)"
)
_WHOLE_NUMBER_AFTER = re.compile(r"\s*(?P<n>하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉|열)(?![가-힣]{3})")
_COUNT_BEFORE = re.compile(
    rf"(?:(?P<about>약|대략|최소|적어도|최대)\s*)?{_NUMBER}\s*(?:{COUNTERS})(?:의)?\s*(?:(?:{_COLOUR})\s*)?$"
)
_COUNT_ADJECTIVE = re.compile(r"(?:^|\s)(?P<n>한|두|세|네|다섯|여섯|일곱|여덟|아홉|열)\s+$")
_COLOUR_BEFORE = re.compile(rf"(?P<colour>{_COLOUR})(?:\s*(?:큰|작은|예쁜|귀여운))?\s*$")
_IS_COLOUR = re.compile(
    rf"(?:\s*(?:색은|색이|색깔은|색깔이))?(?:\s*(?:모두|다|주로|거의|전체가))?\s*(?P<colour>{_COLOUR})"
    r"(?P<not>\s*이?\s*(?:가 )?아니|\s*이 아닙|\s*가 아닙|지\s*않)?(?!\s*[가-힣]*\s(?:있|보이))"
)
_JOINT = re.compile(rf"\s*(?:,|·|및|그리고|또는|혹은|이나|와|과)?\s*(?:{TAIL.pattern})?\s*")
_GONE = re.compile(
    r"\s*(?:(?:모두|다|전혀|하나도|한 마리도|한 개도|한 명도|아무데도|어디에도|그림에"
    r"|그림에는|사진에|사진에는|이미지에|이미지에는|여기에|여기에는|이 사진에|이 사진에는|화면에)\s*){0,3}"
    r"(?:없|안\s?보|보이지\s?(?:는\s?)?않|존재하지\s?않|있지\s?않|나오지\s?않|찾을 수 없|확인되지\s?않)"
)
_WHOLE_PICTURE = re.compile(
    r"(?>\s|[,.]|(?:이|그)(?=\s)|(?:그림|사진|이미지|화면|여기)(?:에는|에서는|에서|에)?|그리고|하지만|네|아니요|또|또한|또는|나|도)*+"
)
"""What may stand before a name without saying where or which of the things is meant."""
_INSTEAD = re.compile(r"\s*(?:아니라|아니고|말고|아닙니다|아니에요|아니다|아닌|아니며)")
_CLAUSE = re.compile(
    r"(?<![.!?;\n])[.!?;\n]++(?=\s|$)|\n|(?<=지만)[,\s]|(?<=[있하]고)[,\s]|(?<=으며)[,\s]|(?<=는데)[,\s]|(?<=니라)[,\s]"
)
_SIDE = {
    "left of": "왼쪽|왼편",
    "right of": "오른쪽|오른편",
    "above": "위쪽|위",
    "below": "아래쪽|아래|밑",
    "beside": "옆|곁",
    "inside": "안쪽|안|속",
    "in front of": "앞",
    "behind": "뒤쪽|뒤",
}
_SIDE_PATTERNS = tuple(
    (name, re.compile(rf"\s*(?:{words})(?:쪽)?(?:에|으로|에는)?(?![가-힣])")) for name, words in _SIDE.items()
)
_PLACE = re.compile(
    r"(?:그림|사진|이미지|화면)?(?:의|에서)?\s*(?P<part>(?:왼쪽|오른쪽|왼편|오른편|가운데|중앙|한가운데|위쪽|아래쪽|위|아래|상단|하단)"
    r"(?:\s+(?:위쪽|아래쪽|위|아래|상단|하단|왼쪽|오른쪽|가운데))?)\s*(?:에|쪽에|입니다|이에요|예요|부분에|$)"
)
_DENIES = re.compile(r"없|않|아니|아닙|안\s?보")
_ENDS_TOPIC = re.compile(r"(?:은|는|이|가)$")


def statements(text: str, mentions: Sequence[Mention]) -> list[Statement]:
    """What the Korean parts of a text say of the things that it names."""
    out: list[Statement] = []
    for i, (m, clause) in enumerate(zip(mentions, clauses(text, mentions, _CLAUSE), strict=True)):
        if text[m.start].isascii() and m.after == m.end:
            continue
        inside = [n for n in mentions[i + 1 : i + 9] if n.start < clause[1]]
        before = mentions[i - 1] if i and mentions[i - 1].start >= clause[0] else None
        out += _about(text, m, clause, before, inside)
    return out


def _about(
    text: str, m: Mention, clause: tuple[int, int], before: Mention | None, later: list[Mention]
) -> list[Statement]:
    left = max(clause[0], m.start - WINDOW_CHARS, before.after if before else 0)
    head, rest = text[left : m.start], text[m.after : min(clause[1], m.after + WINDOW_CHARS)]
    own = rest if not later else rest[: max(0, later[0].start - m.after)]
    colour = _COLOUR_BEFORE.search(head)
    colours = (COLOURS[colour["colour"]],) if colour else ()
    start = left + colour.start("colour") if colour else m.start
    if _INSTEAD.match(own):
        return [Statement("naming", start, m.end, m, colours=colours, denied=True)]
    denied = _denied(text, m, later, clause[1])
    counted = _count(text, m, own, text[left:start])
    some = denied and not _WHOLE_PICTURE.fullmatch(text[left:start])
    out = [Statement("existence", start, m.end, m, colours=colours, denied=denied, partial=some)]
    if counted is not None:
        begin, end, number, bound = counted
        out = [Statement("count", min(begin, start), end, m, number, colours=colours, denied=denied, bound=bound)]
    elif colours and not denied:
        out = [Statement("attribute", start, m.end, m, c, colours=colours) for c in colours]
    if m.names == (ANYTHING,) and counted is None:
        out = []
    if not denied:
        out += [*_colour(m, own), *_place(text, m, own), *_relations(text, m, rest, later)]
    return out


def _count(text: str, m: Mention, own: str, head: str) -> tuple[int, int, str, str] | None:
    """Where the number begins and ends, the number and its bound."""
    after = _COUNT_AFTER.match(own) or _WHOLE_NUMBER_AFTER.match(own)
    if after:
        return m.start, m.after + len(after[0].rstrip()), number_of(after["n"]), _bound(after)
    before = _COUNT_BEFORE.search(head) or _COUNT_ADJECTIVE.search(head)
    if before:
        return m.start - len(head) + before.start("n"), m.end, number_of(before["n"]), _bound(before)
    return None


def _bound(found: re.Match[str]) -> str:
    groups = found.groupdict()
    words = {groups.get("about"), groups.get("bound")}
    if words & {"최소", "적어도", "이상"}:
        return ">="
    return "<=" if words & {"최대", "이하"} else "~" if words & {"약", "대략", "정도", "쯤"} else "="


def number_of(word: str) -> str:
    """Digits or a Korean numeral as digits."""
    return str(int(word)) if word.isdigit() else str(NUMERALS_KO[word])


def _denied(text: str, m: Mention, later: list[Mention], end: int) -> bool:
    """Whether the predicate after a name, or after the list that it begins, says that it is not there."""
    at = m.after
    for other in [*later, None]:
        stop = min(end, at + WINDOW_CHARS)
        if _GONE.match(text, at, stop):
            return True
        if other is None or other.start - at > WINDOW_CHARS // 4 or not _JOINT.fullmatch(text, at, other.start):
            return False
        at = other.after
    return False


def _colour(m: Mention, own: str) -> list[Statement]:
    found = _IS_COLOUR.match(own)
    if not found or own[found.end() :].strip() == "" and own.endswith(" "):
        return []  # the colour belongs to the next name
    value = COLOURS[found["colour"]]
    return [Statement("attribute", m.start, m.after + found.end("colour"), m, value, denied=bool(found["not"]))]


def _place(text: str, m: Mention, own: str) -> list[Statement]:
    box = BOX.search(own)
    if box:
        return [Statement("place", m.start, m.after + box.end(), m, box[0])]
    found = _PLACE.match(own.lstrip())
    if not found or text[m.end : m.after].endswith(("의", "보다")):
        return []
    end = m.after + len(own) - len(own.lstrip()) + found.end("part")
    denied = bool(_DENIES.search(own))
    return [Statement("place", m.start, end, m, part_named(found["part"]), denied=denied)]


def _relations(text: str, m: Mention, rest: str, later: list[Mention]) -> list[Statement]:
    """``A는 B의 왼쪽에``, ``B의 왼쪽에 A가``: the side that stands after the second or the first name."""
    if not later or later[0].start - m.after > WINDOW_CHARS // 4:
        return []
    other = later[0]
    first = side_after(text, m.after)
    if first and re.search(r"(?:의|보다)$|^$", text[m.end : m.after]):
        begin = other
        gap = text[m.after : other.start]
        if len(gap) <= 12:
            denied = bool(_DENIES.search(text[other.after : other.after + 12]))
            return [Statement("relation", m.start, other.end, begin, first, m, denied=denied)]
    second = side_after(text, other.after)
    if second and _ENDS_TOPIC.search(text[m.end : m.after]) and not text[m.after : other.start].strip():
        denied = bool(_DENIES.search(text[other.after : other.after + 16]))
        return [Statement("relation", m.start, other.after, m, second, other, denied=denied)]
    return []


def side_after(text: str, at: int) -> str:
    """The relation that the words at a place name, "" if they name none."""
    return next((name for name, pattern in _SIDE_PATTERNS if pattern.match(text, at)), "")
