"""Photograph, drawing, screenshot, document or chart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.perception.rendered import menu_rows, pil_rows, plot_bars

from nunbit.perception.picture_kind import KINDS, kind_probabilities, picture_kind
from nunbit.world import DOMAINS

PHOTOS = Path(__file__).parent / "photos"


@pytest.mark.parametrize("name", ["cat", "coffee", "astronaut"])
def test_photographs(name: str) -> None:
    found = kind_probabilities(Image.open(PHOTOS / f"{name}.jpg"))
    assert found["photograph"] > 0.8 and sum(found.values()) == pytest.approx(1, abs=0.01) and tuple(found) == KINDS


def test_charts() -> None:
    pytest.importorskip("matplotlib")
    assert picture_kind(plot_bars(np.random.default_rng(5))[0]) == "chart"


def test_documents_and_drawings() -> None:
    rng = np.random.default_rng(5)
    head, rows = menu_rows(rng)
    assert (
        picture_kind(pil_rows([head], rows, ink="black", paper="white", face="gothic", size=24, dotted=False))
        == "document"
    )
    drawn = [
        picture_kind(Image.fromarray(DOMAINS["things"].draw(np.random.default_rng(i), "test").pixels)) for i in range(8)
    ]
    assert drawn.count("drawing") >= 6 and "photograph" not in drawn


def test_a_picture_of_one_pixel_has_a_kind() -> None:
    assert picture_kind(Image.new("RGB", (2, 2), "red")) in KINDS
