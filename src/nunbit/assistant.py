"""Assistant: a loaded model that answers conversations, as a client of the engine in this process.

Models that the engine does not hold (see `nunbit.engine.supported.unsupported`) are asked through transformers'
`generate`, one at a time.
"""

from __future__ import annotations

import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nunbit.engine.int8_linear import quantise
from nunbit.engine.many import ask_all
from nunbit.engine.options import CacheOptions
from nunbit.engine.preparation import open_picture
from nunbit.engine.request import Event, RequestOutput, TokenChunk
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.engine.sizing import engine_sizes
from nunbit.engine.supported import unsupported
from nunbit.errors import ContextLengthError, UserError
from nunbit.messages import Message
from nunbit.models.composed import is_gated
from nunbit.models.loading import LoadedModel, load_model
from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.precision import Precision
from nunbit.models.processor_prompt import has_template, plain_messages, plain_question, processor_inputs
from nunbit.models.text_encoder import TextEncoder
from nunbit.scene import Scene

MAX_NEW_TOKENS = 96
SAMPLED_TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it took.

    Attributes:
        ttft_ms: milliseconds to the first token, perception and picture processing included; total_ms: to the last.
        tokens: tokens made; ids: which ones.
        finish: ``stop`` or ``length``.
        scenes: of the pictures, where the model uses Scenes.
        notices: what the reader of the answer should know, in sentences: a model of drawings was shown a photograph.
    """

    text: str
    ttft_ms: float
    tokens: int
    total_ms: float = 0.0
    finish: str = "stop"
    ids: tuple[int, ...] = ()
    scenes: tuple[Scene, ...] = field(default=(), repr=False)
    notices: tuple[str, ...] = ()


class Assistant:
    """A model with its processor, ready to be asked. It works in the thread that asks.

    Args:
        folder: a folder or hub id; None for the embedded `nunbit-tiny`.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...
        object_aware: off, an object-aware model answers as the plain model that it is without its object-aware parts.
        precision: in which numbers the weights are held.
        caches: sizes of the engine's caches.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        device: str = "cpu",
        *,
        object_aware: bool = True,
        precision: Precision = Precision(),
        caches: CacheOptions = CacheOptions(),
    ) -> None:
        loaded = load_model(folder, device, object_aware=object_aware, precision=precision)
        if precision.int8 and loaded.model.device.type == "cpu":
            quantise(loaded.model)
        self._set(loaded, caches)

    @classmethod
    def from_loaded(
        cls, model: Any, processor: Any, aware: ObjectAwareModule | None = None, name: str = "model"
    ) -> Assistant:
        """An assistant of a model that is loaded already."""
        made = cls.__new__(cls)
        made._set(LoadedModel(name, model, processor, aware))
        return made

    def _set(self, loaded: LoadedModel, caches: CacheOptions = CacheOptions()) -> None:
        self.name, self.model, self.processor, self.aware = loaded.name, loaded.model, loaded.processor, loaded.aware
        self.device, self.caches = str(self.model.device), caches
        self._engine: Engine | None = None

    def engine(self, slots: int = 1) -> Engine:
        """The engine that answers, with at least so many slots.

        Raises:
            UserError: the engine does not hold this model.
        """
        if self._engine is not None and self._engine.slots < slots:
            self.close()
        if self._engine is None:
            sizes = engine_sizes(self.model, replace(self.caches, slots=slots), server=False)
            self._engine = Engine.from_loaded(self, background=False, **sizes)
        return self._engine

    def close(self) -> None:
        """End the engine and what it still answers; the next question starts another."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def ask(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int | None = None,
        on_text: Callable[[str], None] | None = None,
        seed: int | None = None,
    ) -> Answer:
        """Answer one conversation, greedily or, with a seed, sampled at temperature 0.7.

        Args:
            max_new_tokens: tokens of the answer at most; without it 96, or fewer where the context ends.
            on_text: receives the pieces of the answer as they come, in the caller's thread.

        Raises:
            UserError: a conversation that the model cannot take.
            ContextLengthError: the conversation and so many new tokens do not fit into the model's context.
        """
        began = time.perf_counter()
        if unsupported(self.model):
            made = self.generate(messages, max_new_tokens=max_new_tokens or MAX_NEW_TOKENS, on_text=on_text, seed=seed)
            return self._with_notices(made)
        engine = self.engine()
        prompt = engine.prepare(messages)
        sampling = self._sampling(len(prompt.ids), max_new_tokens, seed)
        events: deque[Event] = deque()
        request = engine.submit(prompt, sampling, events.append)
        prepared_ms = 1000 * (request.arrived - began)
        try:
            while isinstance(event := self._next_event(engine, events), TokenChunk):
                if on_text is not None:
                    on_text(event.text)
        except BaseException:  # the caller hears no more, a keyboard interrupt included
            request.cancel()
            raise
        return self._with_notices(_answer(event, prepared_ms))

    @staticmethod
    def _next_event(engine: Engine, events: deque[Event]) -> Event:
        engine.run_until(lambda: bool(events))
        return events.popleft()

    def ask_many(
        self,
        conversations: Iterable[Sequence[Message]],
        *,
        max_new_tokens: int | None = 48,
        batch: int = 16,
    ) -> list[str]:
        """Answer many conversations, ``batch`` at a time, in the order given."""
        return [a.text for a in self.stream_many(conversations, max_new_tokens=max_new_tokens, batch=batch)]

    def stream_many(
        self,
        conversations: Iterable[Sequence[Message]],
        *,
        max_new_tokens: int | None = None,
        batch: int = 16,
    ) -> Iterator[Answer]:
        """Answers of many conversations in order, as they are there; pictures are prepared while earlier questions are
        answered."""
        if unsupported(self.model):
            yield from (self.generate(c, max_new_tokens=max_new_tokens or MAX_NEW_TOKENS) for c in conversations)
            return
        for output in ask_all(self.engine(batch), conversations, lambda n: self._sampling(n, max_new_tokens, None)):
            yield self._with_notices(_answer(output, 0.0))

    def _with_notices(self, answer: Answer) -> Answer:
        return replace(answer, notices=tuple(self.aware.notices(answer.scenes)) if self.aware is not None else ())

    def _sampling(self, prompt_tokens: int, max_new_tokens: int | None, seed: int | None) -> SamplingParams:
        room = self.engine().runner.length - prompt_tokens
        if max_new_tokens is not None and max_new_tokens > room:
            raise ContextLengthError(
                f"{prompt_tokens} tokens and {max_new_tokens} new ones",
                allowed=f"at most {prompt_tokens + room} in all for {self.name}",
                todo="ask with fewer pictures or words, or for fewer new tokens",
            )
        most = min(MAX_NEW_TOKENS, room) if max_new_tokens is None else max_new_tokens
        temperature = 0.0 if seed is None else SAMPLED_TEMPERATURE
        return SamplingParams(max_tokens=most, temperature=temperature, seed=seed)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = MAX_NEW_TOKENS,
        on_text: Callable[[str], None] | None = None,
        seed: int | None = None,
    ) -> Answer:
        """Answer through transformers' `generate` and the model's own processor: for models the engine does not hold,
        and as its oracle."""
        import torch

        began = time.perf_counter()
        pictures = [open_picture(p) for m in messages for p in m.images]
        scenes = self.aware.perceive(pictures) if self.aware is not None and pictures else []
        messages = self.aware.add_scene_text(messages, scenes) if self.aware is not None else messages
        inputs = self._inputs(messages, pictures)
        if self.aware is not None:
            image = inputs["input_ids"] == self.model.config.image_token_id
            owner = torch.zeros(len(pictures), dtype=torch.long, device=image.device)
            features = {k: v.to(image.device) for k, v in self.aware.scene_features(scenes).items()}
            self.aware.set_context(features, image, inputs["attention_mask"].bool() & ~image, owner)
        streamer = _Streamer(self.processor.tokenizer, began, on_text)
        cards = [self.model.device] if self.model.device.type == "cuda" else []
        options: dict[str, Any] = {"do_sample": False}
        with torch.random.fork_rng(cards, enabled=seed is not None), torch.inference_mode():
            if seed is not None:
                torch.manual_seed(seed)
                options = {"do_sample": True, "temperature": SAMPLED_TEMPERATURE, "top_k": 0}
            try:
                self.model.generate(**inputs, max_new_tokens=max_new_tokens, streamer=streamer, **options)
            finally:
                if self.aware is not None:
                    self.aware.clear_context()
                if is_gated(self.model):
                    self.model.connector.clear_context()
        total_ms = 1000 * (time.perf_counter() - began)
        finish = "length" if len(streamer.ids) >= max_new_tokens else "stop"
        return Answer(
            streamer.text(), streamer.ttft_ms, len(streamer.ids), total_ms, finish, tuple(streamer.ids), tuple(scenes)
        )

    def _inputs(self, messages: Sequence[Message], pictures: Sequence[Any]) -> Any:
        messages = plain_messages(messages, TextEncoder(self.processor.tokenizer))
        if has_template(self.processor):
            turns = [{"role": m.role, "content": [_part(p) for p in m.parts]} for m in messages]
            text = self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        else:
            text = plain_question(messages, self.processor)
        return processor_inputs(self.processor, text, pictures).to(self.device, self.model.dtype)


class _Streamer:
    """Collects ids as `generate` makes them, and passes on text once it can no longer change."""

    def __init__(self, tokenizer: Any, began: float, on_text: Callable[[str], None] | None) -> None:
        self.tokenizer, self.began, self.on_text = tokenizer, began, on_text
        self.ids: list[int] = []
        self.ttft_ms, self._sent, self._prompt = 0.0, 0, True

    def put(self, value: Any) -> None:
        """Take new ids; the first call carries the prompt."""
        if self._prompt:
            self._prompt = False
            return
        if not self.ids:
            self.ttft_ms = 1000 * (time.perf_counter() - self.began)
        self.ids += value.reshape(-1).tolist()
        self._send(hold=1)  # a Hangul syllable or a byte sequence may still grow

    def end(self) -> None:
        """Pass on what was held back."""
        self._send(hold=0)

    def text(self) -> str:
        """The whole answer."""
        decoded = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return unicodedata.normalize("NFC", decoded).strip()

    def _send(self, hold: int) -> None:
        text = self.text()
        ready = text[: len(text) - hold].rstrip("�")
        if self.on_text and len(ready) > self._sent:
            self.on_text(ready[self._sent :])
            self._sent = len(ready)


def _part(part: Any) -> dict[str, str]:
    return {"type": "image"} if part.kind == "image" else {"type": "text", "text": part.content}


def _answer(output: Event, prepared_ms: float) -> Answer:
    assert isinstance(output, RequestOutput)
    if output.failed:
        raise UserError(f"the model gave no answer ({output.finish})", todo="ask in another form")
    ids = tuple(t.token for t in output.tokens)
    return Answer(
        output.text.strip(),
        prepared_ms + 1000 * output.ttft_s,
        len(ids),
        prepared_ms + 1000 * output.total_s,
        output.finish,
        ids,
        tuple(output.scenes),
    )
