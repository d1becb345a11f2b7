"""What a request may want of a finished answer: its evidence, and its corrections by what is in the pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nunbit.messages import Message
from nunbit.scene import Scene
from nunbit.serving.perception import PerceptionService
from nunbit.serving.schemas import ChatRequest
from nunbit.serving.settings import ServerSettings
from nunbit.trust.asking import visual_questions
from nunbit.trust.trace import Verification

FindEvidence = Callable[[str, Sequence[Scene]], Awaitable[dict[str, Any]]]
"""A finished answer and the Scenes that the model had -> the JSON of its evidence."""
Revise = Callable[[str, Sequence[Scene]], Awaitable[Verification]]
"""A finished answer and the Scenes that the model had -> the corrected one, and how it came about."""


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

    def wanted(self, body: ChatRequest) -> bool:
        """Whether a request, or the operator, asks for anything that needs the pictures of a conversation."""
        return body.evidence or self._verifies(body)

    def _verifies(self, body: ChatRequest) -> bool:
        return self.settings.verify if body.verify is None else body.verify

    def evidence(self, body: ChatRequest, messages: Sequence[Message]) -> FindEvidence | None:
        """What finds the evidence of an answer, where the request asks for it."""
        if not body.evidence:
            return None
        question, pictures = question_of(messages), pictures_of(messages)

        async def find(text: str, scenes: Sequence[Scene]) -> dict[str, Any]:
            found: dict[str, Any] = await self.in_thread(self.perception.evidence, question, pictures, text, scenes)
            return found

        return find

    def corrections(self, body: ChatRequest, messages: Sequence[Message], *, forced_call: bool) -> Revise | None:
        """What corrects an answer, where the request or the operator asks for it. Calls and JSON stay as they are, and
        so do answers of conversations without pictures."""
        pictures = pictures_of(messages)
        formed = body.response_format is not None and body.response_format.type != "text"
        if not self._verifies(body) or not pictures or formed or forced_call:
            return None
        question = question_of(messages)
        ask = visual_questions(self.short_answer, pictures) if self.settings.verify_llm else None

        async def revise(text: str, scenes: Sequence[Scene]) -> Verification:
            made: Verification = await self.in_thread(self.perception.verify, question, pictures, text, scenes, ask)
            return made

        return revise


def question_of(messages: Sequence[Message]) -> str:
    """The words of the last user turn."""
    return next((m.text for m in reversed(messages) if m.role == "user"), "")


def pictures_of(messages: Sequence[Message]) -> list[Any]:
    """The decoded pictures of a conversation, in order."""
    return [picture for m in messages for picture in m.images]
