"""LLaVA-NeXT (LLaVA-1.6): any vision encoder and any language model as the native `llava_next`, which takes a picture
whole and in tiles.

  connect   the connector (and the token that ends a row of tiles) learns to name what a picture shows: captions without
            a template (558K)
  tune      everything learns to converse, the encoder at a lower rate: instructions (760K in the release)

Source: the authors' release of January 2024 and their scripts ``pretrain_clip.sh`` and ``finetune_clip.sh``. Where we
differ: the first stage has tiles too, as the native type does; their batch sizes depend on the machines, ours are
LLaVA-1.5's; samples longer than ``max_tokens`` are left out and counted. ``model.tiles=1x2,2x1,2x2`` names other
arrangements. With ``lora.rank`` the rows' token rests.

    nunbit train llava_next model.llm=DIR model.vision=DIR connect.data=captions.json tune.data=mix.json images=DIR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nunbit.models.tiling import NEXT
from nunbit.recipes.llava import LlavaRecipe, TiledLlavaRecipe, plan_llava, run_llava
from nunbit.training.config import LoraConfig, ModelConfig, Phase

SUMMARY = "LLaVA-NeXT on any encoder and language model: pictures in tiles; connector first, then everything"
PAPER = "LLaVA-NeXT release, January 2024; arXiv 2310.03744"

CONNECT = Phase(plain=True, connector_lr=1e-3, batch=256, published_samples=558_128, published_tokens=2400)
TUNE = Phase(
    vision_lr=2e-6, connector_lr=1e-5, language_lr=1e-5, batch=128, published_samples=760_000, published_tokens=2800
)


def defaults() -> LlavaRecipe:
    """As published."""
    model = ModelConfig(layer=-2, activation="gelu", tiles=NEXT)
    return TiledLlavaRecipe(model=model, lora=LoraConfig(), connect=CONNECT, tune=TUNE, max_tokens=32768)


def configure(changes: Sequence[str]) -> LlavaRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: LlavaRecipe) -> Mapping[str, Phase]:
    """The stages that are run, in order."""
    return config.phases()


plan = plan_llava
run = run_llava
