"""The contract of a teacher: one request, one text; and the three ways in which a teacher fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nunbit.data.teacher.prompting import ChatMessage, Kind
from nunbit.scene import Scene
from nunbit.world.base import Language

MAX_REPLY_CHARS = 40_000
"""A longer text is no item; what lies beyond is neither kept nor read."""


@dataclass(frozen=True, slots=True)
class TeacherRequest:
    """One item that a teacher is asked for.

    Attributes:
        item: its id.
        messages: rules, solved examples and the context of the picture.
        scene: for teachers that need no words.
        attempt: 0 for the first try.
        seed: another try has another one.
    """

    item: str
    kind: Kind
    language: Language
    messages: list[ChatMessage]
    scene: Scene
    attempt: int
    seed: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class TeacherReply:
    """A teacher's text, with the tokens that it was charged for; None where the teacher does not say."""

    text: str
    prompt_tokens: int | None = None
    reply_tokens: int | None = None


class RetryableError(Exception):
    """Another try may succeed.

    Args:
        why: one line for the list of failures.
        wait_s: how long the teacher asks to wait; 0 where it does not say.
        busy: the teacher was too busy to look at the item, so the try does not count against the item.
        raw: what it sent instead of a reply.
        prompt_tokens, reply_tokens: what it charged all the same; None where it does not say.
    """

    def __init__(
        self,
        why: str,
        *,
        wait_s: float = 0.0,
        busy: bool = False,
        raw: str = "",
        prompt_tokens: int | None = None,
        reply_tokens: int | None = None,
    ) -> None:
        super().__init__(why)
        self.why, self.wait_s, self.busy, self.raw = why, wait_s, busy, raw[:MAX_REPLY_CHARS]
        self.prompt_tokens, self.reply_tokens = prompt_tokens, reply_tokens


class ItemError(Exception):
    """This item cannot be made, whatever the number of tries: its prompt is too long, say."""

    def __init__(self, why: str, *, raw: str = "") -> None:
        super().__init__(why)
        self.why, self.raw = why, raw[:MAX_REPLY_CHARS]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher.

    Attributes:
        name: what the manifest says of it, and what a resumed run compares.
        address: where it is; it may move between two runs. Neither holds a key.
        ask: one request to one reply; called by several threads. Raises `RetryableError`, `ItemError`, and `UserError`
            for what ends the run: a wrong key, no such model.
        most_at_once: requests that it takes side by side.
    """

    name: str
    ask: Callable[[TeacherRequest], TeacherReply]
    close: Callable[[], None] = lambda: None
    most_at_once: int = 256
    address: str = ""
