"""One decoder layer of the released models on given hidden states, with MoAI's mixer or the Crayon Prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from tests.parity.checks import ROUNDED, Checks, Reference, draws_of, keep, silence
from torch import Tensor, nn
from transformers import DynamicCache

from nunbit.connectors.crayon import CrayonConfig, CrayonPrompt
from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_config import IMAGE_EXPERTS, LANGUAGE_EXPERTS, MoAIConfig
from nunbit.models.importers.collavo import TARGETS, ReleasedCoLLaVO
from nunbit.models.importers.moai import ReleasedMoAI
from nunbit.models.internlm2_layers import InternLM2Config, InternLM2DecoderLayer, rope_table


class OneLayer(nn.Module):
    """A decoder of one layer on given hidden states, so that connectors attach to it as to any other."""

    def __init__(self, dims: dict[str, Any]) -> None:
        super().__init__()
        self.config = InternLM2Config(
            hidden_size=dims["hidden"],
            intermediate_size=dims["ffn"],
            num_attention_heads=dims["heads"],
            num_key_value_heads=dims["kv_heads"],
            plora_rank=dims["plora_r"],
            plora_alpha=dims["plora_alpha"],
            rms_norm_eps=dims["rms_eps"],
            rope_theta=dims["rope_theta"],
            num_hidden_layers=1,
        )
        self.layers = nn.ModuleList([InternLM2DecoderLayer(self.config, 0)])

    def forward(
        self, inputs_embeds: Tensor, mask: Tensor, image_mask: Tensor, cache: DynamicCache | None = None
    ) -> Tensor:
        rope = rope_table(self.config, torch.arange(inputs_embeds.shape[1])[None])
        return self.layers[0](inputs_embeds, mask, rope, image_mask, cache)


def layer_weights(t: Reference) -> dict[str, Tensor]:
    """Weights without ``weights.model.layers.N.``."""
    return {re.sub(r"^model\.layers\.\d+\.", "", k): v for k, v in t.part("weights.").items()}


def load_layer(decoder: OneLayer, weights: dict[str, Tensor], extras: tuple[str, ...]) -> None:
    own = {k: v for k, v in weights.items() if not any(e in k for e in extras)}
    decoder.layers[0].load_state_dict(own)


def attended(t: Reference) -> Tensor:
    """Rows that are no padding ``(B, T)``."""
    mask = t.get("in.attention_mask")
    return torch.ones(t["in.hidden"].shape[:2], dtype=torch.bool) if mask is None else mask.bool()


def mixer_layer(file: Path, check: Checks) -> None:
    for end, t in Reference.read(file).sizes().items():
        mixer_layer_of(t, file.stem + end, check)


def mixer_layer_of(t: Reference, label: str, check: Checks) -> None:
    valid = attended(t)
    for suffix, gate in {"": "", **ROUNDED}.items():
        decoder, moai = build_mixer(t, gate)
        kept = keep(decoder.layers[0])
        cache = DynamicCache()
        layer = run_mixer(t, decoder, moai, cache=cache)
        check.output(f"{label} layer{suffix}", t, f"out.layer{suffix}", lambda v=layer: v, valid)
        check.output(f"{label} mixed{suffix}", t, f"out.mixed{suffix}", lambda v=kept["mixed"]: v, valid)
        if suffix:
            continue
        check.output(f"{label} attention", t, "out.attention", lambda v=kept["attention"]: v, valid)
        normed = decoder.layers[0].attention_norm.without_mixer(t["in.hidden"])
        check.output(f"{label} normed", t, "out.normed", lambda v=normed: v, valid)
        for name, value in (("key", cache.layers[0].keys), ("value", cache.layers[0].values)):
            key, by_head = f"out.{name}_cache", valid[:, None].expand(value.shape[:3])
            check.output(f"{label} {name}_cache", t, key, lambda v=value: v, by_head)
        mixer_parts(t, normed, moai, check, label)
        random_experts(t, decoder, moai, kept, valid, check, label)
        silence(moai)
        off = run_mixer(t, decoder, moai)
        check.output(f"{label} layer, experts off", t, "out.layer_experts_off", lambda v=off: v, valid)
    for key in t.left():
        check.note(f"{label} {key}", "we have no comparison for it")


def random_experts(
    t: Reference,
    decoder: OneLayer,
    moai: MoAI,
    kept: dict[str, Tensor],
    valid: Tensor,
    check: Checks,
    label: str,
) -> None:
    """Training step 1: each row with its draws."""
    for what, prefix, n, draws in draws_of(t, len(valid)):
        rows: dict[str, list[Tensor]] = {"layer": [], "mixed": []}
        for b, draw in enumerate(draws):
            rows["layer"].append(run_mixer(t, decoder, moai, expert_choice=draw)[b])
            rows["mixed"].append(kept["mixed"][b])
        for name, values in rows.items():
            check.output(f"{label} {what} {name}", t, prefix + name, lambda v=values: torch.stack(v), valid, row=n)


def build_mixer(t: Reference, gate: str) -> tuple[OneLayer, MoAI]:
    dims = t.dims
    decoder, weights = OneLayer(dims).eval(), layer_weights(t)
    load_layer(decoder, weights, ("moai_",))
    moai = MoAI(
        MoAIConfig(
            "moai",
            dims["hidden"],
            dims["hidden"],
            layers=1,
            places=(0,),
            rank=dims["expert_rank"],
            expert_heads=dims["expert_heads"],
            gate_dtype=gate,
            compat=True,
        )
    ).eval()
    mixers = {n: ReleasedMoAI.released_key("moai." + n) for n, _ in moai.named_parameters() if n.startswith("mixers.")}
    moai.load_state_dict({n: weights[k.removeprefix("model.layers.0.")] for n, k in mixers.items()}, strict=False)
    moai.attach(decoder)
    norm = decoder.layers[0].attention_norm
    norm.without_mixer = norm.forward  # the method itself runs no hook
    return decoder, moai


def run_mixer(
    t: Reference, decoder: OneLayer, moai: MoAI, expert_choice: Tensor | None = None, cache: Any = None
) -> Tensor:
    moai.set_context(t["in.aux_latents"], t["in.im_mask"], t["in.lang_mask"], expert_choice=expert_choice)
    return decoder(inputs_embeds=t["in.hidden"], mask=t["in.causal_mask"], image_mask=t["in.im_mask"], cache=cache)


def mixer_parts(t: Reference, normed: Tensor, moai: MoAI, check: Checks, label: str) -> None:
    """Each expert and gate on the rows of each sequence."""
    mixer: Any = moai.mixers["0"]
    for b in range(len(normed)):
        rows = {"img": normed[b][t["in.im_mask"][b]][None], "lang": normed[b][t["in.lang_mask"][b]][None]}
        rows["aux"] = t["in.aux_latents"][b : b + 1]
        for side, names in (("img", IMAGE_EXPERTS), ("lang", LANGUAGE_EXPERTS)):
            for name in names:
                key = f"moai_SA_{side}" if name == "self" else f"moai_CA_{side}_{name}"
                out = getattr(mixer, side)[name](rows[side], rows[side if name == "self" else name])[0]
                check.output(f"{label} {key} sequence {b}", t, f"out.expert.{key}.{b}", lambda v=out: v)
            gates = mixer.gates(getattr(mixer, f"gate_{side}"), rows[side])[0]
            key = f"out.gate.moai_GA_{side}.{b}"
            check.output(f"{label} moai_GA_{side} sequence {b}", t, key, lambda v=gates: v)


def collavo_layer(file: Path, check: Checks) -> None:
    for end, t in Reference.read(file).sizes().items():
        collavo_layer_of(t, file.stem + end, check)


def collavo_layer_of(t: Reference, label: str, check: Checks) -> None:
    dims, valid, weights = t.dims, attended(t), layer_weights(t)
    decoder = OneLayer(dims).eval()
    load_layer(decoder, weights, ("Plora_seg",))
    crayon = CrayonPrompt(
        CrayonConfig(
            "crayon",
            dims["hidden"],
            dims["hidden"],
            layers=1,
            rank=dims["plora_r"],
            alpha=dims["plora_alpha"],
            targets=TARGETS,
        )
    ).eval()
    crayon.attach(decoder)
    names = {n: ReleasedCoLLaVO.released_key("crayon." + n) for n in crayon.state_dict() if n.startswith("branches.")}
    crayon.load_state_dict({n: weights[k.removeprefix("model.layers.0.")] for n, k in names.items()}, strict=False)
    inputs = {"inputs_embeds": t["in.hidden"], "mask": t["in.causal_mask"], "image_mask": t["in.im_mask"]}
    crayon.set_context(t["in.seg_features"], t["in.im_mask"])
    check.output(f"{label} layer", t, "out.layer", lambda: decoder(**inputs), valid)
    crayon.clear_context()
    check.output(f"{label} layer, crayon off", t, "out.layer_crayon_off", lambda: decoder(**inputs), valid)
    for key in t.left():
        check.note(f"{label} {key}", "we have no comparison for it")
