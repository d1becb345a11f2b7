"""MoAI on a LLaVA that is there: what four vision models say is compressed to latents, and mixed into every k-th layer of its decoder.

  experts   compressor and experts learn, one random expert a mixer and side in each pass
  gates     compressor, experts and the gates that weigh them learn

Source: arXiv 2403.07508, sec. 3.3; its settings, where they are known. Where we differ: any LLaVA, any perception, any batch size (padding
changes nothing), a mixer that never looks at later words.

    nunbit train moai model.base=DIR data=mix.json images=DIR perception.panoptic=DIR perception.detector=DIR perception.queries=dog,cat
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.training.recipe import MoAIRecipe, Phase

SUMMARY = "MoAI on a LLaVA: compressor and mixer over what perception says"
PAPER = "arXiv 2403.07508"

EXPERTS = Phase(layer_connector_lr=1e-4, batch=30, warmup=0.0, clip=10.0, published_samples=665_298, published_tokens=1700)
GATES = replace(EXPERTS)


def recipe() -> MoAIRecipe:
    """As published."""
    return MoAIRecipe(experts=EXPERTS, gates=GATES, max_tokens=4096)


def configure(changes: Sequence[str]) -> MoAIRecipe:
    """The recipe with ``key=value`` applied."""
    return recipe().changed(changes)


def run(done: MoAIRecipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Run the stages, each from its last checkpoint; the model with its compressor and mixers is saved under ``model``."""
    from nunbit.training.object_aware_stages import run_moai

    return run_moai(done.ready(Path(folder)), Path(folder), say=say, **how)
