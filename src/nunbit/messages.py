"""Message and Part: one turn of a conversation, made of text, pictures and sounds. No models, no decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nunbit.errors import UserError

Role = Literal["system", "user", "assistant", "tool"]
PartKind = Literal["text", "image", "audio"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


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
class ToolCall:
    """A function that the assistant asks to be called, with its arguments as JSON values."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and the parts in order.

    Attributes:
        tool_calls: functions that this assistant turn asks to be called.
        name: of the function, in a turn of role ``tool``, whose parts hold its result.
    """

    role: Role
    parts: tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""

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


def check_turns(messages: Sequence[Message]) -> None:
    """Raise a UserError unless the turns are in order.

    One system turn may come first; then user and assistant in turn, user first. An assistant turn with tool calls is followed by the tools'
    results (role ``tool``), then by the assistant again.
    """
    if not messages:
        raise UserError("an empty conversation", allowed="at least one user turn", todo="add a question")
    follows: tuple[Role, ...] = ("system", "user")
    for i, m in enumerate(messages):
        if m.role not in ROLES:
            raise UserError(f"turn {i} has role '{m.role}'", allowed=", ".join(ROLES))
        if m.role not in follows:
            raise UserError(
                f"turns in the order {', '.join(m.role for m in messages)}",
                allowed="an optional system turn, then user and assistant in turn, user first; tool results after tool calls",
                todo="reorder the turns",
            )
        if m.role == "assistant":
            follows = ("tool",) if m.tool_calls else ("user",)
        else:
            follows = {"system": ("user",), "user": ("assistant",), "tool": ("tool", "assistant")}[m.role]
    if messages[-1].role == "system":
        raise UserError("a conversation of a system turn alone", allowed="at least one user turn", todo="add a question")


def _parts(content: Iterable[str | Part]) -> tuple[Part, ...]:
    return tuple(Part.text(c) if isinstance(c, str) else c for c in content)
