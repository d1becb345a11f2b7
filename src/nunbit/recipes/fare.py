"""Adversarial fine-tuning of a contrastive model's image encoder without labels: `fare`.

  fare   features of attacked pictures are drawn to the original encoder's features of the clean ones

Source: FARE, Robust CLIP, arXiv 2402.12336, eq. 3 and 4: the sum over pictures of the largest squared distance, within
a bound on every pixel, between the features of the attacked picture and the original features of the clean one. The
text encoder stays as it is, so that labels, and models built on the encoder, go on working. The paper takes ImageNet
with two epochs, 10 steps of the attack and a bound of 2 or 4 of 255; here pictures are those of a folder, or generated.

    nunbit train fare model=FOLDER images=DIR -o runs/fare        # any CLIP- or SigLIP-shaped model
    nunbit train fare -o runs/fare                                # the embedded pair on the procedural world

Letters: B pictures, H and W of the model's picture, D width of its vectors.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from nunbit.encoders.zero_shot import EMBEDDED, ZeroShotClassifier
from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.media.sources import PICTURE_ENDINGS
from nunbit.models.checkpoint import save_new
from nunbit.recipes.embedded import EmbeddedRecipe, StageShape, plan_embedded, run_embedded
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.planning import PlanReport, count
from nunbit.training.stage import Batch, Stage
from nunbit.trust.robustness.attacks import far_features, pgd
from nunbit.trust.robustness.pixels import PixelModel
from nunbit.world import portraits, things
from nunbit.world.base import generator, pick

SUMMARY = "adversarial fine-tuning of a contrastive model's image encoder, without labels"
PAPER = "arXiv 2402.12336"

FARE = Stage(name="fare", steps=400, batch=32, lr=3e-4, warmup=20, decay=0.5, seed=12, save_every=50, weight_decay=1e-4)


@dataclass(frozen=True, kw_only=True)
class FareRecipe(EmbeddedRecipe):
    """Settings of the one stage.

    Attributes:
        model: folder or hub id of a CLIP- or SigLIP-shaped model; empty for the embedded pair.
        images: a folder of pictures, with its subfolders; empty for generated portraits.
        bound: of the attack, in steps of 255.
        attack_steps: of the attack in training.
    """

    unused: ClassVar[tuple[str, ...]] = (*EmbeddedRecipe.unused, "*.micro_batch_size")
    debug_batch: ClassVar[int] = 2

    model: str = ""
    images: str = ""
    bound: float = 4.0
    attack_steps: int = 10
    fare: Stage = FARE
    stages: str = "fare"

    def __post_init__(self) -> None:
        if not 0 < self.bound <= 255 or not 1 <= self.attack_steps <= 1000:
            raise UserError(
                f"bound={self.bound:g}, attack_steps={self.attack_steps}",
                allowed="a bound above 0, of at most 255, and 1 to 1000 steps",
            )


def defaults() -> FareRecipe:
    """The embedded pair at 4 of 255."""
    return FareRecipe()


def configure(changes: Sequence[str]) -> FareRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: FareRecipe) -> Mapping[str, Stage]:
    """The stages that are run, in order."""
    return config.selected()


def plan(config: FareRecipe, flops: float) -> PlanReport:
    """The plan of the stage: each step of the attack passes forwards and backwards, as a step of training does."""
    model = _opened(config).model
    vision = model.vision_model.config
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    shape = StageShape({"vision": patches * (1 + config.attack_steps)}, ("vision",))
    return plan_embedded(config, {"vision": count(model.vision_model)}, {"fare": shape}, 0, flops)


def run(config: FareRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train in the folder, from its last checkpoint; the model is saved under ``model``, with its text encoder."""
    return run_embedded(config, folder, options, partial(train_stage, config))


def train_stage(config: FareRecipe, folder: Path, stage: Stage, options: RunOptions) -> None:
    """Train the image encoder, and save the pair."""
    pair = _opened(config)
    task = FareTask(pair.model, pair.processor.image_processor, config)
    train(task, stage, folder / stage.name, options)
    shutil.rmtree(folder / "model", ignore_errors=True)
    save_new(pair.model.cpu(), pair.processor, folder / "model")


def _opened(config: FareRecipe) -> ZeroShotClassifier:
    return ZeroShotClassifier.from_pretrained(config.model or str(EMBEDDED))


class FareTask:
    """Attacks pictures against the encoder as it is now, and draws their features to those of the original.

    Args:
        model: the contrastive model; its image encoder learns.
        image_processor: of the model.
        config: bound and steps of the attack, and where pictures come from.
    """

    def __init__(self, model: Any, image_processor: Any, config: FareRecipe) -> None:
        self.files = _pictures(config.images) if config.images else []
        original = copy.deepcopy(model).eval().requires_grad_(False)
        self.model = model.eval()  # no dropout: features are compared
        self.now, self.before = PixelModel(self.model, image_processor), PixelModel(original, image_processor)
        self.bound, self.steps = config.bound / 255, config.attack_steps
        self.names = list(things.names())

    def modules(self) -> dict[str, nn.Module]:
        """The image encoder with its projection, where it has one."""
        parts = {"vision": self.model.vision_model}
        projection = getattr(self.model, "visual_projection", None)
        return parts | ({"projection": projection} if projection is not None else {})

    def batch(self, step: int, stage: Stage) -> Batch:
        """``pixels`` (B, 3, H, W) in 0 to 1."""
        rng = generator(stage.seed, step, "train")
        if self.files:
            chosen = [self.files[int(i)] for i in rng.integers(0, len(self.files), stage.batch)]
            images = [decode(file) for file in chosen]
        else:
            drawn = (portraits.draw(rng, "train", pick(rng, self.names)).pixels for _ in range(stage.batch))
            images = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in drawn]
        return {"pixels": self.now.pixels(images), "seed": torch.tensor([stage.seed + step])}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The mean over pictures ``(B, 3, H, W)`` of the squared distance at the end of the attack, divided by the mean
        square of the clean vectors ``(B, D)``; and the same distance without an attack."""
        pixels = batch["pixels"]
        with torch.no_grad():
            target = self.before.features(pixels)
        noise = torch.Generator().manual_seed(int(batch["seed"]))
        attacked = pgd(far_features(self.now.features, target), pixels, self.bound, steps=self.steps, generator=noise)
        distance = far_features(self.now.features, target)(attacked)
        with torch.no_grad():
            drift = far_features(self.now.features, target)(pixels).mean()
        size = target.pow(2).sum(1).mean()
        return distance.mean() / size, {"drift": float(drift / size)}


def _pictures(folder: str) -> list[Path]:
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in PICTURE_ENDINGS and p.is_file())
    if not found:
        raise UserError(f"no picture in '{folder}'", allowed=f"a folder with files {', '.join(PICTURE_ENDINGS)}")
    return found
