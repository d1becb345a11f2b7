"""Our attack beside those of two other libraries on the same model, pictures, bounds and steps.

    python -m tests.load.attack_check [--pictures 64] [--steps 10] [--pair FOLDER]

torchattacks' PGD and that of the adversarial-robustness-toolbox attack the embedded pair's zero-shot logits. Every
attack starts at random within the bound, and moves each pixel by the same step. It ends with 1 where our attack leaves
more than `ALLOWED` hundredths of the pictures right beyond the best of the others.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import torch

from nunbit.encoders.zero_shot import EMBEDDED, TEMPLATES, ZeroShotClassifier
from nunbit.studies.robustness.data import labelled
from nunbit.trust.robustness.attacks import STEP_SHARE, pgd, wrong_class
from nunbit.trust.robustness.pixels import PixelModel, pixel_model

BOUNDS, ALLOWED = (1, 2, 4, 8), 5.0


class Logits(torch.nn.Module):
    """Pixels in 0 to 1 -> logits, as the other libraries want a model."""

    def __init__(self, model: PixelModel, labels: torch.Tensor) -> None:
        super().__init__()
        self.pixels, self.labels = model, labels
        self.place = torch.nn.Parameter(torch.zeros(1))  # torchattacks looks for a device

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.pixels.logits(pixels, self.labels)


def ours(model: Logits, pixels: torch.Tensor, truth: torch.Tensor, bound: float, steps: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(0)
    return pgd(wrong_class(model, truth), pixels, bound, steps=steps, generator=noise)


def torchattacks_pgd(model: Logits, pixels: torch.Tensor, truth: torch.Tensor, bound: float, steps: int) -> Any:
    import torchattacks

    torch.manual_seed(0)
    return torchattacks.PGD(model, eps=bound, alpha=STEP_SHARE * bound / steps, steps=steps)(pixels, truth)


def toolbox_pgd(model: Logits, pixels: torch.Tensor, truth: torch.Tensor, bound: float, steps: int) -> Any:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    np.random.seed(0)
    torch.manual_seed(0)
    shape, classes = tuple(pixels.shape[1:]), len(model.labels)
    loss = torch.nn.CrossEntropyLoss()
    wrapped = PyTorchClassifier(model, loss, shape, classes, clip_values=(0.0, 1.0), device_type="cpu")
    settings = {"eps": bound, "eps_step": STEP_SHARE * bound / steps, "max_iter": steps, "num_random_init": 1}
    attack = ProjectedGradientDescentPyTorch(wrapped, batch_size=len(pixels), verbose=False, **settings)
    return torch.from_numpy(attack.generate(pixels.numpy(), truth.numpy()))


ATTACKS = {"ours": ours, "torchattacks": torchattacks_pgd, "adversarial-robustness-toolbox": toolbox_pgd}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pair", default=str(EMBEDDED))
    options = parser.parse_args()
    classifier, data = ZeroShotClassifier.from_pretrained(options.pair), labelled("world", options.pictures, 0)
    labels = classifier.encode_labels(data.called("en"), TEMPLATES["en"]).clone()
    model, view = Logits(pixel_model(classifier), labels), pixel_model(classifier)
    pixels, truth = view.pixels(data.images()), torch.tensor(data.labels)
    with torch.no_grad():
        print(f"{len(truth)} pictures, {options.steps} steps, clean {right(model, pixels, truth):.1f} % right")
    weaker = False
    for bound in BOUNDS:
        found = {}
        for name, attack in ATTACKS.items():
            moved = attack(model, pixels.clone(), truth, bound / 255, options.steps).detach()
            assert (moved - pixels).abs().max() <= bound / 255 + 1e-5 and 0 <= moved.min() <= moved.max() <= 1, name
            with torch.no_grad():
                found[name] = right(model, moved, truth)
        print(f"{bound}/255: " + ", ".join(f"{n} {v:.1f} %" for n, v in found.items()), flush=True)
        weaker |= found["ours"] > min(found.values()) + ALLOWED
    return int(weaker)


def right(model: Logits, pixels: torch.Tensor, truth: torch.Tensor) -> float:
    return 100 * (model(pixels).argmax(-1) == truth).float().mean().item()


if __name__ == "__main__":
    sys.exit(main())
