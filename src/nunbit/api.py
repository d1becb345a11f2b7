"""The public Python API: load a model, ask it about pictures, chat, and perceive a picture.

    >>> import nunbit
    >>> model = nunbit.load()
    >>> answer = model.ask("examples/invoice.png", "Is there a table?")
    >>> isinstance(answer.text, str) and answer.timings.tokens > 0
    True

Paths in the examples are relative to the project's folder. A picture is a path, a ``data:`` URI, the bytes of a file, a
PIL image or a uint8 array ``(height, width, 3)``. Pictures are decoded under the limits of `nunbit.media`; nothing is
fetched from the network.
"""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from PIL import Image

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.messages import Message, Part
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.scene import Box, Scene

Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray
Pictures = Picture | Sequence[Picture] | None
Turns = str | Sequence[Message | Mapping[str, Any]]
"""A question, or a conversation: `Message` objects, or dictionaries as transformers' chat templates take them."""
MAX_NEW_TOKENS = 96


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

        An object-aware model uses its own perception, any other the default one.

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
        return GroundedAnswer(made.text, timings, lambda: scenes or self._perceive(images))

    def _perceive(self, images: list[Image.Image]) -> list[Scene]:
        with self._lock:
            return self._perception(images) if images else []

    @cached_property
    def _perception(self) -> Callable[[list[Image.Image]], list[Scene]]:
        module = self._assistant.aware
        return module.perceive if module is not None else build_perception(PerceptionConfig())


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


def as_list(pictures: Pictures) -> list[Picture]:
    """One picture, several or none, as a list. An array of rank 3 is one picture."""
    if pictures is None:
        return []
    if isinstance(pictures, (list, tuple)):
        return [*pictures]
    return [pictures]  # type: ignore[list-item] # a sequence that is no list is a string, bytes or an array


def as_image(picture: Picture) -> Image.Image:
    """Decode a picture to RGB.

    Raises:
        UserError: it cannot be decoded, or an array is not uint8 ``(height, width, 3)``.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise UserError(
                f"an array of type {picture.dtype} and shape {picture.shape} for a picture",
                allowed="uint8 of shape (height, width, 3)",
            )
        picture = Image.fromarray(picture)
    return decode(picture)


def conversation(question: Turns, pictures: Sequence[Picture]) -> list[Message]:
    """Turns with decoded pictures; those of ``pictures`` go before the words of the first user turn.

    Raises:
        UserError: a picture cannot be decoded, a part is unknown, or pictures come without a user turn.
    """
    if isinstance(question, str):
        if not question.strip():
            raise UserError("an empty question", allowed="a question in words")
        turns = [Message("user", (Part.text(question),))]
    else:
        turns = [as_message(turn) for turn in question]
    images = tuple(Part.image(as_image(p)) for p in pictures)
    for i, turn in enumerate(turns):
        if images and turn.role == "user":
            turns[i] = Message("user", (*images, *turn.parts))
            return turns
    if images:
        raise UserError("pictures without a user turn", allowed="at least one user turn", todo="add a question")
    return turns


def as_message(turn: Message | Mapping[str, Any]) -> Message:
    """A turn with decoded pictures, from a `Message` or from a dictionary with ``role`` and ``content``.

    Raises:
        UserError: the dictionary has another form, or a picture cannot be decoded.
    """
    allowed = (
        "role, and content as words or as parts such as {'type': 'image', 'image': ...}, {'type': 'text', 'text': ...}"
    )
    if isinstance(turn, Message):
        parts = (Part.image(as_image(p.content)) if p.kind == "image" else p for p in turn.parts)
        return replace(turn, parts=tuple(parts))
    if not isinstance(turn, Mapping) or not {"role", "content"} <= set(turn):
        raise UserError("a turn without role or content", allowed=allowed)
    content = turn["content"]
    if isinstance(content, str):
        return Message(turn["role"], (Part.text(content),))
    if not isinstance(content, (list, tuple)):
        raise UserError(f"a turn whose content is of type {type(content).__name__}", allowed=allowed)
    found: list[Part] = []
    for part in content:
        match part:
            case {"type": "text", "text": str(words)}:
                found.append(Part.text(words))
            case {"type": "image", "image": picture}:
                found.append(Part.image(as_image(picture)))
            case _:
                raise UserError("a part of a turn in an unknown form", allowed=allowed)
    return Message(turn["role"], tuple(found))


def evidence_in(scene: Scene, answer: str, *, picture: int = 0) -> list[Evidence]:
    """Objects and text lines of a Scene that an answer names, as whole words, upper and lower case aside."""
    objects = [Evidence("object", o.name, o.box, picture, o.score) for o in scene.objects]
    lines = [Evidence("text", line.text, line.box, picture, line.score) for line in scene.text_lines]
    return [e for e in (*objects, *lines) if names(answer, e.text)]


def names(answer: str, name: str) -> bool:
    """Whether an answer holds a name as whole words, upper and lower case aside."""
    name = name.strip()
    return bool(name) and bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", answer, re.IGNORECASE))
