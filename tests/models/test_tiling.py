"""Any resolution: one count of tokens for processor, model and batches, whatever the picture's shape."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.families import language, vision

from nunbit.errors import UserError
from nunbit.media.images import decode, picture_size_px
from nunbit.models.build import build_model
from nunbit.models.composed import image_features
from nunbit.models.image_tokens import image_tokens, token_counter
from nunbit.models.tiling import NEXT, most_tiled, pinpoints, tile_grid

SIZES = [(56, 56), (40, 300), (300, 40), (3, 500), (500, 3), (113, 57), (57, 113), (1000, 999), (61, 170), (14, 15)]


@pytest.fixture(scope="module", params=["clip", "siglip2", "dinov2"])
def made(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("next")
    return build_model(vision(request.param, root / "eyes"), language("qwen3", root / "llm"), tiles=NEXT)


def picture(size):
    return Image.fromarray(np.random.default_rng(size).integers(0, 255, (*size, 3), dtype=np.uint8))


def test_processor_model_and_counter_agree_on_every_shape(made):
    model, processor = made
    shown = processor.image_processor(images=[picture(s) for s in SIZES], return_tensors="pt")
    assert len({tile_grid(model.config, s) for s in SIZES}) > 2
    counts = [image_tokens(model.config, s) for s in SIZES]
    pictures = [picture(s) for s in SIZES]
    inputs = processor(text=["<image>"] * len(SIZES), images=pictures, padding=True, return_tensors="pt")
    assert (inputs["input_ids"] == model.config.image_token_id).sum(1).tolist() == counts
    with torch.no_grad():
        whole = image_features(model, shown["pixel_values"], sizes=shown["image_sizes"]).split(counts)
        for i, size in enumerate(SIZES):
            alone = processor.image_processor(images=[picture(size)], return_tensors="pt")
            tokens = image_features(model, alone["pixel_values"], sizes=alone["image_sizes"])
            assert len(tokens) == counts[i] and torch.allclose(tokens, whole[i], atol=1e-5)
    assert max(counts) <= most_tiled(model.config)[0]


def test_a_square_model_needs_no_size(tmp_path):
    model, _ = build_model(vision("clip", tmp_path / "eyes"), language("llama", tmp_path / "llm"))
    assert token_counter(model.config) == image_tokens(model.config) == 16


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_size_of_a_file_is_that_of_the_upright_picture(tmp_path, suffix, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / f"a.{suffix}"
    picture((30, 50)).save(path, exif=exif)
    assert picture_size_px(path) == decode(path).size[::-1] == ((50, 30) if turn > 4 else (30, 50))


@pytest.mark.parametrize("tiles", ["0x2", "2", "axb", "99x99", "1x2,", "-1x2"])
def test_arrangements_that_cannot_be_are_refused(tiles):
    with pytest.raises(UserError, match="rows x columns"):
        pinpoints(tiles, 336)


def test_the_released_arrangements():
    assert pinpoints(NEXT, 336) == [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
