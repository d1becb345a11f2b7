"""MoAI's mixer: six low-rank attention experts and two gates in one decoder layer.

Source: MoAI, arXiv 2403.07508, sec. 3; details (ranks, heads, what is residual to what): released code.

Letters: B sequences, L rows of a pass, Q query rows, S source rows, R rows of a side, D width of the decoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.blocks import attend
from nunbit.connectors.moai_config import GATE_TYPES, IMAGE_EXPERTS, LANGUAGE_EXPERTS, MoAIConfig
from nunbit.connectors.moai_rows import MixerContext
from nunbit.errors import unknown_name

Source = tuple[Tensor, Tensor | None]
"""Rows ``(B, S, D)`` that an expert attends to, and its mask ``(B, Q, S)``."""


class MoAIExpert(nn.Module):
    """Attention through low-rank maps without biases: ``q + GELU(o)``. The last map starts at zero: no change."""

    def __init__(self, width: int, rank: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k = low_rank(width, rank), low_rank(width, rank)
        self.linear_v, self.linear_o = low_rank(width, rank), low_rank(width, rank)
        last: Any = self.linear_o[1]
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, Q, D)`` attends to ``(B, S, D)``; bool ``mask`` ``(B, Q, S)`` or ``(B, 1, S)``, true where it may."""
        return x + self.branch(x, source, mask)

    def branch(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """What is added to x, ``(B, Q, D)``: exactly 0 for a row that may attend to nothing."""
        if not source.shape[1]:
            return torch.zeros_like(x)
        queries, keys = F.gelu(self.linear_q(x)), F.gelu(self.linear_k(source))
        values = F.gelu(self.linear_v(source))
        if mask is None:
            return F.gelu(self.linear_o(attend(queries, keys, values, self.heads)))
        blind = ~mask.any(-1, keepdim=True)  # a softmax over nothing would be NaN
        attended = attend(queries, keys, values, self.heads, (mask | blind).unsqueeze(1))
        return F.gelu(self.linear_o(attended.masked_fill(blind, 0)))


def low_rank(width: int, rank: int) -> nn.Sequential:
    """``(..., D)`` to ``(..., D)`` through ``rank`` numbers, no biases."""
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width, bias=False))


class MoAIMixer(nn.Module):
    """Six experts and two gates of one layer."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width = config.text_width
        self.img = nn.ModuleDict({n: MoAIExpert(width, config.rank, config.expert_heads) for n in IMAGE_EXPERTS})
        self.lang = nn.ModuleDict({n: MoAIExpert(width, config.rank, config.expert_heads) for n in LANGUAGE_EXPERTS})
        self.gate_img, self.gate_lang = nn.Linear(width, 3), nn.Linear(width, 3)
        for gate in (self.gate_img, self.gate_lang):  # all three alike at the start
            nn.init.zeros_(gate.weight)
            nn.init.zeros_(gate.bias)
        if config.gate_dtype not in GATE_TYPES:
            raise unknown_name("gate_dtype", config.gate_dtype, filter(None, GATE_TYPES))
        self.gate_dtype = GATE_TYPES[config.gate_dtype]

    def forward(
        self,
        x: Tensor,
        context: MixerContext,
        choice: tuple[int, int] | None = None,
        all_rows: Tensor | None = None,
    ) -> Tensor:
        """``(B, L, D)`` to ``(B, L, D)``; both sides are computed from the rows as they came in.

        Args:
            x: the rows of this pass.
            context: of the prompt.
            choice: the number of one expert of each side, image first; None for soft gates.
            all_rows: ``(B, cached + L, D)``, rows of the earlier passes and of this one, if there were earlier ones.
        """
        image, language = context.image.gather(x), context.language.gather(x)
        all_image, all_language = image, language
        if all_rows is not None:
            all_image, all_language = context.all_image.gather(all_rows), context.all_language.gather(all_rows)
        masks, aux = context.attention_masks, (context.latents, None)
        image_sources: dict[str, Source] = {
            "aux": aux,
            "lang": (all_language, masks["img", "lang"]),
            "self": (all_image, masks["img", "img"]),
        }
        language_sources: dict[str, Source] = {
            "aux": aux,
            "img": (all_image, masks["lang", "img"]),
            "self": (all_language, masks["lang", "lang"]),
        }
        image_choice, language_choice = choice or (None, None)
        mixed = context.image.scatter(x, self.mix(self.img, self.gate_img, image, image_sources, image_choice))
        language = self.mix(self.lang, self.gate_lang, language, language_sources, language_choice)
        return context.language.scatter(mixed, language)

    def mix(
        self, experts: Any, gate: nn.Linear, rows: Tensor, sources: dict[str, Source], choice: int | None
    ) -> Tensor:
        """Rows ``(B, R, D)`` through one expert, or through all of them weighed by the gate, ``(B, R, D)``."""
        if choice is not None:
            name = tuple(experts)[choice]
            return experts[name](rows, *sources[name])
        weights = self.gates(gate, rows)
        outputs = [experts[name](rows, *sources[name]) for name in experts]
        return sum(weights[..., k : k + 1] * y for k, y in enumerate(outputs))

    def gates(self, gate: nn.Linear, rows: Tensor) -> Tensor:
        """``(B, R, D)`` to weights ``(B, R, 3)``; of a narrow type only where the config names one."""
        return gate(rows).to(self.gate_dtype).softmax(-1)
