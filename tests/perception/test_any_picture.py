"""All shipped parts on pictures that nobody expects: no exception, no warning, bounded work."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nunbit.media import decode
from nunbit.perception.merge import PictureParts, build_parts
from nunbit.perception.picture_kind import kind_at_a_glance
from nunbit.perception.pipeline import Perception, failed_parts
from nunbit.perception.scaling import WORK_SIDE_PX
from nunbit.perception.short_lines import Reading

MOST_S = 60.0
"""Seconds for a picture, on a machine that does other things: a bound on runaway work, no measurement."""


class Numbers:
    """Reads every line as its position, and refuses large ones."""

    name = "numbers"

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        assert len(lines) <= 120 and all(line.size < 4_000_000 for line in lines)
        return [Reading(f"line {i}", 0.9) for i in range(len(lines))]


@pytest.fixture(scope="module")
def parts() -> PictureParts:
    return build_parts(recognise=Numbers())


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def stripes(width: int, height: int) -> Image.Image:
    values = np.zeros((height, width, 3), np.uint8)
    values[:, ::7] = 255
    values[::9] = 255
    return Image.fromarray(values)


PICTURES = {
    "one pixel": Image.new("RGB", (1, 1), "red"),
    "1x2": Image.new("RGB", (1, 2), "red"),
    "a column": noise(1, 5000),
    "a row": noise(5000, 1),
    "black": Image.new("RGB", (320, 240)),
    "white": Image.new("RGB", (320, 240), "white"),
    "noise": noise(640, 480),
    "fine noise, small": noise(23, 31),
    "stripes": stripes(640, 480),
    "a large photograph": noise(400, 300).resize((4000, 3000), Image.Resampling.BICUBIC),
}


def perceived(parts: PictureParts, image: Image.Image) -> None:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [scene] = Perception(panoptic=parts)([image])
        kind_at_a_glance(image.convert("RGB"))
    assert not failed_parts(scene), failed_parts(scene)
    assert (scene.width, scene.height) == image.size and sum(scene.meta["picture"]["kinds"].values()) > 0.98
    boxes = [*(o.box for o in scene.objects), *(line.box for line in scene.text_lines)]
    assert all(0 <= b[0] < b[2] <= image.width + 1 and 0 <= b[1] < b[3] <= image.height + 1 for b in boxes)
    assert time.perf_counter() - began < MOST_S


@pytest.mark.parametrize("name", PICTURES)
def test_a_strange_picture_has_a_scene(parts: PictureParts, name: str) -> None:
    perceived(parts, PICTURES[name])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_a_picture_of_any_mode_has_a_scene(parts: PictureParts, mode: str) -> None:
    image = Image.fromarray(np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)) if mode == "I;16" else None
    perceived(parts, image or noise(64, 48).convert(mode))


def test_a_file_turned_by_exif_and_one_that_moves_have_scenes(parts: PictureParts, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(60, 40).save(tmp_path / "turned.jpg", exif=exif)
    perceived(parts, decode(tmp_path / "turned.jpg"))
    assert decode(tmp_path / "turned.jpg").size == (40, 60)
    frames = [Image.new("RGB", (50, 40), c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    perceived(parts, decode(tmp_path / "moves.gif"))


def test_what_the_parts_see_is_bounded_and_boxes_are_those_of_the_picture(parts: PictureParts, monkeypatch) -> None:
    seen = []
    photographs = parts.photographs
    monkeypatch.setattr(parts, "photographs", lambda images: seen.append(images[0].size) or photographs(images))
    cat = Image.open(Path(__file__).parent / "photos" / "cat.jpg").convert("RGB")
    large = cat.resize((cat.width * 3000 // max(cat.size) * 2, cat.height * 3000 // max(cat.size) * 2))
    [scene] = parts([large])
    assert max(seen[0]) == WORK_SIDE_PX and scene.objects[0].name == "cat"
    x1, y1, x2, y2 = scene.objects[0].box
    assert x2 - x1 > 0.3 * large.width and y2 - y1 > 0.3 * large.height and x2 > WORK_SIDE_PX
