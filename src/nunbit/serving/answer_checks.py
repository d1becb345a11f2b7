"""What a request may want of a finished answer: its evidence, and its corrections by what is in the pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nunbit.messages import Message
from nunbit.scene import Scene
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings
from nunbit.trust.asking import visual_questions
from nunbit.trust.guard.verdict import Verdict
from nunbit.trust.trace import Verification

MAX_QUESTION_CHARS = 20_000
FindEvidence = Callable[[str, Sequence[Scene]], Awaitable[dict[str, Any]]]
"""A finished answer and the Scenes that the model had -> the JSON of its evidence."""
Revise = Callable[[str, Sequence[Scene]], Awaitable[Verification]]
"""A finished answer and the Scenes that the model had -> the corrected one, and how it came about."""


class Wishes(Protocol):
    """The fields of a request that say what is wanted of its answers."""

    @property
    def evidence(self) -> bool:
        """Whether evidence is wanted."""

    @property
    def verify(self) -> bool | None:
        """Whether corrections are wanted; None where the operator decides."""

    @property
    def formed(self) -> bool:
        """Whether the answer has a form, such as JSON, that a correction could break."""


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """A finished answer after its check.

    Attributes:
        text: the answer, corrected where corrections are wanted.
        added: what the response holds beside it: ``guard``, ``evidence``, ``verification``.
    """

    text: str
    added: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """What one request wants of its finished answers.

    Attributes:
        find_evidence: finds the evidence of an answer; None where it is not wanted.
        revise: corrects an answer, whose words are held back until then; None where it is not wanted.
        guard: JSON of what the guard found in the pictures; None where it did not look.
    """

    find_evidence: FindEvidence | None = None
    revise: Revise | None = None
    guard: dict[str, Any] | None = None

    @property
    def corrects(self) -> bool:
        """Whether words must be held back until the answer is complete."""
        return self.revise is not None

    async def __call__(self, text: str, scenes: Sequence[Scene] = ()) -> CheckedAnswer:
        """Correct an answer, then find the evidence of what is left.

        Args:
            scenes: the Scenes that the model had, one for each picture; perception finds those that are missing.
        """
        added: dict[str, Any] = {} if self.guard is None else {"guard": self.guard}
        if self.revise is not None:
            made = await self.revise(text, scenes)
            text, added["verification"] = made.answer, made.to_json()
        if self.find_evidence is not None:
            added["evidence"] = await self.find_evidence(text, scenes)
        return CheckedAnswer(text, added)


class AnswerChecks:
    """Finds evidence and corrects answers, for one server.

    Args:
        perception: finds the Scenes that a model does not have.
        settings: whether answers are corrected where a request does not say, and whether the model is asked again.
        in_thread: runs a function in a worker thread.
        short_answer: the model's own short answer to a conversation; it is called in a worker thread and may block.
    """

    def __init__(
        self,
        perception: PerceptionService,
        settings: ServerSettings,
        in_thread: Callable[..., Awaitable[Any]],
        short_answer: Callable[[list[Message]], str],
    ) -> None:
        self.perception, self.settings = perception, settings
        self.in_thread, self.short_answer = in_thread, short_answer

    def wanted(self, body: Wishes) -> bool:
        """Whether a request, or the operator, asks for anything that needs the pictures of a conversation."""
        return body.evidence or self._verifies(body)

    def _verifies(self, body: Wishes) -> bool:
        return self.settings.verify if body.verify is None else body.verify

    def of(
        self, body: Wishes, messages: Sequence[Message], *, forced_call: bool, verdict: Verdict | None = None
    ) -> AnswerCheck | None:
        """The check of a request's answers; None where nothing is to be checked.

        Args:
            verdict: of the guard, which goes along with the answers.
        """
        corrections = self._corrections(body, messages, forced_call=forced_call)
        guard = None if verdict is None else verdict.to_json()
        found = AnswerCheck(self._evidence(body, messages), corrections, guard)
        return None if found == AnswerCheck() else found

    def _evidence(self, body: Wishes, messages: Sequence[Message]) -> FindEvidence | None:
        if not body.evidence:
            return None
        question, pictures = question_of(messages), pictures_of(messages)

        async def find(text: str, scenes: Sequence[Scene]) -> dict[str, Any]:
            found: dict[str, Any] = await self.in_thread(self.perception.evidence, question, pictures, text, scenes)
            return found

        return find

    def _corrections(self, body: Wishes, messages: Sequence[Message], *, forced_call: bool) -> Revise | None:
        """Calls and JSON stay as they are, and so do answers of conversations without pictures."""
        pictures = pictures_of(messages)
        if not self._verifies(body) or not pictures or body.formed or forced_call:
            return None
        question = question_of(messages)
        ask = visual_questions(self.short_answer, pictures) if self.settings.verify_llm else None

        async def revise(text: str, scenes: Sequence[Scene]) -> Verification:
            made: Verification = await self.in_thread(self.perception.verify, question, pictures, text, scenes, ask)
            return made

        return revise


def question_of(messages: Sequence[Message]) -> str:
    """The words of the last user turn, at most `MAX_QUESTION_CHARS`: checks read no more."""
    return next((m.text for m in reversed(messages) if m.role == "user"), "")[:MAX_QUESTION_CHARS]


def pictures_of(messages: Sequence[Message]) -> list[Any]:
    """The decoded pictures of a conversation, in order."""
    return [picture for m in messages for picture in m.images]
