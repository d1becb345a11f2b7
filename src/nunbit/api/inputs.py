"""What callers give: pictures and turns in any usual form, made into decoded pictures and messages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.messages import Message, Part

Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
Pictures = Picture | Sequence[Picture] | None
Turns = str | Sequence[Message | Mapping[str, Any]]
"""A question, or a conversation: `Message` objects, or dictionaries as transformers' chat templates take them."""


def as_list(pictures: Pictures) -> list[Picture]:
    """One picture, several or none, as a list. An array of rank 3 is one picture."""
    if pictures is None:
        return []
    if isinstance(pictures, (list, tuple)):
        return [*pictures]
    return [pictures]  # type: ignore[list-item] # a sequence that is no list is a string, bytes or an array


def as_image(picture: Picture) -> Image.Image:
    """Decode a picture to RGB.

    Raises:
        UserError: it cannot be decoded, or an array is not uint8 ``(height, width, 3)``.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise UserError(
                f"an array of type {picture.dtype} and shape {picture.shape} for a picture",
                allowed="uint8 of shape (height, width, 3)",
            )
        picture = Image.fromarray(picture)
    return decode(picture)


def conversation(question: Turns, pictures: Sequence[Picture]) -> list[Message]:
    """Turns with decoded pictures; those of ``pictures`` go before the words of the first user turn.

    Raises:
        UserError: a picture cannot be decoded, a part is unknown, or pictures come without a user turn.
    """
    if isinstance(question, str):
        if not question.strip():
            raise UserError("an empty question", allowed="a question in words")
        turns = [Message("user", (Part.text(question),))]
    else:
        turns = [as_message(turn) for turn in question]
    images = tuple(Part.image(as_image(p)) for p in pictures)
    for i, turn in enumerate(turns):
        if images and turn.role == "user":
            turns[i] = Message("user", (*images, *turn.parts))
            return turns
    if images:
        raise UserError("pictures without a user turn", allowed="at least one user turn", todo="add a question")
    return turns


def as_message(turn: Message | Mapping[str, Any]) -> Message:
    """A turn with decoded pictures, from a `Message` or from a dictionary with ``role`` and ``content``.

    Raises:
        UserError: the dictionary has another form, or a picture cannot be decoded.
    """
    allowed = (
        "role, and content as words or as parts such as {'type': 'image', 'image': ...}, {'type': 'text', 'text': ...}"
    )
    if isinstance(turn, Message):
        parts = (Part.image(as_image(p.content)) if p.kind == "image" else p for p in turn.parts)
        return replace(turn, parts=tuple(parts))
    if not isinstance(turn, Mapping) or not {"role", "content"} <= set(turn):
        raise UserError("a turn without role or content", allowed=allowed)
    content = turn["content"]
    if isinstance(content, str):
        return Message(turn["role"], (Part.text(content),))
    if not isinstance(content, (list, tuple)):
        raise UserError(f"a turn whose content is of type {type(content).__name__}", allowed=allowed)
    found: list[Part] = []
    for part in content:
        match part:
            case {"type": "text", "text": str(words)}:
                found.append(Part.text(words))
            case {"type": "image", "image": picture}:
                found.append(Part.image(as_image(picture)))
            case _:
                raise UserError("a part of a turn in an unknown form", allowed=allowed)
    return Message(turn["role"], tuple(found))
