"""Messages -> prepared prompts: perception, prompt, pixels. Any number of threads may prepare at once; no state of the
model is touched.

Letters: T tokens.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from nunbit.engine.request import PreparedPrompt
from nunbit.errors import ContextLengthError, UserError
from nunbit.media import content_hash, decode
from nunbit.media.bounds import bounded, processed
from nunbit.messages import EncodedImage, Message
from nunbit.models.image_tokens import token_counter
from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import Prompt, PromptBuilder

MAX_PICTURES = 100_000
"""Pictures whose number in prefix keys is remembered."""


class Preparation:
    """Prepares prompts for one model.

    Args:
        model, processor: of the model; aware: its object-aware parts, if it has any.
        length: tokens that a prompt and its answer may take.

    Attributes:
        image_id: the token that stands for a picture, -1 for a model of text alone.
    """

    def __init__(self, model: Any, processor: Any, aware: ObjectAwareModule | None, length: int) -> None:
        self.processor, self.aware, self.length = processor, aware, length
        scene_text = None if aware is None else aware.scene_text
        self.builder = PromptBuilder.from_processor(processor, token_counter(model.config), scene_text)
        takes_pictures = hasattr(model.config, "vision_config") and hasattr(processor, "image_processor")
        self.image_id: int = self.builder.image_id if takes_pictures else -1
        self._shares_mixers = aware is not None and "moai" in aware.connectors
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._next, self._lock = itertools.count(1), threading.Lock()

    def messages(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> PreparedPrompt:
        """Prepare a conversation.

        Raises:
            UserError: a form that the model cannot take.
            ContextLengthError: no room for an answer.
        """
        pictures = [open_picture(p) for m in messages for p in m.images]
        if pictures and self.image_id < 0:
            raise UserError("a picture", allowed="text: this model takes no pictures")
        scenes = self.aware.perceive(pictures) if pictures and self.aware is not None and self.aware.uses_scenes else []
        handed = [bounded(p, self.processor.image_processor) for p in pictures]
        prompt = self.builder.build(_with_pictures(messages, handed), scenes, tools=tools)
        self._check_length(prompt.length)
        ids = prompt.expanded()[0].tolist()
        if not pictures:
            return PreparedPrompt(ids, tuple(ids))
        hashes = [content_hash(p) for p in pictures]
        made = [processed(self.processor.image_processor, [p]) for p in handed]
        return PreparedPrompt(
            ids,
            self._prefix_key(ids, prompt, hashes),
            hashes,
            [m["pixel_values"] for m in made],
            [m.get("image_sizes") for m in made],
            scenes,
            self.aware.scene_features(scenes) if self.aware is not None and scenes else {},
        )

    def text(self, text: str) -> PreparedPrompt:
        """Prepare a text to be continued as it is; control tokens in it are words.

        Raises:
            UserError: an empty text.
            ContextLengthError: no room for an answer.
        """
        return self.ids(self.builder.text(text).ids.tolist())

    def ids(self, ids: Sequence[int]) -> PreparedPrompt:
        """Prepare tokens to be continued as they are.

        Raises:
            UserError: no token, or one that the vocabulary of words does not have.
            ContextLengthError: no room for an answer.
        """
        if not ids:
            raise UserError("an empty text", allowed="at least one word to continue")
        self._check_length(len(ids))
        most = len(self.processor.tokenizer) - 1
        if (wrong := next((i for i in ids if not 0 <= i <= most or i == self.image_id), None)) is not None:
            raise UserError(f"the token id {wrong}", allowed=f"token ids of words, from 0 to {most}")
        ids = [*ids]
        return PreparedPrompt(ids, tuple(ids), continues=True)

    def _check_length(self, tokens: int) -> None:
        if tokens >= self.length:
            raise ContextLengthError(
                f"{tokens} tokens in one conversation",
                allowed=f"fewer than {self.length}",
                todo="ask with fewer pictures or words",
            )

    def _prefix_key(self, ids: list[int], prompt: Prompt, hashes: list[str]) -> tuple[int, ...]:
        """Picture tokens become numbers of their picture below zero. A number is never given to a second picture; one
        that was not seen
        for long gets a new number, and misses the cache."""
        with self._lock:
            numbers = [self._number(h) for h in hashes]
            # Mixers let every token read all Scenes of a prompt: prefixes are shared only by prompts with the same
            # pictures.
            first = self._number("+".join(hashes)) if self._shares_mixers else ids[0]
        key = np.asarray(ids)
        for (start, stop), number in zip(prompt.media_spans(self.image_id), numbers, strict=True):
            key[start:stop] = number
        return (first, *key[1:].tolist())

    def _number(self, name: str) -> int:
        number = self._numbers.pop(name, None) or -next(self._next)
        self._numbers[name] = number
        if len(self._numbers) > MAX_PICTURES:
            self._numbers.popitem(last=False)
        return number


def open_picture(picture: Any) -> Image.Image:
    """A picture as a message holds it (array, PIL, path, encoded), decoded."""
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture)
    return decode(picture.data if isinstance(picture, EncodedImage) else picture)


def _with_pictures(messages: Sequence[Message], pictures: Sequence[Any]) -> list[Message]:
    """The messages with their pictures as they were opened."""
    left = iter(pictures)
    return [
        replace(m, parts=tuple(replace(p, content=next(left)) if p.kind == "image" else p for p in m.parts))
        for m in messages
    ]
