"""Messages -> prompts of a model's own processor, for models that are run by their own forward pass.

Letters: T tokens.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from typing import Any

from nunbit.engine.preparation import Preparation, open_picture
from nunbit.engine.request import NativeInputs, PreparedPrompt
from nunbit.errors import UserError
from nunbit.media import content_hash
from nunbit.messages import Message
from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.processor_prompt import has_template, plain_messages, plain_question, processor_inputs

WITHOUT_CAUSAL_PROMPT = ("paligemma",)
"""Models whose prompt tokens read each other in both directions: a longer prompt changes its beginning."""


class NativePreparation(Preparation):
    """Prepares prompts with the processor of the model. Arguments and attributes as of `Preparation`.

    Attributes:
        causal: whether a prompt's beginning is the same whatever follows it.
    """

    def __init__(self, model: Any, processor: Any, aware: ObjectAwareModule | None, length: int) -> None:
        super().__init__(model, processor, aware, length)
        self.image_id = int(model.config.image_token_id)
        pixels = inspect.signature(model.forward).parameters["pixel_values"]
        self._needs_picture = pixels.default is inspect.Parameter.empty
        self.causal = model.config.model_type not in WITHOUT_CAUSAL_PROMPT
        self._processor_lock = threading.Lock()  # a processor keeps how its tokenizer was called last

    def messages(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> PreparedPrompt:
        """Prepare a conversation.

        Raises:
            UserError: a form that the model or its processor cannot take.
            ContextLengthError: no room for an answer.
        """
        pictures = [open_picture(p) for m in messages for p in m.images]
        self._check_pictures(len(pictures))
        messages = plain_messages(messages, self.builder.encoder)
        if has_template(self.processor):
            text = self.builder.template.render(messages, generate=True, tools=tools, name="prompt").text
        else:
            text = plain_question(messages, self.processor)
        with self._processor_lock:
            made = dict(processor_inputs(self.processor, text, pictures))
        ids = made.pop("input_ids")[0].tolist()
        if pictures and self.image_id not in ids:
            raise UserError("a picture in a conversation in which the chat template places none",
                            todo="use a chat template that takes pictures")  # fmt: skip
        self._check_length(len(ids))
        made = {k: v for k, v in made.items() if k not in ("attention_mask", "labels")}
        hashes = [content_hash(p) for p in pictures]
        return PreparedPrompt(ids, self._key(ids, hashes), hashes, native=NativeInputs(made, self._text_from(ids)))

    def text(self, text: str) -> PreparedPrompt:
        """Prepare a text to be continued as it is; control tokens in it are words.

        Raises:
            UserError: a model that answers nothing without a picture.
        """
        self._check_pictures(0)
        prompt = super().text(text)
        prompt.native = NativeInputs({}, 0 if self.causal else len(prompt.ids))
        return prompt

    def _check_pictures(self, count: int) -> None:
        if self._needs_picture and not count:
            raise UserError("a text without a picture", allowed="a question with its picture: this model needs one")

    def _text_from(self, ids: list[int]) -> int:
        """The token from which on a prompt is causal text."""
        if not self.causal:
            return len(ids)
        return next((i + 1 for i in range(len(ids) - 1, -1, -1) if ids[i] == self.image_id), 0)

    def _key(self, ids: list[int], hashes: list[str]) -> tuple[int, ...]:
        """The ids, those of pictures replaced by one number of all pictures together, which no other pictures have."""
        if not hashes:
            return tuple(ids)
        with self._lock:
            number = self._number("+".join(hashes))
        return tuple(number if i == self.image_id else i for i in ids)
