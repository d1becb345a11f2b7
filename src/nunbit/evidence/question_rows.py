"""What of a Scene's writing a question names: rows, cells under a head, and extremes.

    How many points do the Wolves have?      Wolves | Points: 18
    Which item is the most expensive?        Price: most expensive Olive oil ($6.50)

By words alone: names count as they are written, with a plural ending or a particle, or by their meaning in the
question's language (`nunbit.world.glosses`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from nunbit.evidence.names import WORD, Lexicon
from nunbit.evidence.question_patterns import (
    BOX,
    ENDS,
    INK,
    LEAST,
    LINE,
    MANY_LINES,
    MOST,
    SMALL_WORDS,
    SORTS,
    SPAN,
    TITLE,
    VALUES,
    WEEKEND,
    WEEKEND_ROW,
    WORKDAY_ROW,
    WORKDAYS,
)
from nunbit.evidence.questions import COLOUR, COUNT, READ_ALL, WHERE, WHERE_KO
from nunbit.evidence.text_lines import quoted
from nunbit.scene import Scene, TextLine
from nunbit.scene_layout import MARKS, Layout
from nunbit.scene_phrases import Names, clean, facts_of
from nunbit.scene_rows import RowWriter
from nunbit.scene_tables import Table, extremes
from nunbit.world.names import korean_thing
from nunbit.world.tsv import rows as tsv_rows

ROWS_NAMED_MAX, RANKED_MAX, CELLS_MAX = 4, 3, 400
"""Rows and extremes that are written for one question, and cells that are looked at."""
KEY_CHARS_MAX, READ_CHARS_MAX, QUOTES_MAX, PLACES_MAX, NAMED_MAX = 60, 200, 2, 3, 300


@dataclass(frozen=True, slots=True)
class _Named:
    """A cell that a question names, and where in the question (its words ``start`` to ``end``)."""

    row: int
    cell: int
    start: int
    end: int


class QuestionRows:
    """The writing of one Scene, asked about.

    Args:
        names: how things are called, and what writing means, in ``language``, the question's.
    """

    def __init__(self, scene: Scene, layout: Layout, language: str, names: Names) -> None:
        self.names = names
        self.rows = [*layout.rows, *_chart_rows(layout)]
        self.writer = RowWriter(scene, self.rows, language, names, boxed=False)
        self.tables: list[Table] = self.writer.tables
        self._counts = False

    def lines(self, question: str) -> list[str]:
        """The rows and extremes that a question names, as few lines."""
        if not self.rows:
            return []
        asked = question.casefold()
        self.writer.boxed = bool(WHERE.search(asked) or WHERE_KO.search(asked) or BOX.search(asked))
        self._counts = bool(COUNT.search(asked))  # "2 x Latte": the number of pieces is asked for
        heads = self._heads(asked)
        named = self._named(asked, heads)
        chosen = list(dict.fromkeys(n.row for n in named))[:ROWS_NAMED_MAX]
        out = [self._row(i, [n.cell for n in named if n.row == i], heads) for i in chosen]
        out += [line for i in chosen if (line := self._end_of_span(i, asked))]
        out += [self._row(i, (), set()) for i in self._by_sort(asked) if i not in chosen]
        return out + self._ranked(asked) + self._of_all(asked)

    def _of_all(self, asked: str) -> list[str]:
        """The writing as a whole: all of it, how many lines, its colour, quoted words that it lacks."""
        out = []
        texts = [" ".join(" ".join(c.text.split()) for c in row) for row in self.rows]
        everything = " ".join(texts).casefold()
        for a, b in quoted(asked)[:QUOTES_MAX]:
            if asked[a:b].strip() not in everything:
                out.append(self.writer.absent(f'"{clean(asked[a:b])}"'))
        if READ_ALL.search(asked) and len(whole := " / ".join(texts)) <= READ_CHARS_MAX:
            out.append(whole)
        if MANY_LINES.search(asked):
            out.append(f"{len(self.rows)} {self.writer.words['text']}")
        if COLOUR.search(asked) and INK.search(asked) and (ink := str(facts_of(self.writer.scene).get("ink") or "")):
            out.append(self.names.word(ink))
        return out

    def _by_sort(self, asked: str) -> list[int]:
        """Rows that a question asks for by their number, as the title, or by how a value looks."""
        out = [int(next(g for g in m.groups() if g)) - 1 for m in LINE.finditer(asked)]
        if TITLE.search(asked) and len(self.rows[0]) == 1:
            out.append(0)
        for question, value in VALUES:
            if question.search(asked):
                out += [i for i, j, cell in self._cells() if value.search(cell.text[:KEY_CHARS_MAX])][:2]
        return [i for i in dict.fromkeys(out) if 0 <= i < len(self.rows)]

    def _cells(self) -> Iterator[tuple[int, int, TextLine]]:
        left = CELLS_MAX
        for i, row in enumerate(self.rows):
            for j, cell in enumerate(row):
                left -= 1
                if left < 0:
                    return
                yield i, j, cell

    def _heads(self, asked: str) -> set[tuple[int, int]]:
        """The columns that a question names: (table, column), by their heads or by words that ask for such a column."""
        named = [
            ((t, column), self._asks_for(asked, head))
            for t, table in enumerate(self.tables)
            for column, head in enumerate(table.heads)
            if column and head
        ]
        best = max((strength for _, strength in named), default=0)
        return {place for place, strength in named if strength and strength == best}

    def _asks_for(self, asked: str, head: str) -> int:
        """Whether a question asks for what a column of this name holds: 2, 1 if only by a word that often means
        another column ("how many games did they lose"), 0 if not."""
        forms = {head.casefold(), self.names.gloss(head).casefold()} - {""}
        weak = [w for form in forms for w in asked_words().get(form, ()) if w.startswith("~")]
        words = [w for form in forms for w in asked_words().get(form, ()) if w not in weak]
        # A name may be meant weakly itself: "games".
        words += [form for form in forms if f"~{form}" not in weak]
        if any(_places(asked, w, shortest=1) for w in words):
            return 2
        return int(any(_places(asked, w.removeprefix("~"), shortest=1) for w in weak))

    def _named(self, asked: str, heads: set[tuple[int, int]]) -> list[_Named]:
        """Cells that the question names, none inside a longer one's words; those with a word of it, if there is no
        other."""
        head_rows = {t.first - 1 for t in self.tables}
        found = (
            _Named(i, j, *span)
            for i, j, cell in self._cells()
            if i not in head_rows
            for key in self._keys(cell.text)
            for span in _places(asked, key)
            if not key.isdigit() or len(key) > 1 or self._under_named_head(i, j, heads)
        )
        first = list(islice(found, NAMED_MAX))
        longest = [
            n
            for n in first
            if not any(o.start <= n.start and n.end <= o.end and o.end - o.start > n.end - n.start for o in first)
        ]
        # A value that many rows share ("on time") names none of them.
        spans = {
            (n.start, n.end): len({o.row for o in longest if (o.start, o.end) == (n.start, n.end)}) for n in longest
        }
        kept = [n for n in longest if spans[n.start, n.end] <= ROWS_NAMED_MAX]
        return kept or self._days(asked) or ([] if _sides(asked) else self._by_words(asked, head_rows))

    def _under_named_head(self, row: int, cell: int, heads: set[tuple[int, int]]) -> bool:
        table = next((i for i, t in enumerate(self.tables) if t.first <= row <= t.last), None)
        return table is not None and (table, self.tables[table].places[row][cell]) in heads

    def _keys(self, text: str) -> set[str]:
        """By what a cell may be named."""
        plain = PIECES.sub("", " ".join(text.split()).strip(" :.,·*-"))
        if not plain or len(plain) > KEY_CHARS_MAX:
            return set()
        label = plain.partition(": ")[0]  # of a line "Saturday: 10:00 - 16:00"
        forms = (plain, self.names.gloss(text), label, self.names.gloss(label))
        return {k.casefold() for k in forms if k}

    def _days(self, asked: str) -> list[_Named]:
        """Rows of opening hours whose days hold the one that is asked for."""
        pairs = ((WORKDAYS, WORKDAY_ROW), (WEEKEND, WEEKEND_ROW))
        return [
            _Named(i, 0, 0, 0)
            for day, row in pairs
            if day.search(asked)
            for i, cells in enumerate(self.rows)
            if cells and len(cells[0].text) < KEY_CHARS_MAX and row.match(cells[0].text.strip())
        ]

    def _by_words(self, asked: str, head_rows: set[int]) -> list[_Named]:
        """Cells that share a word with the question which no other row has."""
        words = {m[0] for m in WORD.finditer(asked)} - SMALL_WORDS
        words |= {w.casefold() for m in _lexicon().mentions(asked) for n in m.names for w in (n, korean_thing(n))}
        words = {w for w in words if len(w) > (3 if w.isascii() else 0)}
        rows_of: dict[str, set[tuple[int, int]]] = {}
        for i, j, cell in self._cells():
            if i in head_rows or len(cell.text) > KEY_CHARS_MAX:
                continue
            text = f"{cell.text} {self.names.gloss(cell.text)}".casefold()
            for w in words:
                stem = w.removesuffix("s") if w.isascii() else w
                if any(m[0].removesuffix("s") == stem or (not w.isascii() and w.startswith(m[0]) and len(m[0]) > 1)
                       for m in WORD.finditer(text)):  # fmt: skip
                    rows_of.setdefault(w, set()).add((i, j))
        few = [place for places in rows_of.values() if len({i for i, _ in places}) <= 2 for place in places]
        return [_Named(i, j, 0, 0) for i, j in sorted(set(few))]

    def _row(self, i: int, named: Sequence[int], heads: set[tuple[int, int]]) -> str:
        """A row, of a table only the cells that were asked for where the question says which."""
        at = next((k for k, t in enumerate(self.tables) if t.first <= i <= t.last), None)
        row = self.rows[i]
        if at is None:
            first = replace(row[0], text=PIECES.sub("", row[0].text)) if not self._counts else row[0]
            return " | ".join(self.writer.cell(c, "") for c in (first, *row[1:]))
        table = self.tables[at]
        wanted = {j for j in range(len(row)) if (at, table.places[i][j]) in heads}
        shown = sorted({0, *named, *wanted}) if wanted - {*named} else range(len(row))
        return " | ".join(self.writer.cell(row[j], self.writer.head(table, i, j)) for j in shown)

    def _end_of_span(self, i: int, asked: str) -> str:
        """``Friday | closes: 18:00`` of a row "Friday: 9:00 - 18:00", where a question asks for one end."""
        ends = [word for word, pattern in ENDS.items() if pattern.search(asked)]
        spans = [m for cell in self.rows[i] if (m := SPAN.search(cell.text[:KEY_CHARS_MAX]))]
        if len(ends) != 1 or len(spans) != 1:
            return ""
        name = clean(self.rows[i][0].text.partition(": ")[0])
        return f"{name} | {self.writer.words[ends[0]]}: {spans[0][1 if ends[0] == 'opens' else 2]}"

    def _ranked(self, asked: str) -> list[str]:
        """The extremes that a superlative asks for."""
        sides = _sides(asked)
        if not sides:
            return []
        found = extremes(self.rows, self.tables)
        named = [e for e in found if e.column and self._asks_for(asked, e.column)]
        sort = next((s for s, pattern in SORTS.items() if pattern.search(asked)), "")
        fitting = [e for e in found if e.sort == sort]
        return [self.writer.ranked(e, sides) for e in (named or fitting or found)[:RANKED_MAX]]


def _sides(asked: str) -> tuple[str, ...]:
    """Which extreme a question asks for: "most", "least", or neither."""
    plain = asked.replace("least expensive", "cheapest").replace("most expensive", "dearest")
    most, least = bool(MOST.search(plain)), bool(LEAST.search(plain))
    return tuple(side for side, held in (("most", most), ("least", least)) if held)


def _places(asked: str, key: str, shortest: int = 2) -> list[tuple[int, int]]:
    """Where a question names ``key``: Latin words whole, also in the plural; Hangul from the beginning of a word."""
    if len(key) < shortest and not key.isdigit():
        return []
    if re.search("[가-힣]", key):
        pattern = rf"(?<![가-힣]){re.escape(key)}"
    elif key[-1].isalpha():
        stem = key.removesuffix("s") if len(key) > 4 else key
        pattern = rf"(?<![a-z0-9]){re.escape(stem)}(?:e?s|'s)?(?![a-z0-9])"
    else:
        pattern = rf"(?<![\w.,:]){re.escape(key)}(?![0-9]|[.,:][0-9])"
    return [m.span() for m in islice(re.finditer(pattern, asked), PLACES_MAX)]


PIECES = re.compile(r"^\d{1,3}\s?[x×]\s+")


def _chart_rows(layout: Layout) -> list[list[TextLine]]:
    """Marks of a chart as rows: what each is called, and its figure."""
    return [
        [TextLine.from_box(text, one.thing.box) for text in (one.labels[0], one.value.removeprefix("about ")) if text]
        for one in layout.things
        if one.thing.name in MARKS and one.labels
    ]


@lru_cache(maxsize=1)
def _lexicon() -> Lexicon:
    return Lexicon()


@lru_cache(maxsize=1)
def asked_words() -> dict[str, tuple[str, ...]]:
    """The name of a column -> words with which questions ask for what it holds, of both languages."""
    out: dict[str, tuple[str, ...]] = {}
    for r in tsv_rows("column_words"):
        words = tuple(w for key in ("asked_en", "asked_ko") for w in r[key].split(";") if w)
        for head in (*r["en"].split(";"), *r["ko"].split(";")):
            out[head.casefold()] = (*out.get(head.casefold(), ()), *words)
    return out
