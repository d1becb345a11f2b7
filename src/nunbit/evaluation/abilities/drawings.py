"""Painters for ability tests, each with the truth it drew: gauges, price tags, faces, bones, moving balls, rule
matrices, handwriting.

No questions and no models here. Every picture is (SIZE_PX, SIZE_PX, 3) uint8.
"""

from __future__ import annotations

import numpy as np

from nunbit.world import lexicon
from nunbit.world.base import COLOURS, SIZE_PX, pick
from nunbit.world.canvas import disc, frame, line, polygon, rect, shade
from nunbit.world.text import font_for, paint, width

INK = (30, 30, 34)
EMOTIONS = {"happy": "기쁨", "sad": "슬픔", "angry": "화남", "surprised": "놀람", "neutral": "무표정"}
DIRECTIONS = {"right": "오른쪽", "left": "왼쪽", "up": "위", "down": "아래"}
SCRIPTS = {
    "greek": ("καλημέρα", "νερό", "ψωμί", "θάλασσα", "ουρανός", "βιβλίο", "γάτα", "σπίτι", "ΕΞΟΔΟΣ", "ΣΤΟΠ"),
    "cyrillic": ("привет", "вода", "хлеб", "море", "небо", "книга", "кошка", "дом", "ВЫХОД", "СТОП"),
    "kana": ("こんにちは", "みず", "パン", "うみ", "そら", "ねこ", "いえ", "でぐち", "カメラ", "テレビ"),
    "han": ("出口", "入口", "山水", "大人", "日月", "人口", "火山", "中心", "上下", "安全"),
}
SCRIPT_FONTS = {"greek": "greek-cyrillic", "cyrillic": "greek-cyrillic", "kana": "kana-han", "han": "kana-han"}
FIGURES = ("circle", "square", "triangle")


def paper(rng: np.random.Generator, low: int = 225) -> np.ndarray:
    """An empty picture in one bright random colour, ``(SIZE_PX, SIZE_PX, 3)`` uint8.

    Args:
        low: lower bound of each channel.
    """
    pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
    pixels[:] = rng.integers(low, 256, 3)
    return pixels


def centred(pixels: np.ndarray, cx: float, y: float, text: str, size: int, colour: tuple[int, int, int] = INK) -> None:
    """Paint text onto ``pixels`` (in place), centred on ``cx``, its top at ``y``."""
    font = font_for(text)
    paint(pixels, cx - width(text, font, size) / 2, y, text, font=font, size_px=size, colour=colour)


def foreign(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One printed word in a script that is neither Latin nor Hangul."""
    pixels, script = paper(rng), pick(rng, tuple(SCRIPTS))
    word, font = pick(rng, SCRIPTS[script]), SCRIPT_FONTS[script]
    size = min(int(rng.integers(24, 49)), int(170 / max(1, width(word, font, 100)) * 100))
    x, y = (192 - width(word, font, size)) / 2 + int(rng.integers(-8, 9)), int(rng.integers(30, 130))
    paint(pixels, x, y, word, font=font, size_px=size, colour=INK)
    return pixels, word


def gauge(rng: np.random.Generator, step: int) -> tuple[np.ndarray, int]:
    """A half dial of ten ticks without numbers, and its reading if a tick is worth ``step``."""
    pixels, tick = paper(rng), int(rng.integers(1, 10))
    for i in range(11):
        a = np.pi * (1 - i / 10)
        x, y = np.cos(a), -np.sin(a)
        line(pixels, (96 + 66 * x, 130 + 66 * y), (96 + 80 * x, 130 + 80 * y), INK, 2.5)
    a = np.pi * (1 - tick / 10)
    line(pixels, (96, 130), (96 + 62 * np.cos(a), 130 - 62 * np.sin(a)), COLOURS["red"][1], 4)
    disc(pixels, 96, 130, 6, INK)
    return pixels, tick * step


def price_tag(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A tag with one whole price."""
    pixels, price = paper(rng), int(rng.integers(1, 10))
    rect(pixels, (36, 56, 160, 136), shade(rng, 180, 245))
    frame(pixels, (36, 56, 160, 136), INK, 2)
    disc(pixels, 50, 70, 5, (255, 255, 255))
    centred(pixels, 98, 74, str(price), 34)
    return pixels, price


def face(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A drawn face whose brows, eyes and mouth say one of `EMOTIONS`."""
    pixels, feeling = paper(rng), pick(rng, tuple(EMOTIONS))
    cx, cy, r = 96 + int(rng.integers(-12, 13)), 96 + int(rng.integers(-12, 13)), int(rng.integers(52, 74))
    disc(pixels, cx, cy, r, INK)
    disc(pixels, cx, cy, r - 2.5, (250, 215 - int(rng.integers(0, 50)), 150 - int(rng.integers(0, 70))))
    brow = {"angry": 0.12, "sad": -0.12, "surprised": 0.0}.get(feeling, 0.0)
    lift = 0.1 if feeling == "surprised" else 0.0
    for side in (-1, 1):
        x, y = cx + side * 0.36 * r, cy - 0.2 * r
        disc(pixels, x, y, r * (0.13 if feeling == "surprised" else 0.09), INK)
        inner, outer = x - side * 0.16 * r, x + side * 0.16 * r
        line(pixels, (inner, y - (0.28 + lift - brow) * r), (outer, y - (0.28 + lift + brow) * r), INK, 3)
    curve = {"happy": 0.22, "sad": -0.2, "angry": -0.12, "neutral": 0.0}.get(feeling)
    if curve is None:
        disc(pixels, cx, cy + 0.42 * r, 0.17 * r, INK)
    else:
        t = np.linspace(-1, 1, 13)
        points = [(cx + 0.4 * r * u, cy + 0.42 * r + curve * r * (1 - u * u) - curve * r / 2) for u in t]
        for a, b in zip(points, points[1:], strict=False):
            line(pixels, a, b, INK, 3.5)
    return pixels, feeling


def bone(rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A grey tube as on a radiograph, broken (a dark gap with a shift) or whole. A drawing, not a diagnosis."""
    pixels = np.full((SIZE_PX, SIZE_PX, 3), int(rng.integers(15, 45)), np.uint8)
    broken, tone = bool(rng.random() < 0.5), int(rng.integers(150, 215))
    x, half, tilt = 96 + int(rng.integers(-20, 21)), int(rng.integers(12, 19)), float(rng.uniform(-0.25, 0.25))
    at, gap, shift = (
        float(rng.uniform(70, 125)),
        float(rng.uniform(5, 9)),
        float(rng.choice([-1, 1]) * rng.uniform(3, 8)),
    )

    def tube(top: float, bottom: float, move: float) -> None:
        middle = [x + move + tilt * (y - 96) for y in (top, bottom)]
        for w, c in ((half, tone), (half - 5, tone - 45)):
            polygon(
                pixels,
                [(middle[0] - w, top), (middle[0] + w, top), (middle[1] + w, bottom), (middle[1] - w, bottom)],
                (c, c, c),
            )

    if broken:
        tube(24, at - gap / 2, 0)
        tube(at + gap / 2, 168, shift)
    else:
        tube(24, 168, 0)
    for y in (24, 168):
        for side in (-0.7, 0.7):
            move = shift if broken and y > 100 else 0
            disc(pixels, x + move + tilt * (y - 96) + side * half, y, half * 0.8, (tone, tone, tone))
    noise = rng.integers(-9, 10, (SIZE_PX, SIZE_PX, 1))
    return np.clip(pixels + noise, 0, 255).astype(np.uint8), broken


def moving_ball(rng: np.random.Generator, frames: int = 3) -> tuple[list[np.ndarray], str]:
    """Frames of a ball that moves one way."""
    way = pick(rng, tuple(DIRECTIONS))
    dx, dy = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}[way]
    hue, ground, out = pick(rng, ("red", "blue", "green", "purple")), paper(rng), []
    for i in range(frames):
        t = (i - (frames - 1) / 2) * 44
        pixels = ground.copy()
        disc(pixels, 96 + dx * t, 96 + dy * t, 20, COLOURS[hue][1])
        out.append(pixels)
    return out, way


def matrix(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Three rows of three figures; each row has every figure once, and the last one is missing."""
    pixels = paper(rng)
    first = rng.permutation(3)
    hue = COLOURS[pick(rng, ("red", "blue", "green", "black"))][1]
    turn = pick(rng, (1, 2))
    answer = ""
    for r in range(3):
        for c in range(3):
            x, y = 36 + 60 * c, 36 + 60 * r
            frame(pixels, (x - 28, y - 28, x + 28, y + 28), (120, 120, 126))
            which = FIGURES[int(first[(c + turn * r) % 3])]
            if r == c == 2:
                answer = which
                centred(pixels, x, y - 17, "?", 26)
                continue
            if which == "circle":
                disc(pixels, x, y, 17, hue)
            elif which == "square":
                rect(pixels, (x - 16, y - 16, x + 16, y + 16), hue)
            else:
                polygon(pixels, [(x, y - 18), (x + 18, y + 15), (x - 18, y + 15)], hue)
    return pixels, answer


def handwriting(rng: np.random.Generator, hangul: bool) -> tuple[np.ndarray, str]:
    """One word in ink, bent as a hand bends it: a smooth random displacement, a slant, a stroke of uneven strength."""
    from PIL import Image

    text = lexicon.word(rng, hangul)[:8]
    font, size = font_for(text, "serif", "round"), 38
    while size > 18 and width(text, font, size) > 160:
        size -= 2
    pixels = np.full((SIZE_PX, SIZE_PX, 3), 250, np.uint8)
    x = (SIZE_PX - width(text, font, size)) / 2
    paint(pixels, x, 96 - size * 0.6, text, font=font, size_px=size, colour=(30, 40, 110))
    y, x = np.mgrid[0:SIZE_PX, 0:SIZE_PX].astype(float)
    bend = [_smooth(rng) * 3.0 for _ in range(2)]
    slant = float(rng.uniform(-0.2, 0.2))
    sx, sy = x + bend[0] + slant * (y - 96), y + bend[1]
    x0, y0 = np.clip(np.floor(sx), 0, SIZE_PX - 2).astype(int), np.clip(np.floor(sy), 0, SIZE_PX - 2).astype(int)
    fx, fy = np.clip(sx - x0, 0, 1)[..., None], np.clip(sy - y0, 0, 1)[..., None]
    mixed = (pixels[y0, x0] * (1 - fx) + pixels[y0, x0 + 1] * fx) * (1 - fy) + (
        pixels[y0 + 1, x0] * (1 - fx) + pixels[y0 + 1, x0 + 1] * fx
    ) * fy
    return np.asarray(Image.fromarray(mixed.astype(np.uint8))), text


def _smooth(rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    coarse = Image.fromarray(rng.normal(0, 1, (9, 9)).astype(np.float32))
    return np.asarray(coarse.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))


def side_by_side(pictures: list[np.ndarray]) -> np.ndarray:
    """One picture of several, left to right with a white gap: for harnesses that take one picture an item."""
    gap = np.full((SIZE_PX, 8, 3), 255, np.uint8)
    return np.concatenate([p for i, one in enumerate(pictures) for p in ((gap, one) if i else (one,))], 1)
