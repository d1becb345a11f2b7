"""What the released CoLLaVO and MoAI have in common: sizes, picture to tokens, merged sequence, and reading a folder.

A folder holds ``config.json`` and safetensors files, and may hold ``dims.json`` for the sizes that a released config
does not say; without it they are those of the 7B models.

Letters: B sequences, T prompt ids, L rows of the merged sequence, N image tokens a picture, Dv and D widths.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.errors import UserError
from nunbit.models.importers.report import LoadReport
from nunbit.models.internlm2 import InternLM2Config, InternLM2ForCausalLM, next_token_loss

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's, for pixels in 0..1."""
POSITIONS = "vit.vision_tower.vision_model.embeddings.position_embedding.weight"
WORDS = "model.tok_embeddings.weight"


@dataclass(frozen=True)
class Dims:
    """The sizes that config.json does not say, named as in dims.json."""

    vision_hidden: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_ffn: int = 4096
    vision_activation: str = "quick_gelu"
    vision_layer_norm_eps: float = 1e-5
    vision_patch: int = 14
    vision_image: int = 490
    plora_r: int = 256
    plora_alpha: float = 256
    image_token_id: int = 92544
    mixer_layers: tuple[int, ...] = (7, 15, 23, 31)
    latents: int = 64
    compressor_depth: int = 4
    compressor_heads: int = 4
    compressor_head_dim: int = 64
    compressor_ff_mult: int = 1
    expert_rank: int = 64
    expert_heads: int = 4
    semantic_rows: int = 134
    numbering_rows: int = 21

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        flat = {k: v for k, v in values.items() if k in {f.name for f in fields(cls)}}
        names = {"depth": "compressor_depth", "heads": "compressor_heads", "dim_head": "compressor_head_dim",
                 "num_latents": "latents", "ff_mult": "compressor_ff_mult"}  # fmt: skip
        flat |= {names[k]: v for k, v in values.get("compressor", {}).items() if k in names}
        flat |= {f"expert_{k}": v for k, v in values.get("expert", {}).items()}
        if "mixer_layers" in flat:
            flat["mixer_layers"] = tuple(flat["mixer_layers"])
        return cls(**flat)


@dataclass
class Merged:
    """The prompt with every ``<image>`` widened to its tokens: ``(B, L, D)`` and two ``(B, L)`` masks."""

    embeds: Tensor
    attention_mask: Tensor
    image_mask: Tensor


class ReleasedModel(nn.Module, ABC):
    """A vision tower, a projector and the decoder. Subclasses hang their connector on it and read its inputs.

    Args:
        compat: do as the released code does, its accidents included; its weights were trained so.
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
        """Merge the prompt and let the connector see what it needs."""

    def forward(self, *, labels: Tensor | None = None, logits_to_keep: int = 0, **inputs: Any) -> Any:
        """Logits over the merged sequence; ``labels`` have its length. The other inputs are those of `read`."""
        merged = self.read(**inputs)
        out = self._decode(merged, logits_to_keep if labels is None else 0)
        if labels is not None:
            out.loss = next_token_loss(out.logits, labels, merged.attention_mask)
        return out

    def _decode(self, m: Merged, logits_to_keep: int) -> Any:
        return self.language_model(
            inputs_embeds=m.embeds, attention_mask=m.attention_mask, image_mask=m.image_mask, use_cache=False,
            logits_to_keep=logits_to_keep,
        )  # fmt: skip

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

    def look(self, pixels: Tensor) -> Tensor:
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
        """Open a folder of the released layout. ``options`` are those of the class."""
        root = Path(folder)
        if not (root / "config.json").is_file() or not sorted(root.glob("*.safetensors")):
            raise UserError(
                f"'{folder}' has no config.json with *.safetensors", allowed="a folder of a released checkpoint",
                todo="download the checkpoint and give its folder",
            )  # fmt: skip
        config = json.loads((root / "config.json").read_text(encoding="utf-8"))
        extra = root / "dims.json"
        values = json.loads(extra.read_text(encoding="utf-8")) if extra.is_file() else {}
        values.setdefault("image_token_id", config.get("vocab_size", 92544))
        model = cls.empty(config, Dims.read(values), **options)
        report = model.fill(root, dtype)
        if strict:
            report.check(str(folder))
        return model.eval(), report

    def fill(self, root: Path, dtype: torch.dtype) -> LoadReport:
        """Take every tensor of the folder's files, one at a time."""
        places = {self.released_key(n): (n, p) for n, p in self.named_parameters()}
        report, state = LoadReport(), {}
        for key, value in tensors(root):
            if key not in places:
                if not key.endswith("position_ids"):  # older files store this constant
                    report.unexpected.append(key)
                continue
            name, place = places.pop(key)
            fitted, how = fit(key, value.to(dtype), tuple(place.shape))
            if fitted is None:
                report.misshapen[key] = how
            else:
                state[name] = nn.Parameter(fitted.contiguous(), requires_grad=place.requires_grad)
                _note(report, key, how)
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


def projector(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, width), nn.GELU(), nn.Linear(width, width))


def decoder_config(config: dict[str, Any], dims: Dims) -> InternLM2Config:
    """A released config.json as ours."""
    names = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta", "initializer_range",
        "pad_token_id", "bos_token_id", "eos_token_id",
    )  # fmt: skip
    known = {n: config[n] for n in names if n in config}
    vocabulary = known.get("vocab_size", InternLM2Config.vocab_size)
    factor = float((config.get("rope_scaling") or {}).get("factor", 1.0))
    return InternLM2Config(
        **known,
        embedding_rows=max(vocabulary, dims.image_token_id + 1),
        plora_rank=dims.plora_r,
        plora_alpha=dims.plora_alpha,
        rope_factor=factor,
    )


def tensors(root: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the folder's safetensors files that belongs to the model."""
    from safetensors import safe_open

    index = root / "model.safetensors.index.json"
    files = sorted(root.glob("model*.safetensors")) or sorted(root.glob("*.safetensors"))
    if index.is_file():
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [root / name for name in sorted(set(named))]
    for file in files:
        with safe_open(str(file), framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118 - not a dictionary
                yield key, opened.get_tensor(key)


def fit(key: str, value: Tensor, shape: tuple[int, ...]) -> tuple[Tensor | None, str]:
    """The tensor in the wanted shape and how it was re-made; None where nothing known explains the difference."""
    if tuple(value.shape) == shape:
        return value, ""
    if key == POSITIONS and value.shape[1:] == shape[1:]:
        return resize_positions(value, shape[0]), f"resized from {len(value)} to {shape[0]} rows"
    if key == WORDS and len(value) < shape[0] and value.shape[1:] == shape[1:]:
        mean = value.float().mean(0, keepdim=True).to(value.dtype)
        rows = mean.expand(shape[0] - len(value), -1)
        return torch.cat([value, rows]), f"{len(rows)} rows for new tokens added"
    return None, f"{tuple(value.shape)} is not {shape}"


def resize_positions(table: Tensor, rows: int) -> Tensor:
    """CLIP's table ``(1 + n * n, D)`` to ``(rows, D)``: bicubic, through float16 as released; row 0 stays."""
    old, new = round((len(table) - 1) ** 0.5), round((rows - 1) ** 0.5)
    grid = table[1:].float().T.reshape(1, -1, old, old)
    patches = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False).flatten(2)[0].T
    return torch.cat([table[:1], patches.half().to(table.dtype)])


def _note(report: LoadReport, key: str, how: str) -> None:
    if how:
        report.remade[key] = how
    else:
        report.matched.append(key)


def _widen(values: Tensor, widths: Tensor, length: int) -> Tensor:
    """Repeat each cell of ``(B, T)`` ``widths`` times and pad with zeros on the left to ``(B, length)``."""
    rows = [v.repeat_interleave(w) for v, w in zip(values, widths, strict=True)]
    return torch.stack([F.pad(r, (length - len(r), 0)) for r in rows])
