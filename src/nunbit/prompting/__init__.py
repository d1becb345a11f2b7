"""Ways to ask: solved examples, retrieval of examples, chain of thought, pointing. Each is one change of a conversation.

A *transform* takes the turns and gives new ones; those that need several answers wrap an `Ask` instead. Both chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nunbit.messages import Message

Ask = Callable[[Sequence[Message]], str]
Transform = Callable[[Sequence[Message]], list[Message]]


def chain(*transforms: Transform) -> Transform:
    """One transform that applies the given ones from left to right."""

    def all_of(messages: Sequence[Message]) -> list[Message]:
        out = list(messages)
        for transform in transforms:
            out = transform(out)
        return out

    return all_of


def show(messages: Sequence[Message]) -> str:
    """The turns as a person reads them, pictures as marks."""
    lines = []
    for m in messages:
        parts = [
            p.content if p.kind == "text" else f"[{p.kind} {getattr(p.content, 'size', '')}]".replace(" ]", "]")
            for p in m.parts
        ]
        lines.append(f"{m.role}: " + " ".join(parts))
    return "\n".join(lines)
