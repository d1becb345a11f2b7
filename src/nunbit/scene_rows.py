"""The writing of a Scene in words: rows of cells, the cells of a table with the names of their columns, what the
writing means in the question's language, and which row holds the largest and the smallest figure.

    3 rows of text (black):
    1: Flight (편명) | To (목적지) | Gate (탑승구)
    2: KE 901 | 목적지: Paris (파리) | 탑승구: 31
    3: OZ 102 | 목적지: Tokyo (도쿄) | 탑승구: 7
    탑승구: 가장 큼 KE 901 (31), 가장 작음 OZ 102 (7)
"""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.scene import Scene, TextLine
from nunbit.scene_phrases import UNSURE, WORDS, Names, clean, facts_of, hundredths
from nunbit.scene_tables import Extremes, Table, extremes, tables

ROWS_MAX, BOXED_LINES_MAX = 24, 8
SORTS = {
    "number": {"most": "most", "least": "least"},
    "time": {"most": "latest", "least": "earliest"},
    "price": {"most": "dearest", "least": "cheapest"},
}
"""The words for the largest and the smallest figure by the sort of the figures."""


def written_rows(scene: Scene, rows: Sequence[Sequence[TextLine]], language: str, names: Names) -> list[str]:
    """Lines about the rows of writing; with boxes where there is little of it.

    Args:
        rows: of cells from left to right, from top to bottom.
        language: en or ko; names: what writing means in it.
    """
    return RowWriter(scene, rows, language, names).lines() if rows else []


class RowWriter:
    """Writes rows of cells about one Scene.

    Args:
        rows, language, names: as of `written_rows`.
        boxed: whether each cell has its box; where there is little writing, if None.
    """

    def __init__(
        self,
        scene: Scene,
        rows: Sequence[Sequence[TextLine]],
        language: str,
        names: Names,
        boxed: bool | None = None,
    ) -> None:
        self.scene, self.all, self.names, self.words = scene, rows, names, WORDS[language]
        self.boxed = sum(len(r) for r in rows) <= BOXED_LINES_MAX if boxed is None else boxed
        self.tables = tables(rows)

    def lines(self) -> list[str]:
        """All rows, as far as there is room, and the extremes of their figures."""
        ink = str(facts_of(self.scene).get("ink") or "")
        out = [f"{len(self.all)} {self.words['text']}{' (' + self.names.word(ink) + ')' if ink else ''}:"]
        out += [f"{i + 1}: {self.row(i)}" for i in range(min(len(self.all), ROWS_MAX))]
        if len(self.all) > ROWS_MAX:
            out.append(f"+{len(self.all) - ROWS_MAX} {self.words['more']}")
        return out + [self.ranked(e) for e in extremes(self.all, self.tables)]

    def row(self, i: int) -> str:
        """The cells of a row."""
        table = next((t for t in self.tables if t.first <= i <= t.last), None)
        return " | ".join(self.cell(line, self.head(table, i, j)) for j, line in enumerate(self.all[i]))

    def head(self, table: Table | None, row: int, cell: int) -> str:
        """The name of a cell's column, in the question's language where it is known."""
        head = table.head(row, cell) if table else ""
        return self.names.gloss(head) or clean(head)

    def cell(self, line: TextLine, head: str) -> str:
        """One cell, or line: what is written, and what that means."""
        maybe = f"({self.words['maybe']}) " if line.score < UNSURE else ""
        meaning = self.names.gloss(line.text)
        words = [f"{head}:" if head else "", maybe + clean(line.text), f"({meaning})" if meaning else ""]
        if self.boxed:
            words.append(hundredths(line.box, self.scene))
        return " ".join(w for w in words if w)

    def absent(self, name: str) -> str:
        """``no dog`` / ``개 없음``."""
        return self.words["absent"].format(name)

    def ranked(self, one: Extremes, sides: Sequence[str] = ("most", "least")) -> str:
        """``Points: highest Sharks (24), lowest Owls (3)``.

        Args:
            sides: which of both.
        """
        column = self.names.gloss(one.column) or clean(one.column)
        both = ", ".join(
            f"{self.words[SORTS[one.sort][side]]} {clean(name)} ({clean(figure)})"
            for side, (name, figure) in (("most", one.most), ("least", one.least))
            if side in sides
        )
        return f"{column}: {both}" if column else both
