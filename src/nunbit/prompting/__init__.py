"""Prompting strategies: solved examples, retrieval of examples, chain of thought, pointing and numbered marks.

A *transform* takes the turns of a conversation and gives new ones; transforms combine with `chain`. A strategy that
needs several answers wraps an `Ask` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nunbit.messages import Message, Part

Ask = Callable[[Sequence[Message]], str]
"""The turns of a conversation -> the model's answer."""
Transform = Callable[[Sequence[Message]], list[Message]]
"""The turns of a conversation -> new turns."""


def chain(*transforms: Transform) -> Transform:
    """One transform that applies the given ones from left to right."""

    def apply_all(messages: Sequence[Message]) -> list[Message]:
        out = list(messages)
        for transform in transforms:
            out = transform(out)
        return out

    return apply_all


def insert_before_text(parts: Sequence[Part], words: str) -> list[Part]:
    """The parts of a turn with words before its first text part, or at the end where it has none."""
    at = next((i for i, p in enumerate(parts) if p.kind == "text"), len(parts))
    return [*parts[:at], Part.text(words), *parts[at:]]


def show(messages: Sequence[Message]) -> str:
    """The turns as lines for a person to read, with pictures as placeholders such as ``[image (192, 192)]``."""
    lines = []
    for m in messages:
        parts = [
            p.content if p.kind == "text" else f"[{p.kind} {getattr(p.content, 'size', '')}]".replace(" ]", "]")
            for p in m.parts
        ]
        lines.append(f"{m.role}: " + " ".join(parts))
    return "\n".join(lines)
