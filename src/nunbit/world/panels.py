"""Domain *panels*: the steps of a short story in shuffled, lettered panels. Rolling kimbap is the first script."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world.base import DOMAINS, QA, SIZE_PX, Domain, Glyph, Language, Picture, Split, pick
from nunbit.world.canvas import disc, frame, line, polygon, rect, shade
from nunbit.world.text import paint
from nunbit.world.wording import yes_no

Painter = Callable[[np.ndarray, float, float, int], None]
SEAWEED, RICE, BROWN, GREEN, YELLOW = (28, 52, 36), (250, 250, 244), (120, 80, 45), (60, 150, 60), (245, 205, 60)


def _kimbap(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    if step < 3:
        rect(p, (cx - 34, cy - 18, cx + 34, cy + 22), SEAWEED)
    if step in (1, 2):
        rect(p, (cx - 31, cy - 15, cx + 31, cy + 14), RICE)
    if step == 2:
        for i, colour in enumerate(((230, 120, 40), YELLOW, GREEN)):
            rect(p, (cx - 31, cy - 6 + 6 * i, cx + 31, cy - 2 + 6 * i), colour)
    if step == 3:
        rect(p, (cx - 32, cy - 9, cx + 32, cy + 13), SEAWEED)
        disc(p, cx + 32, cy + 2, 11, SEAWEED)
        disc(p, cx + 32, cy + 2, 8, RICE)
        disc(p, cx + 32, cy + 2, 4, (230, 120, 40))
    if step == 4:
        for x in (-22, 0, 22):
            disc(p, cx + x, cy + 4, 11, SEAWEED)
            disc(p, cx + x, cy + 4, 9, RICE)
            disc(p, cx + x - 1, cy + 3, 4, (230, 120, 40))
            disc(p, cx + x + 2, cy + 6, 3, GREEN)


def _plant(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    rect(p, (cx - 34, cy + 14, cx + 34, cy + 24), BROWN)
    if step == 0:
        disc(p, cx, cy + 17, 4, (225, 200, 150))
        return
    top = cy + 16 - (0, 12, 28, 34)[step]
    line(p, (cx, cy + 14), (cx, top), GREEN, 3)
    for i in range(step):
        side = 1 if i % 2 else -1
        disc(p, cx + 8 * side, cy + 8 - 9 * i, 6, GREEN)
    if step == 3:
        for a in range(6):
            disc(p, cx + 8 * np.sin(a), top + 8 * np.cos(a), 5, (240, 110, 150))
        disc(p, cx, top, 5, YELLOW)


def _egg(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    if step < 2:
        disc(p, cx, cy + 2, 18, (246, 232, 208))
        if step == 1:
            for x in range(-3, 3):
                line(
                    p,
                    (cx + 6 * x, cy + (4 if x % 2 else -2)),
                    (cx + 6 * x + 6, cy + (-2 if x % 2 else 4)),
                    (90, 70, 50),
                    2,
                )
        return
    colour, r = ((250, 215, 60), 13.0) if step == 2 else ((250, 248, 240), 19.0)
    disc(p, cx, cy + 6, r, colour)
    disc(p, cx + r * 0.7, cy - r * 0.6, r * 0.6, colour)
    disc(p, cx + r * 0.8, cy - r * 0.7, 2, (20, 20, 20))
    beak, y = cx + r * 1.2, cy - r * 0.55
    polygon(p, [(beak, y - 3), (beak + 8, y), (beak, y + 4)], (240, 140, 40))
    if step == 3:
        disc(p, cx + r * 0.65, cy - r * 1.2, 5, (210, 40, 40))


def _candle(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    height = (40, 30, 19, 9)[step]
    rect(p, (cx - 22, cy + 22, cx + 22, cy + 26), BROWN)
    rect(p, (cx - 8, cy + 22 - height, cx + 8, cy + 22), (200, 60, 80))
    disc(p, cx, cy + 16 - height, 5, (250, 170, 40))
    disc(p, cx, cy + 17 - height, 2.5, (255, 240, 150))


def _glass(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    level = (0, 13, 26, 38)[step]
    rect(p, (cx - 15, cy + 22 - level, cx + 15, cy + 22), (70, 140, 230))
    for x in (-17, 15):
        rect(p, (cx + x, cy - 20, cx + x + 2, cy + 24), (90, 95, 105))
    rect(p, (cx - 17, cy + 22, cx + 17, cy + 24), (90, 95, 105))


def _snowman(p: np.ndarray, cx: float, cy: float, step: int) -> None:
    white, dark = (250, 252, 255), (40, 40, 45)
    disc(p, cx, cy + 14, 13, (120, 140, 165))
    disc(p, cx, cy + 14, 12, white)
    if step >= 1:
        disc(p, cx, cy - 6, 10, (120, 140, 165))
        disc(p, cx, cy - 6, 9, white)
    if step >= 2:
        for x in (-4, 4):
            disc(p, cx + x, cy - 8, 1.8, dark)
        polygon(p, [(cx, cy - 5), (cx + 10, cy - 3), (cx, cy - 2)], (240, 130, 40))
    if step >= 3:
        rect(p, (cx - 12, cy - 17, cx + 12, cy - 14), dark)
        rect(p, (cx - 7, cy - 26, cx + 7, cy - 16), dark)


SCRIPTS: dict[str, tuple[str, int, Painter]] = {
    "kimbap": ("김밥", 5, _kimbap),
    "flower": ("꽃", 4, _plant),
    "chicken": ("닭", 4, _egg),
    "candle": ("양초", 4, _candle),
    "water": ("물", 4, _glass),
    "snowman": ("눈사람", 4, _snowman),
}
"""English name -> (Korean name, number of steps, painter)."""


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """Four or five steps of a script in shuffled panels; their order is in ``scene.meta["panels"]``."""
    script = pick(rng, ("kimbap", *SCRIPTS))
    _, steps, painter = SCRIPTS[script]
    count = 4 if steps == 4 or rng.random() < 0.6 else 5
    chosen = sorted(rng.permutation(steps)[:count].tolist())
    shown = [chosen[int(i)] for i in rng.permutation(count)]
    pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
    pixels[:] = rng.integers(225, 256, 3)
    columns, w, h = 2, 94, 94 if count == 4 else 62
    glyphs: list[Glyph] = []
    scene = Scene(SIZE_PX, SIZE_PX)
    for i, step in enumerate(shown):
        x, y, letter = 2 + i % columns * w, 2 + i // columns * h, "ABCDE"[i]
        rect(pixels, (x + 1, y + 1, x + w - 1, y + h - 1), shade(rng, 205, 235))
        painter(pixels, x + w / 2 + int(rng.integers(-4, 9)), y + h / 2 + int(rng.integers(-2, 3)), step)
        frame(pixels, (x, y, x + w, y + h), (60, 60, 66))
        new = paint(pixels, x + 4, y + 2, letter, font="sans-bold", size_px=14)
        glyphs += new
        scene.text_lines.append(TextLine.from_box(letter, new[0].box))
        cx, cy = x + w / 2, y + h / 2
        scene.objects.append(
            SceneObject(
                f"{script} step {step + 1}",
                (cx - 30, cy - 24, cx + 30, cy + 24),
                attributes={"letter": letter, "step": str(step + 1)},
            )
        )
    order = ["ABCDE"[shown.index(s)] for s in chosen]
    scene.meta["panels"] = {"script": script, "order": order, "steps": shown}
    return Picture(pixels, scene, "panels", glyphs)


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """Questions about the order, place and number of the steps, and what the story is about."""
    facts = picture.scene.meta["panels"]
    order, out = facts["order"], []
    ko = language == "ko"

    def add(kind: str, en: str, korean: str, answer: str) -> None:
        out.append(QA(korean if ko else en, answer, kind, language))

    add("order", "In which order do the steps happen?", "어떤 순서로 일어나나요?", ", ".join(order))
    add("lookup", "Which panel shows the first step?", "첫 단계는 어느 칸인가요?", order[0])
    add("lookup", "Which panel shows the last step?", "마지막 단계는 어느 칸인가요?", order[-1])
    add("count", "How many panels are there?", "칸은 모두 몇 개인가요?", str(len(order)))
    add(
        "describe",
        "What is this story about?",
        "무엇에 관한 이야기인가요?",
        SCRIPTS[facts["script"]][0] if ko else facts["script"],
    )
    i, j = (int(k) for k in rng.permutation(len(order))[:2])
    a, b = "ABCDE"[i], "ABCDE"[j]
    add(
        "compare",
        f"Which comes first, {a} or {b}?",
        f"{a}, {b} 중 무엇이 먼저인가요?",
        a if order.index(a) < order.index(b) else b,
    )
    letter = pick(rng, "ABCDEF")
    add("exists", f"Is there a panel {letter}?", f"{letter} 칸이 있나요?", yes_no(letter in order, language))
    return out


DOMAINS.register("panels")(Domain(draw, make_questions))
