"""What belongs together in a Scene: which writing labels which object, rows of cells, the grid of a board.

Geometry only, on boxes in pixels. `scene_prompt` says the result in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from nunbit.scene import Box, Scene, SceneObject, TextLine, box_iou

MARKS = ("bar", "point", "sector")
"""Names of the objects that a chart is made of."""
BOARD_SIDES = (4, 9, 6)
_TICK = re.compile(r"^\W{0,2}(\d[\d,]*(?:\.\d+)?)\s*%?(?:\s+\S{1,2})?$")
_FIGURE = re.compile(r"[,%\s]")
_NUMBER = re.compile(r"^[-+]?\d+(?:[.,]\d+)*\s*%?$")


@dataclass(slots=True)
class Labelled:
    """An object with the writing that belongs to it: ``labels`` name it or stand on it, ``value`` is a figure of a
    chart."""

    thing: SceneObject
    labels: list[str] = field(default_factory=list)
    value: str = ""


@dataclass(slots=True)
class Layout:
    """``things`` in the Scene's order; ``rows`` of the writing that labels nothing, in reading order; ``board`` of
    digits, "." where empty."""

    things: list[Labelled]
    rows: list[list[TextLine]]
    board: list[list[str]] = field(default_factory=list)


def arrange(scene: Scene) -> Layout:
    """Find what belongs together."""
    left = [t for t in scene.text_lines if t.text.strip()]
    things = [Labelled(o, value=o.attributes.get("value", "")) for o in scene.objects]
    for one in things:
        if "label" in one.thing.attributes:
            one.labels = [one.thing.attributes["label"]]
    marks = [t for t in things if t.thing.name in MARKS]
    board: list[list[str]] = []
    if marks:
        left = _label_marks(marks, left)
    elif any(" hand at " in o.name for o in scene.objects):
        left = [t for t in left if not t.text.strip().isdigit()]  # the numerals of the dial
    elif boards := [o for o in scene.objects if o.name == "board"]:
        board, left = _read_board(boards[0].box, left)
    else:
        left = _label_steps([t for t in things if " step " in t.thing.name], left)
        left = _label_inside([t for t in things if t.thing.name != "board"], left)
    return Layout(things, rows_of(left), board)


def rows_of(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """Lines at one height share a row, from left to right; rows from top to bottom."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda t: centre(t.box)[1]):
        y, height = centre(line.box)[1], line.box[3] - line.box[1]
        if rows:
            others = [centre(t.box)[1] for t in rows[-1]]
            if abs(y - float(np.mean(others))) < 0.5 * max(height, min(t.box[3] - t.box[1] for t in rows[-1])):
                rows[-1].append(line)
                continue
        rows.append([line])
    return [sorted(r, key=lambda t: t.box[0]) for r in rows]


def marked(scene: Scene, mark: dict[str, Any]) -> SceneObject | None:
    """The object that a drawn mark shows: the one its ``box`` fits best, of those that hold its middle."""
    x, y = centre(mark["box"])
    inside = [o for o in scene.objects if o.box[0] <= x <= o.box[2] and o.box[1] <= y <= o.box[3]]
    if mark["kind"] in ("box", "circle"):
        return max(inside, key=lambda o: box_iou(o.box, mark["box"]), default=None)
    return min(inside, key=lambda o: _area(o.box), default=None)


def centre(box: Sequence[float]) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _label_inside(things: list[Labelled], lines: list[TextLine]) -> list[TextLine]:
    """Writing whose middle lies inside an object labels the smallest such object; returns the rest."""
    rest = []
    for line in lines:
        x, y = centre(line.box)
        around = [t for t in things if t.thing.box[0] < x < t.thing.box[2] and t.thing.box[1] < y < t.thing.box[3]]
        around = [t for t in around if _area(t.thing.box) > 0.8 * _area(line.box)]
        if around:
            holder = min(around, key=lambda t: _area(t.thing.box))
            if line.text not in holder.labels:
                holder.labels.append(line.text)
        else:
            rest.append(line)
    return rest


def _label_steps(steps: list[Labelled], lines: list[TextLine]) -> list[TextLine]:
    """A single letter names the nearest panel, the nearest pairs first."""
    letters = [t for t in lines if len(t.text.strip()) == 1]
    pairs = sorted(
        (float(np.hypot(*np.subtract(centre(t.box), centre(s.thing.box)))), i, j)
        for i, t in enumerate(letters)
        for j, s in enumerate(steps)
    )
    used: set[int] = set()
    for _, i, j in pairs:
        if i not in used and not steps[j].labels:
            steps[j].labels = [letters[i].text]
            used.add(i)
    taken = {id(letters[i]) for i in used}
    return [t for t in lines if id(t) not in taken]


def _label_marks(marks: list[Labelled], lines: list[TextLine]) -> list[TextLine]:
    """Names and figures of bars, points and sectors; returns the writing that is left (a title)."""
    if marks[0].thing.name == "sector":
        return _legend(marks, lines)
    taken: set[int] = set()
    # Of the largest figure in a chart of the world's size, or two lines of larger writing.
    reach = max(30.0, *(2.2 * (t.box[3] - t.box[1]) for t in lines)) if lines else 30.0
    bottom = float(np.median([m.thing.box[3] for m in marks if m.thing.name == "bar"] or [0.0]))
    lowest = max((centre(t.box)[1] for t in lines), default=0.0)
    floor = bottom or lowest - 8
    below = [t for t in lines if centre(t.box)[1] > floor]
    spacing = _spacing(marks)
    for m in marks:
        x = centre(m.thing.box)[0]
        near = [t for t in below if abs(centre(t.box)[0] - x) < 0.6 * spacing]
        if near:
            name = min(near, key=lambda t: abs(centre(t.box)[0] - x))
            m.labels = m.labels or [name.text]
            taken.add(id(name))
        above = [
            t
            for t in lines
            if _NUMBER.match(t.text.strip())
            and abs(centre(t.box)[0] - x) < 0.5 * spacing
            and 0 < m.thing.box[1] - centre(t.box)[1] < reach
        ]
        if above:
            figure = max(above, key=lambda t: centre(t.box)[1])
            m.value = m.value or figure.text
            taken.add(id(figure))
    first = min(m.thing.box[0] for m in marks)
    ticks = [t for t in lines if id(t) not in taken and _tick(t) is not None and centre(t.box)[0] < first + 2]
    _from_axis(marks, ticks)
    _from_others(marks)
    taken |= {id(t) for t in ticks}
    return [t for t in lines if id(t) not in taken]


def _spacing(marks: list[Labelled]) -> float:
    xs = sorted(centre(m.thing.box)[0] for m in marks)
    gaps = [b - a for a, b in zip(xs, xs[1:], strict=False) if b - a > 4]
    return min(gaps, default=80.0)


def _from_axis(marks: list[Labelled], ticks: list[TextLine]) -> None:
    """Figures read off the axis where none are printed: a line through the ticks' heights and numbers."""
    if len(ticks) < 2:
        return
    ys, numbers = np.array([centre(t.box)[1] for t in ticks]), np.array([_tick(t) for t in ticks], float)
    pairs = [(i, j) for i, j in combinations(range(len(ys)), 2) if abs(ys[i] - ys[j]) >= 1]
    slopes = [(numbers[i] - numbers[j]) / (ys[i] - ys[j]) for i, j in pairs]
    if not slopes:
        return
    slope = float(np.median(slopes))  # a tick that was misread does not turn the line (Theil and Sen)
    offset = float(np.median(numbers - slope * ys))
    for m in marks:
        y = m.thing.box[1] if m.thing.name == "bar" else centre(m.thing.box)[1]
        m.value = m.value or f"about {round(float(slope * y + offset))}"


def _from_others(marks: list[Labelled]) -> None:
    """A bar without a figure beside two or more with one: in proportion to their heights, where those agree."""
    bars = [(m.thing.box[3] - m.thing.box[1], m) for m in marks if m.thing.name == "bar"]
    units = [
        float(_FIGURE.sub("", m.value)) / height
        for height, m in bars
        if height > 0 and not m.value.startswith("about") and _NUMBER.match(m.value.strip())
    ]
    if len(units) < 2 or max(units) > 1.15 * min(units) or min(units) <= 0:
        return
    for height, m in bars:
        m.value = m.value or f"about {round(float(np.median(units)) * height)}"


def _tick(line: TextLine) -> float | None:
    """The figure of a tick, with what a reader makes of its stroke: ``320 4`` is 320."""
    found = _TICK.match(line.text.strip())
    return float(found[1].replace(",", "")) if found else None


def _legend(marks: list[Labelled], lines: list[TextLine]) -> list[TextLine]:
    """Sectors clockwise from 12 o'clock carry the names to their right from top to bottom."""
    right = max(centre(m.thing.box)[0] for m in marks)
    names = sorted((t for t in lines if t.box[0] > right), key=lambda t: centre(t.box)[1])
    points = np.array([centre(m.thing.box) for m in marks])
    middle = _circle_centre(points)
    turn = np.arctan2(points[:, 0] - middle[0], -(points[:, 1] - middle[1])) % (2 * np.pi)
    if len(names) == len(marks):
        for m, name in zip([marks[int(i)] for i in np.argsort(turn)], names, strict=True):
            m.labels = m.labels or [name.text]
        return [t for t in lines if all(t is not n for n in names)]
    return lines


def _circle_centre(points: np.ndarray) -> np.ndarray:
    """The centre of the circle through (n, 2) points, by least squares; of two points the middle."""
    if len(points) < 3:
        return points.mean(0)
    system = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    found, *_ = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)
    return found[:2]


def _read_board(box: Box, lines: list[TextLine]) -> tuple[list[list[str]], list[TextLine]]:
    """Digits in the cells of a square board; the side is the one whose cells' middles the digits fit best."""
    x1, y1, x2, y2 = box
    inside = [t for t in lines if x1 < centre(t.box)[0] < x2 and y1 < centre(t.box)[1] < y2]
    if not inside:
        return [], lines
    places = np.array([((centre(t.box)[0] - x1) / (x2 - x1), (centre(t.box)[1] - y1) / (y2 - y1)) for t in inside])
    # Off the middles by a share of a cell; a finer grid always fits better, so its misses count the more.
    misses = {n: float(np.abs(places * n - 0.5 - np.round(places * n - 0.5)).mean()) for n in BOARD_SIDES}
    side = min(BOARD_SIDES, key=lambda n: misses[n])
    grid = [["."] * side for _ in range(side)]
    for t, (x, y) in zip(inside, places, strict=True):
        grid[int(y * side)][int(x * side)] = t.text.strip()
    return grid, [t for t in lines if all(t is not u for u in inside)]
