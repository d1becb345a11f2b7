"""Prompts made by a model's own processor: for models whose pictures become tokens in ways of their own (rows with end
marks, tiles with coordinates, a count that follows the picture's size).

A processor obeys every control token in a text. So a control token that somebody wrote is broken in two before the
processor reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nunbit.errors import UserError
from nunbit.media.bounds import bounded
from nunbit.messages import Message, check_turns
from nunbit.models.text_encoder import TextEncoder

WRITES_IMAGE_TOKENS = ("PaliGemmaProcessor",)
"""Processors without a chat template that want one image token a picture before the question."""
REFUSALS = (ValueError, TypeError, RuntimeError, IndexError, KeyError, AttributeError, MemoryError, OverflowError)


def has_template(processor: Any) -> bool:
    """Whether a processor, or its tokenizer, has a chat template."""
    tokenizer = getattr(processor, "tokenizer", processor)
    return bool(getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None))


def without_control(text: str, encoder: TextEncoder) -> str:
    """The text with a space inside each control token that is written in it."""
    while (stop := encoder.first_control(text)) is not None:
        text = f"{text[: stop - 1]} {text[stop - 1 :]}"
    return text


def plain_messages(messages: Sequence[Message], encoder: TextEncoder) -> list[Message]:
    """The messages with no control token in their words.

    Raises:
        UserError: turns out of order, or a sound.
    """
    check_turns(messages)
    if any(p.kind not in ("text", "image") for m in messages for p in m.parts):
        raise UserError("a sound in the conversation", allowed="text and pictures", todo="leave the sound out")
    return [
        replace(
            m,
            parts=tuple(
                replace(p, content=without_control(p.content, encoder)) if p.kind == "text" else p for p in m.parts
            ),
        )
        for m in messages
    ]


def plain_question(messages: Sequence[Message], processor: Any) -> str:
    """The prompt of a model without a chat template: the words of one question.

    Raises:
        UserError: a conversation of more than one turn.
    """
    if len(messages) != 1 or messages[0].role != "user":
        raise UserError(
            "a conversation of several turns",
            allowed="one question with its pictures: this model has no chat template",
            todo="ask each question on its own",
        )
    marks = processor.image_token * len(messages[0].images) if type(processor).__name__ in WRITES_IMAGE_TOKENS else ""
    return marks + messages[0].text


def processor_inputs(processor: Any, text: str, pictures: Sequence[Any]) -> Any:
    """What a processor makes of a prompt and its pictures, as tensors of one row.

    Args:
        text: as the chat template wrote it, or a `plain_question`.
        pictures: in the order of their places in the text.

    Raises:
        UserError: the processor refuses them.
    """
    handed = [bounded(p, processor.image_processor) for p in pictures]
    images: Any = handed or None
    options = {}
    if has_template(processor):
        # The pictures of one row as a list of their own: in a flat list some take each for a row of its own, and tile
        # pictures that they would not tile side by side.
        images, options = [handed] if handed else None, {"add_special_tokens": False}
    try:
        return processor(text=[text], images=images, return_tensors="pt", **options)
    except REFUSALS as e:
        if isinstance(e, UserError):
            raise
        sizes = ", ".join(f"{p.width}x{p.height}" for p in handed[:4]) or "none"
        raise UserError(
            f"this model's processor refuses the question (pictures: {sizes}; {str(e)[:160]})",
            allowed="as many pictures as the model takes, of common shapes",
            todo="ask with one picture of a common shape",
        ) from None
