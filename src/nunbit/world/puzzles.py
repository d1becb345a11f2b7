"""Domain *puzzles*: sudoku boards, sequences and analogue clocks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world.base import COLOURS, DOMAINS, QA, SIZE_PX, Domain, Glyph, Language, Picture, Split, pick
from nunbit.world.canvas import disc, line, polygon, rect, shade
from nunbit.world.text import paint, text_line, width
from nunbit.world.wording import colour_word, yes_no

INK = (30, 30, 34)
SEQUENCE_SHAPES = {"circle": "원", "square": "정사각형", "triangle": "삼각형"}
HOUR_HANDS = tuple(f"hour hand at {h}" for h in range(1, 13))
MINUTE_HANDS = tuple(f"minute hand at {m}" for m in range(0, 60, 5))
"""The time is part of a hand's name, because its tip alone, without the dial's centre, does not show the time."""
TIP_PX = 12
_HUES = ("red", "blue", "green", "yellow", "purple", "orange")


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """A sudoku board, a sequence or a clock; its facts are in ``scene.meta["puzzle"]``."""
    return pick(rng, (_sudoku, _sequence, _clock))(rng)


def _paper(rng: np.random.Generator) -> np.ndarray:
    pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
    pixels[:] = rng.integers(228, 256, 3)
    return pixels


def _put(
    pixels: np.ndarray,
    cx: float,
    cy: float,
    text: str,
    font: str,
    size: int,
    glyphs: list[Glyph],
    lines: list[TextLine],
    colour: tuple[int, int, int] = INK,
) -> None:
    new = paint(
        pixels, cx - width(text, font, size) / 2, cy - size * 0.62, text, font=font, size_px=size, colour=colour
    )
    glyphs += new
    lines.append(text_line(text, new))


def solved_board(rng: np.random.Generator, n: int) -> np.ndarray:
    """A full valid board ``(n, n)``, n 4 or 9: the shift pattern with digits, rows and columns shuffled."""
    k = int(n**0.5)
    rows = [k * b + r for b in rng.permutation(k) for r in rng.permutation(k)]
    columns = [k * b + c for b in rng.permutation(k) for c in rng.permutation(k)]
    digits = rng.permutation(n) + 1
    return np.array([[digits[(k * (r % k) + r // k + c) % n] for c in columns] for r in rows])


def _sudoku(rng: np.random.Generator) -> Picture:
    n = 4 if rng.random() < 0.5 else 9
    board = solved_board(rng, n)
    board = np.where(rng.random((n, n)) < rng.uniform(0.25, 0.6), 0, board)
    if n == 4 and rng.random() < 0.4:
        row = int(rng.integers(n))
        board[row] = solved_board(rng, n)[row]
        board[row, int(rng.integers(n))] = 0
    pixels = _paper(rng)
    glyphs: list[Glyph] = []
    lines: list[TextLine] = []
    cell = int(rng.integers(30, 43)) if n == 4 else int(rng.integers(18, 21))
    x0, y0 = (int(rng.integers(4, SIZE_PX - n * cell - 3)) for _ in range(2))
    font, k = pick(rng, ("sans", "sans-bold", "serif", "mono")), int(n**0.5)
    for i in range(n + 1):
        w = 2 if i % k == 0 else 1
        rect(pixels, (x0, y0 + i * cell, x0 + n * cell + 1, y0 + i * cell + w), INK)
        rect(pixels, (x0 + i * cell, y0, x0 + i * cell + w, y0 + n * cell + 1), INK)
    size = round(cell * 0.68)
    for r in range(n):
        for c in range(n):
            if board[r, c]:
                _put(pixels, x0 + (c + 0.5) * cell, y0 + (r + 0.5) * cell, str(board[r, c]), font, size, glyphs, lines)
    box = (float(x0), float(y0), float(x0 + n * cell), float(y0 + n * cell))
    scene = Scene(
        SIZE_PX,
        SIZE_PX,
        objects=[SceneObject("board", box)],
        text_lines=lines,
        meta={"puzzle": {"type": "sudoku", "board": board.tolist()}},
    )
    return Picture(pixels, scene, "puzzles", glyphs)


def _sequence(rng: np.random.Generator) -> Picture:
    n, pixels = int(rng.integers(4, 6)), _paper(rng)
    glyphs: list[Glyph] = []
    lines: list[TextLine] = []
    objects: list[SceneObject] = []
    slot, y = SIZE_PX / (n + 1), float(rng.integers(50, 140))
    numbers = bool(rng.random() < 0.5)
    if numbers:
        start, step = int(rng.integers(1, 20)), int(rng.integers(1, 6))
        terms: list[Any] = [start + step * i for i in range(n + 1)]
        for i, t in enumerate(terms[:-1]):
            _put(pixels, slot * (i + 0.5), y, str(t), "sans-bold", 18, glyphs, lines)
    else:
        cycle = [(pick(rng, tuple(SEQUENCE_SHAPES)), pick(rng, _HUES)) for _ in range(2)]
        while cycle[0] == cycle[1]:
            cycle[1] = (pick(rng, tuple(SEQUENCE_SHAPES)), pick(rng, _HUES))
        terms = [cycle[i % 2] for i in range(n + 1)]
        for i, (shape, hue) in enumerate(terms[:-1]):
            box = _small_shape(pixels, slot * (i + 0.5), y, shape, hue)
            objects.append(SceneObject(shape, box, attributes={"colour": hue}))
    _put(pixels, slot * (n + 0.5), y, "?", "sans-bold", 20, glyphs, lines)
    scene = Scene(
        SIZE_PX, SIZE_PX, objects=objects, text_lines=lines, meta={"puzzle": {"type": "sequence", "terms": terms}}
    )
    return Picture(pixels, scene, "puzzles", glyphs)


def _small_shape(pixels: np.ndarray, x: float, y: float, shape: str, hue: str) -> tuple[float, float, float, float]:
    r, colour = 12.0, COLOURS[hue][1]
    if shape == "circle":
        disc(pixels, x, y, r, colour)
    else:
        points = (
            [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
            if shape == "square"
            else [(x, y - r), (x + r, y + r), (x - r, y + r)]
        )
        polygon(pixels, points, colour)
    return (x - r, y - r, x + r, y + r)


@lru_cache(maxsize=1)
def _dial_numbers() -> list[tuple[float, float]]:
    return [(float(np.sin(2 * np.pi * h / 12)), float(-np.cos(2 * np.pi * h / 12))) for h in range(1, 13)]


def _clock(rng: np.random.Generator) -> Picture:
    hour, minute = int(rng.integers(1, 13)), 5 * int(rng.integers(12))
    pixels = _paper(rng)
    glyphs: list[Glyph] = []
    lines: list[TextLine] = []
    radius = float(rng.integers(56, 88))
    cx, cy = (float(rng.integers(int(radius) + 4, SIZE_PX - int(radius) - 3)) for _ in range(2))
    disc(pixels, cx, cy, radius, shade(rng, 0, 150))
    disc(pixels, cx, cy, radius - 4, (252, 252, 250))
    for h, (dx, dy) in enumerate(_dial_numbers(), start=1):
        if radius > 62:
            _put(pixels, cx + dx * (radius - 15), cy + dy * (radius - 15), str(h), "sans", 12, glyphs, lines)
        else:
            disc(pixels, cx + dx * (radius - 9), cy + dy * (radius - 9), 2, INK)
    objects = []
    for name, turn, length, thick, colour in (
        (HOUR_HANDS[hour - 1], (hour % 12 + minute / 60) / 12, 0.45, 5.0, (190, 30, 30)),
        (MINUTE_HANDS[minute // 5], minute / 60, 0.72, 3.0, INK),
    ):
        x = cx + radius * length * float(np.sin(2 * np.pi * turn))
        y = cy - radius * length * float(np.cos(2 * np.pi * turn))
        line(pixels, (cx, cy), (x, y), colour, thick)
        objects.append(SceneObject(name, (x - TIP_PX, y - TIP_PX, x + TIP_PX, y + TIP_PX)))
    scene = Scene(
        SIZE_PX,
        SIZE_PX,
        objects=objects,
        text_lines=lines,
        meta={"puzzle": {"type": "clock", "hour": hour, "minute": minute}},
    )
    return Picture(pixels, scene, "puzzles", glyphs)


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """Questions about a puzzle: what it is, its entries, and its solution."""
    puzzle = picture.scene.meta["puzzle"]
    out: list[QA] = []

    def add(kind: str, en: str, ko: str, answer: str, accept: tuple[str, ...] = ()) -> None:
        out.append(QA(ko if language == "ko" else en, answer, kind, language, accept))

    kinds = {"sudoku": ("sudoku", "스도쿠"), "sequence": ("sequence", "수열"), "clock": ("clock", "시계")}
    add("describe", "What is this?", "이것은 무엇인가요?", kinds[puzzle["type"]][language == "ko"])
    {"sudoku": _ask_sudoku, "sequence": _ask_sequence, "clock": _ask_clock}[puzzle["type"]](puzzle, rng, add, language)
    return out


def _ask_sudoku(puzzle: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    board = np.array(puzzle["board"])
    n = len(board)
    add("count", "How many rows does the board have?", "판은 몇 줄인가요?", str(n))
    for _ in range(3):
        r, c = int(rng.integers(n)), int(rng.integers(n))
        empty = "empty" if language == "en" else "빈칸"
        add(
            "lookup",
            f"What is in row {r + 1}, column {c + 1}?",
            f"{r + 1}행 {c + 1}열에는 무엇이 있나요?",
            str(board[r, c]) if board[r, c] else empty,
        )
    if n == 4:
        r = int(rng.integers(n))
        add(
            "count",
            f"How many empty cells are in row {r + 1}?",
            f"{r + 1}행에는 빈칸이 몇 개 있나요?",
            str(int((board[r] == 0).sum())),
        )
        for r in np.flatnonzero((board == 0).sum(1) == 1)[:1]:
            add(
                "order",
                f"Which number is missing in row {r + 1}?",
                f"{r + 1}행에 없는 수는 무엇인가요?",
                str(({1, 2, 3, 4} - set(board[r].tolist())).pop()),
            )


def _ask_sequence(puzzle: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    *shown, last = puzzle["terms"]
    add("count", "How many items come before the question mark?", "물음표 앞에 몇 개가 있나요?", str(len(shown)))
    if isinstance(last, int):
        add("order", "What comes next?", "다음에 올 것은 무엇인가요?", str(last))
        add("lookup", "What is the first number?", "첫 번째 수는 무엇인가요?", str(shown[0]))
        return
    name = last[0] if language == "en" else SEQUENCE_SHAPES[last[0]]
    add("order", "What comes next?", "다음에 올 것은 무엇인가요?", f"{colour_word(last[1], language)} {name}")
    i = int(rng.integers(len(shown)))
    add(
        "attribute",
        f"What color is item {i + 1}?",
        f"{i + 1}번째 것은 무슨 색인가요?",
        colour_word(shown[i][1], language),
    )


def _ask_clock(puzzle: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    hour, minute = puzzle["hour"], puzzle["minute"]
    add("read", "What time is it?", "몇 시인가요?", f"{hour}:{minute:02d}")
    add("lookup", "Which hour does the clock show?", "시계는 몇 시를 가리키나요?", str(hour))
    add("compare", "Is the minute hand past the half hour?", "긴바늘이 30분을 지났나요?", yes_no(minute > 30, language))


DOMAINS.register("puzzles")(Domain(draw, make_questions))
