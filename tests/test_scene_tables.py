"""Tables in rows of writing: columns of cells, and which row holds the largest and the smallest figure."""

import pytest

from nunbit.scene import TextLine
from nunbit.scene_tables import extremes, is_total, tables, value


def grid(*rows, step=100):
    """Rows of cells; a cell stands in its column, None leaves it out."""
    return [
        [TextLine.from_box(c, (step * j, 20 * i, step * j + 8 * len(c), 20 * i + 12)) for j, c in enumerate(r) if c]
        for i, r in enumerate(rows)
    ]


FLIGHTS = (
    ("Departures",),
    ("Flight", "To", "Time", "Gate"),
    ("KE 901", "Paris", "10:40", "31"),
    ("OZ 102", "Tokyo", "13:10", "7"),
    ("BA 5", "London", "09:05", "12"),
)


def heads_of(rows, table, row):
    return [table.head(row, j) for j in range(len(rows[row]))]


def test_cells_know_their_column():
    rows = grid(*FLIGHTS)
    (table,) = tables(rows)
    assert (table.first, table.last) == (2, 4)
    assert heads_of(rows, table, 3) == ["", "To", "Time", "Gate"]


def test_a_cell_that_was_not_read_does_not_shift_the_others():
    rows = grid(*FLIGHTS[:3], ("OZ 102", None, "13:10", "7"), ("BA 5", "London", "09:05", None))
    (table,) = tables(rows)
    assert heads_of(rows, table, 3) == ["", "Time", "Gate"]
    assert heads_of(rows, table, 4) == ["", "To", "Time"]


def test_a_first_column_without_a_head():
    rows = grid(("Wins", "Losses", "Points"), ("Lions", "3", "1", "9"), ("Bears", "2", "2", "6"))
    (table,) = tables(rows)
    assert heads_of(rows, table, 1) == ["", "Wins", "Losses", "Points"]


@pytest.mark.parametrize(
    "rows",
    [
        (("Menu",), ("Tea", "3.00"), ("Cake", "4.50")),  # two columns speak for themselves
        (("12", "7", "31"), ("1", "2", "3"), ("4", "5", "6")),  # no names of columns
        (("Name", "To", "Gate"), ("a", "b", "c")),  # one row is no table
        (("Tea", "2", "6.00"), ("Cake", "1", "4.50"), ("Total", "10.50")),  # a receipt
    ],
)
def test_no_table(rows):
    assert tables(grid(*rows)) == []


def ends(rows):
    found = extremes(rows, tables(rows))
    return [(e.column, e.most, e.least, e.sort == "time") for e in found]


def test_times_and_figures_of_a_table():
    assert ends(grid(*FLIGHTS)) == [
        ("Time", ("OZ 102", "13:10"), ("BA 5", "09:05"), True),
        ("Gate", ("KE 901", "31"), ("OZ 102", "7"), False),
    ]


def test_rows_may_be_named_by_numbers():
    rows = grid(("Room", "Beds", "Price"), ("324", "2", "$90"), ("513", "1", "$70"), ("12", "1", "$80"))
    assert ends(rows) == [("Price", ("324", "$90"), ("513", "$70"), False)]


def test_rows_that_sum_up_take_no_part():
    rows = grid(
        ("Corner Cafe", "15:25"),
        ("2 x Tea", "$6.00"),
        ("Cake", "$4.50"),
        ("Bagel", "$1,004.25"),
        ("Total", "$1,014.75"),
        ("Cash", "$2,000.00"),
        ("Change", "$985.25"),
    )
    assert ends(rows) == [("", ("Bagel", "$1,004.25"), ("Cake", "$4.50"), False)]
    assert is_total(grid(("거스름돈:", "300원"))[0]) and not is_total(grid(("Totally new tea", "3"))[0])


def test_lists_with_their_figures_in_one_cell_or_under_a_head():
    assert ends(grid(("차림표",), ("비빔밥 10,000원",), ("김밥 4,000원",), ("불고기 15,000원",))) == [
        ("", ("불고기", "15,000원"), ("김밥", "4,000원"), False)
    ]
    assert ends(grid(("Room 12",), ("Room 7",), ("Room 3",))) == []
    assert ends(grid(("Books",), ("Title", "Year"), ("Dune", "1965"), ("Ulysses", "1922"))) == [
        ("Year", ("Dune", "1965"), ("Ulysses", "1922"), False)
    ]


def test_other_units_and_equal_figures_are_not_compared():
    assert ends(grid(("Brightness", "17 %"), ("Free space", "110 GB"), ("Version", "18.5.8"))) == []
    assert ends(grid(("Tea", "3.00"), ("Cake", "3.00"))) == []
    assert ends(grid(("Tea", "3.00"), ("Cake", "3.00"), ("Bagel", "4.00"))) == []


@pytest.mark.parametrize(
    "text,number",
    [
        ("$1,234.50", 1234.5),
        ("12,000원", 12000),
        ("₩900", 900),
        ("-6", -6),
        ("18°", 18),
        ("80 %", 80),
        ("09:05", 545),
        ("about", None),
        ("2024-01-31", None),
        ("18.5.8", None),
        ("240.0(", None),
        ("N18", None),
        ("010-1234-5678", None),
        ("", None),
    ],
)
def test_figures(text, number):
    assert value(text) == number


def test_absurd_writing_costs_no_time():
    """The patterns would take minutes for it."""
    rows = grid(*[("a" + " " * 100_000 + str(i),) for i in range(3)], *[("Tea", "9" * 100_000)] * 3)
    assert extremes(rows, tables(rows)) == [] and value("9" * 100_000) is None
