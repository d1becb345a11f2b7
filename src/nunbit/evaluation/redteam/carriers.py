"""What orders and their twins stand on, drawn: receipts, signs, slides, chats, manuals, windows, pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from nunbit.world import text as world_text
from nunbit.world.base import Language, generator, pick
from nunbit.world.samples import sample

FONTS = Path(world_text.__file__).parent / "fonts"
LATIN, HANGUL = ("sans", "sans-bold", "serif", "mono"), ("gothic", "gothic-bold")
KINDS = ("receipt", "sign", "slide", "chat", "manual", "window", "picture")
RGB = tuple[int, int, int]
Random = np.random.Generator
Drawn = tuple[Image.Image, tuple[int, int, int, int]]
"""A picture, and a box in it that holds nothing yet."""


@cache
def font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    """A shipped font in a size."""
    return ImageFont.truetype(FONTS / f"{name}.ttf", size_px)


def font_name(rng: Random, language: Language) -> str:
    """A shipped font that has the letters of a language."""
    return str(pick(rng, HANGUL if language == "ko" else LATIN))


def wrapped(words: str, face: ImageFont.FreeTypeFont, width_px: float) -> list[str]:
    """A text in lines no wider than this, broken at blanks."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and face.getlength(longer) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def draw_lines(
    image: Image.Image, at: tuple[float, float], lines: Sequence[str], face: ImageFont.FreeTypeFont, colour: RGB
) -> float:
    """Draw lines under each other; returns where the next one would begin."""
    x, y = at
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.text((x, y), line, colour, face)
        y += 1.35 * face.size
    return y


def carrier(rng: Random, kind: str, lines: Sequence[str], language: Language) -> Drawn:
    """A picture of a kind with its lines, and a box in it that holds nothing yet, for one more text.

    Args:
        lines: what is written on it; none for a picture.
    """
    return _DRAWN[kind](rng, lines, font_name(rng, language))


def _receipt(rng: Random, lines: Sequence[str], name: str) -> tuple[Image.Image, tuple[int, int, int, int]]:
    image = Image.new("RGB", (460, 60 + 34 * len(lines) + 220), (252, 251, int(rng.integers(240, 252))))
    y = draw_lines(image, (36, 30), lines, font(name, 22), (30, 30, 30))
    return image, (30, int(y) + 16, 430, image.height - 12)


def _sign(rng: Random, lines: Sequence[str], name: str) -> Drawn:
    colour = pick(rng, ((20, 70, 140), (20, 110, 60), (160, 30, 30), (50, 50, 55)))
    image = Image.new("RGB", (640, 460), (190, 195, 200))
    ImageDraw.Draw(image).rounded_rectangle((30, 24, 610, 436), 18, colour, (255, 255, 255), 5)
    y = draw_lines(image, (60, 50), lines, font(name, 42), (255, 255, 255))
    return image, (56, int(y) + 16, 590, 425)


def _slide(rng: Random, lines: Sequence[str], name: str) -> Drawn:
    image = Image.new("RGB", (960, 600), pick(rng, ((255, 255, 255), (244, 247, 252), (250, 248, 240))))
    draw_lines(image, (60, 44), lines[:1], font(name, 40), (20, 50, 110))
    y = draw_lines(image, (80, 130), [f"- {line}" for line in lines[1:]], font(name, 26), (40, 40, 40))
    return image, (80, int(y) + 20, 900, 580)


def _chat(rng: Random, lines: Sequence[str], name: str) -> Drawn:
    image = Image.new("RGB", (520, 120 + 74 * len(lines) + 170), pick(rng, ((230, 238, 245), (245, 240, 232))))
    pen, face = ImageDraw.Draw(image), font(name, 20)
    for i, line in enumerate(lines):
        left, y = (24 if i % 2 else 110), 30 + 74 * i
        pen.rounded_rectangle((left, y, left + 380, y + 56), 14, (255, 255, 255) if i % 2 else (205, 235, 190))
        pen.text((left + 16, y + 16), line, (25, 25, 25), face)
    return image, (24, 44 + 74 * len(lines), 500, image.height - 20)


def _manual(rng: Random, lines: Sequence[str], name: str) -> Drawn:
    image = Image.new("RGB", (720, 620), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    pen.rectangle((500, 60, 680, 240), outline=(60, 60, 60), width=3)
    pen.ellipse((540, 100, 640, 200), outline=(60, 60, 60), width=3)
    draw_lines(image, (40, 40), lines[:1], font(name, 30), (0, 0, 0))
    y = draw_lines(image, (40, 250), lines[1:], font(name, 22), (20, 20, 20))
    return image, (40, int(y) + 16, 690, 605)


def _window(rng: Random, lines: Sequence[str], name: str) -> Drawn:
    image = Image.new("RGB", (900, 620), (240, 240, 243))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 900, 42), (56, 66, 90))
    pen.text((16, 10), lines[0], (240, 240, 240), font(name, 18))
    for i, line in enumerate(lines[1:]):
        pen.rectangle((30, 66 + 52 * i, 870, 110 + 52 * i), (255, 255, 255), (215, 215, 220))
        pen.text((46, 76 + 52 * i), line, (40, 40, 40), font(name, 19))
    return image, (130, 80 + 52 * len(lines), 780, 600)


def _picture(rng: Random, lines: Sequence[str], name: str) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A drawing of things, scaled up, on uneven ground with noise, as photographs have it."""
    drawn = sample(int(rng.integers(1 << 20)), seed=77, split="test", mixture={"things": 1.0}, questions=0).picture
    side = 720
    rough = Image.fromarray(rng.integers(60, 200, (6, 6, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    scaled = Image.fromarray(drawn.pixels).resize((side, side), Image.Resampling.BICUBIC)
    mixed = Image.blend(scaled, rough, float(rng.uniform(0.25, 0.5))).filter(ImageFilter.GaussianBlur(1))
    noisy = np.asarray(mixed, np.float32) + rng.normal(0, 4, (side, side, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)), (40, 480, 680, 700)


_DRAWN: dict[str, Callable[[Random, Sequence[str], str], Drawn]] = {
    "receipt": _receipt,
    "sign": _sign,
    "slide": _slide,
    "chat": _chat,
    "manual": _manual,
    "window": _window,
    "picture": _picture,
}


def seeded(seed: int, number: int) -> np.random.Generator:
    """The generator of one pair."""
    return generator(seed, number, "test")
