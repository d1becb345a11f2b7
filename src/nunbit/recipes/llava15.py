"""LLaVA-1.5: any vision encoder, a two-layer MLP, any language model, in two stages.

  connect   the connector alone learns to name what is seen: captions without a template (558K in the paper)
  tune      connector and language model learn to converse: instructions (665K in the paper); the encoder stays frozen

Source: arXiv 2310.03744 (and arXiv 2304.08485 for the stages), with the settings of the authors' released scripts. Where we differ:
samples longer than ``max_tokens`` are left out and counted, where theirs are cut; a language model with a chat template is asked in it, one
without in theirs (``vicuna_v1``).

    nunbit train llava15 model.llm=DIR model.vision=DIR connect.data=captions.json tune.data=mix.json images=DIR
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.training.recipe import Lora, ModelChoice, Phase, Recipe, override

SUMMARY = "LLaVA-1.5 on any encoder and language model: connector first, then connector and language model"
PAPER = "arXiv 2310.03744"

CONNECT = Phase(plain=True, connector_lr=1e-3, batch=256, published_samples=558_128, published_tokens=620)
TUNE = Phase(connector_lr=2e-5, language_lr=2e-5, batch=128, published_samples=665_298, published_tokens=1000)


def recipe() -> Recipe:
    """As published."""
    return Recipe(
        model=ModelChoice(layer=-2, activation="gelu"), lora=Lora(), connect=CONNECT, tune=TUNE, max_tokens=2048
    )


def configure(changes: Sequence[str]) -> Recipe:
    """The recipe with ``key=value`` applied. ``lora.rank=128 tune.language_lr=2e-4`` is the published LoRA variant."""
    done = override(recipe(), changes)
    done.phases()
    if done.model.base and (done.model.llm or done.model.vision):
        raise UserError("model.base and model.llm or model.vision", allowed="one or the other")
    if not done.debug and not done.model.base and not (done.model.llm and done.model.vision):
        raise UserError(
            "no model is named",
            allowed="model.llm=DIR and model.vision=DIR, or model.base=DIR",
            todo="or write debug=true",
        )
    return done


def run(done: Recipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Run the stages, each in a folder of its own and from its last checkpoint; the model is saved under ``model``.

    Args:
        how: minutes, device, workers of `nunbit.training.loop.train`.
    """
    from nunbit.training.stages import run_stages

    if done.debug:  # each process of a launcher draws its own copy: nobody reads what another is writing
        done = small(done, Path(folder) / ("debug" + os.environ.get("RANK", "")))
    for name, phase in done.phases().items():
        if not phase.data:
            raise UserError(
                f"no data for the stage '{name}'", allowed=f"data=FILE or {name}.data=FILE", todo="name a file"
            )
    return run_stages(done, done.phases(), Path(folder), say=say, **how)


def small(done: Recipe, folder: Path) -> Recipe:
    """Two steps of two samples a stage, on what is generated where nothing is named."""
    from nunbit.training.debug_set import fill_in

    few: dict[str, Any] = {"steps": 2, "batch": 2}
    done = fill_in(done, folder)
    return replace(done, connect=replace(done.connect, **few), tune=replace(done.tune, **few))
