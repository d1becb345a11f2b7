"""The claims of an answer drawn over its pictures: boxes, masks and read lines, numbered, with a legend below.

Green outlines support the answer, red ones contradict it, dashed ones do so weakly. Numbers are those of
`wording.lines_of`. Letters: H and W sides of a picture in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.errors import UserError
from nunbit.evidence.claims import Claim, Evidence
from nunbit.evidence.wording import contradiction, language_of, lines_of
from nunbit.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

FONT = Path(__file__).parents[1] / "world" / "fonts" / "gothic.ttf"
SUPPORTED, CONTRADICTED, UNKNOWN = (15, 118, 110), (200, 30, 60), (110, 110, 118)
PAPER, INK = (250, 250, 248), (30, 32, 36)
MASK_ALPHA = 0.35
MOST_LEGEND_LINES, LEAST_WIDTH_PX, TEXT_PX = 40, 420, 14
LARGEST_SIDE_PX = 1600
"""Larger pictures are drawn at this size: an overview needs no more."""


def draw_claims(
    pictures: Sequence[Image], scenes: Sequence[Scene], claims: Sequence[Claim], *, question: str = "", answer: str = ""
) -> list[Image]:
    """A new RGB picture for each of the conversation's, with the claims that rest on it and a legend of all claims.

    Args:
        pictures: those of the conversation, of the sizes of their Scenes.
        question, answer: written above the legend.

    Raises:
        UserError: a picture of another size than its Scene.
    """
    language = language_of(question or answer)
    rows = [(f"{i}", line) for i, line in enumerate(lines_of(claims, language, pictures=len(pictures)), start=1)]
    colours = [_colour(c) for c in claims]
    notes = [contradiction(c, language) for c in claims if c.verdict == "contradicted"]
    out = []
    for number, (picture, scene) in enumerate(zip(pictures, scenes, strict=True)):
        marked = _marked(picture, scene, number, claims)
        listed = [(line, colours[i]) for i, (_, line) in enumerate(rows)]
        heading = [(t, INK) for t in (question, answer) if t.strip()]
        warnings = [(n, CONTRADICTED) for n in notes]
        out.append(_with_legend(marked, [*heading, *warnings, *listed]))
    return out


def _colour(claim: Claim) -> tuple[int, int, int]:
    return {"supported": SUPPORTED, "contradicted": CONTRADICTED}.get(claim.verdict, UNKNOWN)


def _marked(picture: Image, scene: Scene, number: int, claims: Sequence[Claim]) -> Image:
    """The picture with the evidence of the claims outlined and numbered."""
    from PIL import Image as images
    from PIL import ImageDraw

    if picture.size != (scene.width, scene.height):
        given = f"a picture of {picture.width}x{picture.height}"
        raise UserError(given, allowed=f"{scene.width}x{scene.height}, as the scene")
    scale = min(1.0, LARGEST_SIDE_PX / max(picture.size))
    small = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture if scale == 1.0 else picture.resize(small, images.Resampling.BICUBIC, reducing_gap=3.0)
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32).copy()
    shown: dict[str, tuple[Evidence, list[int]]] = {}
    for i, claim in enumerate(claims):
        for e in claim.evidence:
            if e.picture == number:
                shown.setdefault(e.id, (e, []))[1].append(i)
    for e, of in shown.values():
        _tint(pixels, scene, e, _colour(claims[of[0]]))
    out = images.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    if scale == 1.0 and min(out.size) < LEAST_WIDTH_PX:
        scale = min(4.0, LEAST_WIDTH_PX / min(out.size), LARGEST_SIDE_PX / max(out.size))
        large = (max(1, round(out.width * scale)), max(1, round(out.height * scale)))
        out = out.resize(large, images.Resampling.BICUBIC)
    pen = ImageDraw.Draw(out)
    for e, of in shown.values():
        colour, weak = _colour(claims[of[0]]), all(claims[i].weak for i in of)
        _outline(pen, _points(e, scene, scale), colour, dashed=weak, width=3)
        _plate(pen, out.size, e, scale, ",".join(str(i + 1) for i in dict.fromkeys(of)), colour)
    return out


def _tint(pixels: np.ndarray, scene: Scene, e: Evidence, colour: tuple[int, int, int]) -> None:
    """Colour the mask of an object or segment in ``(H, W, 3)`` pixels, where the Scene has one."""
    if scene.segment_map is None:
        return
    _, kind, at = e.id.split(".")
    segment = int(at) if kind == "segment" else scene.objects[int(at)].segment if kind == "object" else None
    if segment:
        height, width = pixels.shape[:2]
        rows, columns = np.arange(height) * scene.height // height, np.arange(width) * scene.width // width
        mask = scene.segment_map[np.ix_(rows, columns)] == segment
        pixels[mask] = (1 - MASK_ALPHA) * pixels[mask] + MASK_ALPHA * np.asarray(colour, np.float32)


def _points(e: Evidence, scene: Scene, scale: float) -> list[tuple[float, float]]:
    """The corners of a line as it was read, or of a box."""
    _, kind, at = e.id.split(".")
    if kind == "text":
        return [(x * scale, y * scale) for x, y in scene.text_lines[int(at)].quad]
    x1, y1, x2, y2 = (v * scale for v in e.box)
    x2, y2 = min(x2, scene.width * scale) - 1, min(y2, scene.height * scale) - 1
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def _outline(
    pen: Any, points: list[tuple[float, float]], colour: tuple[int, int, int], *, dashed: bool, width: int
) -> None:
    for a, b in zip(points, [*points[1:], points[0]], strict=True):
        length = max(1.0, float(np.hypot(b[0] - a[0], b[1] - a[1])))
        steps = max(1, round(length / 8)) if dashed else 1
        for k in range(0, steps, 2 if dashed else 1):
            part = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for t in (k / steps, (k + 1) / steps)]
            pen.line(part, fill=(255, 255, 255), width=width + 2)
            pen.line(part, fill=colour, width=width)


def _plate(pen: Any, size: tuple[int, int], e: Evidence, scale: float, text: str, colour: tuple[int, int, int]) -> None:
    """The claims' numbers on a plate at the top left of a box, inside the picture."""
    face = _face(TEXT_PX)
    wide, tall = pen.textlength(text, font=face) + 8, TEXT_PX + 6
    x = min(max(0.0, e.box[0] * scale), max(0.0, size[0] - wide))
    y = e.box[1] * scale - tall
    y = min(y if y >= 0 else e.box[1] * scale, max(0.0, size[1] - tall))
    pen.rectangle((x, y, x + wide, y + tall), fill=colour)
    pen.text((x + 4, y + 2), text, fill=(255, 255, 255), font=face)


def _with_legend(picture: Image, rows: Sequence[tuple[str, tuple[int, int, int]]]) -> Image:
    """The picture above its lines of text, which are wrapped at its width."""
    from PIL import Image as images
    from PIL import ImageDraw

    face, width = _face(TEXT_PX), max(picture.width, LEAST_WIDTH_PX)
    probe = ImageDraw.Draw(picture)
    lines = [(part, colour) for text, colour in rows for part in _wrapped(probe, text, face, width - 20)]
    if len(lines) > MOST_LEGEND_LINES:
        lines = [*lines[: MOST_LEGEND_LINES - 1], (f"+ {len(lines) - MOST_LEGEND_LINES + 1}", INK)]
    tall = round(1.5 * TEXT_PX)
    out = images.new("RGB", (width, picture.height + (16 + tall * len(lines) if lines else 0)), PAPER)
    out.paste(picture, ((width - picture.width) // 2, 0))
    pen = ImageDraw.Draw(out)
    for i, (text, colour) in enumerate(lines):
        pen.text((10, picture.height + 8 + i * tall), text, fill=colour, font=face)
    return out


def _wrapped(pen: Any, text: str, face: Any, width: int) -> list[str]:
    """A text in lines of at most a width, broken at spaces, or anywhere in a word that is too long."""
    out, line = list[str](), ""
    for word in " ".join(text.split())[:600].split(" "):
        candidate = f"{line} {word}".strip()
        if pen.textlength(candidate, font=face) <= width:
            line = candidate
            continue
        if line:
            out.append(line)
        while word and pen.textlength(word, font=face) > width:
            fits = max(1, int(len(word) * width / pen.textlength(word, font=face)) - 1)
            out.append(word[:fits])
            word = word[fits:]
        line = word
    return [*out, line] if line else out


@lru_cache(maxsize=4)
def _face(size_px: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT), size_px)
