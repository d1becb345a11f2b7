"""Domain *charts*: bar, line and pie charts whose values are known."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world import lexicon
from nunbit.world.base import COLOURS, DOMAINS, QA, SIZE_PX, Domain, Glyph, Language, Picture, Split, pick
from nunbit.world.canvas import disc, line, rect, sector
from nunbit.world.text import font_for, paint, text_line, width
from nunbit.world.wording import colour_word, yes_no

KINDS = {"bar": ("bar chart", "막대 차트"), "line": ("line chart", "선 차트"), "pie": ("pie chart", "원 차트")}
INK = (40, 40, 46)
_HUES = tuple(c for c in COLOURS if c not in ("white", "black", "gray"))
_LABELS_EN = (
    ["A", "B", "C", "D", "E"],
    ["Mon", "Tue", "Wed", "Thu", "Fri"],
    ["Jan", "Feb", "Mar", "Apr", "May"],
    ["Kim", "Lee", "Tom", "Ann", "Max"],
)
_LABELS_KO = (
    ["월", "화", "수", "목", "금"],
    ["1월", "2월", "3월", "4월", "5월"],
    lexicon.CITIES_KO[:5],
    ["사과", "포도", "수박", "딸기", "배"],
)
_TITLES_EN, _TITLES_KO = ["Sales", "Rain", "Visits", "Votes", "Scores"], ["판매량", "강수량", "방문자", "투표", "점수"]


class _Sheet:
    """A chart's canvas with the text and objects drawn on it."""

    def __init__(self, rng: np.random.Generator, hangul: bool) -> None:
        self.pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
        self.pixels[:] = rng.integers(236, 256, 3)
        self.size = int(rng.integers(14, 17)) if hangul else int(rng.integers(12, 15))
        self.latin = pick(rng, ("sans", "sans-bold", "serif"))
        self.hangul = pick(rng, ("gothic", "gothic-bold"))
        self.glyphs: list[Glyph] = []
        self.lines: list[TextLine] = []
        self.objects: list[SceneObject] = []

    def write(self, x: float, y: float, text: str, align: float = 0.0) -> None:
        font = font_for(text, self.latin, self.hangul)
        new = paint(
            self.pixels, x - align * width(text, font, self.size), y, text, font=font, size_px=self.size, colour=INK
        )
        self.glyphs += new
        self.lines.append(text_line(text, new))

    def mark(self, name: str, box: tuple[float, float, float, float], colour: str, label: str, value: int) -> None:
        self.objects.append(SceneObject(name, box, attributes={"colour": colour, "label": label, "value": str(value)}))


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """A bar, line or pie chart of 2 to 5 values; its facts are in ``scene.meta["chart"]``."""
    hangul, kind = bool(rng.random() < 0.45), pick(rng, ("bar", "bar", "line", "pie"))
    labels = pick(rng, _LABELS_KO if hangul else _LABELS_EN)[: int(rng.integers(2, 6))]
    sheet = _Sheet(rng, hangul)
    title = pick(rng, _TITLES_KO if hangul else _TITLES_EN) if rng.random() < 0.5 else ""
    if title:
        sheet.write(SIZE_PX / 2, 3, title, 0.5)
    hues = [_HUES[int(i)] for i in rng.permutation(len(_HUES))[: len(labels)]]
    if kind == "pie":
        values = _shares(rng, len(labels))
        _pie(sheet, labels, values, hues)
        printed = False
    else:
        # Steps of 2 in 4 .. 40 drawn over 100 px: neighbouring values differ by 5 px at least.
        values = [int(v) * 2 for v in rng.permutation(np.arange(2, 21))[: len(labels)]]
        printed = bool(rng.random() < 0.7) or kind == "line"
        if kind == "bar" and rng.random() < 0.5:
            hues = [hues[0]] * len(labels)
        (_bars if kind == "bar" else _line)(sheet, labels, values, hues, printed)
    facts = {"type": kind, "title": title, "labels": labels, "values": values, "colours": hues, "printed": printed}
    scene = Scene(SIZE_PX, SIZE_PX, objects=sheet.objects, text_lines=sheet.lines, meta={"chart": facts})
    return Picture(sheet.pixels, scene, "charts", sheet.glyphs)


def _axes(sheet: _Sheet, printed: bool) -> tuple[float, float, float]:
    """Draw the axes; returns (left, bottom, pixels a unit)."""
    left, bottom, unit = 26.0, 166.0, 2.9
    rect(sheet.pixels, (left, 30, left + 1, bottom), INK)
    rect(sheet.pixels, (left, bottom, 186, bottom + 1), INK)
    if not printed:
        for tick in (10, 20, 30, 40):
            y = bottom - tick * unit
            rect(sheet.pixels, (left, y, 186, y + 1), (205, 205, 208))
            sheet.write(left - 3, y - 8, str(tick), 1.0)
    return left, bottom, unit


def _bars(sheet: _Sheet, labels: list[str], values: list[int], hues: list[str], printed: bool) -> None:
    left, bottom, unit = _axes(sheet, printed)
    slot = (186 - left) / len(labels)
    tops = []
    for i, (label, value, hue) in enumerate(zip(labels, values, hues, strict=True)):
        x, top = left + slot * (i + 0.5), bottom - value * unit
        box = (x - min(slot * 0.3, 16), top, x + min(slot * 0.3, 16), bottom)
        rect(sheet.pixels, box, COLOURS[hue][1])
        x1, y1, x2, y2 = (float(round(v)) for v in box)
        sheet.mark("bar", (x1, y1, x2, y2), hue, label, value)
        tops.append((x, top, value))
    for x, top, value in tops if printed else ():
        sheet.write(x, top - sheet.size - 3, str(value), 0.5)
    for i, label in enumerate(labels):
        sheet.write(left + slot * (i + 0.5), bottom + 4, label, 0.5)


def _line(sheet: _Sheet, labels: list[str], values: list[int], hues: list[str], printed: bool) -> None:
    left, bottom, unit = _axes(sheet, printed)
    slot = (186 - left) / len(labels)
    points = [(left + slot * (i + 0.5), bottom - v * unit) for i, v in enumerate(values)]
    for a, b in zip(points, points[1:], strict=False):
        line(sheet.pixels, a, b, COLOURS[hues[0]][1], 2.5)
    for (x, y), label, value in zip(points, labels, values, strict=True):
        disc(sheet.pixels, x, y, 4, COLOURS[hues[0]][1])
        sheet.mark("point", (x - 5, y - 5, x + 5, y + 5), hues[0], label, value)
    for (x, y), value in zip(points, values, strict=True):
        sheet.write(x, y - sheet.size - 7, str(value), 0.5)
    for (x, _), label in zip(points, labels, strict=True):
        sheet.write(x, bottom + 4, label, 0.5)


def _shares(rng: np.random.Generator, n: int) -> list[int]:
    """Different multiples of 5 that sum to 100, each at least 10."""
    while True:
        cuts = np.sort(rng.permutation(np.arange(1, 20))[: n - 1]) * 5
        parts = np.diff(np.concatenate([[0], cuts, [100]]))
        if len(set(parts.tolist())) == n and parts.min() >= 10:
            return [int(p) for p in parts]


def _pie(sheet: _Sheet, labels: list[str], values: list[int], hues: list[str]) -> None:
    cx, cy, radius, start = 70.0, 108.0, 58.0, 0.0
    for label, value, hue in zip(labels, values, hues, strict=True):
        end = start + value / 100
        sector(sheet.pixels, cx, cy, radius, start, end, COLOURS[hue][1])
        middle = 2 * np.pi * (start + end) / 2
        x, y = cx + radius * 0.6 * np.sin(middle), cy - radius * 0.6 * np.cos(middle)
        half = 10 + 14 * value / 100
        sheet.mark("sector", (float(x - half), float(y - half), float(x + half), float(y + half)), hue, label, value)
        start = end
    for i, (label, hue) in enumerate(zip(labels, hues, strict=True)):
        rect(sheet.pixels, (138, 60 + 22 * i, 150, 72 + 22 * i), COLOURS[hue][1])
        sheet.write(154, 57 + 22 * i, label)


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """Questions about a chart: its type, values, colours, comparisons, labels and title."""
    chart = picture.scene.meta["chart"]
    labels, values, ko = chart["labels"], chart["values"], language == "ko"
    part_en, part_ko = {"bar": ("bar", "막대"), "line": ("point", "점"), "pie": ("sector", "조각")}[chart["type"]]
    out: list[QA] = []

    def add(kind: str, en: str, korean: str, answer: str) -> None:
        out.append(QA(korean if ko else en, answer, kind, language))

    add("describe", "What kind of chart is this?", "이것은 어떤 차트인가요?", KINDS[chart["type"]][ko])
    i, j = (int(k) for k in rng.permutation(len(labels))[:2])
    if chart["printed"]:
        for k in (i, j):
            add("lookup", f"What is the value of {labels[k]}?", f"{labels[k]}의 값은 얼마인가요?", str(values[k]))
    if chart["type"] == "pie" or len(set(chart["colours"])) > 1 and chart["type"] == "bar":
        add(
            "attribute",
            f"What color is the {part_en} of {labels[i]}?",
            f"{labels[i]} {part_ko}: 무슨 색인가요?",
            colour_word(chart["colours"][i], language),
        )
    if abs(values[i] - values[j]) >= 4:
        add(
            "compare",
            f"Which is higher, {labels[i]} or {labels[j]}?",
            f"{labels[i]}, {labels[j]} 중 어느 것이 더 높은가요?",
            labels[i] if values[i] > values[j] else labels[j],
        )
    for en, pie, korean, most in (("highest", "largest", "큰", np.argmax), ("lowest", "smallest", "작은", np.argmin)):
        which = pie if chart["type"] == "pie" else en
        add("compare", f"Which is the {which}?", f"가장 {korean} 것은 무엇인가요?", labels[int(most(values))])
    add("count", f"How many {part_en}s are there?", f"{part_ko}: 모두 몇 개 있나요?", str(len(labels)))
    hangul = any(c >= "가" for c in labels[0])
    name = pick(rng, labels) if rng.random() < 0.5 else pick(rng, pick(rng, _LABELS_KO if hangul else _LABELS_EN))
    truth = yes_no(name in labels, language)
    add("exists", f"Is there a {part_en} named {name}?", f"{name} {part_ko}: 있나요?", truth)
    if len(labels) <= 4:
        ordered = ", ".join(labels[k] for k in np.argsort(values)[::-1])
        add("order", "List the labels from highest to lowest.", "큰 것부터 차례로 말해 주세요.", ordered)
    if chart["title"]:
        add("read", "What is the title?", "제목은 무엇인가요?", chart["title"])
    return out


DOMAINS.register("charts")(Domain(draw, make_questions))
