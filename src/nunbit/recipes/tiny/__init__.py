"""The embedded model `nunbit-tiny`, from nothing, on the procedural world. Everything about it is in this folder.

  encoder       the vision encoder alone, on labels per cell (class, colour, box, characters)
  language      the language model alone, on tokens of an oracle encoder; may run beside "encoder" as a process of its
                own
  connect       encoder and connector learn to write the oracle's tokens; the language model is not there yet
  together      everything on pixels, loss on the answers; saves the LLaVA
  scene_text    the language model learns to use the words of a Scene (`nunbit.verbalise.transcribe`); saves it again
  object_aware  crayon and mixers over the Scenes of its own perception, the LLaVA frozen; saves them beside it

Source: the stages follow LLaVA-1.5 (arXiv 2310.03744), CoLLaVO (arXiv 2402.11248) and MoAI (arXiv 2403.07508) at the
size of a processor.

    nunbit train tiny -o runs/mine                  # all stages; a killed run resumes
    nunbit train tiny stages=encoder encoder.steps=100
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nunbit.recipes.embedded import EmbeddedRecipe, run_embedded
from nunbit.recipes.tiny.plan import plan_tiny
from nunbit.recipes.tiny.stages import STAGES, train_stage
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

SUMMARY = "the embedded model: encoder and language model from nothing, then object-aware, on the procedural world"
PAPER = "arXiv 2310.03744, 2402.11248, 2403.07508"


@dataclass(frozen=True, kw_only=True)
class TinyRecipe(EmbeddedRecipe):
    """Settings of the six stages."""

    encoder: Stage = STAGES["encoder"]
    language: Stage = STAGES["language"]
    connect: Stage = STAGES["connect"]
    together: Stage = STAGES["together"]
    scene_text: Stage = STAGES["scene_text"]
    object_aware: Stage = STAGES["object_aware"]
    stages: str = ",".join(STAGES)


def defaults() -> TinyRecipe:
    """As the embedded model was trained."""
    return TinyRecipe()


def configure(changes: Sequence[str]) -> TinyRecipe:
    """The config with ``key=value`` applied; ``steps=100`` is set for every stage that is run."""
    return defaults().changed(changes)


def stages(config: TinyRecipe) -> Mapping[str, Stage]:
    """The stages that are run, in order."""
    return config.selected()


plan = plan_tiny


def run(config: TinyRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train the stages in the folder, each from its own last checkpoint; returns the folder, whose ``model`` is the
    model."""
    return run_embedded(config, folder, options, train_stage)
