"""Conversation -> token ids with a trainable flag each: labels by construction, never by searching strings.

A test holds these ids equal to those of the tokenizer's own chat template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunbit.errors import UserError
from nunbit.messages import Message, check_turns
from nunbit.models.tokenizer import ASSISTANT, BOS, EOS, IMAGE, USER


@dataclass(slots=True)
class Rendered:
    """``ids`` with ``trainable`` of the same length: True on the assistant's words and the end mark after them."""

    ids: list[int]
    trainable: list[bool]

    def labels(self, ignore: int = -100) -> list[int]:
        return [i if t else ignore for i, t in zip(self.ids, self.trainable, strict=True)]


def render(messages: Sequence[Message], tokenizer: Any, image_tokens: int, *, max_tokens: int | None = None,
           name: str = "sample", generate: bool = False) -> Rendered:  # fmt: skip
    """Render a conversation.

    Args:
        image_tokens: how many placeholders one picture takes (`nunbit.models.compose.image_tokens`).
        max_tokens: a longer conversation is refused: nothing is cut, least of all a placeholder.
        name: names the sample in errors.
        generate: end with the mark after which the assistant speaks.

    Raises:
        UserError: too long, or (when training) a conversation without a single trainable token.
    """
    check_turns(messages)
    special = {t: tokenizer.convert_tokens_to_ids(t) for t in (BOS, EOS, IMAGE, USER, ASSISTANT)}
    out = Rendered([special[BOS]], [False])

    def add(ids: Sequence[int], trainable: bool) -> None:
        out.ids.extend(ids)
        out.trainable.extend([trainable] * len(ids))

    for message in messages:
        spoken = message.role == "assistant"
        add([special[ASSISTANT if spoken else USER]], False)
        for part in message.parts:
            if part.kind == "image":
                add([special[IMAGE]] * image_tokens, False)
            else:
                add(encode_text(part.content, tokenizer), spoken)
        if spoken:
            add([special[EOS]], True)
    if generate:
        add([special[ASSISTANT]], False)
    elif not any(out.trainable):
        raise UserError(
            f"{name} has no trainable token", allowed="at least one assistant turn with words", todo="add an answer"
        )
    if max_tokens is not None and len(out.ids) > max_tokens:
        raise UserError(
            f"{name} has {len(out.ids)} tokens",
            allowed=f"at most {max_tokens}",
            todo="ask with fewer pictures or words",
        )
    return out


def encode_text(text: str, tokenizer: Any) -> list[int]:
    """Ids of plain words. Special tokens written in the text are spelled out as text, never obeyed."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] if text else []
