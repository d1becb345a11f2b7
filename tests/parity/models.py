"""Whole small models in the released layouts, compared with the logits and the greedy tokens of the authors' code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tests.parity.checks import ROUNDED, Checks, Reference, draws_of, keep, silence
from torch import Tensor

from nunbit.crayon_map import palette
from nunbit.models.importers.collavo import ReleasedCoLLaVO
from nunbit.models.importers.moai import ReleasedMoAI

MOAI_INPUTS = {
    "input_ids": "input_ids",
    "attention_mask": "attention_mask",
    "aux_ids": "aux_ids",
    "panoptic_ids": "panoptic_ids",
    "colour_table": "colour_table",
    "images": "image_uint8",
}
COLLAVO_INPUTS = {
    "input_ids": "input_ids",
    "attention_mask": "attention_mask",
    "images": "image_uint8",
    "semantic": "semantic_index",
    "numbering": "numbering_index",
}
WITHOUT_BATCH = ("colour_table",)
OPTIONAL = ("attention_mask", "colour_table", "semantic_index", "numbering_index")
_SINGLE = re.compile(r"in\.single(\w*?)_(" + "|".join({*MOAI_INPUTS.values(), *COLLAVO_INPUTS.values()}) + ")")


def inputs_of(t: Reference, names: dict[str, str]) -> dict[str, Tensor]:
    """The model's inputs; optional ones may be missing."""
    return {ours: t[f"in.{name}"] for ours, name in names.items() if f"in.{name}" in t or name not in OPTIONAL}


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


def greedy_checks(
    label: str, model: Any, t: Reference, inputs: dict[str, Tensor], check: Checks, end: str = ""
) -> None:
    """Greedy ids, and the logits they were chosen from."""
    if f"out.greedy_ids{end}" not in t:
        check.note(f"{label} greedy_ids{end}", f"the file has no out.greedy_ids{end}")
        return
    ids, logits = greedy(model, t[f"out.greedy_ids{end}"], inputs)
    check.output(f"{label} greedy_ids{end}", t, f"out.greedy_ids{end}", lambda: ids)
    check.output(f"{label} greedy_logits{end}", t, f"out.greedy_logits{end}", lambda: logits)


def single_rows(
    label: str, model: Any, t: Reference, names: dict[str, str], inputs: dict[str, Tensor], check: Checks
) -> None:
    """Rows alone, without the padding of their batch: inputs ``in.singleB_*``; what is not there is the batch's."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in t.items():
        if match := _SINGLE.fullmatch(key):
            found.setdefault(match[1], {})[match[2]] = value
    for row, own in found.items():
        b = int(row) if row.isdigit() else 0
        given = {}
        for ours, name in names.items():
            if name in own:
                same_rank = f"in.{name}" in t and own[name].ndim == t[f"in.{name}"].ndim
                given[ours] = own[name] if same_rank or name in WITHOUT_BATCH else own[name][None]
            elif ours in inputs and not (ours == "attention_mask" and "input_ids" in own):
                given[ours] = inputs[ours] if name in WITHOUT_BATCH else inputs[ours][b : b + 1]
        valid = model.read(**given).attention_mask.bool()
        for key in [k for k in t if re.fullmatch(rf"out\.single{row}_logits(_last64)?", k)]:
            ours, theirs = model(**given).logits, t[key].reshape(-1, *t[key].shape[-2:])
            t.compared.add(key)
            rows = slice(-theirs.shape[1], None)
            check.close(f"{label} single{row} logits", ours[:, rows], theirs, valid[:, rows])


def whole_moai(folder: Path, check: Checks) -> None:
    t = Reference.read(folder / "io.safetensors")
    inputs, label = inputs_of(t, MOAI_INPUTS), folder.name
    for suffix, gate in {"": "", **ROUNDED}.items():
        model, report = ReleasedMoAI.from_folder(folder, gate_dtype=gate)
        valid = model.read(**inputs).attention_mask.bool()
        if not suffix:
            check(f"{label} tensors without a place", len(report.missing + report.unexpected), 0)
            moai_inside(model, t, inputs, valid, check, label)
            single_rows(label, model, t, MOAI_INPUTS, inputs, check)
        for tail in ("", "_last64"):
            if f"out.logits{suffix}{tail}" in t:
                rows, key = slice(-64, None) if tail else slice(None), f"out.logits{suffix}{tail}"
                check.output(
                    f"{label} {key[4:]}", t, key, lambda m=model, r=rows: m(**inputs).logits[:, r], valid[:, rows]
                )
        greedy_checks(label, model, t, inputs, check, suffix)
    left_over(label, t, check)


def left_over(label: str, t: Reference, check: Checks) -> None:
    """Name the outputs of a file that no comparison used."""
    for key in t.left():
        check.note(f"{label} {key}", "we have no comparison for it")


def moai_inside(
    model: ReleasedMoAI, t: Reference, inputs: dict[str, Tensor], valid: Tensor, check: Checks, label: str
) -> None:
    """Values on the way, loss, the fixed colour map, training step 1 and silent experts."""
    features = model.encode_images(model.normalise(inputs["images"]))
    check.output(f"{label} vit", t, "out.vit", lambda: features)
    check.output(f"{label} image_tokens", t, "out.image_tokens", lambda: model.vision_proj(features))
    aux = model.aux_tokens(inputs["aux_ids"], inputs["panoptic_ids"], inputs.get("colour_table"))
    check.output(f"{label} map_tokens", t, "out.map_tokens", lambda: aux[:, inputs["aux_ids"].shape[1] :])
    check.output(f"{label} aux_latents", t, "out.aux_latents", lambda: model.moai.compress(aux))
    if "in.colour_table" in t:
        colours = torch.from_numpy(palette()[: len(t["in.colour_table"])]) / 255
        check.output(f"{label} palette", t, "in.colour_table", lambda: colours)
    merged = model.read(**inputs)
    check.output(f"{label} im_mask", t, "in.im_mask", lambda: merged.image_mask)
    check.output(f"{label} merged_embeds", t, "out.merged_embeds", lambda: merged.embeds, valid)
    moai_layers(model, t, inputs, valid, check, label)
    last = valid[:, -64:]

    def logits(**more: Any) -> Tensor:
        return model(**inputs, **more).logits[:, -64:]

    for what, prefix, n, draws in draws_of(t, len(valid)):
        check.output(
            f"{label} {what}",
            t,
            f"{prefix}logits_last64",
            lambda d=draws: torch.stack([logits(expert_choice=d[b])[b] for b in range(len(d))]),
            last,
            row=n,
        )
    model.fixed_colour = True
    check.output(f"{label} logits, fixed colour", t, "out.logits_fixed_colour_last64", logits, last)
    model.fixed_colour = False
    experts = {k: v.clone() for k, v in model.moai.state_dict().items()}
    silence(model.moai)
    check.output(f"{label} logits, experts off", t, "out.logits_experts_off_last64", logits, last)
    model.moai.load_state_dict(experts)


def moai_layers(
    model: ReleasedMoAI, t: Reference, inputs: dict[str, Tensor], valid: Tensor, check: Checks, label: str
) -> None:
    """The loss, and each layer's output and each mixer's in the pass that gives it."""
    layers: Any = model.language_model.model.layers
    outputs: dict[int, Tensor] = {}
    hooks = [m.register_forward_hook(lambda _m, _a, out, i=i: outputs.update({i: out})) for i, m in enumerate(layers)]
    kept = {i: keep(layers[i]) for i in model.dims.mixer_layers}
    labels = t.get("in.labels")
    loss = model(labels=labels, **inputs).loss  # None without labels: then the file's lack of them is named
    check.output(
        f"{label} loss", t, "out.loss", lambda: t["in.labels"] if loss is None else loss.reshape(t["out.loss"].shape)
    )
    for key, span in layer_spans(t):
        for n, theirs in enumerate(t[key]):
            t.compared.add(key)
            check.close(f"{label} layer {n}, {key[11:]} rows", outputs[n][:, span], theirs, valid[:, span])
    for i, states in kept.items():
        ours = states["mixed"][:, -64:]
        check.output(f"{label} mixed_layer{i}", t, f"out.mixed_layer{i}_last64", lambda o=ours: o, valid[:, -64:])
    for hook in hooks:
        hook.remove()


def layer_spans(t: Reference) -> Iterator[tuple[str, slice]]:
    """The names of the layers' outputs in the file, and which rows they hold."""
    if "out.layers_last16" in t:
        yield "out.layers_last16", slice(-16, None)
    if "out.layers_first16" in t:
        first = int(t["in.first_row"]) if "in.first_row" in t else 0
        yield "out.layers_first16", slice(first, first + 16)


def whole_collavo(folder: Path, check: Checks) -> None:
    t, label = Reference.read(folder / "io.safetensors"), folder.name
    model, report = ReleasedCoLLaVO.from_folder(folder)
    check(f"{label} tensors without a place", len(report.missing + report.unexpected), 0)
    inputs = inputs_of(t, COLLAVO_INPUTS)
    merged = model.read(**inputs)
    valid = merged.attention_mask.bool()
    check.output(f"{label} im_mask", t, "in.im_mask", lambda: merged.image_mask)
    maps = {n: inputs.pop(n) for n in ("semantic", "numbering") if n in inputs}
    if len(maps) < 2:
        check.note(f"{label} logits", "the file lacks in.semantic_index or in.numbering_index")
        return
    check.output(f"{label} seg_features", t, "out.seg_features", lambda: model.crayon(**maps))
    nothing = torch.zeros_like(maps["semantic"])
    variants = {
        "": maps,
        "_all_unknown": {"semantic": nothing, "numbering": nothing},
        "_numbering_zero": {"semantic": maps["semantic"], "numbering": nothing},
        "_crayon_off": {},
    }
    for name, given in variants.items():
        for tail in ("", "_last64"):
            if (key := f"out.logits{name}{tail}") in t:
                rows = slice(-64, None) if tail else slice(None)
                value = model(**inputs, **given).logits[:, rows]
                check.output(f"{label} {key[4:]}", t, key, lambda v=value: v, valid[:, rows])
        if not any(f"out.logits{name}{tail}" in t for tail in ("", "_last64")):
            check.note(f"{label} logits{name}", "the file has none")
    single_rows(label, model, t, COLLAVO_INPUTS, inputs | maps, check)
    greedy_checks(label, model, t, inputs | maps, check)
    left_over(label, t, check)
