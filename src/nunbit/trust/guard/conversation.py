"""A conversation before a model gets it: its pictures judged together, and what the policy says done about them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nunbit.messages import Message, Part
from nunbit.models.object_aware.scene_text import language_of
from nunbit.scene import Box, Scene
from nunbit.scene_prompt import as_data
from nunbit.trust.guard.guard import Guard
from nunbit.trust.guard.policy import BlockedPicture, masked
from nunbit.trust.guard.verdict import Policy, Verdict

if TYPE_CHECKING:
    from PIL.Image import Image

Perceive = Callable[[Sequence["Image"]], Sequence[Scene]]
"""Pictures -> their Scenes."""
ModelView = Callable[["Image"], np.ndarray | None]
"""A picture -> what the model sees of it, ``(h, w, 3)`` uint8; None where that is not known."""


@dataclass(frozen=True, slots=True)
class GuardedConversation:
    """A conversation that may go to a model.

    Attributes:
        messages: as they were, or with marks or masked pictures.
        verdict: what was found; None where nothing was looked at.
    """

    messages: list[Message]
    verdict: Verdict | None = None


def guard_conversation(
    guard: Guard,
    messages: Sequence[Message],
    perceive: Perceive,
    model_view: ModelView = lambda picture: None,
    policy: Policy | None = None,
) -> GuardedConversation:
    """Judge the pictures of a conversation and do what the policy says.

    Args:
        messages: turns with decoded pictures.
        policy: instead of the guard's own.

    Raises:
        BlockedPicture: an order to a model was found, and the policy is ``block``.
    """
    chosen = policy or guard.config.policy
    pictures = [p for m in messages for p in m.images]
    if chosen == "off" or not pictures:
        return GuardedConversation([*messages])
    verdict = guard.check(pictures, perceive(pictures), [model_view(p) for p in pictures], chosen)
    if verdict.action == "blocked":
        raise BlockedPicture(verdict)
    numbers = iter(range(len(pictures)))
    if verdict.action == "stripped":
        return GuardedConversation([_stripped(m, numbers, verdict) for m in messages], verdict)
    if verdict.action == "marked":
        mark = f"DATA-{secrets.token_hex(8)}"
        return GuardedConversation([_marked(m, numbers, verdict, mark) for m in messages], verdict)
    return GuardedConversation([*messages], verdict)


def _stripped(message: Message, numbers: Iterator[int], verdict: Verdict) -> Message:
    parts = [
        replace(p, content=masked(p.content, boxes)) if (boxes := _boxes(p, numbers, verdict)) else p
        for p in message.parts
    ]
    return replace(message, parts=tuple(parts))


def _boxes(part: Part, numbers: Iterator[int], verdict: Verdict) -> list[Box]:
    return verdict.boxes(next(numbers)) if part.kind == "image" else []


def _marked(message: Message, numbers: Iterator[int], verdict: Verdict, mark: str) -> Message:
    """The turn with what was found in each picture behind it, as data; words of its Scenes get the same marks."""
    parts: list[Part] = []
    for part in message.parts:
        parts.append(part)
        if part.kind == "image":
            found = verdict.found_in(next(numbers))
            parts += [Part.text(as_data(found, language_of(message), mark))] if found else []
    return replace(message, parts=tuple(parts), data_mark=mark) if message.images else message
