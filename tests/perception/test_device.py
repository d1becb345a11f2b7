"""Networks of perception run where they are put: pictures go there, and what is found comes back."""

import pytest
from PIL import Image
from tests.perception.small_models import small_owl

from nunbit.perception import Perception, ZeroShotDetector
from nunbit.perception.base import Lazy
from nunbit.perception.coco_detector import CocoDetector
from nunbit.perception.image_names import ImageNamer

PICTURE = Image.new("RGB", (64, 48), "red")
NO_WAY_BACK = "out of meta tensor"
"""On the meta device everything runs but the copy back; tensors of two devices would fail before."""


@pytest.mark.parametrize("kind", (CocoDetector, ImageNamer))
def test_a_network_computes_where_it_is_put(kind):
    part = kind.from_pretrained()
    part.to("meta")
    with pytest.raises(NotImplementedError, match=NO_WAY_BACK):
        part([PICTURE])


def test_parts_that_are_built_later_are_put_there_too():
    made = []

    def build():
        made.append(ZeroShotDetector(*small_owl(), ["cat"]))
        return made[0]

    perception = Perception(detection=Lazy(build)).to("meta")
    assert not made, "nothing is built for it"
    perception.load()
    assert made[0].model.device.type == "meta"
    at_once = ZeroShotDetector(*small_owl(), ["cat"])
    Perception(detection=at_once).to("meta")
    assert at_once.model.device.type == "meta"
