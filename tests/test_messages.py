"""Messages: what a part may hold, and the order of turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import PLACEHOLDER, EncodedImage, Message, Part, assistant, check_turns, question, system, user


def test_turns_must_alternate():
    check_turns([system("s"), user("a"), assistant("b"), user("c")])
    for bad in ([], [assistant("a")], [user("a"), user("b")], [user("a"), system("s")], [Message("tool", ())]):
        with pytest.raises(UserError):
            check_turns(bad)


def test_a_question_has_its_images_first():
    m = question("why?", [PLACEHOLDER])[0]
    assert (m.text, m.images, m.parts[0]) == ("why?", [PLACEHOLDER], Part.image(PLACEHOLDER))


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (2, 3)), np.zeros((3, 2, 3), np.uint8), Path("a.png"), EncodedImage(b"\x89PNG"), PLACEHOLDER],
    ids=lambda x: type(x).__name__,
)
def test_decoded_images_and_typed_references_are_taken(image):
    assert user("a", Part.image(image)).images == [image]


UNDECODED = [
    "a.png",
    "https://host/a.png",
    "data:image/png;base64,AAAA",
    b"\x89PNG",
    bytearray(b"x"),
    memoryview(b"x"),
    None,
    3,
    [1],
]


@pytest.mark.parametrize("content", UNDECODED, ids=lambda x: type(x).__name__)
def test_an_undecoded_image_is_refused_and_the_error_names_decode(content):
    for make in (Part.image, lambda c: Part("image", c), lambda c: question("What?", [c])):
        with pytest.raises(UserError, match=r"Decode it with nunbit\.media\.decode") as e:
            make(content)
        assert type(content).__name__ in e.value.given


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=lambda x: f"{x.shape} {x.dtype}",
)
def test_an_array_that_is_no_rgb_image_is_refused(array):
    with pytest.raises(UserError, match="height, width, 3"):
        Part.image(array)


@pytest.mark.parametrize(
    ("kind", "content"), [("text", b"a"), ("text", None), ("audio", "a.wav"), ("audio", b"RIFF"), ("video", 1)]
)
def test_other_parts_have_their_types_too(kind, content):
    with pytest.raises(UserError):
        Part(kind, content)


def test_a_long_source_is_not_repeated_in_the_error():
    with pytest.raises(UserError) as e:
        Part.image("data:image/png;base64," + "A" * 100_000)
    assert len(str(e.value)) < 400
