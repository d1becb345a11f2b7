"""Tables in the rows of a Scene's writing: which column a cell stands in, and which row holds the largest and which
the smallest figure of a column.

A small language model can copy what stands side by side, but it cannot count columns or compare ten prices;
`scene_prompt` writes both down. Geometry and patterns only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from nunbit.scene import TextLine

Row = Sequence[TextLine]
COLUMNS_MIN = 3
"""From so many columns on a table's cells carry their column's name; of two, the rows speak for themselves."""
RANKED_MIN, RANKED_COLUMNS_MAX = 2, 4
"""Figures that are compared in a column at least, and columns at most."""
CELL_CHARS_MAX = 200
"""Longer writing is no figure, nor a name with one: it is not looked into."""
_FIGURE = re.compile(r"^([$€£¥₩~-]?)\s*(-?\d+(?:,\d{3})*(?:\.\d+)?)\s*([^\d\s,.:/()\[\]-]{0,8}(?: free)?)$")
_MONEY = frozenset(("$", "€", "£", "¥", "₩", "원", "won", "krw", "usd", "eur"))
_PRICE_HEAD = re.compile(r"(?:unit )?(?:price|fare|cost|fee|amount)s?\b|가격|요금|운임|단가|금액|값", re.I)
_CENTS = re.compile(r"^\d+\.\d\d$")
_TIME = re.compile(r"^(\d{1,2}):(\d{2})$")
_LAST_FIGURE = re.compile(r"^(.*\S)\s+([$€£¥₩]?-?\d[\d,.]*\s?[^\d\s,.:/()\[\]-]{0,3})$")
_PIECES = re.compile(r"^\d{1,3}\s?[x×]\s+")
TOTALS = frozenset(
    "total subtotal sub-total tax vat tip service discount coupon cash paid received change card sum balance average "
    "합계 총액 총 소계 공급가액 세금 부가세 부가가치세 봉사료 할인 쿠폰 현금 받은 거스름돈 잔돈 카드 결제 평균 "
    "계".split()
)
"""First words of rows that sum up the rows above them; these take no part in comparisons."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """The rows with the largest and the smallest figure of a column.

    Attributes:
        column: its head, "" if it has none.
        sort: of the figures: "number", "time" of a day, or "price".
        most, least: the name of the row and its figure, as they are written.
    """

    column: str
    sort: str
    most: tuple[str, str]
    least: tuple[str, str]


@dataclass(slots=True)
class Table:
    """Rows ``first`` to ``last`` (both included) of cells under the heads of row ``first - 1``.

    Attributes:
        heads: the name of each column, "" where none is written.
        places: row -> the column of each of its cells.
    """

    first: int
    last: int
    heads: list[str]
    places: dict[int, list[int]] = field(default_factory=dict)

    def head(self, row: int, cell: int) -> str:
        """The column's name of a cell; "" for the first column, which names the row."""
        column = self.places[row][cell]
        return self.heads[column] if column else ""


def tables(rows: Sequence[Row]) -> list[Table]:
    """The tables with heads in rows of writing, from top to bottom: a row of words over rows of as many cells."""
    out: list[Table] = []
    i = 0
    while i < len(rows) - 1:
        table = _table_under(rows, i)
        if table is None:
            i += 1
            continue
        out.append(table)
        i = table.last + 1
    return out


def _table_under(rows: Sequence[Row], at: int) -> Table | None:
    """The table whose heads are row ``at``."""
    head, many = rows[at], len(rows[at + 1])
    if many < COLUMNS_MIN or len(head) not in (many, many - 1) or any(c.isdigit() for t in head for c in t.text[:1]):
        return None
    last = at
    while last + 1 < len(rows) and 2 <= len(rows[last + 1]) <= many and not is_total(rows[last + 1]):
        last += 1
    if last < at + 2:
        return None
    names = [_bare(t.text) for t in head]
    shift = many - len(head)  # a first column without a head
    table = Table(at + 1, last, [""] * shift + names)
    full = [rows[i] for i in range(at + 1, last + 1) if len(rows[i]) == many]
    edges = [(min(r[c].box[0] for r in full), max(r[c].box[2] for r in full)) for c in range(many)]
    for i in range(at + 1, last + 1):
        table.places[i] = list(range(many)) if len(rows[i]) == many else _columns(rows[i], edges)
    return table


def _columns(row: Row, edges: Sequence[tuple[float, float]]) -> list[int]:
    """The columns of a row with fewer cells than there are columns: in order, each as near as it can be."""
    out: list[int] = []
    for left, cell in enumerate(row):
        first = out[-1] + 1 if out else 0
        free = range(first, len(edges) - (len(row) - left - 1))
        out.append(min(free, key=lambda c: abs(edges[c][0] - cell.box[0]) + abs(edges[c][1] - cell.box[2])))
    return out


def is_total(row: Row) -> bool:
    """Whether a row sums up those above it."""
    words = row[0].text.casefold().replace(":", " ").split() if row else []
    return bool(words) and words[0] in TOTALS


def extremes(rows: Sequence[Row], found: Sequence[Table]) -> list[Extremes]:
    """Of each table's columns of figures, and of each list of names with a figure, the largest and the smallest."""
    out = [e for t in found for e in _of_table(rows, t)]
    inside = {i for t in found for i in range(t.first - 1, t.last + 1)}
    block: list[tuple[str, str]] = []
    for i, row in enumerate([*rows, []]):
        pair = _pair(row) if i not in inside else None
        if pair is None or (row and is_total(row)) or (block and _unit(pair[1]) != _unit(block[-1][1])):
            out += [e] if (e := _ranked(_list_head(rows, i - len(block) - 1), block)) else []
            block = []
        if pair is not None and not is_total(row):
            block.append(pair)
    return out


def _list_head(rows: Sequence[Row], at: int) -> str:
    """The name of the figures of a list of two columns, where row ``at``, the first or the one under a title, holds
    it."""
    named = at >= 0 and len(rows[at]) == 2 and (at == 0 or len(rows[at - 1]) == 1)
    texts = [t.text for t in rows[at]] if named else []
    return _bare(texts[1]) if texts and not any(c.isdigit() for t in texts for c in t) else ""


def _of_table(rows: Sequence[Row], table: Table) -> list[Extremes]:
    columns: dict[int, dict[int, str]] = {}
    for i, places in table.places.items():
        for cell, column in enumerate(places):
            columns.setdefault(column, {})[i] = rows[i][cell].text.strip()
    unlike = [v for _, v in sorted(columns.items()) if len(set(v.values())) == len(v)]
    names = next((v for v in unlike if not any(value(t) is not None for t in v.values())), None)
    if names is None and unlike and unlike[0] is columns[0]:  # numbers of rooms, of bus lines
        names = unlike[0]
    if names is None:
        return []
    out = []
    for column, texts in sorted(columns.items()):
        pairs = [(names[i], text) for i, text in texts.items() if i in names and value(text) is not None]
        if texts is not names and len(pairs) == len(texts) and len({_unit(t) for _, t in pairs}) == 1:
            out += [e] if (e := _ranked(table.heads[column], pairs)) else []
    return out[:RANKED_COLUMNS_MAX]


def _pair(row: Row) -> tuple[str, str] | None:
    """The name and the figure of a row of a list: its first cell and its last, or one cell that ends in a figure."""
    texts = [t.text.strip() for t in row]
    if max(map(len, texts), default=0) > CELL_CHARS_MAX:
        return None
    if len(texts) == 1 and (found := _LAST_FIGURE.match(texts[0])) and not found[2].isdigit():  # not "Room 12"
        texts = [found[1], found[2]]
    if len(texts) == 3 and (value(texts[1]) is not None or _times(texts[0])):  # number of pieces before or after
        texts = [texts[1] if _times(texts[0]) else texts[0], texts[2]]
    if len(texts) != 2 or value(texts[1]) is None or value(texts[0]) is not None:
        return None
    return _bare(_PIECES.sub("", texts[0])), texts[1]


def _times(text: str) -> bool:
    """``2 x``: a number of pieces."""
    return bool(re.fullmatch(r"\d{1,3}\s?[x×]?", text.casefold()))


def _ranked(column: str, pairs: Sequence[tuple[str, str]]) -> Extremes | None:
    """The extremes of a column; None where two share the first or the last place."""
    ranked = sorted(((v, pair) for pair in pairs if (v := value(pair[1])) is not None), key=lambda p: p[0])
    if len(ranked) < RANKED_MIN or ranked[0][0] == ranked[1][0] or ranked[-1][0] == ranked[-2][0]:
        return None
    return Extremes(column, _sort(column, pairs[0][1]), ranked[-1][1], ranked[0][1])


def value(text: str) -> float | None:
    """A figure with its unit, or a time in minutes, as a number; None for all else."""
    text = text.strip()
    if len(text) > CELL_CHARS_MAX:
        return None
    if time := _TIME.match(text):
        return 60.0 * int(time[1]) + int(time[2])
    found = _FIGURE.match(text)
    return None if found is None else float(("-" if found[1] == "-" else "") + found[2].replace(",", ""))


def _unit(text: str) -> str:
    """What stands around a figure: figures of one unit are compared."""
    if _TIME.match(text.strip()):
        return ":"
    found = _FIGURE.match(text.strip())
    return "" if found is None else (found[1].strip("-~") + found[3]).casefold()


def _sort(column: str, figure: str) -> str:
    """What figures are, by one of them and the name of their column."""
    unit = _unit(figure)
    if unit == ":":
        return "time"
    bare = _PRICE_HEAD.match(column.strip()) or (not column and _CENTS.match(figure.strip()))
    money = unit in _MONEY or (not unit and bool(bare))
    return "price" if money else "number"


def _bare(text: str) -> str:
    return text.strip().rstrip(":").strip()
