"""Assistant: a loaded model that answers a conversation. The path picture -> answer, in one file.

Works with every image-text-to-text model of transformers, and with a Flamingo of ours; our own renderer is used where the tokenizer is ours, else the model's chat template.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.media import decode
from nunbit.messages import Message, check_turns
from nunbit.models.compose import open_native
from nunbit.models.flamingo import is_flamingo, open_flamingo
from nunbit.scene import Scene

if TYPE_CHECKING:
    from nunbit.models.object_aware.module import ObjectAwareModule


@dataclass(frozen=True, slots=True)
class Answer:
    """Words of an answer with its cost: milliseconds to the first token (picture processing included), and tokens made."""

    text: str
    ttft_ms: float
    tokens: int


class Assistant:
    """A model with its processor, ready to be asked.

    Args:
        folder: a folder or hub id; None for the embedded `nunbit-tiny`.
        device: ``cpu``, ``cuda``, ``mps`` ...
        told: an object-aware model is told what is where; off, it is the LLaVA that it is without that.
    """

    def __init__(self, folder: str | Path | None = None, device: str = "cpu", *, told: bool = True) -> None:
        self.name = str(folder or "nunbit-tiny")
        if folder is None and not (EMBEDDED / "config.json").exists():
            raise UserError(
                "the embedded model is missing from this installation",
                todo="install nunbit again, or name a model with --model",
            )
        folder = folder or EMBEDDED
        self.model: Any
        self.model, self.processor = (open_flamingo if is_flamingo(folder) else open_native)(folder, device)
        self.device = device
        self.aware: ObjectAwareModule | None = None
        from nunbit.models.object_aware.module import ObjectAwareModule, is_object_aware

        if told and is_object_aware(folder):
            self.aware = ObjectAwareModule.open(folder, self.model, self.processor)

    @classmethod
    def of(cls, model: Any, processor: Any, aware: ObjectAwareModule | None = None, name: str = "model") -> Assistant:
        """An assistant of what is loaded already."""
        made = cls.__new__(cls)
        made.name, made.model, made.processor, made.aware = name, model, processor, aware
        made.device = str(model.device)
        return made

    def ask(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 96,
        on_text: Callable[[str], None] | None = None,
        seed: int | None = None,
    ) -> Answer:
        """Answer one conversation, greedily or, with a seed, sampled at temperature 0.7; ``on_text`` receives the pieces of the
        answer as they come."""
        began = time.perf_counter()
        listener = _Listener(self.processor.tokenizer, began, on_text)
        inputs = self._inputs([messages])
        with torch.inference_mode():
            how: dict[str, Any] = {"do_sample": False}
            if seed is not None:
                torch.manual_seed(seed)
                how = {"do_sample": True, "temperature": 0.7, "top_k": 0}
            self.model.generate(**inputs, max_new_tokens=max_new_tokens, streamer=listener, **how)
        return Answer(listener.finish(), listener.ttft_ms, len(listener.ids))

    def ask_many(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int = 48, batch: int = 16
    ) -> list[str]:
        """Answer many conversations, ``batch`` at a time, in the order given."""
        out: list[str] = []
        for start in range(0, len(conversations), batch):
            inputs = self._inputs(conversations[start : start + batch])
            with torch.inference_mode():
                made = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
            out += [
                _plain(self.processor.tokenizer.decode(row, skip_special_tokens=True))
                for row in made[:, inputs["input_ids"].shape[1] :]
            ]
        return out

    def _inputs(self, conversations: Sequence[Sequence[Message]]) -> Any:
        for c in conversations:
            check_turns(c)
        pictures = [image for c in conversations for m in c for image in m.images]
        scenes: list[Scene] = []
        if self.aware is not None and pictures:
            scenes = self.aware.perceive(
                [Image.fromarray(p) if isinstance(p, np.ndarray) else decode(p) for p in pictures]
            )
            left = iter(scenes)
            conversations = [self.aware.spoken(c, [next(left) for m in c for _ in m.images]) for c in conversations]
        words = [self.processor.apply_chat_template(turns(c), add_generation_prompt=True) for c in conversations]
        inputs = self.processor(text=words, images=pictures or None, return_tensors="pt", padding=True,
                                padding_side="left", add_special_tokens=False)  # fmt: skip
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit and inputs["input_ids"].shape[1] > limit:
            raise UserError(f"{inputs['input_ids'].shape[1]} tokens in one conversation", allowed=f"at most {limit} for {self.name}",
                            todo="ask with fewer pictures or words")  # fmt: skip
        inputs = inputs.to(self.device)
        if self.aware is not None:  # without pictures too: it must forget the last ones
            self.aware.look(inputs, scenes, [i for i, c in enumerate(conversations) for m in c for _ in m.images])
        return inputs


class _Listener:
    """Collects ids as `generate` makes them, and passes on words once they can no longer change."""

    def __init__(self, tokenizer: Any, began: float, on_text: Callable[[str], None] | None) -> None:
        self.tokenizer, self.began, self.on_text = tokenizer, began, on_text
        self.ids: list[int] = []
        self.ttft_ms, self._said, self._prompt = 0.0, 0, True

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:  # the first call carries the prompt
            self._prompt = False
            return
        if not self.ids:
            self.ttft_ms = 1000 * (time.perf_counter() - self.began)
        self.ids += value.reshape(-1).tolist()
        # The last character is held back: a Hangul syllable or a byte sequence may still grow.
        self._say(hold=1)

    def end(self) -> None:
        self._say(hold=0)

    def finish(self) -> str:
        return self._text()

    def _text(self) -> str:
        return _plain(self.tokenizer.decode(self.ids, skip_special_tokens=True))

    def _say(self, hold: int) -> None:
        text = self._text()
        ready = text[: len(text) - hold].rstrip("�")
        if self.on_text and len(ready) > self._said:
            self.on_text(ready[self._said :])
            self._said = len(ready)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    kinds = {"image": lambda p: {"type": "image"}, "text": lambda p: {"type": "text", "text": _spell(p.content)}}
    for m in messages:
        if any(p.kind not in kinds for p in m.parts):
            raise UserError(
                "a sound in the conversation",
                allowed="text and pictures: this model has no ears",
                todo="leave the sound out",
            )
    return [{"role": m.role, "content": [kinds[p.kind](p) for p in m.parts]} for m in messages]


def _spell(text: str) -> str:
    """Words that look like a control token are broken up, so that no question can pretend to be another turn."""
    return (
        text.replace("<", "< ")
        if any(mark in text for mark in ("<image>", "<user>", "<assistant>", "<bos>", "<eos>", "<pad>"))
        else text
    )
