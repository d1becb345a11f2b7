"""Bars of charts that other software drew, and what is no bar."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nunbit.perception.chart_bars import find_bars
from nunbit.scene import Scene, TextLine
from nunbit.scene_prompt import scene_words

HEIGHTS = (60, 140, 30, 200)


def chart(colours=("#3366cc",) * 4, scale=1):
    image = Image.new("RGB", (480 * scale, 320 * scale), "white")
    pen = ImageDraw.Draw(image)
    pen.line([scale * v for v in (60, 20, 60, 280)], fill="black")
    pen.line([scale * v for v in (60, 280, 460, 280)], fill="black")
    for i, (h, colour) in enumerate(zip(HEIGHTS, colours, strict=True)):
        pen.rectangle([scale * v for v in (90 + 90 * i, 279 - h, 140 + 90 * i, 279)], fill=colour)
    return image


@pytest.mark.parametrize("colours", [("#3366cc",) * 4, ("#cc3333", "#33cc33", "#3333cc", "#888800")])
@pytest.mark.parametrize("scale", [1, 3])
def test_bars_with_their_heights(colours, scale):
    bars = find_bars(chart(colours, scale))
    assert len(bars) == 4
    assert [b.box[3] - b.box[1] for b in bars] == pytest.approx([scale * h for h in HEIGHTS], abs=3 * scale)
    assert [b.box[0] for b in bars] == sorted(b.box[0] for b in bars)


def test_values_are_read_off_the_axis_although_a_tick_is_misread():
    ticks = [("200", 79), ("150", 129), ("1004", 179), ("50 -", 229), ("0", 279)]
    lines = [TextLine.from_box(t, (30, y - 6, 52, y + 6)) for t, y in ticks]
    lines += [TextLine.from_box(n, (95 + 90 * i, 288, 135 + 90 * i, 300)) for i, n in enumerate(("A", "B", "C", "D"))]
    words = scene_words(Scene(480, 320, find_bars(chart()), text_lines=lines))
    for name, value in zip("ABCD", HEIGHTS, strict=True):
        said = int(words.split(f'bar "{name}" about ')[1].split()[0].rstrip(";"))
        assert abs(said - value) <= 3


def test_what_is_no_bar():
    assert find_bars(Image.new("RGB", (300, 200), "white")) == []
    assert find_bars(Image.new("RGB", (1, 1))) == []
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    assert find_bars(Image.fromarray(noise)) == []
    one = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(one).rectangle((100, 50, 140, 150), fill="red")
    assert find_bars(one) == []
    stairs = Image.new("RGB", (300, 200), "white")
    pen = ImageDraw.Draw(stairs)
    for i in range(4):
        pen.rectangle((20 + 60 * i, 20 + 30 * i, 50 + 60 * i, 60 + 30 * i), fill="blue")
    assert find_bars(stairs) == []
