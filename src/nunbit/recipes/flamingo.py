"""Flamingo: any vision encoder and any language model, both frozen; a resampler and gated cross-attention between them learn.

  mixture   pictures among words: every word sees the last picture before it, through gates that are closed at first

Source: arXiv 2204.14198, with its sizes and its optimiser: ``flamingo.every`` is 1 in Flamingo-3B, 4 in 9B, 7 in 80B; AdamW, a rate of 1e-4
that stays after 1 % of the steps, weight decay 0.1 on the blocks and none on the resampler. Where we differ: conversations as data (with
``p_next=0.5`` words may see the next picture, which the paper does to web pages); any encoder's patches; the batch is ours, theirs depends
on the data set. ``published_samples`` is OpenFlamingo's interleaved data (arXiv 2308.01390).

    nunbit train flamingo model.llm=DIR model.vision=DIR data=talk.json images=DIR flamingo.every=4
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nunbit.training.recipe import FlamingoRecipe, GatedOptions, ModelConfig, Phase

SUMMARY = "Flamingo on any encoder and language model, both frozen: resampler and gated cross-attention"
PAPER = "arXiv 2204.14198"

MIXTURE = Phase(
    connector_lr=1e-4, batch=128, warmup=0.01, schedule="flat", weight_decay=0.1,
    published_samples=60_000_000, published_tokens=256,
)  # fmt: skip


def recipe() -> FlamingoRecipe:
    """As published for 9B."""
    return FlamingoRecipe(model=ModelConfig(layer=-1), flamingo=GatedOptions(every=4), mixture=MIXTURE, max_tokens=2048)


def configure(changes: Sequence[str]) -> FlamingoRecipe:
    """The recipe with ``key=value`` applied."""
    return recipe().changed(changes)


def run(done: FlamingoRecipe, folder: str | Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Train, from the last checkpoint if there is one; the model is saved under ``model``.

    Args:
        how: minutes, device, workers of `nunbit.training.loop.train`.
    """
    from nunbit.training.flamingo import run_flamingo

    return run_flamingo(done.ready(Path(folder)), Path(folder), say=say, **how)
