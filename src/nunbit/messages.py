"""Message and Part: one turn of a conversation, made of text, images and sounds. No models, no decoding.

A message never holds an image that still has to be trusted: `Part.image` takes a decoded image, or a reference whose
type says that our own code made it. A raw string or raw bytes, such as a request may carry, is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nunbit.errors import UserError, unknown_name
from nunbit.files import whole_characters

Role = Literal["system", "user", "assistant", "tool"]
PartKind = Literal["text", "image", "audio"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
KINDS: tuple[PartKind, ...] = ("text", "image", "audio")


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The bytes of an image file that trusted code has read, for a model that takes files: nothing is encoded twice."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ImagePlaceholder:
    """Stands for an image where only its place in the prompt matters, as when conversations are tokenized."""


PLACEHOLDER = ImagePlaceholder()


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message.

    Attributes:
        kind: ``text``, ``image`` or ``audio``.
        content: a string for text, in which halves of surrogate pairs become U+FFFD; for an image what `Part.image`
            takes; samples for audio.

    Raises:
        UserError: an unknown kind, text that is no string, or an image or sound that is not decoded.
    """

    kind: PartKind
    content: Any

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("kind of part", str(self.kind), KINDS)
        if self.kind == "text":
            if not isinstance(self.content, str):
                raise UserError(f"text of type {type(self.content).__name__}", allowed="a string")
            object.__setattr__(self, "content", whole_characters(self.content))
        elif self.kind == "image":
            _check_image(self.content)
        elif isinstance(self.content, (str, bytes, bytearray, memoryview)):
            raise _undecoded("a sound", self.content, "an array of samples", "decode it first")

    @staticmethod
    def text(content: str) -> Part:
        """A part with words."""
        return Part("text", content)

    @staticmethod
    def image(content: Any) -> Part:
        """A part with an image.

        Args:
            content: a PIL image, a ``(height, width, 3)`` uint8 array, a `pathlib.Path` that trusted code made and
                reads later (training, evaluation), an `EncodedImage`, or `PLACEHOLDER`.

        Raises:
            UserError: anything else; a string or bytes must go through `nunbit.media.decode` first.
        """
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
        tool_call_id: of the call whose result a turn of role ``tool`` holds.
        data_mark: name of the marks between which words that perception read in this turn's pictures are written, to
            say that they are data; empty for none.
    """

    role: Role
    parts: tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""
    tool_call_id: str = ""
    data_mark: str = ""

    @property
    def text(self) -> str:
        """The words of this turn, without its images and sounds."""
        return "".join(p.content for p in self.parts if p.kind == "text")

    @property
    def images(self) -> list[Any]:
        """The images of this turn in order, as `Part.image` took them."""
        return [p.content for p in self.parts if p.kind == "image"]


def user(*content: str | Part) -> Message:
    """A user's turn of strings and parts in order."""
    return Message("user", tuple(Part.text(c) if isinstance(c, str) else c for c in content))


def assistant(text: str) -> Message:
    """An answer."""
    return Message("assistant", (Part.text(text),))


def system(text: str) -> Message:
    """A system turn."""
    return Message("system", (Part.text(text),))


def question(text: str, images: Iterable[Any] = ()) -> list[Message]:
    """The most common conversation: images first, then one question."""
    return [Message("user", (*(Part.image(i) for i in images), Part.text(text)))]


_NEXT_ROLES: dict[Role, tuple[Role, ...]] = {
    "system": ("user",),
    "user": ("assistant",),
    "tool": ("tool", "assistant"),
}


def check_turns(messages: Sequence[Message]) -> None:
    """Check the order of the turns.

    One system turn may come first; then user and assistant in turn, user first. An assistant turn with tool calls is
    followed by the tools' results (role ``tool``), then by the assistant again.

    Raises:
        UserError: an empty conversation, an unknown role, or another order.
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
                allowed="an optional system turn, then user and assistant in turn, user first; tool results after "
                "tool calls",
                todo="reorder the turns",
            )
        if m.role == "assistant":
            follows = ("tool",) if m.tool_calls else ("user",)
        else:
            follows = _NEXT_ROLES[m.role]


def _check_image(content: object) -> None:
    if isinstance(content, (Path, EncodedImage, ImagePlaceholder)):
        return
    if isinstance(content, np.ndarray):
        if content.dtype != np.uint8 or content.ndim != 3 or content.shape[2] != 3 or not content.size:
            raise UserError(
                f"an image array of shape {content.shape} and type {content.dtype}",
                allowed="a (height, width, 3) array of uint8",
                todo="convert it to 8-bit RGB",
            )
        return
    from PIL.Image import Image  # last, so that text-only work does not import PIL

    if not isinstance(content, Image):
        allowed = "a PIL image, a (height, width, 3) uint8 array or a pathlib.Path"
        raise _undecoded("an image", content, allowed, "decode it with nunbit.media.decode first")


def _undecoded(what: str, content: object, allowed: str, todo: str) -> UserError:
    shown = f" ('{content[:80]}')" if isinstance(content, str) else ""
    return UserError(f"{what} of type {type(content).__name__}{shown} in a message", allowed=allowed, todo=todo)
