"""CoLLaVO on a LLaVA that is there: its decoder is told by a Crayon Prompt which object every image token shows, and which one of its kind.

  prompt    crayon prompt tuning: only the crayon learns, from instructions about numbered objects; everything else stays frozen
  instruct  crayon instruction tuning with Dual QLoRA: two adapters, one learns from crayon instructions, one from questions and answers

Source: arXiv 2402.11248, sec. 3; its settings, where they are known. Where we differ: any LLaVA and any segmentation model; adapters on all
linear layers of the decoder; instructions in our own words, in Korean where the conversation is Korean; with the embedded eyes the
classes are theirs instead of COCO's. ``lora.bits=4`` holds the base in 4 bits. ``crayon.one_adapter=true`` is the paper's ablation.

    nunbit train collavo model.base=DIR data=mix.json images=DIR eyes.panoptic=DIR
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.training.recipe import Crayon, CrayonRecipe, Lora, Phase, override

SUMMARY = "CoLLaVO on a LLaVA: Crayon Prompt, then Dual QLoRA"
PAPER = "arXiv 2402.11248"

PROMPT = Phase(aware_lr=1e-4, batch=32, warmup=0.0, published_samples=118_287, published_tokens=1400)
INSTRUCT = Phase(
    aware_lr=1e-5, language_lr=1e-5, batch=32, warmup=0.0, clip=10.0, published_samples=665_298, published_tokens=1900
)


def recipe() -> CrayonRecipe:
    """As published."""
    return CrayonRecipe(
        crayon=Crayon(rank=256), lora=Lora(rank=64, alpha=64), prompt=PROMPT, instruct=INSTRUCT, max_tokens=4096
    )


def configure(changes: Sequence[str]) -> CrayonRecipe:
    """The recipe with ``key=value`` applied."""
    done = override(recipe(), changes)
    done.phases()
    if not done.debug and not done.model.base:
        raise UserError("no model is named", allowed="model.base=DIR, a native LLaVA", todo="or write debug=true")
    return done


def run(done: CrayonRecipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Run the stages, each from its last checkpoint; the merged model and its crayon are saved under ``model``, the adapters beside it."""
    from nunbit.training.aware_stages import run_crayon

    if done.debug:
        done = small(done, Path(folder) / ("debug" + os.environ.get("RANK", "")))
    for name, phase in done.phases().items():
        if not phase.data:
            raise UserError(
                f"no data for the stage '{name}'", allowed=f"data=FILE or {name}.data=FILE", todo="name a file"
            )
    return run_crayon(done, Path(folder), say=say, **how)


def small(done: CrayonRecipe, folder: Path) -> CrayonRecipe:
    """Two steps of two samples a stage, on what is generated where nothing is named."""
    from nunbit.training.debug_set import fill_in

    few: dict[str, Any] = {"steps": 2, "batch": 2}
    done = fill_in(done, folder)
    return replace(done, crayon=replace(done.crayon, rank=8), lora=replace(done.lora, rank=min(8, done.lora.rank)),
                   prompt=replace(done.prompt, **few), instruct=replace(done.instruct, **few))  # fmt: skip
