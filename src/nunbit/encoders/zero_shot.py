"""Zero-shot classification with any CLIP- or SigLIP-shaped model of transformers.

Source: CLIP, arXiv 2103.00020, sec. 3.1 (prompt ensembles: the normalised mean of unit text vectors); SigLIP,
arXiv 2303.15343 (a sigmoid for each class on its own).

Letters: B pictures, K classes, P templates, D width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from nunbit.errors import UserError, unknown_name
from nunbit.media.bounds import processed
from nunbit.world.wording import josa

EMBEDDED = Path(__file__).parents[1] / "models" / "weights" / "nunbit-clip"
"""The pair that ships with the package, if it does; `nunbit train clip` makes one."""
MOST_CLASSES, IMAGE_BATCH, TEXT_BATCH = 10_000, 32, 256
TEMPLATES = {
    "en": (
        "a photo of {}.",
        "a picture of {}.",
        "a drawing of {}.",
        "{} in the picture.",
        "an icon of {}.",
        "a close view of {}.",
        "a small {}.",
        "a large {}.",
        "a simple image that shows {}.",
        "a bright picture of {}.",
        "a dark picture of {}.",
        "art of {}.",
    ),
    "ko": (
        "{} 사진.",
        "{} 그림.",
        "{이/가} 있는 그림.",
        "그림 속의 {}.",
        "{} 아이콘.",
        "가까이에서 본 {}.",
        "작은 {}.",
        "큰 {}.",
        "{을/를} 보여 주는 단순한 그림.",
        "밝은 {} 그림.",
        "어두운 {} 그림.",
        "{} 작품.",
    ),
}
"""The first of each language is the kind ``one``. ``{}`` is the class, ``{이/가}`` the class with its particle."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The classification of one picture.

    Attributes:
        label: the most probable class.
        probability: of that class.
        probabilities: of every class, in the order of the classes.
    """

    label: str
    probability: float
    probabilities: tuple[float, ...]


class ZeroShotClassifier:
    """A contrastive model with its processor.

    Args:
        model: with ``get_text_features``, ``get_image_features`` and ``logit_scale``; ``logit_bias`` marks a SigLIP.
        processor: its processor.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor
        self.sigmoid = getattr(model, "logit_bias", None) is not None

    @classmethod
    def from_pretrained(cls, folder: str) -> ZeroShotClassifier:
        """Open a model.

        Args:
            folder: or hub id of a CLIP- or SigLIP-shaped model.

        Raises:
            UserError: it cannot be opened, or has another shape.
        """
        from safetensors import SafetensorError
        from transformers import AutoModel, AutoProcessor

        try:
            model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as e:
            raise UserError(
                f"the model '{folder}' cannot be opened ({str(e).splitlines()[0][:160]})",
                allowed="a folder or hub id of a CLIP or SigLIP model",
            ) from None
        if not (hasattr(model, "get_text_features") and hasattr(model, "logit_scale")):
            raise UserError(f"a model of type '{model.config.model_type}'", allowed="CLIP- or SigLIP-shaped models")
        return cls(model.float(), processor)  # 16 bits on disk are many times slower than 32 on a processor

    @torch.inference_mode()
    def encode_labels(self, labels: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """One unit vector a class, ``(K, D)``: the normalised mean over P templates of unit vectors.

        Raises:
            UserError: no class, too many, or one of them twice.
        """
        if not 1 <= len(labels) <= MOST_CLASSES or len(set(labels)) != len(labels):
            raise UserError(
                f"{len(labels)} classes, {len(set(labels))} of them different",
                allowed=f"1 to {MOST_CLASSES}, each once",
            )
        words = [fill_template(t, label) for label in labels for t in templates]
        rows = []
        for start in range(0, len(words), TEXT_BATCH):
            inputs = self.processor(
                text=words[start : start + TEXT_BATCH],
                return_tensors="pt",
                truncation=True,
                padding="max_length" if self.sigmoid else True,
            )
            known = {k: v for k, v in inputs.items() if k in ("input_ids", "attention_mask")}
            rows.append(normalize(vectors_of(self.model.get_text_features(**known)), dim=-1))
        return normalize(torch.cat(rows).unflatten(0, (len(labels), -1)).mean(1), dim=-1)

    @torch.inference_mode()
    def encode_images(self, images: Sequence[Any]) -> torch.Tensor:
        """One unit vector a picture, ``(B, D)``."""
        rows = []
        for start in range(0, len(images), IMAGE_BATCH):
            inputs = processed(self.processor.image_processor, images[start : start + IMAGE_BATCH])
            rows.append(vectors_of(self.model.get_image_features(pixel_values=inputs["pixel_values"])))
        return normalize(torch.cat(rows), dim=-1)

    @torch.inference_mode()
    def logits(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Scaled similarities ``(B, K)`` of unit vectors ``(B, D)`` and ``(K, D)``."""
        scaled: torch.Tensor = images @ labels.T * self.model.logit_scale.exp()
        return scaled

    @torch.inference_mode()
    def probabilities(self, images: torch.Tensor, labels: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
        """Probabilities ``(B, K)`` over the classes (CLIP), or of each class on its own (SigLIP).

        Args:
            images: unit vectors ``(B, D)``, as `encode_images` gives.
            labels: unit vectors ``(K, D)``, as `encode_labels` gives.
            temperature: above 1 makes the probabilities more even.
        """
        logits = self.logits(images, labels)
        if self.sigmoid:
            return ((logits + self.model.logit_bias) / temperature).sigmoid()
        return (logits / temperature).softmax(-1)

    def classify(
        self,
        images: Sequence[Any],
        labels: Sequence[str],
        *,
        templates: Sequence[str] = TEMPLATES["en"],
        temperature: float = 1.0,
    ) -> list[Classification]:
        """Classify pictures by class names.

        Args:
            labels: class names, each once.
            templates: sentences with a place for the class; their vectors are averaged.
            temperature: as in `probabilities`.

        Raises:
            UserError: as `encode_labels`.
        """
        found = self.probabilities(self.encode_images(images), self.encode_labels(labels, templates), temperature)
        return [Classification(labels[int(row.argmax())], float(row.max()), tuple(row.tolist())) for row in found]


def sensitivity(
    classifier: ZeroShotClassifier,
    images: Sequence[Any],
    labels: Sequence[str],
    templates: Sequence[str],
    distractors: Sequence[str] = (),
) -> dict[str, Any]:
    """How much answers depend on the wording and on the list of classes.

    Returns:
        ``by_wording``: per template, the share of pictures whose answer differs from the ensemble's; ``by_order``: the
        same with the labels reversed (0 for a sound model); ``by_distractors``: the share that changes to one of the
        extra classes; ``spread``: the standard deviation of the chosen class's probability over templates, as a mean
        over pictures.

    Raises:
        UserError: as `ZeroShotClassifier.encode_labels`.
    """
    encoded = classifier.encode_images(images)

    def probabilities(names: Sequence[str], wordings: Sequence[str]) -> torch.Tensor:
        return classifier.probabilities(encoded, classifier.encode_labels(names, wordings))

    best = probabilities(labels, templates).argmax(-1)
    by_wording, chosen = {}, []
    for template in templates:
        p = probabilities(labels, [template])
        by_wording[template] = float((p.argmax(-1) != best).float().mean())
        chosen.append(p.gather(1, best.unsqueeze(-1)).squeeze(-1))
    reversed_best = probabilities([*reversed(labels)], templates).argmax(-1)
    extra = [d for d in distractors if d not in labels]
    with_extra = probabilities([*labels, *extra], templates).argmax(-1) if extra else best
    return {
        "by_wording": by_wording,
        "by_order": float((len(labels) - 1 - reversed_best != best).float().mean()),
        "by_distractors": float((with_extra >= len(labels)).float().mean()),
        "spread": float(torch.stack(chosen).std(0, correction=0).mean()),
    }


def prompt_templates(kind: str, language: str) -> tuple[str, ...]:
    """The templates of a kind (``one`` or ``ensemble``) in a language (``en`` or ``ko``).

    Raises:
        UserError: another kind or language.
    """
    if language not in TEMPLATES:
        raise unknown_name("language", language, TEMPLATES)
    if kind not in ("one", "ensemble"):
        raise unknown_name("kind of templates", kind, ("one", "ensemble"))
    return TEMPLATES[language] if kind == "ensemble" else TEMPLATES[language][:1]


def fill_template(template: str, label: str) -> str:
    """A template with a class in it: ``fill_template("{이/가} 있는 그림.", "고양이")`` is 고양이가 있는 그림."""
    return re.sub(r"\{([^{}]*)\}", lambda m: josa(label, m[1]) if "/" in m[1] else label, template)


def vectors_of(found: Any) -> torch.Tensor:
    """The projected vectors ``(B, D)`` of what a model returns: transformers 5 puts them inside an output object."""
    return (found if isinstance(found, torch.Tensor) else found.pooler_output).float()
