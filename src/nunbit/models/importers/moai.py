"""The released MoAI-7B. Source: arXiv 2403.07508; layout and accidents: released checkpoint and code.

Letters: B sequences, T prompt ids, L rows of the merged sequence, A aux ids, S sides of the picture in pixels, N image
tokens, D width of the decoder.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_config import MoAIConfig
from nunbit.crayon_map import palette
from nunbit.errors import UserError
from nunbit.models.importers.dims import Dims
from nunbit.models.importers.released import Merged, ReleasedModel
from nunbit.models.internlm2_layers import InternLM2Config

EXPERTS = {
    "img.aux": "moai_CA_img_aux",
    "img.lang": "moai_CA_img_lang",
    "img.self": "moai_SA_img",
    "gate_img": "moai_GA_img",
    "lang.aux": "moai_CA_lang_aux",
    "lang.img": "moai_CA_lang_img",
    "lang.self": "moai_SA_lang",
    "gate_lang": "moai_GA_lang",
}
_MIXER = re.compile(r"moai\.mixers\.(\d+)\.(" + "|".join(EXPERTS).replace(".", r"\.") + r")\.(.+)")


class ReleasedMoAI(ReleasedModel):
    """CLIP, InternLM2 and MoAI's compressor and mixers.

    Args:
        config: of the decoder.
        dims: sizes of the rest.
        compat: see `ReleasedModel`.
        gate_dtype: ``float16`` rounds gates as the released evaluation does, ``bfloat16`` as its training; or empty.
        fixed_colour: scale the colour map to 0..255 before it is normalised, which the released code does not; None:
            unless compat.
    """

    def __init__(
        self,
        config: InternLM2Config,
        dims: Dims,
        *,
        compat: bool = True,
        gate_dtype: str = "",
        fixed_colour: bool | None = None,
    ) -> None:
        super().__init__(config, dims, compat=compat)
        self.fixed_colour = not compat if fixed_colour is None else fixed_colour
        self.moai = MoAI(
            MoAIConfig(
                "moai",
                dims.vision_hidden,
                config.hidden_size,
                layers=config.num_hidden_layers,
                places=dims.mixer_layers,
                latents=dims.latents,
                depth=dims.compressor_depth,
                heads=dims.compressor_heads,
                head_dim=dims.compressor_head_dim,
                ff_mult=dims.compressor_ff_mult,
                rank=dims.expert_rank,
                expert_heads=dims.expert_heads,
                gate_dtype=gate_dtype,
                compat=compat,
            )
        )
        self.moai.attach(self.language_model)

    @staticmethod
    def released_key(name: str) -> str:
        """The checkpoint's name of a parameter."""
        if found := _MIXER.fullmatch(name):
            return f"model.layers.{found[1]}.attention.{EXPERTS[found[2]]}.{found[3]}"
        for ours, theirs in (
            ("language_model.", ""),
            ("vision_tower.", "vit.vision_tower.vision_model."),
            ("moai.compressor.", "moai_compressor."),
        ):
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
        return name

    def colours(self, panoptic_ids: Tensor, table: Tensor | None = None) -> Tensor:
        """Segment ids ``(B, S, S)`` to normalised pixels; ``table`` ``(ids, 3)`` of 0..1 instead of the palette."""
        if table is None:
            table = torch.from_numpy(palette()).float() / 255
        if int(panoptic_ids.max()) >= len(table):
            raise UserError(
                f"segment id {int(panoptic_ids.max())}", allowed=f"0 to {len(table) - 1}", todo="merge segments"
            )
        table = table.half().float() * (255 if self.fixed_colour else 1)  # through float16, as released
        return self.normalise(table.to(panoptic_ids.device)[panoptic_ids.long()].movedim(-1, 1))

    def aux_tokens(self, aux_ids: Tensor, panoptic_ids: Tensor, table: Tensor | None = None) -> Tensor:
        """Words of the auxiliary text ``(B, A)`` and the colour map's tokens: ``(B, A + N, D)``."""
        maps = self.vision_proj(self.encode_images(self.colours(panoptic_ids, table)))
        return torch.cat([self.language_model.model.tok_embeddings(aux_ids), maps], dim=1)

    def read(  # type: ignore[override]
        self,
        *,
        input_ids: Tensor,
        images: Tensor,
        aux_ids: Tensor,
        panoptic_ids: Tensor,
        attention_mask: Tensor | None = None,
        aux_mask: Tensor | None = None,
        language_mask: Tensor | None = None,
        expert_choice: Tensor | None = None,
        colour_table: Tensor | None = None,
    ) -> Merged:
        """Merge the prompt, compress the aux tokens and set MoAI's context.

        Args:
            input_ids: ``(B, T)``, left padded, one ``<image>`` each.
            images: ``(B, 3, S, S)`` uint8.
            aux_ids, aux_mask: ``(B, A)`` ids of the auxiliary text with BOS, and which are real; compat does not mask.
            panoptic_ids: ``(B, S, S)`` segment ids, 0 = unknown.
            attention_mask: ``(B, T)``.
            language_mask: ``(B, L)`` bool over the merged sequence, to leave out answers; otherwise every word.
            expert_choice: ``(mixers, 2)``, training step 1.
            colour_table: ``(ids, 3)`` of 0..1 instead of the palette.
        """
        merged = self.merge(input_ids, attention_mask, self.vision_proj(self.encode_images(self.normalise(images))))
        aux = self.aux_tokens(aux_ids, panoptic_ids, colour_table)
        if aux_mask is not None:
            aux_mask = torch.nn.functional.pad(aux_mask.bool(), (0, aux.shape[1] - aux_mask.shape[1]), value=True)
        words = merged.attention_mask.bool() & ~merged.image_mask
        if language_mask is not None:
            words = words & language_mask.bool()
        self.moai.set_context(self.moai.compress(aux, aux_mask), merged.image_mask, words, expert_choice=expert_choice)
        return merged
