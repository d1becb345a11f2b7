"""Message and Part: one turn of a conversation, made of text, pictures and sounds. No models, no decoding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nunbit.errors import UserError

Role = Literal["system", "user", "assistant"]
PartKind = Literal["text", "image", "audio"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message. ``content`` is a string for text, a decoded picture (or its source) for images, samples for audio."""

    kind: PartKind
    content: Any

    @staticmethod
    def text(content: str) -> Part:
        return Part("text", content)

    @staticmethod
    def image(content: Any) -> Part:
        return Part("image", content)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and the parts in order."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The words of this turn, pictures and sounds left out."""
        return "".join(p.content for p in self.parts if p.kind == "text")

    @property
    def images(self) -> list[Any]:
        return [p.content for p in self.parts if p.kind == "image"]


def user(*content: str | Part) -> Message:
    return Message("user", _parts(content))


def assistant(text: str) -> Message:
    return Message("assistant", (Part.text(text),))


def system(text: str) -> Message:
    return Message("system", (Part.text(text),))


def question(text: str, images: Iterable[Any] = ()) -> list[Message]:
    """The commonest conversation: pictures first, then one question."""
    return [Message("user", (*(Part.image(i) for i in images), Part.text(text)))]


def check(messages: Sequence[Message]) -> None:
    """Raise a UserError unless the turns alternate user, assistant, user ... (one system turn may come first)."""
    if not messages:
        raise UserError("an empty conversation", allowed="at least one user turn", todo="add a question")
    for i, m in enumerate(messages):
        if m.role not in ROLES:
            raise UserError(f"turn {i} has role '{m.role}'", allowed=", ".join(ROLES))
    turns = [m.role for m in messages if m.role != "system"]
    if (
        any(m.role == "system" for m in messages[1:])
        or turns[::2] != ["user"] * len(turns[::2])
        or (turns[1::2] != ["assistant"] * len(turns[1::2]))
    ):
        raise UserError(
            f"turns in the order {', '.join(m.role for m in messages)}",
            allowed="an optional system turn, then user and assistant in turn, user first",
            todo="reorder the turns",
        )


def _parts(content: Iterable[str | Part]) -> tuple[Part, ...]:
    return tuple(Part.text(c) if isinstance(c, str) else c for c in content)
