"""Domain *writing*: words, numbers, signs and short notes in Latin and Hangul, in several fonts, turned and noisy."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Scene
from nunbit.world import lexicon
from nunbit.world.base import COLOURS, DOMAINS, QA, SIZE_PX, Domain, Glyph, Language, Picture, Split, box_text, pick
from nunbit.world.canvas import rect, speckle
from nunbit.world.text import HANGUL_FONTS, LATIN_FONTS, font_for, line_height, paint, text_line, width
from nunbit.world.wording import colour_word, yes_no

MAX_ANSWER = 24


def _lines(rng: np.random.Generator) -> list[str]:
    kind, hangul = rng.random(), bool(rng.random() < 0.45)
    if kind < 0.25:
        return [pick(rng, lexicon.KOREAN_SIGNS if hangul else lexicon.SIGNS)]
    if kind < 0.4:
        return [lexicon.random_number(rng)]
    if kind < 0.6:
        return [lexicon.word(rng, hangul)]
    return [
        " ".join(lexicon.word(rng, hangul) for _ in range(int(rng.integers(1, 3))))[:MAX_ANSWER]
        for _ in range(int(rng.integers(1, 5)))
    ]


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """One note: lines of one size, font and colour on a plate of clearly different brightness."""
    lines = _lines(rng)
    latin, hangul = pick(rng, LATIN_FONTS), pick(rng, HANGUL_FONTS)
    fonts = [font_for(line, latin, hangul) for line in lines]
    floor = 16 if any(f in HANGUL_FONTS for f in fonts) else 12
    size = int(rng.integers(floor, 41))
    while size > floor and (
        max(width(t, f, size) for t, f in zip(lines, fonts, strict=True)) > SIZE_PX - 12
        or len(lines) * line_height(size) > SIZE_PX - 12
    ):
        size -= 1
    dark = [n for n in COLOURS if n not in ("white", "yellow", "orange", "pink", "gray")]
    ink_name = pick(rng, dark)
    paper = np.asarray(rng.integers(200, 256, 3))
    if rng.random() < 0.25:
        ink_name, paper = pick(rng, ("white", "yellow")), np.asarray(rng.integers(10, 80, 3))
    pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
    pixels[:] = paper
    wide = max(width(t, f, size) for t, f in zip(lines, fonts, strict=True))
    tall = len(lines) * line_height(size)
    x0, y0 = int(rng.integers(2, max(3, SIZE_PX - wide - 2))), int(rng.integers(2, max(3, SIZE_PX - tall - 2)))
    if rng.random() < 0.4:
        edge = np.clip(paper.astype(int) + (-40 if paper.mean() > 128 else 60), 0, 255)
        pixels[:] = edge
        rect(pixels, (x0 - 8, y0 - 8, x0 + wide + 8, y0 + tall + 8), (int(paper[0]), int(paper[1]), int(paper[2])))
    glyphs: list[Glyph] = []
    scene = Scene(SIZE_PX, SIZE_PX, meta={"ink": ink_name})
    for i, (text, font) in enumerate(zip(lines, fonts, strict=True)):
        y = y0 + i * line_height(size)
        new = paint(pixels, x0, y, text, font=font, size_px=size, colour=COLOURS[ink_name][1])
        glyphs += new
        scene.text_lines.append(text_line(text, new))
    if rng.random() < 0.33 and min(x0, y0) > 4:
        pixels, glyphs = _turn(rng, pixels, glyphs, scene)
    if rng.random() < 0.3:
        pixels = speckle(rng, pixels, 12)
    return Picture(pixels, scene, "writing", glyphs)


def _turn(
    rng: np.random.Generator, pixels: np.ndarray, glyphs: list[Glyph], scene: Scene
) -> tuple[np.ndarray, list[Glyph]]:
    """Rotate everything about the centre by up to 12 degrees, less where a corner would leave the canvas."""
    from PIL import Image

    angle = float(rng.uniform(-12, 12))
    corners = np.array([p for t in scene.text_lines for p in t.quad])
    while abs(angle) > 1 and not _inside(_rotated(corners, angle)):
        angle *= 0.6
    turned = Image.fromarray(pixels).rotate(
        angle, Image.Resampling.BILINEAR, fillcolor=tuple(int(v) for v in pixels[0, 0])
    )
    for t in scene.text_lines:
        a, b, c, d = ((float(x), float(y)) for x, y in _rotated(np.array(t.quad), angle))
        t.quad = (a, b, c, d)
    out = []
    for g in glyphs:
        x1, y1, x2, y2 = g.box
        (cx, cy), w, h = _rotated(np.array([[(x1 + x2) / 2, (y1 + y2) / 2]]), angle)[0], x2 - x1, y2 - y1
        out.append(Glyph(g.char, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
    return np.array(turned), out


def _rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    a, c = np.deg2rad(degrees), SIZE_PX / 2
    x, y = points[:, 0] - c, points[:, 1] - c
    return np.stack([c + x * np.cos(a) + y * np.sin(a), c - x * np.sin(a) + y * np.cos(a)], 1)


def _inside(points: np.ndarray) -> bool:
    return bool((points > 0).all() and (points < SIZE_PX).all())


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """Questions about the text: what it says, line by line, its colour, words and place."""
    scene, ko = picture.scene, language == "ko"
    lines = [t.text for t in scene.text_lines]
    out = []

    def add(kind: str, en: list[str], korean: list[str], answer: str) -> None:
        out.append(QA(pick(rng, korean if ko else en), answer, kind, language))

    if len(lines) == 1:
        add(
            "read",
            ["What does it say?", "Read the text.", "What is written here?"],
            ["뭐라고 쓰여 있나요?", "글자를 읽어 주세요."],
            lines[0],
        )
        add("read", ["Read the sign."], ["표지판을 읽어 주세요."], lines[0])
    for i in rng.permutation(len(lines))[:2] if len(lines) > 1 else ():
        n = int(i) + 1
        add(
            "read",
            [f"What is written on line {n}?", f"Read line {n}."],
            [f"{n}번째 줄에 뭐라고 쓰여 있나요?", f"{n}번째 줄을 읽어 주세요."],
            lines[int(i)],
        )
    add("count", ["How many lines of text are there?"], ["글은 몇 줄인가요?"], str(len(lines)))
    hue = scene.meta["ink"]
    add(
        "attribute",
        ["What color is the text?", "What colour are the letters?"],
        ["글자는 무슨 색인가요?"],
        colour_word(hue, language),
    )
    words = [w for t in lines for w in t.split()]
    shown = pick(rng, words)
    truth = bool(rng.random() < 0.5)
    other = lexicon.word(rng, any("가" <= c <= "힣" for c in shown))
    word = shown if truth or other in words else other
    add(
        "exists",
        [f'Is the word "{word}" written here?'],
        [f'"{word}" 글자가 있나요?'],
        yes_no(word in words, language),
    )
    i = int(rng.integers(len(lines)))
    if lines.count(lines[i]) == 1:
        box = box_text(scene.text_lines[i].box)
        if len(lines) == 1:
            add("locate", ["Where is the text?"], ["글자는 어디에 있나요?"], box)
        else:
            add("locate", [f"Where is line {i + 1}?"], [f"{i + 1}번째 줄은 어디에 있나요?"], box)
    return out


DOMAINS.register("writing")(Domain(draw, make_questions))
