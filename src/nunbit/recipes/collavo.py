"""CoLLaVO on a LLaVA that is there: its decoder is told by a Crayon Prompt which object every image token shows, and which one of its kind.

  prompt    crayon prompt tuning: only the crayon learns, from instructions about numbered objects; everything else stays frozen
  instruct  crayon instruction tuning with Dual QLoRA: two adapters, one learns from crayon instructions, one from questions and answers

Source: arXiv 2402.11248, sec. 3; its settings, where they are known. Where we differ: any LLaVA and any segmentation model; adapters on all
linear layers of the decoder; instructions in our own words, in Korean where the conversation is Korean; with the embedded eyes the
classes are theirs instead of COCO's. ``lora.bits=4`` holds the base in 4 bits. ``crayon.one_adapter=true`` is the paper's ablation.

    nunbit train collavo model.base=DIR data=mix.json images=DIR perception.panoptic=DIR
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nunbit.training.recipe import CrayonOptions, CrayonRecipe, LoraConfig, Phase

SUMMARY = "CoLLaVO on a LLaVA: Crayon Prompt, then Dual QLoRA"
PAPER = "arXiv 2402.11248"

PROMPT = Phase(layer_connector_lr=1e-4, batch=32, warmup=0.0, published_samples=118_287, published_tokens=1400)
INSTRUCT = Phase(
    layer_connector_lr=1e-5, language_lr=1e-5, batch=32, warmup=0.0, clip=10.0, published_samples=665_298, published_tokens=1900
)


def recipe() -> CrayonRecipe:
    """As published."""
    return CrayonRecipe(
        crayon=CrayonOptions(rank=256), lora=LoraConfig(rank=64, alpha=64), prompt=PROMPT, instruct=INSTRUCT, max_tokens=4096
    )


def configure(changes: Sequence[str]) -> CrayonRecipe:
    """The recipe with ``key=value`` applied."""
    return recipe().changed(changes)


def run(done: CrayonRecipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Run the stages, each from its last checkpoint; the merged model and its crayon are saved under ``model``, the adapters beside it."""
    from nunbit.training.object_aware_stages import run_crayon

    return run_crayon(done.ready(Path(folder)), Path(folder), say=say, **how)
