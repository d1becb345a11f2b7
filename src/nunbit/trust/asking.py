"""Questions to a model about a picture or a region of it: visual question answering for `checks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nunbit.messages import Message, question
from nunbit.scene import Box
from nunbit.trust.checks import Ask

if TYPE_CHECKING:
    from PIL.Image import Image

MARGIN = 0.15
"""How much of a thing's surroundings is shown on each side, as a share of its box."""
LEAST_PX = 16
MAX_NEW_TOKENS = 24


def visual_questions(answer: Callable[[list[Message]], str], images: Sequence[Image]) -> Ask:
    """What asks a model about the pictures of a conversation.

    Args:
        answer: a conversation -> the model's reply, of at most `MAX_NEW_TOKENS` tokens.
        images: the pictures, in order.
    """

    def ask(picture: int, box: Box | None, text: str) -> str:
        image = images[picture]
        return answer([*question(text, [image if box is None else region(image, box)])]).strip()

    return ask


def region(image: Image, box: Box) -> Image:
    """The part of a picture around a box ``(x1, y1, x2, y2)`` in its pixels, with a margin, at least 16 pixels wide."""
    x1, y1, x2, y2 = box
    beside, above = max(MARGIN * (x2 - x1), LEAST_PX / 2), max(MARGIN * (y2 - y1), LEAST_PX / 2)
    left, top = max(0, int(x1 - beside)), max(0, int(y1 - above))
    return image.crop((left, top, min(image.width, int(x2 + beside) + 1), min(image.height, int(y2 + above) + 1)))
