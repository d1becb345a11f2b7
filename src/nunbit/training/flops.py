"""What a step of training has to compute, and how fast this machine could do it: their ratio is the MFU.

A parameter that learns costs 6 operations a token (2 forward, 2 for the gradient of what comes in, 2 for its own), a
frozen one with learning parts before it 4, a frozen one with none 2. Attention adds two products of T x T scores with D
wide heads. Source: arXiv 2001.08361, sec. 2.1, and PaLM, arXiv 2204.02311, appendix B (which counts causal attention in
full). Only what is needed is counted: real tokens, and of the LM head the rows of answers; padding and what is computed
twice are waste, and lower the MFU.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from nunbit.encoders.vision import image_side_px, patch_side_px
from nunbit.models.composed import is_gated

LEARNS, THROUGH, FORWARD = 6, 4, 2


class LlavaCost:
    """Operations of a batch for a model whose parts learn or not, as they stand when this is made.

    Args:
        model: a native LLaVA, or a `nunbit.models.composed.ComposedModel`, whose gated blocks run on every token of
            text.
        inside: layer connectors learn inside the decoder, so that gradients go back through it whatever else is frozen.
    """

    def __init__(self, model: Any, inside: bool = False) -> None:
        inner, config = model.model, model.config
        self.picture, self.text = config.vision_config, config.get_text_config()
        self.patches = _patches(config)
        connector, gated = inner.multi_modal_projector, is_gated(model)
        self.tokens = connector.config.latents if gated else int(config.image_seq_length)
        joined = connector.resampler if gated and connector.resampler is not None else connector
        parts = [inner.vision_tower, joined, inner.language_model, model.lm_head]
        graph, cost = False, list[float]()
        for part in parts:
            learning, frozen = _weights(part)
            graph = graph or (inside and part is inner.language_model)
            cost.append(LEARNS * learning + (THROUGH if graph or learning else FORWARD) * frozen)
            graph = graph or learning > 0
            if part is inner.vision_tower:
                self.seen_backward = graph
        self.vision, self.connector, self.language, self.head = cost
        if gated:
            learning, frozen = _weights(connector.blocks)
            self.language += LEARNS * learning + THROUGH * frozen

    def of(self, batch: dict[str, torch.Tensor]) -> float:
        """Operations of a step on this batch (`nunbit.training.multimodal.SampleTask.batch`)."""
        lengths = _lengths(batch)
        pictures = _shown(batch)
        words = self.language * float(lengths.sum()) + self.head * float(batch["answers"])
        words += _attention(self.text, float(lengths.double().square().sum()), backward=True)
        seen = pictures * (self.vision * self.patches + self.connector * self.tokens)
        return words + seen + pictures * _attention(self.picture, float(self.patches**2), backward=self.seen_backward)


def _shown(batch: dict[str, torch.Tensor]) -> float:
    """Pictures of the batch, or tiles where they are tiled; this process may hold only some of them."""
    here = len(batch["pixels"]) if "pixels" in batch else 0
    count = float(batch["picture_count"]) if "picture_count" in batch else float(here)
    return count * len(batch["pixels"].flatten(0, -4)) / here if here else count


def _patches(config: Any) -> int:
    """Features of a picture that the encoder computes."""
    grid = getattr(config, "vision_grid", None)
    if grid is not None:
        return int(grid[0] * grid[1])
    return (image_side_px(config.vision_config) // patch_side_px(config.vision_config)) ** 2


def _weights(part: nn.Module) -> tuple[int, int]:
    """Entries of matrices that learn, and of frozen ones. Tables cost nothing; of a part that peft copied the original
    rests."""
    learning = frozen = 0
    for name, module in part.named_modules():
        weight = module._parameters.get("weight")  # its own: peft's wrappers show that of what they wrap
        if isinstance(module, nn.Embedding) or weight is None or weight.ndim < 2 or "original_module" in name:
            continue
        # Four-bit weights are packed, so a linear layer is asked for its shape.
        size = module.in_features * module.out_features if isinstance(module, nn.Linear) else weight.numel()
        learning, frozen = (learning + size, frozen) if weight.requires_grad else (learning, frozen + size)
    return learning, frozen


def _lengths(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Tokens of every sequence that attends to itself: rows, or the documents packed in them."""
    if "document" not in batch:
        return batch["mask"].sum(1)
    row = torch.arange(len(batch["document"]))[:, None] * (int(batch["document"].max()) + 1)
    return torch.bincount((row + batch["document"])[batch["mask"]])


def _attention(config: Any, squares: float, backward: bool) -> float:
    """Scores and their sums of values: 4 operations a head dimension and pair of tokens and layer, three times that
    with the backward pass. An encoder without heads has none."""
    if getattr(config, "num_attention_heads", None) is None:
        return 0.0
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    once = 4 * config.num_hidden_layers * config.num_attention_heads * width * squares
    return once * (3 if backward else 1)


@lru_cache
def ceiling(device: str, threads: int) -> float:
    """Operations a second of a large matrix product in the precision that training uses there: the best of some runs,
    measured once.

    Args:
        threads: of the processor; part of the key, as the figure is theirs.
    """
    cuda = device.startswith("cuda")
    side, dtype = (8192, torch.bfloat16) if cuda else (1024, torch.float32)
    # No random numbers are drawn: those are the training's.
    a = torch.linspace(-1, 1, side * side, device=device).view(side, side).to(dtype)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        a @ a
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best
