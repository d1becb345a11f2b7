"""A loaded model, conversations with it, and `load`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from PIL import Image

from nunbit.api.answers import AnswerStream, GroundedAnswer, Timings
from nunbit.api.inputs import Picture, Pictures, Turns, as_image, as_list, conversation
from nunbit.assistant import Assistant
from nunbit.messages import Message, Part
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.scene import Scene
from nunbit.trust.asking import MAX_NEW_TOKENS as MAX_ASKED_TOKENS
from nunbit.trust.asking import visual_questions
from nunbit.trust.trace import Verification
from nunbit.trust.woodpecker import verify

MAX_NEW_TOKENS = 96


class Model:
    """A loaded model. Made by `load`; one question is answered at a time, those of other threads wait."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant, self._lock = assistant, threading.Lock()

    @overload
    def ask(
        self, pictures: Pictures, question: Turns, *, max_new_tokens: int = ..., stream: Literal[False] = False
    ) -> GroundedAnswer: ...
    @overload
    def ask(
        self, pictures: Pictures, question: Turns, *, max_new_tokens: int = ..., stream: Literal[True]
    ) -> AnswerStream: ...
    def ask(
        self, pictures: Pictures, question: Turns, *, max_new_tokens: int = MAX_NEW_TOKENS, stream: bool = False
    ) -> GroundedAnswer | AnswerStream:
        """Answer one question, or the last turn of a conversation.

        Args:
            pictures: a picture, a list of them, or None. They go before the question, or before the words of the first
                user turn of a conversation.
            question: words; or a conversation of `Message` objects or of dictionaries such as
                ``{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "..."}]}``.
            max_new_tokens: where an answer is cut off.
            stream: return the pieces of the answer as they come.

        Raises:
            UserError: a picture cannot be decoded, a turn is out of order, or the conversation is too long.

            >>> import nunbit
            >>> model = nunbit.load()
            >>> pieces = model.ask("examples/animals.png", "코끼리가 있나요?", stream=True)
            >>> "".join(pieces) == pieces.answer.text
            True
        """
        messages = conversation(question, as_list(pictures))
        if stream:
            return AnswerStream(lambda on_text: self._answer(messages, max_new_tokens, on_text))
        return self._answer(messages, max_new_tokens, None)

    def chat(self, pictures: Pictures = None, history: Sequence[Message | Mapping[str, Any]] = ()) -> Conversation:
        """Begin a conversation, or continue one from its turns.

        >>> import nunbit
        >>> chat = nunbit.load().chat("examples/animals.png")
        >>> first, second = chat.ask("How many animals are there?"), chat.ask("Is there a dog?")
        >>> [m.role for m in chat.messages]
        ['user', 'assistant', 'user', 'assistant']
        """
        return Conversation(self, as_list(pictures), conversation(history, []) if history else [])

    def see(self, picture: Picture) -> Scene:
        """What perception finds in a picture: objects, relations, text and segments.

        An object-aware model uses its own perception. Where that knows drawings only, photographs and large pictures
        are perceived by the default one, as every picture is for other models.

        >>> import nunbit
        >>> scene = nunbit.load().see("examples/animals.png")
        >>> scene.width > 0 and len(scene.objects) > 0
        True
        """
        return self._perceive([as_image(picture)])[0]

    def _answer(
        self, messages: list[Message], max_new_tokens: int, on_text: Callable[[str], None] | None
    ) -> GroundedAnswer:
        with self._lock:
            made = self._assistant.ask(messages, max_new_tokens=max_new_tokens, on_text=on_text)
        images = [image for m in messages for image in m.images]
        scenes = [*made.scenes]
        timings = Timings(made.ttft_ms, made.total_ms, made.tokens)
        asked = next((m.text for m in reversed(messages) if m.role == "user"), "")

        def checked(answer: GroundedAnswer, llm: bool) -> Verification:
            ask = visual_questions(self._short_answer, images)
            return verify(asked, answer.text, answer.scenes, images, ask=ask if llm else None)

        return GroundedAnswer(made.text, timings, lambda: scenes or self._perceive(images), asked, checked)

    def _short_answer(self, messages: list[Message]) -> str:
        with self._lock:
            return self._assistant.ask(messages, max_new_tokens=MAX_ASKED_TOKENS).text

    def _perceive(self, images: list[Image.Image]) -> list[Scene]:
        with self._lock:
            return self._perception(images) if images else []

    @cached_property
    def _perception(self) -> Callable[[list[Image.Image]], list[Scene]]:
        module = self._assistant.aware
        return module.shown if module is not None else build_perception(PerceptionConfig())


class Conversation:
    """Turns with a model, remembered. Made by `Model.chat`.

    Attributes:
        messages: the turns so far.
    """

    def __init__(self, model: Model, pictures: list[Picture], messages: list[Message]) -> None:
        self._model, self._pictures = model, pictures
        self.messages = messages

    @overload
    def ask(
        self, question: str, pictures: Pictures = None, *, max_new_tokens: int = ..., stream: Literal[False] = False
    ) -> GroundedAnswer: ...
    @overload
    def ask(
        self, question: str, pictures: Pictures = None, *, max_new_tokens: int = ..., stream: Literal[True]
    ) -> AnswerStream: ...
    def ask(
        self,
        question: str,
        pictures: Pictures = None,
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
        stream: bool = False,
    ) -> GroundedAnswer | AnswerStream:
        """Answer the next turn, about the pictures so far and those given. A turn that fails leaves no trace.

        Raises:
            UserError: as `Model.ask`.
        """
        turn = conversation(question, [*self._pictures, *as_list(pictures)])

        def answered(on_text: Callable[[str], None] | None) -> GroundedAnswer:
            answer = self._model._answer([*self.messages, *turn], max_new_tokens, on_text)
            self.messages = [*self.messages, *turn, Message("assistant", (Part.text(answer.text),))]
            self._pictures = []
            return answer

        return AnswerStream(answered) if stream else answered(None)


def load(model: str | Path | None = None, device: str = "cpu", *, object_aware: bool = True) -> Model:
    """Load a model for asking.

    Args:
        model: a folder, a Hugging Face hub id, or None for the embedded `nunbit-tiny`.
        device: ``cpu``, ``cuda``, ``mps`` ...
        object_aware: condition an object-aware model on the Scene of each picture; off, its plain LLaVA answers.

    Raises:
        UserError: there is no such model, or it cannot be opened.
    """
    return Model(Assistant(model, device, object_aware=object_aware))
