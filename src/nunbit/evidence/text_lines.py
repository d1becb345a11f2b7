"""Text that an answer reads, compared with the lines of the Scenes; recognition errors are allowed for.

Letters: n characters of one text, m of another.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from nunbit.evidence.claims import Claim, Evidence, Verdict
from nunbit.evidence.index import CONFIDENT
from nunbit.evidence.names import TAIL
from nunbit.evidence.statements import BOX

SAME_TEXT = 0.8
"""Similarity (one minus edit distance over the longer length, case, spaces and punctuation aside) from which two texts
are the same line. Their digits must be equal."""
LIKE_TEXT = 0.5
"""Similarity from which a line is the one that was meant: a confident one that differs is a contradiction."""
END_CHARS = 80
"""Where "... is written there" is looked for: at the end of an answer."""
COMPARED_CHARS, CANDIDATES, MOST_PIECES, MOST_LINES = 96, 3, 40, 12
_QUOTED = re.compile(
    r"\"([^\"\n]{1,400})\"|“([^”\n]{1,400})”|(?<!\w)'([^'\n]{1,400})'(?!\w)|‘([^’\n]{1,400})’|「([^」\n]{1,400})」"
)
_LEAD = re.compile(
    r"^\s*(?:(?:it|this|the\s+[\w ]{1,30}?)\s+(?:says?|reads?|is|shows?)\s*:?|(?:the\s+)?text\s*:"
    r"|(?:글자|제목|내용)[은는]\s*)\s*",
    re.I,
)
_END = re.compile(
    r"\s*(?:이?라고|라는\s*(?:글자|글|말)[이가]?)\s*(?:쓰여|써|적혀|되어|표시되어|적은|나와)?\s*(?:있습니다|있어요|있다|있음)?[.!]?\s*$|[.!]\s*$"
    r"|\s*(?:입니다|이에요|예요)[.!]?\s*$"
)
_SPLIT = re.compile(r"\n|\s[/|]\s|;\s|\s·\s")
_LIST = re.compile(r",\s|\sand\s")
NO_TEXT = re.compile(
    r"\bno\s+(?:visible\s+|readable\s+)?(?:text|writing|words|letters)\b|(?:n['’]t|not)\s+(?:\w+\s+){0,3}(?:any\s+)?"
    r"(?:text|writing|words)\b"
    r"|(?:글자|글씨|글|문자|텍스트)(?:가|이|는|은|도)?\s*(?:없|안 보|보이지 않)",
    re.I,
)


def plain(text: str) -> str:
    """A text as it is compared: NFKC, lower case, letters and digits only, points between digits kept."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"(?<!\d)[.:]|[.:](?!\d)|[^\w.:]|_", "", re.sub(r"(?<=\d),(?=\d)", "", folded))


def similarity(a: str, b: str) -> float:
    """One minus the edit distance of two plain texts over the longer length; at most `COMPARED_CHARS` of each count.
    Takes n times m steps."""
    a, b = a[:COMPARED_CHARS], b[:COMPARED_CHARS]
    if a == b:
        return 1.0
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return 1 - row[-1] / max(len(a), len(b), 1)


def digits(text: str) -> str:
    """The digits of a text."""
    return "".join(c for c in text if c.isdigit())


@dataclass(slots=True)
class Lines:
    """The lines of the Scenes, ready to be searched by plain text."""

    lines: list[Evidence]
    plain: list[str] = field(default_factory=list)
    joined: str = ""
    _starts: list[int] = field(default_factory=list)
    _pairs: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Index the lines by pairs of characters."""
        at = 0
        for i, line in enumerate(self.lines):
            text = plain(line.text)
            self.plain.append(text)
            self._starts.append(at)
            at += len(text)
            for pair in {text[k : k + 2] for k in range(max(1, len(text) - 1))}:
                self._pairs[pair].append(i)
        self.joined = "".join(self.plain)

    def holding(self, text: str) -> list[Evidence]:
        """The lines in which a plain text stands: a whole line, a part of one, or lines one after the other."""
        if text in self.plain:
            return [self.lines[self.plain.index(text)]]
        at = self.joined.find(text)
        if at < 0 or len(text) < 2:
            return []
        return [
            line
            for line, start, own in zip(self.lines, self._starts, self.plain, strict=True)
            if own and start < at + len(text) and start + len(own) > at
        ][:MOST_LINES]

    def most_similar(self, text: str) -> tuple[float, Evidence | None]:
        """The similarity of the most similar line, and the line."""
        votes = Counter(i for k in range(max(1, len(text) - 1)) for i in self._pairs.get(text[k : k + 2], ())[:200])
        close = [i for i, _ in votes.most_common(CANDIDATES)]
        if not close and len(self.lines) <= CANDIDATES:
            close = [*range(len(self.lines))]
        rated = [(similarity(text, self.plain[i]), i) for i in close]
        score, i = max(rated, default=(0.0, -1))
        return score, self.lines[i] if i >= 0 else None


def read_claim(
    answer: str, start: int, end: int, lines: Lines, *, text: str = "", denied: bool = False, only: bool = False
) -> Claim:
    """The claim that a text is written in the pictures.

    Args:
        start, end: where the answer says it.
        text: the text, where it is not what stands there.
        denied: the answer says that it is not written.
        only: the question asks for all that is written, so that a single line that reads otherwise contradicts.
    """
    value = text or answer[start:end]
    wanted = plain(value)
    found = lines.holding(wanted) if wanted else []
    verdict: Verdict = "supported" if found else "not found"
    said = ""
    if wanted and not found:
        score, line = lines.most_similar(wanted)
        same_digits = line is not None and digits(plain(line.text)) == digits(wanted)
        if line is not None and score >= SAME_TEXT and same_digits:
            found, verdict = [line], "supported"
        elif line is not None and line.score >= CONFIDENT and (score >= LIKE_TEXT or (only and len(lines.lines) == 1)):
            found, verdict, said = [line], "contradicted", line.text
    if denied:
        exact = bool(found) and verdict == "supported" and all(e.score >= CONFIDENT for e in found)
        verdict, said = ("contradicted", found[0].text) if exact else ("not found", "")
        found = found if exact else []
    weak = verdict == "supported" and all(e.score < CONFIDENT for e in found)
    return Claim("text", answer[start:end], (start, end), "", value, "", denied, verdict, weak, said, tuple(found))


def reading_claims(answer: str, lines: Lines, *, only: bool) -> list[Claim]:
    """The claims of an answer to a question for text: what stands in quotes, else the whole answer, line by line."""
    if BOX.search(answer):
        return []
    if none := NO_TEXT.search(answer):
        return no_text_claim(answer, *none.span(), lines)
    pieces = quoted(answer) or _pieces(answer)
    out: list[Claim] = []
    for start, end in pieces[:MOST_PIECES]:
        claim = read_claim(answer, start, end, lines, only=only and len(pieces) == 1)
        parts = _split(answer, start, end, _LIST) if claim.verdict != "supported" else []
        single = [read_claim(answer, a, b, lines) for a, b in parts[:MOST_PIECES]]
        out += single if any(c.verdict == "supported" for c in single) else [claim]
    return [c for c in out if plain(c.value)][:MOST_PIECES]


def no_text_claim(answer: str, start: int, end: int, lines: Lines) -> list[Claim]:
    """The claim that nothing is written, which an answer makes at a place."""
    sure = [line for line in lines.lines if line.score >= CONFIDENT and len(plain(line.text)) > 1][:MOST_LINES]
    first = sure[0].text if sure else ""
    verdict: Verdict = "contradicted" if sure else "not found"
    return [Claim("text", answer[start:end], (start, end), "", "", "", True, verdict, False, first, tuple(sure))]


def quoted(text: str) -> list[tuple[int, int]]:
    """Where quoted words stand, without the quotes."""
    return [m.span(m.lastindex or 0) for m in _QUOTED.finditer(text)]


def _pieces(answer: str) -> list[tuple[int, int]]:
    lead, end = _LEAD.match(answer), _END.search(answer, max(0, len(answer) - END_CHARS))
    start = lead.end() if lead else 0
    stop = end.start() if end and end.start() > start else len(answer)
    return _split(answer, start, stop, _SPLIT)


def _split(text: str, start: int, end: int, at: re.Pattern[str]) -> list[tuple[int, int]]:
    """The parts between the matches of a pattern, without spaces around them."""
    cuts = [start, *(v for m in at.finditer(text, start, end) for v in m.span()), end]
    parts = [(a + len(text[a:b]) - len(text[a:b].lstrip()), b) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
    return [(a, a + len(text[a:b].rstrip())) for a, b in parts if text[a:b].strip()]


def named_lines(answer: str, lines: Lines, taken: Sequence[tuple[int, int]]) -> list[Claim]:
    """Claims for the lines that stand in an answer word for word, the longest first; ``taken`` spans are left out.

    A line of one character counts only as the whole answer.
    """
    low = answer.casefold()
    used = list(taken)
    out: list[Claim] = []
    for line in sorted(lines.lines, key=lambda e: -len(e.text)):
        words = " ".join(line.text.casefold().split())
        if len(plain(words)) < 2 and words != low.strip(" ."):
            continue
        at = low.find(words)
        end = at + len(words)
        if at < 0 or not _whole(low, at, end) or len(low) != len(answer):
            continue
        if all(end <= a or at >= b for a, b in used) and len(out) < MOST_PIECES:
            used.append((at, end))
            weak = line.score < CONFIDENT
            out.append(
                Claim("text", answer[at:end], (at, end), "", line.text, "", False, "supported", weak, "", (line,))
            )
    return out


def whole_words(text: str, words: str) -> bool:
    """Whether words stand in a text and are not a part of longer ones."""
    at = text.find(words)
    while words and at >= 0:
        if _whole(text, at, at + len(words)):
            return True
        at = text.find(words, at + 1)
    return False


def _whole(text: str, start: int, end: int) -> bool:
    """Whether words are not a part of longer ones; Korean particles may follow."""
    before = start == 0 or not text[start - 1].isalnum()
    return before and (end == len(text) or not text[end].isalnum() or bool(TAIL.match(text, end)))
