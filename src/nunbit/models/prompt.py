"""The one way from messages to token ids: training, asking, serving and evaluation all build their prompts here.

A `PromptBuilder` renders the chat template, puts one id in each picture's place, adds the words of Scenes where the
model is conditioned on
them, and marks what is to be learnt. Ids of a conversation in training begin with the ids of the prompt that asks for
its last answer.

Letters: T tokens, P pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message, check_turns
from nunbit.models.chat_template import ChatTemplate, RenderedText, joined, template_with_images
from nunbit.models.text_encoder import TextEncoder
from nunbit.scene import Scene

IMAGE = "<image>"
"""The token that stands for a picture, where a model has none of its own."""

CountTokens = Callable[[Any], int]
"""How many tokens a picture takes."""


class SceneTextWriter(Protocol):
    """Adds the words of Scenes to a conversation (`nunbit.models.object_aware.scene_text`)."""

    def add(self, messages: Sequence[Message], scenes: Sequence[Scene]) -> list[Message]:
        """The conversation with the words of each picture's Scene right after the picture."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation as the model reads it.

    Attributes:
        ids: (T,) int32, one id for each picture.
        loss_mask: (T,) bool, true on tokens that are learnt: the answers and the end mark after each.
        repeats: (T,) int32, how many tokens each id becomes: more than one only for pictures.
        media: the pictures in order, as the messages hold them (decoded, or paths).
        name: what the conversation is called in errors.
    """

    ids: np.ndarray
    loss_mask: np.ndarray
    repeats: np.ndarray
    media: tuple[Any, ...] = ()
    name: str = "prompt"

    @property
    def length(self) -> int:
        """Tokens, with those of the pictures."""
        return int(self.repeats.sum())

    def expanded(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and loss mask with every token of the pictures in place, each ``(length,)``."""
        return np.repeat(self.ids, self.repeats), np.repeat(self.loss_mask, self.repeats)

    def media_spans(self, image_id: int) -> list[tuple[int, int]]:
        """For each picture the tokens ``[start, stop)`` that it takes in the expanded prompt."""
        stops = np.cumsum(self.repeats)
        return [(int(stops[i] - self.repeats[i]), int(stops[i])) for i in np.flatnonzero(self.ids == image_id)]

    def labels(self, ignore: int = -100) -> np.ndarray:
        """(length,) ids where they are learnt, ``ignore`` elsewhere."""
        ids, mask = self.expanded()
        return np.where(mask, ids, ignore)


class PromptBuilder:
    """Builds prompts for one model.

    Args:
        tokenizer: a fast tokenizer; copied, so that any number of threads may build prompts.
        template: the chat template; the tokenizer's own, made to take pictures, if none is given.
        image_token: the token that stands for a picture.
        image_tokens: how many tokens a picture takes: one number for all, or a function of the picture.
        scene_text: adds the words of Scenes, for a model that is conditioned on them.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: str | None = None,
        *,
        image_token: str = IMAGE,
        image_tokens: int | CountTokens = 1,
        scene_text: SceneTextWriter | None = None,
    ) -> None:
        self.encoder = TextEncoder(tokenizer)
        self.template = ChatTemplate(
            tokenizer, template or template_with_images(tokenizer.chat_template), self.encoder.first_control
        )
        self.image_token, self.image_id = image_token, tokenizer.convert_tokens_to_ids(image_token)
        self.image_tokens, self.scene_text = image_tokens, scene_text

    @classmethod
    def from_processor(
        cls, processor: Any, image_tokens: int | CountTokens = 1, scene_text: SceneTextWriter | None = None
    ) -> PromptBuilder:
        """The builder of a model with this processor (or, for a text model, this tokenizer)."""
        tokenizer = getattr(processor, "tokenizer", processor)
        template = getattr(processor, "chat_template", None)
        return cls(
            tokenizer,
            template if template is not tokenizer.chat_template or processor is tokenizer else None,
            image_token=str(getattr(processor, "image_token", IMAGE)),
            image_tokens=image_tokens,
            scene_text=scene_text,
        )

    @property
    def end(self) -> str:
        """What the template writes after an answer, up to the token at which generation stops."""
        return self.template.end

    @property
    def end_id(self) -> int:
        """The token at which generation stops."""
        return self.encoder.rendered(self.end, [False] * len(self.end)).ids[-1]

    def build(
        self,
        messages: Sequence[Message],
        scenes: Sequence[Scene] = (),
        *,
        training: bool = False,
        plain: bool = False,
        tools: Sequence[Any] | None = None,
        max_tokens: int | None = None,
        name: str = "prompt",
    ) -> Prompt:
        """Render a conversation.

        Args:
            messages: turns in order; content is read as words, whatever control tokens are written in it.
            scenes: the Scene of each picture, in order, for a builder with `scene_text`.
            training: mark the answers as targets, and end with the last of them; otherwise end with the prompt for an
                answer.
            plain: for training without a template, as in LLaVA-1.5's first stage: the pictures, then the answers, a
                line each.
            tools: schemas of functions that the model may call.
            max_tokens: a longer prompt is refused; nothing is cut, least of all a picture.
            name: names the conversation in errors.

        Raises:
            UserError: turns out of order, a template that refuses them, no answer to learn from, or too many tokens.
        """
        check_turns(messages)
        if training and not any(m.role == "assistant" and m.text.strip() for m in messages):
            raise UserError(
                f"{name} has no trainable token", allowed="at least one assistant turn with words", todo="add an answer"
            )
        media = tuple(image for m in messages for image in m.images)
        if self.scene_text is not None and scenes:
            messages = self.scene_text.add(messages, scenes)
        if plain:
            text = self._plain(messages)
        else:
            text = self.template.render(messages, generate=not training, tools=tools, name=name)
        prompt = self._encode(text, media, training, name)
        if max_tokens is not None and prompt.length > max_tokens:
            raise UserError(
                f"{name} has {prompt.length} tokens",
                allowed=f"at most {max_tokens}",
                todo="ask with fewer pictures or words",
            )
        return prompt

    def text(self, words: str) -> Prompt:
        """A text to be continued as it is, without a template; control tokens in it are words."""
        ids = np.asarray(self.encoder.words(words), np.int32)
        return Prompt(ids, np.zeros(len(ids), bool), np.ones(len(ids), np.int32), name="text")

    def _plain(self, messages: Sequence[Message]) -> RenderedText:
        pieces = [(self.template.begin, False, False)]
        pieces += [(self.image_token, False, False) for m in messages for _ in m.images]
        pieces += [
            piece
            for m in messages
            if m.role == "assistant" and m.text.strip()
            for piece in ((m.text.strip(), True, True), ("\n", False, True))
        ]
        return joined(pieces)

    def _encode(self, text: RenderedText, media: tuple[Any, ...], training: bool, name: str) -> Prompt:
        done = self.encoder.rendered(text.text, text.content.tolist(), [*text.stops, len(text.text)])
        ids = np.asarray(done.ids, np.int32)
        places = np.flatnonzero(ids == self.image_id)
        if len(places) != len(media):
            raise UserError(
                f"{name} has {len(media)} pictures and its template places {len(places)}",
                allowed="one place for each picture",
                todo="use a template that takes pictures",
            )
        repeats = np.ones(len(ids), np.int32)
        repeats[places] = [self.image_tokens(p) for p in media] if callable(self.image_tokens) else self.image_tokens
        mask = _overlaps(text.target, done.spans) if training else np.zeros(len(ids), bool)
        return Prompt(ids, mask, repeats, media, name)


def _overlaps(target: np.ndarray, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """(T,) bool: which tokens come from a character that is learnt. A token of no characters counts with the
    next one."""
    learnt = np.concatenate([[0], np.cumsum(target)])
    last = len(target)
    return np.array([learnt[min(max(e, s + 1), last)] > learnt[s] for s, e in spans], bool)
