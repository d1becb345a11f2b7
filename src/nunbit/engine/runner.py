"""What the engine needs of a model: prompt -> embeddings, a chunk of prefill, a batched step. Two shapes of transformers fit:
LLaVA-shaped ones (features spliced at placeholder tokens) and plain causal language models, either with layer connectors on its decoder.

Legend: B rows, T tokens, D width, V vocabulary.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image

from nunbit.connectors.gated_cross_attention import Media
from nunbit.engine.cache import LRUCache, SlotCache
from nunbit.engine.cross_attention import CrossAttentionState, Gated
from nunbit.errors import ContextLengthError, UserError
from nunbit.media import content_hash
from nunbit.messages import Message, check_turns
from nunbit.models.object_aware.module import ObjectAwareModule

MOST_PICTURES = 100_000


@dataclass(slots=True)
class Prompt:
    """A conversation as the model reads it. ``units`` are the ids with picture tokens renamed by picture (see `PrefixCache`); ``signals``
    are what an object-aware model is told of the pictures (`nunbit.models.object_aware.module`), ``rows`` what came into its mixers so far; ``media`` is
    what a gated one looks at."""

    ids: list[int]
    units: tuple[int, ...]
    pictures: list[str] = field(default_factory=list)
    pixels: torch.Tensor | None = None
    signals: dict[str, torch.Tensor] = field(default_factory=dict)
    rows: list[torch.Tensor] = field(default_factory=list)
    media: Media | None = None


class Runner:
    """Runs one model on a slot cache.

    Args:
        slots: sequences that may be decoded together.
        length: tokens a slot holds.
        feature_bytes: bound of the picture-feature cache.
        aware: the object-aware parts that hang on the model, if there are any.
        gated: its gated cross-attention, if it has any.
    """

    def __init__(self, model: Any, processor: Any, *, slots: int, length: int, feature_bytes: int, aware: ObjectAwareModule | None = None,
                 gated: Gated | None = None) -> None:  # fmt: skip
        self.model, self.processor, self.aware = model.eval(), processor, aware
        self.mixer: Any = aware.connectors.get("moai") if aware is not None else None
        self._turn = threading.Lock()
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self._plain = copy.deepcopy(self.tokenizer)  # reads marks as words: a tokenizer keeps how it was last asked, whichever thread asks next
        text = model.config.get_text_config()
        _check_shape(model, text, length, spliced=gated is None)
        self.length = min(length, getattr(text, "max_position_embeddings", length) or length)
        self.sight = None if gated is None else CrossAttentionState(gated, self.length)
        self.vocabulary = model.get_output_embeddings().weight.shape[0]
        self.decoder = model.get_decoder()
        self.device = next(model.parameters()).device
        self.cache = SlotCache(text.num_hidden_layers, slots, self.length)
        self.features = LRUCache(feature_bytes)
        ends = model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [] if ends is None else [ends])
        self.image_id: int = self.sight.image_id if self.sight else getattr(model.config, "image_token_id", None) or -1
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._next, self._lock = itertools.count(1), threading.Lock()

    def prompt(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None) -> Prompt:
        """Render a conversation. May run in any thread: it touches no state of the model.

        Raises:
            UserError: a form the model cannot take, or more tokens than a slot holds.
        """
        check_turns(messages)
        from nunbit.models.assistant import turns

        pictures = [Image.fromarray(p) if isinstance(p, np.ndarray) else p for m in messages for p in m.images]
        if pictures and self.image_id < 0:
            raise UserError("a picture", allowed="text: this model has no eyes")
        signals: dict[str, torch.Tensor] = {}
        if pictures and self.aware is not None:
            scenes = self.aware.perceive(pictures)
            messages, signals = self.aware.spoken(messages, scenes), self.aware.signals(scenes)
        words = self._words(turns(messages), tools)
        if not pictures:
            ids = self.tokenizer(words, add_special_tokens=False)["input_ids"]
            return self._fits(Prompt(ids, tuple(ids)))
        made = self.processor(text=[words], images=pictures, return_tensors="pt", add_special_tokens=False)
        ids, names = made["input_ids"][0].tolist(), [content_hash(p) for p in pictures]
        units = self._units(ids, names)
        if self.mixer is not None:  # all rows read what is said of all pictures: nothing is shared but with the same ones
            with self._lock:
                units = (self._number("+".join(names)), *units[1:])
        return self._fits(Prompt(ids, units, names, made["pixel_values"], signals))

    def _words(self, turned: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
        """A conversation in the model's own form. Its template may refuse a role or a tool, and a tool may hold what is no text."""
        from jinja2 import TemplateError

        try:
            words = self.processor.apply_chat_template(turned, add_generation_prompt=True, tokenize=False, tools=tools)
            words.encode()
        except (TemplateError, TypeError, UnicodeEncodeError) as e:
            raise UserError(f"a conversation that this model's template cannot render ({str(e)[:160]})",
                            allowed="roles and tools in the form the model was trained with") from None  # fmt: skip
        return str(words)

    def raw(self, text: str) -> Prompt:
        """A text to be continued, as it is; marks of the model in it are words, not marks."""
        ids = self._plain(text, split_special_tokens=True)["input_ids"]
        if not ids:
            raise UserError("an empty text", allowed="at least one word to continue")
        return self._fits(Prompt(ids, tuple(ids)))

    @torch.inference_mode()
    def text_vector(self, text: str) -> tuple[torch.Tensor, int]:
        """The decoder's states of a text, averaged, at length 1: ``(D,)``, and how many tokens it took."""
        prompt = self.raw(text)
        made = self.text_states(prompt.ids).mean(0)
        return torch.nn.functional.normalize(made, dim=0).cpu(), len(prompt.ids)

    @torch.inference_mode()
    def text_states(self, ids: Sequence[int]) -> torch.Tensor:
        """The decoder's last hidden states of a text, ``(T, D)``, in one pass that leaves the slots untouched."""
        with self._turn:  # the layer connectors hold the context of the running pass
            states: torch.Tensor = self.decoder(torch.tensor([list(ids)], device=self.device), use_cache=False).last_hidden_state[0]
        return states

    @torch.inference_mode()
    def picture_vector(self, picture: Any) -> tuple[torch.Tensor, int]:
        """The connector's tokens of a picture, averaged, at length 1: ``(D,)``, and how many tokens it took."""
        if self.image_id < 0:
            raise UserError("a picture", allowed="text: this model has no eyes")
        pixels = self.processor.image_processor(picture, return_tensors="pt")["pixel_values"]
        tokens = self._see(pixels)
        return torch.nn.functional.normalize(tokens.mean(0), dim=0).cpu(), len(tokens)

    def _fits(self, prompt: Prompt) -> Prompt:
        if len(prompt.ids) >= self.length:
            raise ContextLengthError(f"{len(prompt.ids)} tokens in one conversation", allowed=f"fewer than {self.length}",
                                     todo="ask with fewer pictures or words")  # fmt: skip
        return prompt

    def _units(self, ids: list[int], names: list[str]) -> tuple[int, ...]:
        """Picture tokens become numbers of their own below zero. A number is never given to a second picture; a picture that was
        not seen for long gets a new one, and misses the cache."""
        each = ids.count(self.image_id) // len(names)
        if each * len(names) != ids.count(self.image_id):
            raise UserError("a picture's placeholder in the text", allowed="words without the model's special tokens")
        with self._lock:
            numbers = [self._number(n) for n in names]
        out, seen = list(ids), 0
        for i, token in enumerate(ids):
            if token == self.image_id:
                out[i] = numbers[seen // each]
                seen += 1
        return tuple(out)

    def _number(self, name: str) -> int:
        number = self._numbers.pop(name, None) or -next(self._next)
        self._numbers[name] = number
        if len(self._numbers) > MOST_PICTURES:
            self._numbers.popitem(last=False)
        return number

    def embed(self, prompt: Prompt) -> torch.Tensor:
        """Embeddings ``(1, T, D)`` of a whole prompt; picture features come from the cache where the same pixels were seen."""
        ids = torch.tensor([prompt.ids], device=self.device)
        out = self.model.get_input_embeddings()(ids)
        if prompt.pixels is None:
            return out
        tokens = [self._look(prompt, i) for i in range(len(prompt.pictures))]
        if self.sight is not None:
            prompt.media = prompt.media or self.sight.of(torch.stack(tokens), ids)
            return out
        return out.masked_scatter((ids == self.image_id).unsqueeze(-1), torch.cat(tokens).to(out.dtype))

    def _look(self, prompt: Prompt, i: int) -> torch.Tensor:
        """Picture ``i`` of a prompt as the connector's tokens, ``(N, D)``: spliced, or looked at."""
        held = self.features.get(prompt.pictures[i])
        if held is None:
            assert prompt.pixels is not None
            held = self._see(prompt.pixels[i : i + 1])
            self.features.put(prompt.pictures[i], held)
        return held

    def _see(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(self.device, self.model.dtype)
        if self.sight is not None:
            return self.sight.gated.media(pixels)[0]
        c = self.model.config
        made = self.model.model.get_image_features(
            pixel_values=pixels, vision_feature_layer=c.vision_feature_layer,
            vision_feature_select_strategy=c.vision_feature_select_strategy,
        )  # fmt: skip
        return made.pooler_output[0]

    def prefill(self, slot: int, start: int, embeds: torch.Tensor, prompt: Prompt) -> torch.Tensor:
        """Run tokens ``start ...`` of a slot, embeddings ``(1, T, D)``; returns the logits of the last one, ``(V,)``."""
        count = embeds.shape[1]
        self.cache.prefilling(slot, start, count)
        at = torch.arange(start, start + count, device=self.device)
        mask = None  # from the beginning: the decoder's own causal form, which is not computed where it is zero
        if start:
            mask = self._additive(at.unsqueeze(-1) >= torch.arange(start + count, device=self.device), embeds.dtype)[None, None]
        with self._reading(prompt):
            return self._logits(embeds, mask, at[None])[0]

    def decode(self, tokens: Sequence[int], lengths: Sequence[int], prompts: Sequence[Prompt]) -> torch.Tensor:
        """One step of the first ``len(tokens)`` slots, each holding ``lengths`` tokens so far. Logits ``(B, V)``."""
        at, upto = torch.tensor(lengths, device=self.device), max(lengths) + 1
        self.cache.decoding(at, upto)
        mask = at.unsqueeze(-1) >= torch.arange(upto, device=self.device)
        embeds = self.model.get_input_embeddings()(torch.tensor(tokens, device=self.device).unsqueeze(-1))
        with self._answering(prompts):
            return self._logits(embeds, self._additive(mask, embeds.dtype)[:, None, None], at.unsqueeze(-1))

    @contextmanager
    def _reading(self, prompt: Prompt) -> Iterator[None]:
        """The layer connectors are told of one prompt, and forget."""
        with self._turn:
            try:
                if self.sight is not None:
                    self.sight.read(prompt.media)
                if self.aware is not None and prompt.signals:
                    self._tell(self.aware, prompt)
                yield
            finally:
                self._forget()

    @contextmanager
    def _answering(self, prompts: Sequence[Prompt]) -> Iterator[None]:
        """The layer connectors that also act on an answer's tokens are told of its rows, and forget."""
        with self._turn:
            try:
                if self.sight is not None:
                    self.sight.answer([p.media for p in prompts])
                yield
            finally:
                self._forget()

    def _forget(self) -> None:
        for told in (self.aware, self.sight):
            if told is not None:
                told.forget()

    def _tell(self, aware: ObjectAwareModule, prompt: Prompt) -> None:
        image = torch.tensor([prompt.ids], device=self.device) == self.image_id
        signals = {k: v.to(self.device) for k, v in prompt.signals.items()}
        aware.tell(signals, image, ~image, torch.zeros(len(prompt.pictures), dtype=torch.long, device=self.device),
                   before=prompt.rows)  # fmt: skip

    def _additive(self, allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(allowed.shape, dtype=dtype, device=self.device).masked_fill(~allowed, torch.finfo(dtype).min)

    def _logits(self, embeds: torch.Tensor, mask: torch.Tensor | None, at: torch.Tensor) -> torch.Tensor:
        hidden = self.decoder(inputs_embeds=embeds, attention_mask=mask, position_ids=at, past_key_values=self.cache,
                              use_cache=True).last_hidden_state  # fmt: skip
        return self.model.get_output_embeddings()(hidden[:, -1]).float()


def _check_shape(model: Any, text: Any, length: int, *, spliced: bool) -> None:
    """Refuse what slots cannot hold, rather than answer wrongly. ``spliced``: pictures enter the sequence."""
    kind = model.config.model_type
    if spliced and hasattr(model.config, "vision_config") and kind != "llava":
        raise UserError(f"a model of type '{kind}'", allowed="llava-shaped models and plain causal language models in the batching engine",
                        todo="ask it through `nunbit ask`, one question at a time")  # fmt: skip
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    if kinds - {"full_attention", "sliding_attention"} or ("sliding_attention" in kinds and window and window < length):
        raise UserError(
            f"layers of kind {', '.join(sorted(kinds))}",
            allowed="full attention, or a window not below the slot's length",
        )
