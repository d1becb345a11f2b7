"""The recipe of `nunbit-small`: a pretrained language model that answers from what perception finds in a picture, in
words, and from a few tokens of a pretrained vision encoder.

  scene_text  the language model learns to look up in the words about a picture (no pixels)
  connect     a few tokens of EfficientNet-Lite's features join the words; connector and adapters learn together

Data: `nunbit.recipes.small.data`. What takes long to make is made first and kept in the run's folder
(`pool_filling.prepare`): the base model's own replies, and what perception finds in pages, composites and world
pictures.

    nunbit train small -o runs/small
    nunbit train small stages=connect start=nunbit-small -o runs/more      # the shipped one learns on
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nunbit.recipes.embedded import EmbeddedRecipe, StageShape, plan_embedded, run_embedded
from nunbit.training.options import RunOptions
from nunbit.training.planning import PlanReport
from nunbit.training.stage import Stage

SUMMARY = "the default model: SmolLM2-135M-Instruct conditioned on the Scene in words, adapters merged at the end"
PAPER = "arXiv 2310.03744, arXiv 2403.07508, arXiv 2106.09685"

SCENE_TEXT = Stage(name="scene_text", steps=20_000, batch=4, lr=1e-3, warmup=20, decay=0.2, weight_decay=0.0, seed=1,
              save_every=10, part_lr={"rows": 3e-3})  # fmt: skip
CONNECT = replace(
    SCENE_TEXT,
    name="connect",
    steps=4_000,
    lr=5e-4,
    part_lr={"rows": 1e-3, "connector": 1e-3},
    decay=0.4,
    seed=2,
)
ROW_TOKENS = 300
"""Tokens of a row on average: the words about a picture and ten questions."""
IMAGE_TOKENS = 17


@dataclass(frozen=True, kw_only=True)
class SmallRecipe(EmbeddedRecipe):
    """Settings of a run.

    Attributes:
        base: folder of the base language model; fetched by `nunbit models get` if it is not named.
        rank: of the adapters.
        evaluate_every: steps between evaluations on held-out questions.
        questions: held-out questions of each of the three kinds.
        start: ``nunbit-small`` or the folder of a run: the stage `connect` starts from its adapters and connector
            in place of those of `scene_text`.
        bfloat16: compute in bfloat16: 1.8 times as fast on a processor that multiplies in it (avx512_bf16).
        pages, composites, world_pictures: pictures that perception looks at before the training.
        replies: rehearse the base model's own replies to prompts without a picture.
        scene_text, connect: settings of the stages.
    """

    base: str = ""
    rank: int = 32
    evaluate_every: int = 100
    questions: int = 200
    start: str = ""
    bfloat16: bool = False
    pages: int = 600
    composites: int = 400
    world_pictures: int = 300
    replies: bool = True
    scene_text: Stage = SCENE_TEXT
    connect: Stage = CONNECT
    stages: str = "scene_text,connect"


def defaults() -> SmallRecipe:
    """As the default model was trained."""
    return SmallRecipe()


def configure(changes: Sequence[str]) -> SmallRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: SmallRecipe) -> Mapping[str, Stage]:
    """The stages that are run, in order."""
    return config.selected()


def plan(config: SmallRecipe, flops: float) -> PlanReport:
    """The plan of the stage, for SmolLM2-135M-Instruct."""
    layers, width, inner, keys = 30, 576, 1536, 192
    matrices = ((width, width + 2 * keys), (width, width), (width, 2 * inner), (inner, width))
    counts = {
        "decoder": layers * sum(a * b for a, b in matrices),
        "adapters": layers * config.rank * sum(a + b for a, b in matrices),
        "rows": 2350 * width,
        "connector": 1280 * 1001 + 1000 * width + 1280 * width + IMAGE_TOKENS * width,
    }
    parts = {"rows": ROW_TOKENS, "decoder": ROW_TOKENS, "adapters": ROW_TOKENS}
    shapes = {
        "scene_text": StageShape(parts, ("rows", "adapters")),
        "connect": StageShape({"connector": IMAGE_TOKENS, **parts}, ("connector", "rows", "adapters")),
    }
    return plan_embedded(config, counts, shapes, IMAGE_TOKENS, flops)


def run(config: SmallRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train in the folder, from its last checkpoint, and save the merged model under ``model``."""
    from nunbit.recipes.small.connect import train_connect
    from nunbit.recipes.small.train import train_scene_text

    trainers = {"scene_text": train_scene_text, "connect": train_connect}
    run_embedded(config, folder, options, lambda run, stage, how: trainers[stage.name](config, run, stage, how))
    return Path(folder) / "model"
