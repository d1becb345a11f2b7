"""Papers painted into pixels: tables with and without rules, receipts, signs, screens and bar charts, in light, dark
and coloured styles, so that perception can read them as it reads any page.

Letters: H and W height and width in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nunbit.world.base import COLOURS, pick
from nunbit.world.papers import Paper
from nunbit.world.text import HANGUL_FONTS, LATIN_FONTS, RGB, font_for, paint, width

SIDE_MAX_PX = 900
_DARK: tuple[RGB, ...] = ((20, 20, 24), (32, 33, 36), (0, 90, 60), (0, 70, 140), (120, 20, 30), (60, 60, 60))
_LIGHT: tuple[RGB, ...] = ((255, 255, 255), (255, 255, 255), (250, 247, 238), (240, 244, 250), (255, 250, 205))


@dataclass(slots=True)
class _Style:
    """How a page looks: colours, fonts, font size and the distances between rows."""

    paper: RGB
    ink: RGB
    accent: RGB
    latin: str
    hangul: str
    size_px: int
    row_px: int
    rules: str
    head: bool


def render(paper: Paper, rng: np.random.Generator) -> np.ndarray:
    """``(H, W, 3)`` uint8: the paper in one of many looks; the same generator gives the same pixels."""
    style = _style(paper, rng)
    pixels = _chart(paper, style, rng) if paper.colours else _page(paper, style, rng)
    return _worn(pixels, rng)


def paintable(paper: Paper) -> bool:
    """Whether the shipped fonts have every character of a paper (they have no pound and no euro sign)."""
    text = "".join([*(c for row in paper.rows for c in row), *paper.pairs])
    return not set(text) & set("£€₩*")


def _style(paper: Paper, rng: np.random.Generator) -> _Style:
    dark = rng.random() < (0.5 if paper.kind in ("sign", "screenshot") else 0.12)
    accent = tuple(int(v) for v in COLOURS[pick(rng, ("red", "blue", "green", "purple", "orange", "brown"))][1])
    ink: RGB = (245, 245, 245) if dark else pick(rng, ((0, 0, 0), (20, 20, 20), (40, 40, 60), (60, 30, 10)))
    size = int(rng.integers(22, 44)) if paper.kind == "sign" else int(rng.integers(14, 26))
    return _Style(
        pick(rng, _DARK if dark else _LIGHT), ink, (accent[0], accent[1], accent[2]), pick(rng, LATIN_FONTS),
        pick(rng, HANGUL_FONTS), size, round(size * float(rng.uniform(1.5, 2.3))),
        pick(rng, ("none", "none", "lines", "grid", "zebra", "dots")), bool(rng.random() < 0.4),
    )  # fmt: skip


def _page(paper: Paper, style: _Style, rng: np.random.Generator) -> np.ndarray:
    """Rows of cells from top to bottom; cells of the rows that have most of them stand in columns."""
    columns = max(len(r) for r in paper.rows)
    margin, gap = int(rng.integers(16, 60)), int(rng.integers(14, 50))
    wide = [max((_width(r[j], style) for r in paper.rows if len(r) > max(1, j)), default=0) for j in range(columns)]
    title = max((round(1.4 * _width(r[0], style)) for r in paper.rows if len(r) == 1), default=0)
    inner = max(sum(wide) + gap * (columns - 1), title, 160)
    inner = inner + int(rng.integers(0, 160)) if columns > 1 else inner
    titled = len(paper.rows[0]) == 1 and len(paper.rows) > 1
    height, total = 2 * margin + style.row_px * (len(paper.rows) + titled), inner + 2 * margin
    height += int(rng.integers(0, 120))
    pixels = np.empty((height, total, 3), np.uint8)
    pixels[:] = style.paper
    starts = _starts(wide, inner, margin, rng)
    right = columns > 1 and rng.random() < 0.6
    first, centred = True, bool(rng.random() < 0.6)
    for i, row in enumerate(paper.rows):
        y = margin + (i + (titled and i > 0)) * style.row_px
        if len(row) == 1:
            big = round(style.size_px * (1.4 if i == 0 else 1.0))
            x = (total - _width(row[0], style, big)) / 2 if centred else margin
            _write(pixels, x, y, row[0], style, size_px=big)
            continue
        _row_ground(pixels, y, i, style, margin, total, first and paper.kind == "table")
        ink = (255, 255, 255) if first and style.head and paper.kind == "table" else style.ink
        for j, cell in enumerate(row):
            at = starts[j]
            if right and j == len(row) - 1:
                at = margin + inner - _width(cell, style)
            elif len(row) < columns and j == len(row) - 1:
                at = starts[columns - 1]
            _write(pixels, at, y, cell, style, ink=ink)
        if style.rules == "dots" and len(row) == 2:
            _dots(pixels, starts[0] + _width(row[0], style) + 8, starts[1] - 8, y + 0.9 * style.size_px, style.ink)
        first = False
    if paper.kind == "sign" and rng.random() < 0.4:
        edge = int(rng.integers(4, 14))
        _frame(pixels, edge, int(rng.integers(2, 6)), style.ink)
    return pixels


def _starts(wide: list[int], inner: int, margin: int, rng: np.random.Generator) -> list[float]:
    """Where the columns begin: packed, or spread over the width."""
    spare = (inner - sum(wide)) / max(1, len(wide) - 1)
    starts, x = [], float(margin)
    for w in wide:
        starts.append(x)
        x += w + spare
    return starts


def _row_ground(pixels: np.ndarray, y: int, i: int, style: _Style, margin: int, total: int, head: bool) -> None:
    """Bands, lines and grids behind a row."""
    top, bottom = max(0, y - round(0.3 * style.size_px)), y + style.row_px - round(0.3 * style.size_px)
    left, right = max(0, margin - 8), total - max(0, margin - 8)
    if head and style.head:
        pixels[top:bottom, left:right] = style.accent
    elif style.rules == "zebra" and i % 2:
        shade = np.array(style.paper, np.int16) * 0.93 + np.array(style.ink, np.int16) * 0.07
        pixels[top:bottom, left:right] = shade.astype(np.uint8)
    if style.rules in ("lines", "grid"):
        pixels[bottom : bottom + 1, left:right] = style.ink
    if style.rules == "grid":
        pixels[top : top + 1, left:right] = style.ink
        for x in (left, right - 1):
            pixels[top:bottom, x : x + 1] = style.ink


def _chart(paper: Paper, style: _Style, rng: np.random.Generator) -> np.ndarray:
    """A bar chart with a title, labels under the bars, and figures over them or on the axis."""
    w, h = int(rng.integers(420, 760)), int(rng.integers(340, 520))
    pixels = np.empty((h, w, 3), np.uint8)
    pixels[:] = style.paper
    size = int(rng.integers(13, 18))
    title = paper.facts["title"]
    _write(pixels, (w - _width(title, style, size + 6)) / 2, 12, title, style, size_px=size + 6)
    left, foot, top, right = 70, h - 60, 60, w - 20
    highest = max(paper.numbers.values()) * float(rng.uniform(1.05, 1.3))
    printed = rng.random() < 0.5
    if not printed or rng.random() < 0.3:
        _axis(pixels, style, highest, left, foot, top, right, size)
    pixels[foot : foot + 2, left:right] = style.ink
    step = (right - left) / len(paper.numbers)
    thin = float(rng.uniform(0.45, 0.8))
    for i, ((label, value), colour) in enumerate(zip(paper.numbers.items(), paper.colours, strict=True)):
        x = left + (i + 0.5) * step
        y = round(foot - (foot - top) * value / highest)
        pixels[y:foot, round(x - thin * step / 2) : round(x + thin * step / 2)] = COLOURS[colour][1]
        _write(pixels, x - _width(label, style, size) / 2, foot + 8, label, style, size_px=size)
        if printed:
            figure = f"{value:.0f}"
            _write(pixels, x - _width(figure, style, size) / 2, y - 1.5 * size, figure, style, size_px=size)
    return pixels


def _axis(
    pixels: np.ndarray, style: _Style, highest: float, left: int, foot: int, top: int, right: int, size_px: int
) -> None:
    """An upright axis with four to eight round figures, and faint lines."""
    unit = next((u for u in (1, 2, 5, 10, 20, 25, 50, 100, 200, 250) if highest / u <= 7), 500)
    pixels[top:foot, left : left + 2] = style.ink
    faint = (np.array(style.paper, np.int16) * 0.8 + np.array(style.ink, np.int16) * 0.2).astype(np.uint8)
    for tick in range(0, int(highest) + 1, unit):
        y = round(foot - (foot - top) * tick / highest)
        if style.rules != "none" and tick:
            pixels[y : y + 1, left + 2 : right] = faint
        text = str(tick)
        _write(pixels, left - 10 - _width(text, style, size_px), y - 0.7 * size_px, text, style, size_px=size_px)


def _write(
    pixels: np.ndarray, x: float, y: float, text: str, style: _Style, *, size_px: int = 0, ink: RGB | None = None
) -> None:
    font = font_for(text, style.latin, style.hangul)
    paint(pixels, x, y, text, font=font, size_px=size_px or style.size_px, colour=ink or style.ink)


def _width(text: str, style: _Style, size_px: int = 0) -> int:
    return width(text, font_for(text, style.latin, style.hangul), size_px or style.size_px)


def _dots(pixels: np.ndarray, start: float, end: float, y: float, ink: RGB) -> None:
    for x in range(round(start), round(end), 6):
        pixels[round(y) : round(y) + 2, x : x + 2] = ink


def _frame(pixels: np.ndarray, edge: int, thick: int, ink: RGB) -> None:
    h, w = pixels.shape[:2]
    inner = pixels[edge : h - edge, edge : w - edge]
    for cut in (np.s_[:thick], np.s_[-thick:], np.s_[:, :thick], np.s_[:, -thick:]):
        inner[cut] = ink


def _worn(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As photographed or sent on: smaller, softer, noisier, compressed; most often untouched."""
    from io import BytesIO

    from PIL import Image, ImageFilter

    image = Image.fromarray(pixels)
    if max(image.size) > SIDE_MAX_PX:
        image.thumbnail((SIDE_MAX_PX, SIDE_MAX_PX))
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.8))))
    if rng.random() < 0.3:
        held = BytesIO()
        image.save(held, "JPEG", quality=int(rng.integers(50, 95)))
        image = Image.open(held).convert("RGB")
    out = np.asarray(image)
    if rng.random() < 0.15:
        noise = rng.normal(0, float(rng.uniform(2, 8)), out.shape)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(out)
