"""What image processors may allocate is bounded for every shape and every kind of processor."""

import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nunbit.encoders.vision import CLIP_MEAN, CLIP_STD
from nunbit.errors import UserError
from nunbit.media import bounds
from nunbit.media.bounds import MOST_MADE_PIXELS, MOST_PIXELS, bounded, processed, reduced_size_px
from nunbit.models.processors import padded_image_processor, tiled_image_processor

SHAPES = [(1, 1), (1, 500), (3, 400), (500, 1), (64, 48), (1, 3000)]


def processors():
    from transformers import CLIPImageProcessor

    whole = {"size": {"shortest_edge": 56}, "do_center_crop": True, "crop_size": {"height": 56, "width": 56}}
    return {
        "padded": padded_image_processor(56, CLIP_MEAN, CLIP_STD),
        "short edge": CLIPImageProcessor(**whole),
        "tiles": tiled_image_processor(56, CLIP_MEAN, CLIP_STD, "1x2,2x1"),
        "square": CLIPImageProcessor(size={"height": 56, "width": 56}, do_center_crop=False),
        "not cropped": CLIPImageProcessor(size={"shortest_edge": 56}, do_center_crop=False),
    }


PROCESSORS = processors()


def made_pixels(size, kind):
    """Pixels of the largest picture that a processor makes of one of this size."""
    long, short = max(size), min(size)
    return {"padded": long * long, "short edge": 56 * 56 * long // short}.get(kind, 0)


@pytest.mark.parametrize("kind", ["padded", "short edge"])
@pytest.mark.parametrize("size", [*SHAPES, (12_000, 1), (12_000, 3), (7, 11_000)])
def test_no_processor_makes_a_large_picture(kind, size):
    handed = bounded(Image.new("RGB", size), processors()[kind])
    assert made_pixels(handed.size, kind) <= MOST_MADE_PIXELS
    if made_pixels(size, kind) <= MOST_MADE_PIXELS:
        assert handed.size == size


def test_a_shape_of_which_all_is_needed_is_refused():
    with pytest.raises(UserError, match="12000x1 pixels, which this model scales by its short side"):
        processed(processors()["not cropped"], [Image.new("RGB", (12_000, 1))])


@pytest.mark.parametrize("kind", ["padded", "short edge", "tiles", "square"])
def test_pictures_of_ordinary_shapes_are_not_touched(kind):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
    processor = processors()[kind]
    assert bounded(picture, processor) is picture
    ours = processed(processor, [picture])["pixel_values"]
    theirs = processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert (ours == theirs).all()


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_of_a_long_picture_is_what_the_processor_keeps(monkeypatch, turned):
    from nunbit.media import bounds

    long = np.tile(np.linspace(0, 255, 700)[None, :, None], (40, 1, 3)).astype(np.uint8)
    picture = Image.fromarray(long.swapaxes(0, 1) if turned else long)
    processor = processors()["short edge"]
    whole = processor(images=[picture], return_tensors="pt")["pixel_values"]
    monkeypatch.setattr(bounds, "MOST_MADE_PIXELS", 10_000)
    assert bounded(picture, processor).size != picture.size
    assert float((processed(processor, [picture])["pixel_values"] - whole).abs().max()) < 0.1


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from(["padded", "short edge", "tiles", "square", "not cropped"]),
)
def test_a_picture_of_any_shape_is_bounded_or_refused(width, height, kind):
    """With bounds of a thousandth, so that small pictures reach them as large ones do the real ones."""
    processor = PROCESSORS[kind]
    with mock.patch.object(bounds, "MOST_PIXELS", 12_500), mock.patch.object(bounds, "MOST_MADE_PIXELS", 6000):
        try:
            handed = bounded(Image.new("L", (width, height)), processor)
        except UserError as e:
            assert kind == "not cropped" and "cut the picture" in str(e).lower()
            return
        assert min(handed.size) >= 1 and handed.width * handed.height <= 12_500
        assert made_pixels(handed.size, kind) <= (2100 if kind == "padded" else 12_600) or max(handed.size) <= 2 * 56
        most = 6000 // bounds.PADDED_SHARE if kind == "padded" else 6000
        if width * height <= 12_500 and made_pixels((width, height), kind) <= most and kind != "not cropped":
            assert handed.size == (width, height)


def test_large_pictures_are_reduced_alike_by_size_and_by_pixels():
    assert reduced_size_px((4000, 3000)) == (4000, 3000)
    for size in [(4001, 3999), (12_000, 4166), (5000, 2501)]:
        assert bounded(Image.new("L", size), None).size == reduced_size_px(size)
        assert size[0] * size[1] <= MOST_PIXELS or np.prod(reduced_size_px(size)) <= 1.01 * MOST_MADE_PIXELS


MEASURED = """
import sys
from PIL import Image
from tests.media.test_bounds import processors
from nunbit.errors import UserError
from nunbit.media.images import content_hash, decode
from nunbit.media.bounds import processed

def field(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) // 1024

made = processors()
for p in made.values():
    processed(p, [Image.new("RGB", (64, 64))])
for name in sys.argv[1:]:
    idle = field("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")
    for p in made.values():
        try:
            picture = decode(name)
            content_hash(picture)
            processed(p, [picture])
        except UserError:
            pass
        picture = None
    print(name, field("VmHWM") - idle)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_of_thin_and_large_pictures(tmp_path):
    names = []
    for k, (size, mode) in enumerate([((1, 12_000), "RGB"), ((1, 16_000), "RGB"), ((300, 11_000), "RGBA")]):
        names.append(str(tmp_path / f"{k}.png"))
        Image.new(mode, size).save(names[-1], compress_level=1)
    done = subprocess.run([sys.executable, "-c", MEASURED, *names], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    peaks = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    assert len(peaks) == len(names) and all(peak <= 300 for peak in peaks.values()), peaks
