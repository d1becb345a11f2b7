"""What the released CoLLaVO and MoAI have in common: picture to tokens, merged sequence, and reading a folder.

A folder holds ``config.json`` and safetensors files, and may hold ``dims.json`` (`nunbit.models.importers.dims`).

Letters: B sequences, T prompt ids, L rows of the merged sequence, N image tokens a picture, Dv and D widths.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.errors import UserError
from nunbit.models.importers.dims import Dims, decoder_config
from nunbit.models.importers.fitting import fit, note, tensors
from nunbit.models.importers.report import LoadReport
from nunbit.models.internlm2 import InternLM2ForCausalLM, next_token_loss
from nunbit.models.internlm2_layers import InternLM2Config

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's, for pixels in 0..1."""
IMPORTED = "nunbit_dims"
"""The entry of an imported folder's config.json that holds `Dims`; its tensors have our names."""


@dataclass
class Merged:
    """The prompt with every ``<image>`` replaced by its tokens.

    Attributes:
        embeds: ``(B, L, D)``.
        attention_mask: ``(B, L)``, 0 for padding.
        image_mask: ``(B, L)`` bool, true at image rows.
    """

    embeds: Tensor
    attention_mask: Tensor
    image_mask: Tensor


class ReleasedModel(nn.Module, ABC):
    """A vision tower, a projector and the decoder. A subclass attaches its connector and sets its context.

    Args:
        config: of the decoder.
        dims: sizes of the rest.
        compat: do as the released code does, its accidents included, because its weights were trained that way.
    """

    def __init__(self, config: InternLM2Config, dims: Dims, *, compat: bool = True) -> None:
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        self.dims, self.compat = dims, compat
        self.vision_tower = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=dims.vision_hidden,
                intermediate_size=dims.vision_ffn,
                patch_size=dims.vision_patch,
                num_hidden_layers=dims.vision_layers,
                num_attention_heads=dims.vision_heads,
                image_size=dims.vision_image,
                hidden_act=dims.vision_activation,
                layer_norm_eps=dims.vision_layer_norm_eps,
            )
        )
        self.vision_proj = projector(dims.vision_hidden, config.hidden_size)
        config.padded_positions = compat
        self.language_model = InternLM2ForCausalLM(config)

    @property
    def image_tokens(self) -> int:
        """N, tokens a picture."""
        return (self.dims.vision_image // self.dims.vision_patch) ** 2

    @staticmethod
    @abstractmethod
    def released_key(name: str) -> str:
        """The checkpoint's name of a parameter."""

    @abstractmethod
    def read(self, **inputs: Any) -> Merged:
        """Merge the prompt and set the connector's context for the next forward pass."""

    def forward(self, *, labels: Tensor | None = None, logits_to_keep: int = 0, **inputs: Any) -> Any:
        """Logits ``(B, L, vocabulary)`` over the merged sequence, and the loss if there are labels.

        Args:
            labels: ``(B, L)`` with -100 = ignored.
            logits_to_keep: only so many last rows get logits; 0 for all.
            inputs: those of `read`.
        """
        merged = self.read(**inputs)
        out = self._decode(merged, logits_to_keep if labels is None else 0)
        if labels is not None:
            out.loss = next_token_loss(out.logits, labels, merged.attention_mask)
        return out

    def _decode(self, m: Merged, logits_to_keep: int) -> Any:
        return self.language_model(
            inputs_embeds=m.embeds,
            attention_mask=m.attention_mask,
            image_mask=m.image_mask,
            use_cache=False,
            logits_to_keep=logits_to_keep,
        )

    @torch.no_grad()
    def generate(self, options: dict[str, Any] | None = None, **inputs: Any) -> Any:
        """Transformers' `generate` with its options (``max_new_tokens``, ``num_beams`` ...): new ids ``(B, new)``."""
        m = self.read(**inputs)
        decoder: Any = self.language_model
        return decoder.generate(
            inputs_embeds=m.embeds, attention_mask=m.attention_mask, image_mask=m.image_mask, **(options or {})
        )

    def normalise(self, pixels: Tensor) -> Tensor:
        """``(B, 3, S, S)`` of 0..255 to what the tower reads."""
        mean, std = (torch.tensor(v, device=pixels.device).view(3, 1, 1) * 255 for v in (MEAN, STD))
        return (pixels.float() - mean) / std

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Normalised pixels to features ``(B, N, Dv)``: the last layer before its norm, without the class token."""
        weight = self.vision_tower.embeddings.patch_embedding.weight
        return self.vision_tower(pixels.to(weight.dtype)).last_hidden_state[:, 1:]

    def merge(self, input_ids: Tensor, attention_mask: Tensor | None, images: Tensor) -> Merged:
        """Prompt ids ``(B, T)``, left padded, and image tokens ``(pictures, N, D)`` in the order of ``<image>``."""
        attended = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
        is_image = (input_ids == self.dims.image_token_id) & attended.bool()
        if int(is_image.sum()) != len(images):
            raise UserError(
                f"{len(images)} pictures for {int(is_image.sum())} <image> tokens", todo="give one for each"
            )
        widths = torch.where(is_image, images.shape[1], 1)
        length = int(widths.sum(-1).max())
        ids, mask = (_widen(x, widths, length) for x in (input_ids, attended))
        image_mask = (ids == self.dims.image_token_id) & mask.bool()
        embeds = self.language_model.model.tok_embeddings(ids)
        return Merged(embeds.index_put((image_mask,), images.flatten(0, 1).to(embeds.dtype)), mask, image_mask)

    @classmethod
    def empty(cls, config: dict[str, Any], dims: Dims, **options: Any) -> Self:
        """The model on the meta device: names and shapes without memory."""
        with torch.device("meta"):
            return cls(decoder_config(config, dims), dims, **options)

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, dtype: torch.dtype = torch.float32, strict: bool = True, **options: Any
    ) -> tuple[Self, LoadReport]:
        """Open a folder of the released layout.

        Args:
            folder: with config.json and safetensors files, as released or as `nunbit import` wrote it.
            dtype: of the weights.
            strict: raise unless every tensor of model and checkpoint found its place.
            options: of the class.

        Raises:
            UserError: another folder, or (strict) tensors that do not fit.
        """
        root = Path(folder)
        config, dims = read_sizes(root)
        model = cls.empty(config, dims, **options)
        report = model.fill(root, dtype, imported=IMPORTED in config)
        if strict:
            report.check(str(folder))
        return model.eval(), report

    def fill(self, root: Path, dtype: torch.dtype, *, imported: bool = False) -> LoadReport:
        """Take every tensor of the folder's files, one at a time; imported ones have our names."""
        places = {n if imported else self.released_key(n): (n, p) for n, p in self.named_parameters()}
        report, state = LoadReport(), {}
        for key, value in tensors(root):
            if key not in places:
                if not key.endswith("position_ids"):  # older files store this constant
                    report.unexpected.append(key)
                continue
            name, place = places.pop(key)
            fitted, change = fit(key, value.to(dtype), tuple(place.shape))
            if fitted is None:
                report.misshapen[key] = change
            else:
                state[name] = nn.Parameter(fitted.contiguous(), requires_grad=place.requires_grad)
                note(report, key, change)
        report.missing = sorted(places)
        self.load_state_dict(state, strict=False, assign=True)
        self._materialise(dtype)
        return report

    def _materialise(self, dtype: torch.dtype) -> None:
        """Give memory to what no file holds: constants, and (not strict) zeros for missing parameters."""
        table: Any = self.vision_tower.embeddings
        table.position_ids = torch.arange(table.num_positions)[None]
        for module in self.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if parameter.is_meta:
                    setattr(module, name, nn.Parameter(torch.zeros(parameter.shape, dtype=dtype)))


def read_sizes(root: Path) -> tuple[dict[str, Any], Dims]:
    """The config.json of a folder, and the sizes that it does not hold (dims.json, or what `nunbit import` entered).

    Raises:
        UserError: no folder of a released checkpoint.
    """
    if not (root / "config.json").is_file() or not sorted(root.glob("*.safetensors")):
        raise UserError(
            f"'{root}' has no config.json with *.safetensors",
            allowed="a folder of a released checkpoint",
            todo="download the checkpoint and give its folder",
        )
    config = json.loads((root / "config.json").read_text(encoding="utf-8"))
    extra = root / "dims.json"
    values = json.loads(extra.read_text(encoding="utf-8")) if extra.is_file() else config.get(IMPORTED, {})
    values.setdefault("image_token_id", config.get("vocab_size", 92544))
    return config, Dims.read(values)


def projector(width_in: int, width: int) -> nn.Sequential:
    """LLaVA-1.5's two-layer MLP, ``(..., Dv)`` to ``(..., D)``."""
    return nn.Sequential(nn.Linear(width_in, width), nn.GELU(), nn.Linear(width, width))


def _widen(values: Tensor, widths: Tensor, length: int) -> Tensor:
    """Repeat each cell of ``(B, T)`` values ``widths`` times and pad with zeros on the left to ``(B, length)``."""
    rows = [v.repeat_interleave(w) for v, w in zip(values, widths, strict=True)]
    return torch.stack([F.pad(r, (length - len(r), 0)) for r in rows])
