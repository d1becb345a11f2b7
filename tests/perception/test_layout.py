"""Rows, tables and pairs from the places of lines."""

from __future__ import annotations

from nunbit.perception.layout import structure
from nunbit.scene import Scene, TextLine


def scene(*lines: tuple[str, float, float, float]) -> Scene:
    """Lines given as text, left, top and width, all 20 high."""
    return Scene(600, 400, text_lines=[TextLine.from_box(t, (x, y, x + w, y + 20)) for t, x, y, w in lines])


def test_lines_are_read_row_by_row_from_left_to_right() -> None:
    s = scene(("b", 200, 52, 40), ("c", 10, 100, 40), ("a", 10, 50, 40))
    structure(s)
    assert [t.text for t in s.text_lines] == ["a", "b", "c"] and s.meta["rows"] == [[0, 1], [2]]


def test_a_name_and_a_value_are_a_pair() -> None:
    s = scene(
        ("SHOP", 200, 0, 60),
        ("Rye bread", 10, 40, 90),
        ("4.20", 400, 40, 40),
        ("총계", 10, 80, 40),
        ("12,000원", 400, 80, 80),
    )
    structure(s)
    assert s.meta["pairs"] == [["Rye bread", "4.20"], ["총계", "12,000원"]] and "tables" not in s.meta


def test_three_columns_in_three_rows_are_a_table_with_places_for_empty_cells() -> None:
    rows = [("City", "Units", "Price"), ("Lima", "12", "3.5"), ("Oslo", "", "9.0"), ("Rome", "7", "1.1")]
    cells = [(t, 10 + 150 * c, 40 * r, 60) for r, row in enumerate(rows) for c, t in enumerate(row) if t]
    s = scene(*cells)
    structure(s)
    assert "tables" not in s.meta  # the run of full rows is broken
    s = scene(*cells, ("5", 160, 80, 20))
    structure(s)
    [table] = s.meta["tables"]
    assert [[c["text"] for c in row] for row in table][2] == ["Oslo", "5", "9.0"]
    assert table[0][1]["box"] == [160, 0, 220, 20]


def test_nothing_read_gives_no_structure() -> None:
    s = scene()
    structure(s)
    assert s.meta == {}
