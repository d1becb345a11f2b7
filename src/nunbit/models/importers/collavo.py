"""The released CoLLaVO-7B. Source: arXiv 2402.11248; layout and accidents: released checkpoint and code.

Letters: B sequences, T prompt ids, S sides of the picture in pixels, N image tokens.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from nunbit.connectors.crayon import CrayonConfig, CrayonPrompt, LowRank
from nunbit.models.importers.dims import Dims
from nunbit.models.importers.released import Merged, ReleasedModel
from nunbit.models.internlm2_layers import InternLM2Config

TARGETS = ("wqkv", "wo", "w1", "w3")
_BRANCH = re.compile(r"crayon\.branches\.(\d+)\.(\w+)__(\w+)\.(A|B)\.weight")
_UNUSED = re.compile(r"unused\.(\d+)\.(A|B)\.weight")


class ReleasedCoLLaVO(ReleasedModel):
    """CLIP, InternLM2 and the Crayon Prompt.

    ``unused`` holds the checkpoint's crayon maps of ``w2``, which the released code never calls.
    """

    def __init__(self, config: InternLM2Config, dims: Dims, *, compat: bool = True) -> None:
        super().__init__(config, dims, compat=compat)
        self.crayon = CrayonPrompt(
            CrayonConfig(
                "crayon",
                dims.vision_hidden,
                config.hidden_size,
                layers=config.num_hidden_layers,
                rank=dims.plora_r,
                classes=dims.semantic_rows - 1,
                numbers=dims.numbering_rows - 1,
                alpha=dims.plora_alpha,
                targets=TARGETS,
            )
        )
        self.crayon.attach(self.language_model)
        sizes = config.intermediate_size, config.hidden_size, dims.plora_r
        self.unused = nn.ModuleList(LowRank(*sizes) for _ in range(config.num_hidden_layers)).requires_grad_(False)

    @staticmethod
    def released_key(name: str) -> str:
        """The checkpoint's name of a parameter."""
        if found := _BRANCH.fullmatch(name):
            return f"model.layers.{found[1]}.{found[2]}.{found[3]}.Plora_seg_{found[4]}.weight"
        if found := _UNUSED.fullmatch(name):
            return f"model.layers.{found[1]}.feed_forward.w2.Plora_seg_{found[2]}.weight"
        for ours, theirs in (
            ("language_model.", ""),
            ("vision_tower.", "vit.vision_tower.vision_model."),
            ("crayon.semantic.", "seg_prompt_embed."),
            ("crayon.numbering.", "seg_num_embed."),
            ("crayon.projector.", "vision_proj_for_seg."),
        ):
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
        return name

    def read(  # type: ignore[override]
        self,
        *,
        input_ids: Tensor,
        images: Tensor,
        attention_mask: Tensor | None = None,
        semantic: Tensor | None = None,
        numbering: Tensor | None = None,
    ) -> Merged:
        """Merge the prompt and set the crayon's context.

        Args:
            input_ids: ``(B, T)``, left padded, one ``<image>`` each.
            images: ``(B, 3, S, S)`` uint8.
            attention_mask: ``(B, T)``.
            semantic, numbering: crayon grids ``(B, N)``; without them there is no crayon term at all.
        """
        merged = self.merge(input_ids, attention_mask, self.vision_proj(self.encode_images(self.normalise(images))))
        if semantic is None or numbering is None:
            self.crayon.clear_context()
        else:
            self.crayon.set_context(self.crayon(semantic, numbering), merged.image_mask)
        return merged
