"""Forward passes of one model on a slot cache: embeddings of a prompt, a chunk of prefill, a batched decode step.

Models that fit: LLaVA-shaped ones (native LLaVA and LLaVA-NeXT, `ComposedModel`) and plain causal language models, each
with or without layer connectors on its decoder.

Letters: B rows, T tokens, D width, V vocabulary, M tokens a picture.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from nunbit.engine.cache import LRUCache, SlotCache
from nunbit.engine.cross_attention import CrossAttentionState
from nunbit.engine.preparation import Preparation
from nunbit.engine.request import PreparedPrompt
from nunbit.engine.static_decode import StaticDecode
from nunbit.engine.supported import check_supported, context_length
from nunbit.errors import UserError
from nunbit.media.bounds import processed
from nunbit.models.composed import embed, image_features, is_gated
from nunbit.models.object_aware import ObjectAwareModule

_LOCKS: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()
"""One lock a model: layer connectors hold the context of one forward pass at a time, whichever engine runs it."""


class Runner:
    """Runs one model on a slot cache.

    Args:
        slots: sequences that may be decoded together.
        length: tokens a slot holds at most; 0 for the model's own context.
        feature_bytes: bound of the picture-feature cache.
        aware: the object-aware parts that are attached to the model, if there are any.
        static: decode in fixed shapes (`nunbit.engine.static_decode`), which a CUDA device replays as graphs.

    Attributes:
        preparation: makes the prompts that this runner takes, of `preparation_type`.
    """

    preparation_type = Preparation

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        slots: int,
        length: int,
        feature_bytes: int,
        aware: ObjectAwareModule | None = None,
        static: bool = False,
    ) -> None:
        check_supported(model, length)
        self.model, self.processor, self.aware = model.eval(), processor, aware
        self.mixer: Any = aware.connectors.get("moai") if aware is not None else None
        self._pass = _LOCKS.setdefault(model, threading.Lock())
        self.tokenizer = getattr(processor, "tokenizer", processor)
        text = model.config.get_text_config()
        self.length = context_length(text, length)
        self.preparation = self.preparation_type(model, processor, aware, self.length)
        self.image_id = self.preparation.image_id
        self.cross_attention = CrossAttentionState(model, self.length) if is_gated(model) else None
        self.vocabulary = model.get_output_embeddings().weight.shape[0]
        self.decoder = model.get_decoder()
        self.device = next(model.parameters()).device
        static = static and self.takes_static_shapes
        whole = static or self.device.type == "cuda"  # graphs need memory that stays; growing leaves holes in it
        self.cache = SlotCache(text.num_hidden_layers, slots, self.length, whole)
        self.static = StaticDecode(self._step, slots, self.length, self.device) if static else None
        self.features = LRUCache(feature_bytes)
        ends = model.generation_config.eos_token_id
        self.end_ids = set(ends if isinstance(ends, list) else [] if ends is None else [ends])

    @property
    def takes_static_shapes(self) -> bool:
        """Whether a decode step reads ids, positions and slots alone: not what a row's pictures left beside them."""
        return self.cross_attention is None

    @property
    def prefills_together(self) -> bool:
        """Whether several prompts may be read in one pass: no connector in the decoder is conditioned on one."""
        return self.cross_attention is None and not (self.aware is not None and self.aware.connectors)

    def chunk_tokens(self, chunk: int) -> int:
        """Prompt tokens read in one pass: the wanted ones, or all, where tokens of a picture read later ones."""
        return chunk if self.mixer is None else self.length

    def prefix_bytes(self, bound: int) -> int:
        """Bound of the prefix cache: the wanted one, or 0, where every token reads all later ones."""
        return bound if self.mixer is None or self.mixer.supports_chunked_prefill else 0

    def reusable(self, prompt: PreparedPrompt, tokens: int) -> int:
        """How many of a prompt's first tokens may come from the prefix cache, which holds so many of them."""
        return tokens

    @torch.inference_mode()
    def text_vector(self, text: str) -> tuple[Tensor, int]:
        """The decoder's states of a text, averaged, at length 1: ``(D,)``, and how many tokens it took."""
        ids = self.preparation.text(text).ids
        return normalize(self.text_states(ids).mean(0), dim=0).cpu(), len(ids)

    @torch.inference_mode()
    def text_states(self, ids: Sequence[int]) -> Tensor:
        """The decoder's last hidden states of a text, ``(T, D)``, in one pass that leaves the slots untouched."""
        with self._context():
            out = self.decoder(torch.tensor([list(ids)], device=self.device), use_cache=False)
        states: Tensor = out.last_hidden_state[0]
        return states

    @torch.inference_mode()
    def picture_vector(self, picture: Any) -> tuple[Tensor, int]:
        """The connector's tokens of a picture, averaged, at length 1: ``(D,)``, and how many tokens it took."""
        if self.image_id < 0:
            raise UserError("a picture", allowed="text: this model takes no pictures")
        made = processed(self.processor.image_processor, [picture])
        tokens = self._picture_tokens(made["pixel_values"], made.get("image_sizes"))
        return normalize(tokens.mean(0), dim=0).cpu(), len(tokens)

    def embed(self, prompt: PreparedPrompt) -> Tensor:
        """Embeddings ``(1, T, D)`` of a whole prompt; picture features come from the cache where the same pixels were
        seen."""
        ids = torch.tensor([prompt.ids], device=self.device)
        if not prompt.pixels:
            return embed(self.model, ids, None)
        tokens = [self._features(prompt, i) for i in range(len(prompt.hashes))]
        if self.cross_attention is not None:
            prompt.media = prompt.media or self.cross_attention.media_of(torch.stack(tokens), ids)
            return embed(self.model, ids, self.model.model.image_marker.expand(len(tokens), 1, -1))
        return embed(self.model, ids, torch.cat(tokens))

    def prefill(self, slot: int, start: int, embeds: Tensor, prompt: PreparedPrompt) -> Tensor:
        """Run tokens ``start ...`` of a slot, embeddings ``(1, T, D)``; returns the logits of the last one,
        ``(V,)``."""
        count = embeds.shape[1]
        self.cache.set_prefill(slot, start, count)
        at = torch.arange(start, start + count, device=self.device)
        mask = None  # from the beginning: the decoder's own causal form, which is not computed where it is zero
        if start:
            seen = torch.arange(start + count, device=self.device)
            mask = self._additive(at.unsqueeze(-1) >= seen, embeds.dtype)[None, None]
        with self._context(prefill=prompt):
            return self._logits(embeds, mask, at[None])[0]

    def prefill_together(self, slot: int, starts: Sequence[int], embeds: Sequence[Tensor]) -> Tensor:
        """Run whole prompts in one pass, padded to the longest, in slots from ``slot`` on; logits ``(B, V)``.

        Padding writes keys behind a prompt, where the tokens of its answer replace them before anything reads them.

        Args:
            starts: tokens that each slot holds already; embeds: the others, ``(1, T, D)`` each.
        """
        counts = torch.tensor([e.shape[1] for e in embeds], device=self.device)
        padded = pad_sequence([e[0] for e in embeds], batch_first=True)
        first = torch.tensor(list(starts), device=self.device).unsqueeze(-1)
        at = (first + torch.arange(padded.shape[1], device=self.device)).clamp_max(self.length - 1)
        upto = min(self.length, max(starts) + padded.shape[1])
        self.cache.set_rows(slot, max(starts), at, upto)
        mask = None  # from the beginning: the decoder's own causal form, in which no token reads later padding
        if any(starts):
            seen = torch.arange(upto, device=self.device)
            mask = self._additive(at.unsqueeze(-1) >= seen, padded.dtype)[:, None]
        with self._context():
            return self._logits(padded, mask, at, counts - 1)

    def decode(self, tokens: Sequence[int], lengths: Sequence[int], prompts: Sequence[PreparedPrompt]) -> Tensor:
        """One step of the first ``len(tokens)`` slots, each holding ``lengths`` tokens so far. Logits ``(B, V)``."""
        with self._context(decode=prompts):
            if self.static is not None:
                return self.static(tokens, lengths)
            held = torch.tensor([list(tokens), list(lengths)], device=self.device)
            return self._step(held[0], held[1], max(lengths) + 1)

    def _step(self, ids: Tensor, at: Tensor, upto: int) -> Tensor:
        """One token for each of the first slots: ids and positions ``(B,)``, ``upto`` tokens read. Logits ``(B, V)``.
        Nothing here waits for the device."""
        self.cache.set_rows(0, upto - 1, at.unsqueeze(-1), upto)
        mask = at.unsqueeze(-1) >= torch.arange(upto, device=self.device)
        embeds = self.model.get_input_embeddings()(ids.unsqueeze(-1))
        return self._logits(embeds, self._additive(mask, embeds.dtype)[:, None, None], at.unsqueeze(-1))

    @contextmanager
    def _context(
        self, *, prefill: PreparedPrompt | None = None, decode: Sequence[PreparedPrompt] = ()
    ) -> Iterator[None]:
        """One forward pass: what the layer connectors are conditioned on is set before it and cleared after it."""
        with self._pass:
            try:
                if self.cross_attention is not None and prefill is not None:
                    self.cross_attention.set_prefill(prefill.media)
                elif self.cross_attention is not None:
                    self.cross_attention.set_decode([p.media for p in decode])
                if self.aware is not None and prefill is not None and prefill.scene_features:
                    self._set_scene_context(self.aware, prefill)
                yield
            finally:
                if self.aware is not None:
                    self.aware.clear_context()
                if self.cross_attention is not None:
                    self.cross_attention.clear_context()

    def _set_scene_context(self, aware: ObjectAwareModule, prompt: PreparedPrompt) -> None:
        image = torch.tensor([prompt.ids], device=self.device) == self.image_id
        features = {k: v.to(self.device) for k, v in prompt.scene_features.items()}
        owner = torch.zeros(len(prompt.hashes), dtype=torch.long, device=self.device)
        aware.set_context(features, image, ~image, owner, mixer_cache=prompt.mixer_cache)

    def _features(self, prompt: PreparedPrompt, i: int) -> Tensor:
        """Picture ``i`` of a prompt as tokens of the sequence, or as what gated cross-attention attends to,
        ``(M, D)``."""
        held = self.features.get(prompt.hashes[i])
        if held is None:
            held = self._picture_tokens(prompt.pixels[i], prompt.sizes[i])
            self.features.put(prompt.hashes[i], held)
        return held

    def _picture_tokens(self, pixels: Tensor, size: Tensor | None) -> Tensor:
        pixels = pixels.to(self.device, self.model.dtype)
        if self.cross_attention is not None:
            tokens: Tensor = self.model.media(pixels)[0]
            return tokens
        return image_features(self.model, pixels, sizes=size).flatten(0, -2)

    def _additive(self, allowed: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.zeros(allowed.shape, dtype=dtype, device=self.device).masked_fill(~allowed, torch.finfo(dtype).min)

    def _logits(self, embeds: Tensor, mask: Tensor | None, at: Tensor, last: Tensor | None = None) -> Tensor:
        """Logits ``(B, V)`` of the last token of each row, or of those that ``last`` ``(B,)`` names."""
        hidden = self.decoder(
            inputs_embeds=embeds, attention_mask=mask, position_ids=at, past_key_values=self.cache, use_cache=True
        ).last_hidden_state
        rows = hidden[:, -1] if last is None else hidden[torch.arange(len(last), device=last.device), last]
        logits: Tensor = self.model.get_output_embeddings()(rows).float()
        return logits
