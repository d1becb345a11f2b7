"""OpenFlamingo checkpoints (arXiv 2308.01390) -> our resampler and gated cross-attention blocks.

Such a file holds what was trained and nothing else: resampler, gated blocks, the language model's input embeddings. The
frozen encoder and language model come from their own folders, so their absence is no error, and the report lists both.

Letters: V words of the vocabulary, Dt width of the language model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.connectors.gated_cross_attention import GatedCrossAttention, GatedCrossAttentionConfig
from nunbit.errors import UserError
from nunbit.models.importers.report import LoadReport

_BLOCK = re.compile(r"lang_encoder\.(?:[\w.]*?\.)?(\d+)\.gated_cross_attn_layer\.(.+)")
_PERCEIVER = re.compile(r"perceiver\.layers\.(\d+)\.([01])\.(.+)")
_EMBEDDING = re.compile(r"lang_encoder\..*(?:wte|embed_tokens|embed_in)\.weight")
_ATTENTION = {
    "norm_media": "features_norm",
    "norm_latents": "latents_norm",
    "to_q": "attention.q_proj",
    "to_out": "attention.out_proj",
}


@dataclass
class FlamingoReport(LoadReport):
    """What became of each tensor, and:

    Args:
        frozen: tensors of the checkpoint that belong to the frozen parts and are loaded again from their own folders.
        embeddings: name of the input embeddings that were trained, if the checkpoint has them.
    """

    frozen: list[str] = field(default_factory=list)
    embeddings: str = ""


def read(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, name -> ``(...)``, without ``module.`` and an outer ``model_state_dict``.

    Pickled code is never run.

    Raises:
        UserError: another file, or one without a resampler.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # torch raises many kinds for one thing: this is no tensor file
        raise UserError(
            f"'{path}' cannot be read ({type(e).__name__})", allowed="an OpenFlamingo checkpoint (.pt) of tensors only"
        ) from None
    held = held.get("model_state_dict", held) if isinstance(held, dict) else {}
    out = {k.removeprefix("module."): v for k, v in held.items() if isinstance(v, Tensor)}
    if not any(k.startswith("perceiver.") for k in out):
        raise UserError(
            f"'{path}' holds no resampler", allowed="an OpenFlamingo checkpoint: perceiver.*, gated_cross_attn_layer.*"
        )
    return out


def config_of(state: dict[str, Tensor], layers: int, heads: int = 8) -> GatedCrossAttentionConfig:
    """The config that fits the tensors ``(...)``; only the number of decoder layers and of heads cannot be read there.

    Raises:
        UserError: blocks at places that no "every k-th" rule gives.
    """
    places = sorted({int(m[1]) for k in state if (m := _BLOCK.fullmatch(k))})
    every = places[0] + 1 if places else 0
    if not places or places != list(range(every - 1, layers, every)):
        raise UserError(
            f"gated blocks before layers {places} of {layers}",
            allowed="every k-th layer, from layer k - 1",
            todo="give the number of layers of this checkpoint's language model",
        )
    try:
        return _sizes(state, layers, every, heads)
    except (KeyError, ValueError, IndexError, StopIteration, ZeroDivisionError) as e:
        raise UserError(
            f"the sizes cannot be read from the tensors ({type(e).__name__}: {e})",
            allowed="a whole OpenFlamingo checkpoint",
            todo="download it again",
        ) from None


def _sizes(state: dict[str, Tensor], layers: int, every: int, heads: int) -> GatedCrossAttentionConfig:
    first = next(k for k in state if _BLOCK.fullmatch(k) and k.endswith("attn.to_q.weight"))
    inner, text = state[first].shape
    vision = state[first.replace("to_q", "to_kv")].shape[1]
    latents, _ = state["perceiver.latents"].shape
    resampler_inner = state["perceiver.layers.0.0.to_q.weight"].shape[0]
    depth = len({m[1] for k in state if (m := _PERCEIVER.fullmatch(k))})  # counted, as a name may hold any number
    frames = state["perceiver.frame_embs"].shape[0] if "perceiver.frame_embs" in state else 0
    mult = state["perceiver.layers.0.1.1.weight"].shape[0] // vision
    return GatedCrossAttentionConfig(
        "gated_cross_attention",
        vision,
        text,
        layers=layers,
        every=every,
        heads=heads,
        head_dim=inner // heads,
        ff_mult=mult,
        activation="gelu",
        latents=latents,
        resampler_depth=depth,
        resampler_heads=heads,
        resampler_head_dim=resampler_inner // heads,
        max_frames=frames,
    )


def load(
    path: str | Path, layers: int, *, heads: int = 8, strict: bool = True
) -> tuple[GatedCrossAttention, FlamingoReport, dict[str, Any]]:
    """The connector with the checkpoint's weights, the report, and the trained embeddings ``{name: (V, Dt)}``.

    Args:
        path: the checkpoint's file.
        layers: decoder layers of the language model.
        heads: attention heads.
        strict: raise unless every tensor of the connector was found and everything else is known to be frozen.

    Raises:
        UserError: another file, or (strict) tensors that do not fit.
    """
    state = read(path)
    connector = GatedCrossAttention(config_of(state, layers, heads))
    report, found, embeddings = FlamingoReport(), dict[str, Tensor](), dict[str, Tensor]()
    for name, value in state.items():
        if _EMBEDDING.fullmatch(name):
            embeddings[name], report.embeddings = value, name
        elif name.startswith(("vision_encoder.", "lang_encoder.")) and "gated_cross_attn_layer" not in name:
            report.frozen.append(name)
        elif not (ours := _ours(name, value)):
            report.unexpected.append(name)
        else:
            found |= ours
            report.matched.append(name)
    wanted = connector.state_dict()
    report.missing += [k for k in wanted if k not in found]
    for name, value in list(found.items()):
        if name not in wanted or wanted[name].shape != value.shape:
            report.misshapen[name] = (
                f"{tuple(value.shape)} for {tuple(wanted[name].shape) if name in wanted else 'nothing'}"
            )
            del found[name]
    connector.load_state_dict(found, strict=False)
    if strict:
        report.check(str(path))
    return connector.eval(), report, embeddings


def _ours(name: str, value: Tensor) -> dict[str, Tensor]:
    """Our tensors of one of theirs: none if it is unknown, two where keys and values are one matrix there."""
    if name in ("perceiver.latents", "perceiver.frame_embs"):
        return {"resampler.latents" if name.endswith("latents") else "resampler.time": value}
    if name.startswith("perceiver.norm."):
        return {"resampler.norm." + name.removeprefix("perceiver.norm."): value}
    if m := _PERCEIVER.fullmatch(name):
        before, rest = f"resampler.layers.{m[1]}.", m[3]
        return {before + "feed_forward." + rest: value} if m[2] == "1" else _attention(before, rest, value, _ATTENTION)
    if m := _BLOCK.fullmatch(name):
        before, rest = f"blocks.{m[1]}.", m[2]
        if rest in ("attn_gate", "ff_gate"):
            return {before + ("attention_gate" if rest[0] == "a" else "feed_forward_gate"): value.reshape(1)}
        if rest.startswith("ff."):
            return {before + "feed_forward." + rest.removeprefix("ff."): value}
        return _attention(before, rest.removeprefix("attn."), value, _ATTENTION | {"norm": "norm"})
    return {}


def _attention(before: str, rest: str, value: Tensor, names: dict[str, str]) -> dict[str, Tensor]:
    part, _, leaf = rest.rpartition(".")
    if part == "to_kv":
        keys, values = value.chunk(2)
        return {before + "attention.k_proj." + leaf: keys, before + "attention.v_proj." + leaf: values}
    return {before + f"{names[part]}.{leaf}": value} if part in names else {}
