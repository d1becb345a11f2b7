"""Claims drawn over their pictures."""

import numpy as np
import pytest
from PIL import Image
from tests.evidence.scenes import scene

from nunbit.errors import UserError
from nunbit.evidence import claims_of
from nunbit.evidence.drawing import CONTRADICTED, SUPPORTED, draw_claims
from nunbit.scene import Segment


def near(image, colour):
    """Rows and columns of pixels of a colour."""
    apart = np.abs(np.asarray(image, int) - np.asarray(colour)).max(-1)
    return np.argwhere(apart < 4)


def test_boxes_masks_numbers_and_a_legend():
    seen, picture = scene(), Image.new("RGB", (300, 200), "white")
    seen.segments, seen.objects[2].segment = [Segment(1, "cat")], 1
    seen.segment_map = np.zeros((200, 300), np.int32)
    seen.segment_map[130:180, 210:280] = 1
    question, answer = "설명해 주세요.", "고양이 한 마리와 개 세 마리가 있습니다."
    [drawn] = draw_claims([picture], [seen], claims_of(question, answer, [seen]), question=question, answer=answer)
    scale = drawn.width / 300
    legend = 200 * scale
    assert drawn.height > legend + 40, "no legend"
    cat, dogs = near(drawn.crop((0, 0, drawn.width, int(legend))), SUPPORTED), near(drawn, CONTRADICTED)
    assert abs(cat[:, 1].max() / scale - 290) < 3 and abs(cat[:, 1].min() / scale - 200) < 3
    assert abs(dogs[dogs[:, 0] < legend][:, 1].min() / scale - 10) < 3
    inside = np.asarray(drawn)[int(150 * scale), int(250 * scale)]
    assert tuple(inside) != (255, 255, 255), "the mask is not tinted"
    assert len(near(drawn.crop((0, int(legend), drawn.width, drawn.height)), SUPPORTED)) > 5, "no green line of text"


def test_each_picture_gets_its_own_evidence():
    seen = [scene(), scene()]
    seen[1].objects = []
    pictures = [Image.new("RGB", (300, 200), "white")] * 2
    first, second = draw_claims(pictures, seen, claims_of("", "a cat", seen))
    top = (0, 0, first.width, int(200 * first.width / 300))
    assert len(near(first.crop(top), SUPPORTED)) and not len(near(second.crop(top), SUPPORTED))


def test_sizes():
    seen = scene()
    seen.width, seen.height = 3000, 2000
    claims = claims_of("", "a cat and a zebra" * 3, [seen])
    [drawn] = draw_claims([Image.new("RGB", (3000, 2000))], [seen], claims)
    assert drawn.width == 1600
    with pytest.raises(UserError, match="300x200"):
        draw_claims([Image.new("RGB", (300, 200))], [seen], claims)
    long = draw_claims([Image.new("RGB", (3000, 2000))], [seen], claims, answer="가" * 3000)[0]
    assert long.height < 3000
