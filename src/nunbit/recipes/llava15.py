"""LLaVA-1.5: any vision encoder, any connector, any language model, in two stages.

  connect   the connector alone learns to name what a picture shows: captions without a template (558K in the paper)
  tune      connector and language model learn to converse: instructions (665K in the paper); the encoder stays frozen

Source: arXiv 2310.03744 (and arXiv 2304.08485 for the stages), with the settings of the authors' released scripts.
Where we differ: samples longer than ``max_tokens`` are left out and counted, where theirs are cut; a language model
with a chat template is prompted with it, one without with theirs (``vicuna_v1``). ``model.connector`` names another
connector than the paper's two-layer MLP: linear, pixel_shuffle, perceiver, qformer, window_qformer or
gated_cross_attention, with its sizes in ``model.connector_options``.

    nunbit train llava15 model.llm=DIR model.vision=DIR connect.data=captions.json tune.data=mix.json images=DIR
    nunbit train llava15 model.connector=qformer model.connector_options=queries=32,depth=6 ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nunbit.recipes.llava import LlavaRecipe, plan_llava, run_llava
from nunbit.training.config import LoraConfig, ModelConfig, Phase

SUMMARY = "LLaVA-1.5 on any encoder, connector and language model: connector first, then connector and language model"
PAPER = "arXiv 2310.03744"

CONNECT = Phase(plain=True, connector_lr=1e-3, batch=256, published_samples=558_128, published_tokens=620)
TUNE = Phase(connector_lr=2e-5, language_lr=2e-5, batch=128, published_samples=665_298, published_tokens=1000)


def defaults() -> LlavaRecipe:
    """As published."""
    model = ModelConfig(layer=-2, activation="gelu", connector="mlp")
    return LlavaRecipe(model=model, lora=LoraConfig(), connect=CONNECT, tune=TUNE, max_tokens=2048)


def configure(changes: Sequence[str]) -> LlavaRecipe:
    """The config with ``key=value`` applied. ``lora.rank=128 tune.language_lr=2e-4`` is the published LoRA variant."""
    return defaults().changed(changes)


def stages(config: LlavaRecipe) -> Mapping[str, Phase]:
    """The stages that are run, in order."""
    return config.phases()


plan = plan_llava
run = run_llava
