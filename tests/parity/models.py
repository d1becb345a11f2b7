"""Whole small models in the released layouts, compared with the logits and the greedy tokens of the authors' code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tests.parity.checks import ROUNDED, Checks, keep, silence
from torch import Tensor

from nunbit.crayon_map import palette
from nunbit.models.importers.collavo import ReleasedCoLLaVO
from nunbit.models.importers.moai import ReleasedMoAI

# ---- whole models


def greedy(model: Any, ids: Tensor, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Ids ``(B, new)`` and logits ``(B, new, vocab)`` without a stop token, with a cache."""
    model.language_model.generation_config.eos_token_id = None
    options = {
        "max_new_tokens": ids.shape[1],
        "do_sample": False,
        "return_dict_in_generate": True,
        "output_logits": True,
    }
    out = model.generate(options, **inputs)
    return out.sequences, torch.stack(out.logits, dim=1)


def whole_moai(folder: Path, check: Checks) -> None:
    t = load_file(folder / "io.safetensors")
    same = ("input_ids", "attention_mask", "aux_ids", "panoptic_ids", "colour_table")
    inputs = {name: t[f"in.{name}"] for name in same} | {"images": t["in.image_uint8"]}
    valid = t["in.im_mask"] | t["in.lang_mask"]
    for suffix, gate in {"": "", **ROUNDED}.items():
        model, report = ReleasedMoAI.from_folder(folder, gate_dtype=gate)
        if not suffix:
            check("moai_tiny tensors without a place", len(report.missing + report.unexpected), 0)
            moai_inside(model, t, inputs, valid, check)
        for name in [k for k in t if k.startswith(f"out.logits{suffix}")]:
            tail = name.removeprefix(f"out.logits{suffix}")
            if tail in ("", "_last64"):
                rows = slice(-64, None) if tail else slice(None)
                check.close(f"moai_tiny {name[4:]}", model(**inputs).logits[:, rows], t[name], valid[:, rows])
        if f"out.greedy_ids{suffix}" in t:
            ids, logits = greedy(model, t[f"out.greedy_ids{suffix}"], inputs)
            check.same(f"moai_tiny greedy_ids{suffix}", ids, t[f"out.greedy_ids{suffix}"])
            check.close(f"moai_tiny greedy_logits{suffix}", logits, t[f"out.greedy_logits{suffix}"])


def moai_inside(
    model: ReleasedMoAI, t: dict[str, Tensor], inputs: dict[str, Tensor], valid: Tensor, check: Checks
) -> None:
    """Values on the way, loss, the fixed colour map, training step 1 and silent experts."""
    features = model.encode_images(model.normalise(inputs["images"]))
    check.close("moai_tiny vit", features, t["out.vit"])
    check.close("moai_tiny image_tokens", model.vision_proj(features), t["out.image_tokens"])
    aux = model.aux_tokens(inputs["aux_ids"], inputs["panoptic_ids"], inputs["colour_table"])
    check.close("moai_tiny map_tokens", aux[:, inputs["aux_ids"].shape[1] :], t["out.map_tokens"])
    check.close("moai_tiny aux_latents", model.moai.compress(aux), t["out.aux_latents"])
    colours = torch.from_numpy(palette()[: len(t["in.colour_table"])]) / 255
    check.close("moai_tiny palette", colours, t["in.colour_table"])
    merged = model.read(**inputs)
    check.same("moai_tiny im_mask", merged.image_mask, t["in.im_mask"])
    check.close("moai_tiny merged_embeds", merged.embeds, t["out.merged_embeds"], valid)
    layers: Any = model.language_model.model.layers
    outputs: dict[int, Tensor] = {}
    hooks = [m.register_forward_hook(lambda _m, _a, out, i=i: outputs.update({i: out})) for i, m in enumerate(layers)]
    kept = {i: keep(layers[i]) for i in model.dims.mixer_layers}
    check.close("moai_tiny loss", model(labels=t["in.labels"], **inputs).loss.reshape(1), t["out.loss"].reshape(1))
    first = int(t["in.first_row"])
    for n, theirs in enumerate(t["out.layers_last16"]):
        check.close(f"moai_tiny layer {n}, last 16 rows", outputs[n][:, -16:], theirs, valid[:, -16:])
    for n, theirs in enumerate(t["out.layers_first16"]):
        span = slice(first, first + 16)
        check.close(f"moai_tiny layer {n}, first 16 rows", outputs[n][:, span], theirs, valid[:, span])
    last = valid[:, -64:]
    for i, states in kept.items():
        check.close(f"moai_tiny mixed_layer{i}", states["mixed"][:, -64:], t[f"out.mixed_layer{i}_last64"], last)
    for hook in hooks:
        hook.remove()
    for n, draws in enumerate(t["out.step1_draws"]):
        logits = model(expert_choice=draws, **inputs).logits[:, -64:]
        check.close(f"moai_tiny step 1 draws {draws.tolist()}", logits, t["out.step1_logits_last64"][n], last)
    model.fixed_colour = True
    check.close(
        "moai_tiny logits, fixed colour", model(**inputs).logits[:, -64:], t["out.logits_fixed_colour_last64"], last
    )
    model.fixed_colour = False
    experts = {k: v.clone() for k, v in model.moai.state_dict().items()}
    silence(model.moai)
    check.close(
        "moai_tiny logits, experts off", model(**inputs).logits[:, -64:], t["out.logits_experts_off_last64"], last
    )
    model.moai.load_state_dict(experts)


def whole_collavo(folder: Path, check: Checks) -> None:
    t = load_file(folder / "io.safetensors")
    model, report = ReleasedCoLLaVO.from_folder(folder)
    check("collavo_tiny tensors without a place", len(report.missing + report.unexpected), 0)
    inputs = {"input_ids": t["in.input_ids"], "attention_mask": t["in.attention_mask"], "images": t["in.image_uint8"]}
    semantic, numbering = t["in.semantic_index"], t["in.numbering_index"]
    maps = {"semantic": semantic, "numbering": numbering}
    merged = model.read(**inputs)
    valid = merged.attention_mask.bool()
    check.same("collavo_tiny im_mask", merged.image_mask, t["in.im_mask"])
    check.close("collavo_tiny seg_features", model.crayon(semantic, numbering), t["out.seg_features"])
    check.close("collavo_tiny logits", model(**inputs, **maps).logits, t["out.logits"], valid)
    nothing = torch.zeros_like(semantic)
    for name, given in (
        ("all_unknown", {"semantic": nothing, "numbering": nothing}),
        ("numbering_zero", {"semantic": semantic, "numbering": nothing}),
        ("crayon_off", {}),
    ):
        ours = model(**inputs, **given).logits[:, -64:]
        check.close(f"collavo_tiny logits, {name}", ours, t[f"out.logits_{name}_last64"], valid[:, -64:])
    ids, logits = greedy(model, t["out.greedy_ids"], inputs | maps)
    check.same("collavo_tiny greedy_ids", ids, t["out.greedy_ids"])
    check.close("collavo_tiny greedy_logits", logits, t["out.greedy_logits"])
