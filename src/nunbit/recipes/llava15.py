"""LLaVA-1.5: any vision encoder, a two-layer MLP, any language model, in two stages.

  connect   the connector alone learns to name what is seen: captions without a template (558K in the paper)
  tune      connector and language model learn to converse: instructions (665K in the paper); the encoder stays frozen

Source: arXiv 2310.03744 (and arXiv 2304.08485 for the stages), with the settings of the authors' released scripts. Where we differ:
samples longer than ``max_tokens`` are left out and counted, where theirs are cut; a language model with a chat template is asked in it, one
without in theirs (``vicuna_v1``).

    nunbit train llava15 model.llm=DIR model.vision=DIR connect.data=captions.json tune.data=mix.json images=DIR
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nunbit.training.recipe import LlavaRecipe, LoraConfig, ModelConfig, Phase

SUMMARY = "LLaVA-1.5 on any encoder and language model: connector first, then connector and language model"
PAPER = "arXiv 2310.03744"

CONNECT = Phase(plain=True, connector_lr=1e-3, batch=256, published_samples=558_128, published_tokens=620)
TUNE = Phase(connector_lr=2e-5, language_lr=2e-5, batch=128, published_samples=665_298, published_tokens=1000)


def recipe() -> LlavaRecipe:
    """As published."""
    return LlavaRecipe(
        model=ModelConfig(layer=-2, activation="gelu"), lora=LoraConfig(), connect=CONNECT, tune=TUNE, max_tokens=2048
    )


def configure(changes: Sequence[str]) -> LlavaRecipe:
    """The recipe with ``key=value`` applied. ``lora.rank=128 tune.language_lr=2e-4`` is the published LoRA variant."""
    return recipe().changed(changes)


def run(done: LlavaRecipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Run the stages, each in a folder of its own and from its last checkpoint; the model is saved under ``model``.

    Args:
        how: minutes, device, workers of `nunbit.training.loop.train`.
    """
    from nunbit.training.stages import run_stages

    done = done.ready(Path(folder))
    return run_stages(done, done.phases(), Path(folder), say=say, **how)
