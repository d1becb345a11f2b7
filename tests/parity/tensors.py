"""Compare our CoLLaVO and MoAI with tensors and strings that the authors' released modules gave at random weights.

Usage: python -m tests.parity.tensors [FOLDER]      (make parity GOLDEN=FOLDER; default: ../shared/golden)
One line a comparison: what, error, tolerance. Exit code 1 when one fails; 0 with a sentence when there is no folder.
Sizes come from the files, so that other folders of the same form (seeds, widths, batch sizes) work.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.parity.checks import ROUNDED, Checks, keep, silence
from tests.parity.models import whole_collavo, whole_moai
from tests.parity.strings import strings
from torch import Tensor, nn
from transformers import DynamicCache

from nunbit.connectors.crayon import CrayonConfig, CrayonPrompt
from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_compressor import MoAICompressor
from nunbit.connectors.moai_config import IMAGE_EXPERTS, LANGUAGE_EXPERTS, MoAIConfig
from nunbit.connectors.moai_mixer import MoAIExpert
from nunbit.models.importers.collavo import TARGETS, ReleasedCoLLaVO
from nunbit.models.importers.fitting import resize_positions
from nunbit.models.importers.layout import MODELS, check_layout
from nunbit.models.importers.moai import ReleasedMoAI
from nunbit.models.internlm2_layers import InternLM2Config, InternLM2DecoderLayer, rope_table

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "golden"
RESIZE_TOLERANCE = 1e-3


def read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and the ``dims`` of the metadata."""
    with safe_open(str(file), framework="pt") as opened:
        metadata = opened.metadata() or {}
    return load_file(file), json.loads(metadata.get("dims", "{}"))


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


# ---- single modules


def compressor(file: Path, check: Checks) -> None:
    t, dims = read(file)
    width = t["in.aux"].shape[-1]
    config = MoAIConfig(
        "moai",
        width,
        width,
        latents=dims["num_latents"],
        depth=dims["depth"],
        heads=dims["heads"],
        head_dim=dims["dim_head"],
        ff_mult=dims["ff_mult"],
    )
    module = MoAICompressor(config)
    module.load_state_dict(part(t, "weights.moai_compressor."))
    check.close("compressor latents", module(t["in.aux"]), t["out.latents"])
    swapped = t["in.aux"][:, torch.randperm(t["in.aux"].shape[1], generator=torch.Generator().manual_seed(0))]
    check.close("compressor latents, aux rows permuted", module(swapped), t["out.latents"])


def expert(file: Path, check: Checks) -> None:
    t, dims = read(file)
    module = MoAIExpert(t["in.ca_q"].shape[-1], dims["rank"], dims["heads"])
    module.load_state_dict(part(t, "weights."))
    for kind, x, source in (("ca", "in.ca_q", "in.ca_kv"), ("sa", "in.sa_x", "in.sa_x")):
        check.close(f"expert {kind}", module(t[x][None], t[source][None])[0], t[f"out.{kind}"])
        check.close(f"expert {kind}_branch", module.branch(t[x][None], t[source][None])[0], t[f"out.{kind}_branch"])


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


def layer_weights(t: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without ``weights.model.layers.N.``."""
    return {re.sub(r"^weights\.model\.layers\.\d+\.", "", k): v for k, v in t.items() if k.startswith("weights.")}


def load_layer(decoder: OneLayer, weights: dict[str, Tensor], extras: tuple[str, ...]) -> None:
    own = {k: v for k, v in weights.items() if not any(e in k for e in extras)}
    decoder.layers[0].load_state_dict(own)


def mixer_layer(file: Path, check: Checks) -> None:
    t, dims = read(file)
    valid = t["in.attention_mask"].bool()
    for suffix, gate in {"": "", **ROUNDED}.items():
        decoder, moai = build_mixer(t, dims, gate)
        kept = keep(decoder.layers[0])
        cache = DynamicCache()
        layer = run_mixer(t, decoder, moai, cache=cache)
        check.close(f"mixer layer{suffix}", layer, t[f"out.layer{suffix}"], valid)
        check.close(f"mixer mixed{suffix}", kept["mixed"], t[f"out.mixed{suffix}"], valid)
        if not suffix:
            check.close("mixer attention", kept["attention"], t["out.attention"], valid)
            check.close("mixer normed", decoder.layers[0].attention_norm._forward(t), t["out.normed"], valid)
            for name, value in (("key", cache.layers[0].keys), ("value", cache.layers[0].values)):
                check.close(f"mixer {name}_cache", value.transpose(1, 2), t[f"out.{name}_cache"].transpose(1, 2), valid)
            mixer_parts(t, moai, check)
            for n, draw in enumerate(t["out.step1_draws"]):
                layer = run_mixer(t, decoder, moai, expert_choice=draw[None])
                check.close(f"mixer step 1 draw {draw.tolist()} layer", layer, t["out.step1_layer"][n], valid)
                check.close(f"mixer step 1 draw {draw.tolist()} mixed", kept["mixed"], t["out.step1_mixed"][n], valid)
            silence(moai)
            check.close("mixer layer, experts off", run_mixer(t, decoder, moai), t["out.layer_experts_off"], valid)


def build_mixer(t: dict[str, Tensor], dims: dict[str, Any], gate: str) -> tuple[OneLayer, MoAI]:
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
    norm._forward = lambda t: norm.forward(t["in.hidden"])  # without the hook
    return decoder, moai


def run_mixer(
    t: dict[str, Tensor], decoder: OneLayer, moai: MoAI, expert_choice: Tensor | None = None, cache: Any = None
) -> Tensor:
    moai.set_context(t["in.aux_latents"], t["in.im_mask"], t["in.lang_mask"], expert_choice=expert_choice)
    return decoder(inputs_embeds=t["in.hidden"], mask=t["in.causal_mask"], image_mask=t["in.im_mask"], cache=cache)


def mixer_parts(t: dict[str, Tensor], moai: MoAI, check: Checks) -> None:
    """Each expert and gate on the rows of each sequence."""
    mixer: Any = moai.mixers["0"]
    for b in range(len(t["out.normed"])):
        rows = {
            "img": t["out.normed"][b][t["in.im_mask"][b]][None],
            "lang": t["out.normed"][b][t["in.lang_mask"][b]][None],
        }
        rows["aux"] = t["in.aux_latents"][b : b + 1]
        for side, names in (("img", IMAGE_EXPERTS), ("lang", LANGUAGE_EXPERTS)):
            for name in names:
                key = f"moai_SA_{side}" if name == "self" else f"moai_CA_{side}_{name}"
                out = getattr(mixer, side)[name](rows[side], rows[side if name == "self" else name])
                check.close(f"{key} sequence {b}", out[0], t[f"out.expert.{key}.{b}"])
            gates = mixer.gates(getattr(mixer, f"gate_{side}"), rows[side])[0]
            check.close(f"moai_GA_{side} sequence {b}", gates, t[f"out.gate.moai_GA_{side}.{b}"])


def collavo_layer(file: Path, check: Checks) -> None:
    t, dims = read(file)
    valid, weights = t["in.attention_mask"].bool(), layer_weights(t)
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
    check.close("collavo layer", decoder(**inputs), t["out.layer"], valid)
    crayon.clear_context()
    check.close("collavo layer, crayon off", decoder(**inputs), t["out.layer_crayon_off"], valid)


def positions(file: Path, check: Checks) -> None:
    t, _ = read(file)
    want = t["out.table_35x35"]
    check.close(
        "clip position table resized",
        resize_positions(t["in.table_24x24"], len(want)),
        want,
        tolerance=RESIZE_TOLERANCE,
    )


def layouts(file: Path, check: Checks) -> None:
    for name in MODELS:
        result = check_layout(name, file)
        wrong = len(result["missing"]) + len(result["unexpected"]) + len(result["misshapen"])
        check(f"{name}: names and shapes of {result['tensors']} tensors", wrong, 0)
        check(
            f"{name}: {result['parameters']:,} parameters", abs(result["parameters"] - result["expected_parameters"]), 0
        )


PARTS: dict[str, Callable[[Path, Checks], None]] = {
    "moai_compressor.safetensors": compressor,
    "moai_expert.safetensors": expert,
    "moai_mixer_layer.safetensors": mixer_layer,
    "collavo_layer.safetensors": collavo_layer,
    "clip_position_resize.safetensors": positions,
    "verbaliser_strings.json": strings,
    "meta_counts.json": layouts,
    "moai_tiny": whole_moai,
    "collavo_tiny": whole_collavo,
}


@torch.no_grad()
def main(folder: Path) -> int:
    if not folder.is_dir():
        print(f"There is no folder {folder}: nothing was compared. Name the folder of the reference tensors:")
        print("python -m tests.parity.tensors FOLDER")
        return 0
    check = Checks()
    for name, compare in PARTS.items():
        if not (folder / name).exists():
            print(f"     {name} is not in the folder")
            continue
        try:
            compare(folder / name, check)
        except Exception as e:  # the other files are still compared
            check(f"{name} ended with {type(e).__name__}: {e}", float("inf"), 0)
    print(f"{check.done - check.failed} of {check.done} comparisons hold.")
    return int(check.failed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT))
