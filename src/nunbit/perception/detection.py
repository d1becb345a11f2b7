"""Open-vocabulary detection with any zero-shot detector of transformers.

OWL-ViT and OWLv2 encode the words apart from the picture: the queries are encoded once. Grounding DINO mixes both, so
words travel with every batch, in groups that fit its text length.
Source: arXiv 2403.07508 (MoAI: OWLv2, keep scores >= 0.5, no NMS).

Letters: B pictures, P patches, Q queries, D width.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nunbit.errors import UserError
from nunbit.media.bounds import bounded, processed
from nunbit.perception.base import clip_objects
from nunbit.perception.loading import fingerprint, load_model
from nunbit.scene import Scene, SceneObject
from nunbit.verbalise import DETECTION_MIN, objects_from_detector

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_QUERIES_AT_ONCE = 256


class ZeroShotDetector:
    """A provider of objects for a list of names.

    Args:
        model: a zero-shot detector of transformers.
        processor: its processor.
        names: what to look for, as raw words (MoAI uses no prompt template).
        threshold: scores below it are dropped.
        clip: cut boxes at the picture's edges; the released code leaves them, which `verbalise` in compat mode prints.
    """

    def __init__(
        self, model: Any, processor: Any, names: Sequence[str], *, threshold: float = DETECTION_MIN, clip: bool = True
    ) -> None:
        if not names or not all(n.strip() for n in names):
            raise UserError("a detector without names, or with an empty one", allowed="at least one word to look for")
        self.model, self.processor, self.names = model.eval(), processor, list(names)
        self.threshold, self.clip = threshold, clip
        self.name = "detection-" + fingerprint(model, processor.image_processor, self.names, threshold, clip)
        self._queries: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def from_pretrained(
        cls, path: str, names: Sequence[str], *, device: str = "cpu", **settings: Any
    ) -> ZeroShotDetector:
        """Open a detector.

        Args:
            path: a folder or a locally cached hub name.
            settings: ``threshold``, ``clip``.

        Raises:
            UserError: no usable model there, or no names.
        """
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        model, processor = load_model(AutoModelForZeroShotObjectDetection, AutoProcessor, path, device)
        return cls(model, processor, names, **settings)

    def to(self, device: str) -> None:
        """Run on a device."""
        self.model.to(device)
        self._queries = None

    @property
    def _loose(self) -> float:
        """Post-processing keeps what is above its threshold; ours keeps the threshold itself too."""
        return self.threshold * 0.99

    @property
    def encodes_words_apart(self) -> bool:
        """Whether the model encodes queries without looking at the picture, as OWL-ViT and OWLv2 do."""
        return self.model.config.model_type in ("owlvit", "owlv2")

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes with the objects found, at or above the threshold."""
        found = self._owl(images) if self.encodes_words_apart else self._grounded(images)
        scenes = []
        for image, objects in zip(images, found, strict=True):
            if self.clip:
                objects = clip_objects(objects, image.width, image.height)
            scenes.append(
                Scene(image.width, image.height, [o for o in objects if o.score >= self.threshold and _has_area(o)])
            )
        return scenes

    # ---- OWL: words once

    def queries(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings ``(Q, D)`` of the names and which of them are real ``(Q,)``; computed at the first call."""
        import torch

        if self._queries is None:
            base = getattr(self.model, self.model.base_model_prefix)
            embeds, real = [], []
            for start in range(0, len(self.names), _QUERIES_AT_ONCE):
                words = self.processor(text=self.names[start : start + _QUERIES_AT_ONCE], return_tensors="pt")
                ids, mask = words["input_ids"].to(self.model.device), words["attention_mask"].to(self.model.device)
                with torch.inference_mode():
                    pooled = base.text_model(input_ids=ids, attention_mask=mask).pooler_output
                    projected = base.text_projection(pooled)
                embeds.append(projected / projected.norm(dim=-1, keepdim=True))
                real.append(ids[:, 0] > 0)
            self._queries = torch.cat(embeds), torch.cat(real)
        return self._queries

    def _owl(self, images: Sequence[Image]) -> list[list[SceneObject]]:
        import torch

        embeds, real = self.queries()
        pixels = processed(self.processor.image_processor, images)["pixel_values"].to(self.model.device)
        with torch.inference_mode():
            grid = self.model.image_embedder(pixel_values=pixels)[0]
            features = grid.flatten(1, 2)  # (B, P, D)
            count = len(images)
            logits, _ = self.model.class_predictor(features, embeds.expand(count, -1, -1), real.expand(count, -1))
            boxes = self.model.box_predictor(features, grid)
        results = self.processor.image_processor.post_process_object_detection(
            SimpleNamespace(logits=logits, pred_boxes=boxes),
            threshold=self._loose,
            target_sizes=[(i.height, i.width) for i in images],
        )
        return [
            objects_from_detector(r["scores"].tolist(), r["labels"].tolist(), r["boxes"].tolist(), self.names)
            for r in results
        ]

    # ---- Grounding DINO and its kin: words with every picture

    def _grounded(self, images: Sequence[Image]) -> list[list[SceneObject]]:
        import torch

        found: list[list[SceneObject]] = [[] for _ in images]
        post = self.processor.post_process_grounded_object_detection
        handed = [bounded(i, self.processor.image_processor) for i in images]
        for names in self._groups():
            labels = [names] * len(images)
            inputs = self.processor(images=handed, text=labels, return_tensors="pt").to(self.model.device)
            with torch.inference_mode():
                outputs = self.model(**inputs)
            given = {
                "outputs": outputs,
                "input_ids": inputs.get("input_ids"),
                "threshold": self._loose,
                "target_sizes": [(i.height, i.width) for i in images],
                "text_labels": labels,
            }
            known = inspect.signature(post).parameters
            for objects, r in zip(found, post(**{k: v for k, v in given.items() if k in known}), strict=True):
                rows = zip(r["scores"].tolist(), r["text_labels"], r["boxes"].tolist(), strict=True)
                objects += [SceneObject(n, tuple(b), s) for s, p, b in rows if (n := match_name(p, names))]
        return found

    def _groups(self) -> Iterator[list[str]]:
        """The names in groups whose tokens, with a separator each and both ends, fit the text encoder."""
        limit = int(getattr(self.model.config, "max_text_len", None) or 256) - 2
        group: list[str] = []
        used = 0
        for name in self.names:
            cost = len(self.processor.tokenizer(name, add_special_tokens=False)["input_ids"]) + 1
            if group and used + cost > limit:
                yield group
                group, used = [], 0
            group.append(name)
            used += cost
        yield group


def match_name(phrase: str, names: Sequence[str]) -> str | None:
    """The name a grounded phrase stands for: equal, or sharing most words; None when it shares none."""
    words = set(phrase.lower().replace(".", " ").split())
    best = max(names, key=lambda n: (n.lower() == phrase.lower().strip(), _shared(words, n)))
    return best if _shared(words, best) > 0 else None


def _shared(words: set[str], name: str) -> float:
    own = set(name.lower().split())
    return len(words & own) / len(words | own)


def _has_area(o: SceneObject) -> bool:
    return o.box[2] > o.box[0] and o.box[3] > o.box[1]
