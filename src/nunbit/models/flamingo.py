"""Flamingo: a frozen encoder and a frozen decoder of any Hugging Face family, joined by a resampler and gated cross-attention.

The language model stays as it is on disk, in its native form: any tool opens the folder as a text model. Beside it lie ``vision/`` (the
encoder, native too), ``flamingo.json`` (sizes) and ``flamingo.safetensors``: the resampler, the gated blocks, and what ``<image>`` is to
the language model. That one row learns although its table is frozen, as in OpenFlamingo.
Source: Flamingo, arXiv 2204.14198, sec. 2; OpenFlamingo, arXiv 2308.01390, sec. 3.1.

Letters: B rows, T tokens, P pictures of a batch, I most pictures of a row, S features and M media tokens a picture, Dv and Dt widths.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from nunbit.connectors import build
from nunbit.errors import UserError
from nunbit.files import whole_folder
from nunbit.models.assemble import (
    class_tokens,
    load_language,
    load_vision,
    normalisation,
    set_ends,
    square,
    square_images,
)
from nunbit.models.prompt import for_pictures
from nunbit.models.shapes import check_shapes
from nunbit.models.tokenizer import IMAGE

CONFIG, WEIGHTS, VISION = "flamingo.json", "flamingo.safetensors", "vision"
PUBLISHED: dict[str, Any] = {
    "every": 4, "heads": 16, "head_dim": 128, "latents": 64, "resampler_depth": 6, "resampler_heads": 16, "resampler_head_dim": 96,
}  # fmt: skip
"""Sizes of Flamingo-9B, arXiv 2204.14198, table 5 and app. A.1; ``every`` is 1 in Flamingo-3B and 7 in Flamingo-80B."""


@dataclass(frozen=True, kw_only=True)
class FlamingoConfig:
    """What joins the two.

    Attributes:
        connector: fields of `nunbit.connectors.gated_cross_attention.GatedCrossAttentionConfig`.
        layer: hidden state of the encoder that is shown; extra: how many of its tokens are no patches and are left out.
    """

    connector: dict[str, Any]
    layer: int = -1
    extra: int = 0


class Flamingo(nn.Module):
    """The three parts as one model; `forward` and `generate` as in transformers.

    One thread at a time may run it: the connector holds the pictures of one batch.
    """

    def __init__(self, vision: Any, language: Any, settings: FlamingoConfig) -> None:
        super().__init__()
        self.vision, self.language = vision.requires_grad_(False).eval(), language.requires_grad_(False).eval()
        self.settings = settings
        connector: Any = build("gated_cross_attention", **settings.connector)
        connector.attach(language)
        self.connector: Any = connector
        self.image_id = int(settings.connector["image_token_id"])
        table: Any = language.get_input_embeddings()
        self.marker = nn.Parameter(table(torch.tensor([self.image_id], device=language.device))[0].detach().clone())
        table.register_forward_hook(self._mark)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, pixel_values: Tensor | None = None, **how: Any) -> Any:  # fmt: skip
        """``(B, T)`` ids with one ``<image>`` a picture, and the pictures ``(P, 3, H, W)`` in their order; the language model's output."""
        self.look(input_ids, pixel_values)
        return self.language(input_ids=input_ids, attention_mask=attention_mask, **how)

    def generate(self, input_ids: Tensor, attention_mask: Tensor | None = None, pixel_values: Tensor | None = None, **how: Any) -> Tensor:  # fmt: skip
        """As `forward`, then `generate` of transformers with its options."""
        self.look(input_ids, pixel_values)
        return self.language.generate(input_ids=input_ids, attention_mask=attention_mask, **how)

    def look(self, input_ids: Tensor, pixels: Tensor | None, index: Tensor | None = None) -> None:
        """Show pictures to the next passes, decode steps included; without any, the last ones are forgotten.

        Args:
            index: ``(B, T)``, which picture of its row each token sees, from 1; the last one before it if not given.
        """
        each = (input_ids == self.image_id).sum(1)
        if int(each.sum()) != (0 if pixels is None else len(pixels)):
            raise UserError(f"{int(each.sum())} image tokens and {0 if pixels is None else len(pixels)} pictures",
                            allowed="one picture an image token")  # fmt: skip
        if pixels is None or not len(pixels):
            self.connector.clear_context()
            return
        rows = pad_sequence(self.media(pixels).split(each.tolist()), batch_first=True)  # (B, I, M, Dv)
        there = torch.arange(rows.shape[1], device=each.device) < each.unsqueeze(1)
        self.connector.set_context(rows, there, index=index)

    def media(self, pixels: Tensor) -> Tensor:
        """``(P, 3, H, W)`` to what the gated blocks look at, ``(P, M, Dv)``."""
        return self.connector.media_tokens(self.features(pixels).unsqueeze(1)).squeeze(1)

    def features(self, pixels: Tensor) -> Tensor:
        """``(P, 3, H, W)`` to the frozen encoder's patches ``(P, S, Dv)``."""
        with torch.no_grad():
            hidden = self.vision(pixels.to(self.vision.dtype), output_hidden_states=True).hidden_states
        return hidden[self.settings.layer][:, self.settings.extra :].to(next(self.connector.parameters()).dtype)

    def train(self, mode: bool = True) -> Flamingo:
        """What is frozen has no training mode."""
        super().train(mode)
        self.vision.eval()
        self.language.eval()
        return self

    @property
    def device(self) -> torch.device:
        return self.marker.device

    @property
    def config(self) -> Any:
        """The language model's."""
        return self.language.config

    def learnt(self) -> dict[str, nn.Module]:
        """What is not frozen, by part."""
        marker = nn.ParameterDict({"image": self.marker})
        parts = {"resampler": self.connector.resampler, "cross_attention": self.connector.blocks, "marker": marker}
        return {name: part for name, part in parts.items() if part is not None}

    def save(self, folder: str | Path, processor: Any) -> None:
        """Write the folder, whole or not at all."""
        from safetensors.torch import save_file

        kept = {
            f"{part}.{k}": v.detach().cpu().contiguous()
            for part, m in self.learnt().items()
            for k, v in m.state_dict().items()
        }
        with whole_folder(folder) as aside:
            self.language.save_pretrained(aside)
            processor.save_pretrained(aside)
            self.vision.save_pretrained(aside / VISION)
            save_file(kept, aside / WEIGHTS)
            (aside / CONFIG).write_text(json.dumps(asdict(self.settings), indent=1), encoding="utf-8")

    def _mark(self, table: nn.Module, args: tuple[Any, ...], rows: Tensor) -> Tensor:
        at = (args[0] == self.image_id).unsqueeze(-1)
        return torch.where(at, self.marker.to(rows.dtype), rows)


def compose_flamingo(
    vision: str | Path, llm: str | Path, *, layer: int = -1, sizes: Mapping[str, Any] | None = None
) -> tuple[Flamingo, Any]:
    """Model and processor from two folders; resampler and blocks are fresh, their gates closed.

    Args:
        layer: hidden state of the encoder that the resampler reads.
        sizes: fields of the connector that differ from `PUBLISHED`, ``every`` above all.
    """
    tokenizer, text = load_language(llm)
    eyes = load_vision(vision)
    extra, _ = class_tokens(eyes, layer)
    fields = connector_fields(text.config, eyes.config, tokenizer.convert_tokens_to_ids(IMAGE), sizes or {})
    processor = one_token_processor(tokenizer, square(eyes.config)[0], *normalisation(vision))
    set_ends(text.generation_config, tokenizer, processor.chat_template)
    return Flamingo(eyes, text, FlamingoConfig(connector=fields, layer=layer, extra=extra)).eval(), processor


def connector_fields(text: Any, eyes: Any, image_token_id: int, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's config for a decoder and an encoder of these configs."""
    widths = {"vision_width": eyes.hidden_size, "text_width": text.hidden_size, "layers": text.num_hidden_layers}
    return PUBLISHED | dict(sizes) | widths | {"image_token_id": image_token_id}


def one_token_processor(tokenizer: Any, side_px: int, mean: Any, std: Any) -> Any:
    """The native `LlavaProcessor` of a model to which a picture is one token: its patch is the whole picture."""
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=square_images(side_px, mean, std), tokenizer=tokenizer, patch_size=side_px, num_additional_image_tokens=0,
        image_token=IMAGE, vision_feature_select_strategy="full", chat_template=for_pictures(tokenizer.chat_template),
    )  # fmt: skip


def open_flamingo(folder: str | Path, device: str = "cpu") -> tuple[Flamingo, Any]:
    """Model and processor of a folder that `Flamingo.save` wrote: weights only, no remote code.

    Raises:
        UserError: a damaged file, or parts of different models.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor

    folder = Path(folder)
    try:
        settings, kept = open_settings(folder), load_file(folder / WEIGHTS)
        check_shapes(kept, "the connector", {k: v for k, v in settings.connector.items() if k != "image_token_id"}, partial(_parts, settings))
        processor = AutoProcessor.from_pretrained(folder)
        vision, language = AutoModel.from_pretrained(folder / VISION), AutoModelForCausalLM.from_pretrained(folder)
        model = Flamingo(vision, language, settings)
        for name, part in model.learnt().items():
            part.load_state_dict({k.removeprefix(f"{name}."): v for k, v in kept.items() if k.startswith(f"{name}.")})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as e:
        raise UserError(f"the Flamingo '{folder}' cannot be opened ({type(e).__name__}: {str(e)[:160]})",
                        allowed=f"a folder with {CONFIG}, {WEIGHTS} and {VISION}/ as nunbit writes it",
                        todo="train or copy it again") from None  # fmt: skip
    return model.eval().to(device), processor


def _parts(settings: FlamingoConfig) -> dict[str, nn.Module]:
    """The connector's parts alone."""
    made: Any = build("gated_cross_attention", **settings.connector)
    parts = {"resampler": made.resampler, "cross_attention": made.blocks}
    return {name: part for name, part in parts.items() if part is not None}


def open_settings(folder: str | Path) -> FlamingoConfig:
    return FlamingoConfig(**json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8")))


def is_flamingo(folder: str | Path) -> bool:
    return (Path(folder) / CONFIG).is_file()
