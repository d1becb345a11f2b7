"""Zero-shot classification under other wordings, orders, balances, corruptions and attacks.

Letters: P pictures, K names, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nunbit.encoders.zero_shot import TEMPLATES, ZeroShotClassifier
from nunbit.studies.classification import wordings
from nunbit.studies.figures import Figure, accuracy
from nunbit.studies.robustness.data import LabelledSet
from nunbit.studies.robustness.namer import NamerClassifier
from nunbit.trust.robustness.attacks import noisy, pgd, wrong_class
from nunbit.trust.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from nunbit.trust.robustness.pixels import pixel_model
from nunbit.world.base import Language

Say = Callable[[str], None]
BOUNDS = (0, 1, 2, 4, 8)
"""Of the attack, in steps of 255."""
BATCH = 32
Classifier = ZeroShotClassifier | NamerClassifier


def chosen(classifier: Classifier, images: Sequence[Any], labels: Tensor) -> list[int]:
    """The most similar of the label vectors ``(K, D)`` to each picture."""
    return classifier.probabilities(classifier.encode_images(images), labels).argmax(-1).tolist()


def share(guesses: Sequence[int], data: LabelledSet) -> Figure:
    """Right answers with their interval over names."""
    return accuracy([float(g == t) for g, t in zip(guesses, data.labels, strict=True)], data.labels)


def wording(classifier: ZeroShotClassifier, data: LabelledSet, language: Language) -> dict[str, Any]:
    """Accuracy by wording, and what the order of labels changes.

    Returns:
        ``by_wording``; ``lowest``, ``highest`` and ``deviation`` of these; ``ensemble``; ``changed``: the share of
        pictures that two wordings name differently, as a mean over pairs; ``by_order``: the share that another order of
        the labels names differently.
    """
    images, names = classifier.encode_images(data.images()), data.called(language)
    given: dict[str, list[int]] = {}
    for template in wordings(language):
        labels = classifier.encode_labels(names, [template])
        given[template] = classifier.probabilities(images, labels).argmax(-1).tolist()
    labels = classifier.encode_labels(names, TEMPLATES[language])
    best = classifier.probabilities(images, labels).argmax(-1)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0))
    again = order[classifier.probabilities(images, labels[order]).argmax(-1)]
    each = np.asarray([*given.values()])
    pairs = [float((a != b).mean()) for i, a in enumerate(each) for b in each[:i]]
    shares = [float((row == np.asarray(data.labels)).mean()) for row in each]
    return {
        "by_wording": dict(zip(given, shares, strict=True)),
        "lowest": min(shares),
        "highest": max(shares),
        "deviation": float(np.std(shares)),
        "ensemble": share(best.tolist(), data),
        "changed": float(np.mean(pairs)),
        "by_order": float((again != best).float().mean()),
    }


def balance(classifier: Classifier, data: LabelledSet, labels: Tensor) -> dict[str, Any]:
    """How unevenly names, as label vectors ``(K, D)``, are given although every name is equally often right.

    Returns:
        ``never``: share of names that are never given; ``most``: share of the answers that the most given tenth of the
        names gets; ``distance``: total variation between the answers and an even use of the names; ``worst``: accuracy
        of the worse half of the names; ``evened``: accuracy after each name's mean logit over all pictures is taken
        off, which uses no truth.
    """
    images = classifier.encode_images(data.images())
    logits = classifier.logits(images, labels)
    guesses = logits.argmax(-1).tolist()
    count = len(data.names)
    given = np.bincount(guesses, minlength=count) / len(guesses)
    true = np.bincount(data.labels, minlength=count) / len(data.labels)
    right = np.asarray([float(g == t) for g, t in zip(guesses, data.labels, strict=True)])
    by_name = np.sort([right[np.asarray(data.labels) == k].mean() for k in sorted({*data.labels})])
    evened = (logits - logits.mean(0, keepdim=True)).argmax(-1).tolist()
    return {
        "never": float((given == 0).mean()),
        "most": float(np.sort(given)[-max(1, count // 10) :].sum()),
        "distance": float(np.abs(given - true).sum() / 2),
        "worst": float(by_name[: max(1, len(by_name) // 2)].mean()),
        "plain": share(guesses, data),
        "evened": share(evened, data),
    }


def under_corruption(classifier: Classifier, data: LabelledSet, labels: Tensor, seed: int, say: Say) -> dict[str, Any]:
    """Accuracy by corruption at strengths 0 to 5, for label vectors ``(K, D)``."""
    out: dict[str, Any] = {}
    clean = share(chosen(classifier, data.images(), labels), data)
    for kind in CORRUPTIONS:
        out[kind] = [clean]
        for strength in STRENGTHS:
            rng = np.random.default_rng((seed, strength))
            changed = [Image.fromarray(corrupted(p, kind, strength, rng)) for p in data.pictures]
            out[kind].append(share(chosen(classifier, changed, labels), data))
        say(f"corruption: {kind}")
    return out


def under_attack(
    classifier: Classifier, data: LabelledSet, labels: Tensor, seed: int, steps: int, say: Say
) -> dict[str, Any]:
    """Accuracy by bound of a white-box attack on pictures as the model sees them, beside random noise of that bound.

    A picture that a smaller bound fooled counts as fooled by every larger one. Label vectors are ``(K, D)``.
    """
    labels = labels.clone()  # out of inference mode, so that gradients pass
    pixels_of, logits_of = _view(classifier)
    found: dict[int, list[int]] = {b: [] for b in BOUNDS}
    beside: dict[int, list[int]] = {b: [] for b in BOUNDS}
    for start in range(0, len(data.pictures), BATCH):
        part = slice(start, start + BATCH)
        pixels, truth = pixels_of(data.images()[part]), torch.tensor(data.labels[part])
        objective = wrong_class(lambda x: logits_of(x, labels), truth)
        fooled = torch.zeros(len(truth), dtype=torch.bool)
        for bound in BOUNDS:
            noise = torch.Generator().manual_seed(seed + start + bound)
            attacked = pgd(objective, pixels, bound / 255, steps=steps, generator=noise if bound else None)
            with torch.no_grad():
                guesses = logits_of(attacked, labels).argmax(-1)
                beside[bound] += logits_of(noisy(pixels, bound / 255, noise), labels).argmax(-1).tolist()
            fooled |= guesses != truth
            found[bound] += torch.where(fooled, -1, truth).tolist()
        say(f"attack: {min(start + BATCH, len(data.pictures))}/{len(data.pictures)}")
    return {str(b): {"attack": share(found[b], data), "noise": share(beside[b], data)} for b in BOUNDS}


def _view(classifier: Classifier) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """Pictures -> pixels in 0 to 1; these and label vectors -> logits with gradients."""
    if isinstance(classifier, NamerClassifier):
        return classifier.pixels, classifier.pixel_logits
    model = pixel_model(classifier)
    return model.pixels, model.logits
