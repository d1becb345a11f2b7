"""What callers get: an answer with its timings and its evidence, whole or as a stream."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from nunbit.errors import UserError
from nunbit.scene import Box, Scene


@dataclass(frozen=True, slots=True)
class Timings:
    """What an answer took.

    Attributes:
        ttft_ms: milliseconds to the first token, picture processing included.
        total_ms: milliseconds to the last token.
        tokens: tokens of the answer.
    """

    ttft_ms: float
    total_ms: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something in a picture that an answer names.

    Attributes:
        kind: an object, or a line of text that was read.
        text: the object's name, or the line.
        box: ``(x1, y1, x2, y2)`` in pixels of the decoded picture, x2 and y2 exclusive.
        picture: position of the picture in the conversation, from 0.
        score: confidence of perception, from 0 to 1.
    """

    kind: Literal["object", "text"]
    text: str
    box: Box
    picture: int
    score: float


@dataclass(frozen=True)
class GroundedAnswer:
    """An answer with its cost, and with what it names in the pictures.

    Attributes:
        text: the answer.
        timings: what it took.
    """

    text: str
    timings: Timings
    _scenes: Callable[[], list[Scene]] = field(repr=False, compare=False)

    @cached_property
    def evidence(self) -> list[Evidence]:
        """Objects and text lines of the pictures that the answer names, with their boxes.

        Where the model itself used no Scenes, perception runs when this is first read. Names and lines are matched as
        whole words, exactly but for upper and lower case. The evidence shows where the answer's words are in the
        picture; it does not prove that the model looked there.
        """
        return [e for i, scene in enumerate(self._scenes()) for e in evidence_in(scene, self.text, picture=i)]

    def __str__(self) -> str:
        """The text."""
        return self.text


class AnswerStream(Iterator[str]):
    """The pieces of an answer as they come; `answer` holds the whole once they are read.

    The model runs in a thread of its own; its errors are raised where the pieces are read. `close` ends it early.
    """

    def __init__(self, ask: Callable[[Callable[[str], None]], GroundedAnswer]) -> None:
        self._pieces: queue.SimpleQueue[str | GroundedAnswer | BaseException] = queue.SimpleQueue()
        self._answer: GroundedAnswer | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, args=(ask,), daemon=True).start()

    def _run(self, ask: Callable[[Callable[[str], None]], GroundedAnswer]) -> None:
        try:
            self._pieces.put(ask(self._put))
        except BaseException as error:  # raised again in the thread that reads
            self._pieces.put(error)

    def _put(self, piece: str) -> None:
        if self._closed.is_set():
            raise UserError("a stream that was closed", todo="ask again")
        self._pieces.put(piece)

    def close(self) -> None:
        """End the answer at its next piece; reading on raises a UserError then."""
        self._closed.set()

    def __next__(self) -> str:
        """The next piece of text."""
        if self._answer is not None:
            raise StopIteration
        piece = self._pieces.get()
        if isinstance(piece, str):
            return piece
        if isinstance(piece, BaseException):
            self._pieces.put(piece)  # for whoever reads on
            raise piece
        self._answer = piece
        raise StopIteration

    @property
    def answer(self) -> GroundedAnswer:
        """The whole answer; waits for pieces that were not read."""
        for _ in self:
            pass
        assert self._answer is not None
        return self._answer


def evidence_in(scene: Scene, answer: str, *, picture: int = 0) -> list[Evidence]:
    """Objects and text lines of a Scene that an answer names, as whole words, upper and lower case aside."""
    objects = [Evidence("object", o.name, o.box, picture, o.score) for o in scene.objects]
    lines = [Evidence("text", line.text, line.box, picture, line.score) for line in scene.text_lines]
    return [e for e in (*objects, *lines) if names(answer, e.text)]


def names(answer: str, name: str) -> bool:
    """Whether an answer holds a name as whole words, upper and lower case aside."""
    name = name.strip()
    return bool(name) and bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", answer, re.IGNORECASE))
