"""MoAI: what other vision models found, compressed to a few latents and mixed into the prompt before attention.

Source: MoAI, arXiv 2403.07508, sec. 3; details (ranks, heads, places, what is residual to what): released code.

    compressor  aux tokens -> latents, a Perceiver resampler (Flamingo, arXiv 2204.14198)
    mixer       in every k-th layer, between the input norm and attention: six low-rank attention experts and two gates.
                image rows attend to [aux, language, image], language rows to [aux, image, language]; a gate weighs
                the experts.

The released mixer has no causal mask: earlier rows attend to later ones. Ours lets a row attend only to rows before it
(the rows of one picture to each other), so that no prompt row depends on what comes after it. ``compat=True`` is the
released behaviour. Rows in neither mask (answers, padding, decode steps) are not mixed.

Letters: B sequences, L rows of the prompt, N aux tokens, M latents, D width of the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS
from nunbit.connectors.layer import input_norm
from nunbit.connectors.moai_compressor import MoAICompressor
from nunbit.connectors.moai_config import MoAIConfig
from nunbit.connectors.moai_mixer import MoAIMixer
from nunbit.connectors.moai_rows import MixerContext, Rows, attention_masks
from nunbit.connectors.prefill import PrefillConnector, check_mask, window_of
from nunbit.errors import UserError


@dataclass
class MixerState:
    """What `MoAI.set_context` was given, checked; the fields are its arguments."""

    latents: Tensor
    image_mask: Tensor
    language_mask: Tensor
    expert_choice: Tensor | None
    mixer_cache: list[Tensor] | None
    attention_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.latents)


@CONNECTORS.register("moai")
class MoAI(PrefillConnector):
    """The compressor and the mixers of a decoder."""

    config_class = MoAIConfig
    paper = "MoAI, arXiv 2403.07508, sec. 3"

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__(config.layers)
        if not config.mixer_layers() or not all(0 <= i < config.layers for i in config.mixer_layers()):
            raise UserError(
                f"mixers in the layers {list(config.mixer_layers())} of {config.layers}",
                allowed=f"one or more of 0 to {config.layers - 1}",
                todo="set 'layers' to the language model's number of layers and 'every' to at most that",
            )
        self.config = config
        self.compressor = MoAICompressor(config)
        self.mixers = nn.ModuleDict({str(i): MoAIMixer(config) for i in config.mixer_layers()})

    def compress(self, aux: Tensor, mask: Tensor | None = None) -> Tensor:
        """Aux tokens ``(B, N, D)`` to latents ``(B, M, D)`` for `set_context`.

        Args:
            aux: embeddings of the auxiliary text, and tokens of the colour map.
            mask: ``(B, N)`` bool, false for padding; the released model (compat) does not mask it.
        """
        return self.compressor(aux, None if self.config.compat else mask)

    @property
    def supports_chunked_prefill(self) -> bool:
        """Whether a prompt may come in several passes: no row attends to later ones, but those of its own picture."""
        return not (self.config.compat or self.config.image_reads_prompt)

    def set_context(
        self,
        latents: Tensor,
        image_mask: Tensor,
        language_mask: Tensor,
        *,
        expert_choice: Tensor | None = None,
        mixer_cache: list[Tensor] | None = None,
        attention_mask: Tensor | None = None,
    ) -> None:
        """Set the latents and the two sides of the next prompt.

        Args:
            latents: ``(B, M, D)`` from `compress`.
            image_mask: ``(B, L)`` bool, the image rows.
            language_mask: ``(B, L)`` bool, the prompt's words: no padding, no answers.
            expert_choice: ``(mixers, 2)``, from `sample_experts`, for training step 1.
            mixer_cache: what came into each mixer in the prompt's earlier passes, ``(B, cached, D)``; an empty list at
                its beginning. Every pass adds its own rows to it. None: the prompt comes in one pass. A picture is
                never divided between passes.
            attention_mask: ``(B, L, L)`` bool, which rows (columns) a row may attend to at all, where several questions
                about one picture stand in one sequence and must not affect each other.

        Raises:
            UserError: masks of different shapes, that share a row, or for another number of sequences.
        """
        image, language = check_mask(image_mask, "image_mask"), check_mask(language_mask, "language_mask")
        if image.shape != language.shape or len(image) != len(latents) or (image & language).any():
            raise UserError(
                f"latents of {len(latents)} sequences, masks of {tuple(image.shape)} and {tuple(language.shape)}",
                allowed="two masks of one shape (sequences, rows) that share no row, and latents for each sequence",
                todo="make both masks from the same merged sequence",
            )
        cache = mixer_cache if self.supports_chunked_prefill else None
        self._context = MixerState(latents, image, language, expert_choice, cache, attention_mask)

    def sample_experts(self, generator: torch.Generator | None = None) -> Tensor:
        """Training step 1: one random expert a mixer and side, ``(mixers, 2)``, image first, in the gates' order."""
        return torch.randint(3, (len(self.mixers), 2), generator=generator)

    def train_step(self, step: int) -> None:
        """Choose which parameters learn: in step 1 the compressor and the experts, in step 2 the gates too.

        Raises:
            UserError: another step.
        """
        if step not in (1, 2):
            raise UserError(f"training step {step}", allowed="1 (random experts) or 2 (soft gates)")
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(step == 2 or ".gate_" not in name)

    def _window(self, context: MixerState, times: int, cached: int, length: int) -> MixerContext | None:
        sides = {"img": context.image_mask, "lang": context.language_mask}
        masks = {side: window_of(m, times, cached, length) for side, m in sides.items()}
        if not any(m.any() for m in masks.values()):
            return None
        all_masks = {side: window_of(m, times, 0, cached + length) for side, m in sides.items()}
        self._check_passes(context, all_masks["img"], cached)
        now = {side: Rows.from_mask(m) for side, m in masks.items()}
        all_rows = {side: Rows.from_mask(m) for side, m in all_masks.items()} if cached else now
        given = context.attention_mask
        given = None if given is None else given.repeat_interleave(times, 0)
        return MixerContext(
            context.latents.repeat_interleave(times, 0),
            now["img"],
            now["lang"],
            all_rows["img"],
            all_rows["lang"],
            attention_masks(now, all_rows, self.config, cached, given),
            context.expert_choice,
            context.mixer_cache,
        )

    def _check_passes(self, context: MixerState, image_mask: Tensor, cached: int) -> None:
        """Refuse a pass whose earlier rows are not in the mixer cache, or that begins inside a picture."""
        lengths = [rows.shape[1] for rows in context.mixer_cache or ()]
        complete = lengths == [cached] * (len(self.mixers) if cached else 0)
        if not complete or (cached and (image_mask[:, cached - 1] & image_mask[:, cached]).any()):
            raise UserError(
                f"a prompt in pieces: {cached} rows are cached and more rows to mix follow",
                allowed="the whole prompt in one pass, or in passes that keep pictures whole and say what came before",
                todo="turn off prefill in chunks, or start with an empty cache",
            )

    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        places = self.config.mixer_layers()
        return [input_norm(layers[i]).register_forward_hook(partial(self._mix, n)) for n, i in enumerate(places)]

    def _mix(self, number: int, _norm: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        """One mixer in its own precision: a 16-bit language model may have 32-bit mixers."""
        active: MixerContext | None = self._active
        if active is None:
            return None
        mixer: Any = self.mixers[str(self.config.mixer_layers()[number])]
        choice = None if active.expert_choice is None else tuple(active.expert_choice[number].tolist())
        rows, cache, all_rows = output.to(mixer.gate_img.weight.dtype), active.mixer_cache, None
        if cache is not None:
            if number < len(cache):
                all_rows = cache[number] = torch.cat([cache[number], rows], 1)
            else:
                cache.append(rows)
        return mixer(rows, active, choice, all_rows).to(output.dtype)
