"""Crayon Prompt: which class each image token shows, and which object of that class, added in every decoder layer.

Source: CoLLaVO, arXiv 2402.11248, sec. 3.1 and fig. 5; the low-rank form of the injection: released code.

    crayon = MLP(semantic[class] + numbering[number]);  linear(x) = W x + alpha / rank * B A crayon   (image rows only)

The same crayon features go into every chosen linear map of every layer. B starts at zero, so a fresh module changes
nothing.

Letters: B sequences, L rows of the prompt, N image tokens, R image rows of the batch, Dv width of the tables, Dt of the
decoder, V words of the vocabulary, Din and Dout widths of a linear map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS
from nunbit.connectors.config import ConnectorConfig
from nunbit.connectors.layer import linear_maps
from nunbit.connectors.prefill import PrefillConnector, check_mask, window_of
from nunbit.errors import UserError


@dataclass(frozen=True)
class CrayonConfig(ConnectorConfig):
    """Sizes of `CrayonPrompt`.

    Args:
        layers: decoder layers of the language model.
        classes, numbers: rows of the two tables without the row 0 = unknown; COCO has 133, CoLLaVO counts to 20.
        rank, alpha: of the low-rank branches; alpha 0 means alpha = rank.
        dropout: on the crayon features while training.
        targets: last names of the linear maps to add to. CoLLaVO's are all but the last of the feed-forward block.
    """

    layers: int = 32
    classes: int = 133
    numbers: int = 20
    rank: int = 256
    alpha: float = 0.0
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj")


class LowRank(nn.Module):
    """``(..., Din)`` to ``(..., Dout)`` through ``rank`` numbers, no biases; zero at the start."""

    def __init__(
        self, width_in: int, width_out: int, rank: int, scale: float = 1.0, dropout: float = 0.0, **where: Any
    ) -> None:
        super().__init__()
        self.scale, self.dropout = scale, nn.Dropout(dropout)
        self.A = nn.Linear(width_in, rank, bias=False, **where)
        self.B = nn.Linear(rank, width_out, bias=False, **where)
        nn.init.zeros_(self.B.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., Din)`` to ``(..., Dout)``."""
        return self.scale * self.B(self.A(self.dropout(x)))


@dataclass
class CrayonContext:
    """The crayon features of one batch.

    Attributes:
        mask: ``(B, L)`` bool, true at image rows.
        features: ``(R, Dt)``, in the order of the true cells of the mask.
    """

    mask: Tensor
    features: Tensor

    def __len__(self) -> int:
        return len(self.mask)


@CONNECTORS.register("crayon")
class CrayonPrompt(PrefillConnector):
    """Two tables, a projector and the low-rank branches. The branches have the decoder's sizes: `attach` makes them."""

    config_class = CrayonConfig
    paper = "CoLLaVO, arXiv 2402.11248, sec. 3.1"

    def __init__(self, config: CrayonConfig) -> None:
        super().__init__(config.layers)
        self.config = config
        self.semantic = nn.Embedding(config.classes + 1, config.vision_width)
        self.numbering = nn.Embedding(config.numbers + 1, config.vision_width)
        width = config.text_width
        self.projector = nn.Sequential(nn.Linear(config.vision_width, width), nn.GELU(), nn.Linear(width, width))
        self.branches = nn.ModuleDict()

    @torch.no_grad()
    def init_from_word_embeddings(self, table: Tensor, name_ids: Sequence[Sequence[int]]) -> None:
        """Start each class, from row 1 on, as the sum of its name's word embeddings.

        What one class teaches the branches then holds for all classes. Not in the paper, whose tables start at random;
        for tables as wide as the decoder.

        Args:
            table: ``(V, Dt)``, the language model's word embeddings.
            name_ids: token ids of each class's name; a class without any keeps its row.
        """
        for row, ids in enumerate(name_ids, 1):
            if ids:
                self.semantic.weight[row] = table[list(ids)].sum(0)

    def forward(self, semantic: Tensor, numbering: Tensor) -> Tensor:
        """Two grids ``(B, N)`` of row numbers, 0 = unknown, to crayon features ``(B, N, Dt)``."""
        return self.projector(self.semantic(semantic) + self.numbering(numbering))

    def set_context(self, features: Tensor, image_mask: Tensor) -> None:
        """Set the crayon features of the next prompt.

        Args:
            features: ``(B, N, Dt)`` or ``(R, Dt)``, one for each image row, in the order of the rows.
            image_mask: ``(B, L)`` bool, true at image rows of the merged sequence; may end before the answer.

        Raises:
            UserError: another number of features than image rows.
        """
        mask, flat = check_mask(image_mask, "image_mask"), features.flatten(0, -2)
        if int(mask.sum()) != len(flat):
            raise UserError(
                f"{len(flat)} crayon features for {int(mask.sum())} image rows",
                allowed="one feature for each image row",
                todo="make the crayon grids at the size of the image tokens",
            )
        self._context = CrayonContext(mask, flat)

    def _window(self, context: CrayonContext, times: int, cached: int, length: int) -> tuple[Tensor, Tensor] | None:
        mask = window_of(context.mask, times, cached, length)
        if not mask.any():
            return None
        order = (context.mask.flatten().cumsum(0) - 1).view_as(context.mask)
        return mask.flatten(), context.features[window_of(order, times, cached, length)[mask]]

    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        hooks = []
        for i, layer in enumerate(layers):
            found = linear_maps(layer, self.config.targets)
            if str(i) not in self.branches:
                made = {branch_name(n): self._branch(m) for n, m in found.items()}
                self.branches[str(i)] = nn.ModuleDict(made).train(self.training)
            branches: Any = self.branches[str(i)]
            for name, linear in found.items():
                hooks.append(linear.register_forward_hook(partial(self._inject, branches[branch_name(name)])))
        return hooks

    def _branch(self, linear: Any) -> LowRank:
        c = self.config
        scale, device = (c.alpha or c.rank) / c.rank, next(linear.parameters()).device
        return LowRank(c.text_width, linear.out_features, c.rank, scale, c.dropout, device=device)

    def _inject(self, branch: LowRank, _linear: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        if self._active is None:
            return None
        mask, features = self._active
        added = branch(features.to(branch.A.weight.dtype)).to(output.dtype)
        return output.flatten(0, -2).index_put((mask,), added, accumulate=True).view_as(output)


def branch_name(module_name: str) -> str:
    """A module's name in a layer as a key without dots: ``attention.wqkv`` is ``attention__wqkv``."""
    return module_name.replace(".", "__")
