"""What callers get: an answer with its timings, its claims and its evidence, whole or as a stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from nunbit.errors import UserError
from nunbit.evidence import Claim, Evidence, all_evidence, claims_of
from nunbit.scene import Scene
from nunbit.trust.trace import Verification


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


@dataclass(frozen=True)
class GroundedAnswer:
    """An answer with its cost, its claims about the pictures, and what they rest on.

    Attributes:
        text: the answer.
        timings: what it took.
    """

    text: str
    timings: Timings
    _scenes: Callable[[], list[Scene]] = field(repr=False, compare=False)
    _question: str = field(default="", repr=False, compare=False)
    _verify: Callable[[GroundedAnswer, bool], Verification] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def scenes(self) -> list[Scene]:
        """The Scenes of the conversation's pictures. Where the model itself used none, perception runs when this, the
        claims or the evidence are first read."""
        return self._scenes()

    @cached_property
    def claims(self) -> list[Claim]:
        """What the answer says of the pictures, each claim with a verdict and what it rests on: see
        `nunbit.evidence`."""
        return claims_of(self._question, self.text, self.scenes)

    @cached_property
    def evidence(self) -> list[Evidence]:
        """Objects, text lines and regions of the pictures that the claims rest on, each once.

        Evidence is where the words of the answer are in the picture; it does not prove that the model looked there.
        """
        return all_evidence(self.claims)

    def verify(self, *, llm: bool = True) -> Verification:
        """The answer checked against the pictures and corrected: see `nunbit.trust.woodpecker`.

        Args:
            llm: ask the model again where perception knows nothing; without it rules alone decide.

        >>> import nunbit
        >>> answer = nunbit.load().ask("examples/animals.png", "Is there an elephant?")
        >>> checked = answer.verify(llm=False)
        >>> checked.original == answer.text and isinstance(checked.answer, str)
        True
        """
        if self._verify is None:
            raise UserError("an answer that no model gave", allowed="answers of Model.ask and Conversation.ask")
        return self._verify(self, llm)

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
