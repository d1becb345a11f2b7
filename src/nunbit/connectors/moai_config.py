"""The config of MoAI, and the names that its compressor and mixers share."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nunbit.connectors.config import ConnectorConfig

IMAGE_EXPERTS = ("aux", "lang", "self")
LANGUAGE_EXPERTS = ("aux", "img", "self")
"""Experts of image rows and of language rows, in the order of the gates."""
GATE_TYPES = {"": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class MoAIConfig(ConnectorConfig):
    """Sizes of `nunbit.connectors.moai.MoAI`. ``vision_width`` is not used: aux tokens are as wide as the decoder.

    Args:
        layers: decoder layers of the language model.
        every: one mixer in every how many layers; layer i (from 0) has one when ``(i + 1) % every == 0``.
        places: the mixer's layers by number, instead of ``every``.
        latents, depth, heads, head_dim, ff_mult: of the compressor.
        rank, expert_heads: of the experts.
        gate_dtype: ``float16`` or ``bfloat16`` rounds gates as the released evaluation and training do; empty for
            float32.
        image_reads_prompt: image rows also attend to language rows after them (the question), never to answers.
        compat: attend everywhere, as released; only padding of the prompt is left out.
    """

    layers: int = 32
    every: int = 8
    places: tuple[int, ...] = ()
    latents: int = 64
    depth: int = 4
    heads: int = 4
    head_dim: int = 64
    ff_mult: int = 1
    rank: int = 64
    expert_heads: int = 4
    gate_dtype: str = ""
    image_reads_prompt: bool = False
    compat: bool = False

    def mixer_layers(self) -> tuple[int, ...]:
        """The numbers of the layers that have a mixer, ascending."""
        return self.places or tuple(range(self.every - 1, self.layers, self.every))
