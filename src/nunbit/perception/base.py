"""What a part of perception is, and how parts make one Scene of a picture.

A part that is absent, cannot be loaded or fails on a picture adds nothing; ``scene.meta["perception"]`` says why.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from nunbit.coco import short_name
from nunbit.errors import UserError
from nunbit.perception.cache import SceneCache, picture_key
from nunbit.scene import Relation, Scene, SceneObject, box_iou

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("panoptic", "detection", "relations", "ocr")


class Provider(Protocol):
    """Pictures in, partial Scenes out, one a picture and of the picture's size.

    ``name`` identifies weights and settings: two providers of one name give the same Scenes (the cache relies on it).
    """

    @property
    def name(self) -> str: ...

    def __call__(self, images: Sequence[Image]) -> list[Scene]: ...


class Relator(Protocol):
    """Relates the objects that the other parts have found; one list a picture, positions in ``scene.objects``."""

    @property
    def name(self) -> str: ...

    def relate(self, images: Sequence[Image], scenes: Sequence[Scene]) -> list[list[Relation]]: ...


class Lazy:
    """A provider built at its first use. A build that fails is not tried again: every call raises the same reason."""

    def __init__(self, build: Callable[[], Provider]) -> None:
        self._build, self._lock = build, threading.Lock()
        self._provider: Provider | None = None
        self._error: Exception | None = None

    def _get(self) -> Provider:
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._provider is None:
                try:
                    self._provider = self._build()
                except Exception as e:
                    self._error = e
                    raise
            return self._provider

    @property
    def name(self) -> str:
        return self._get().name

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        return self._get()(images)


class Perception:
    """Composes parts into one Scene a picture.

    Args:
        relations: a Provider (finds its own objects) or a Relator (relates those that the parts before it found).
        cache: where providers' Scenes are kept by picture content; failures are never kept.
        merge_iou: an object of a later part is the same as an earlier one of its name at this overlap; None keeps both,
            which is what MoAI's two sentences expect.
    """

    def __init__(
        self,
        *,
        panoptic: Provider | None = None,
        detection: Provider | None = None,
        relations: Provider | Relator | None = None,
        ocr: Provider | None = None,
        cache: SceneCache | None = None,
        merge_iou: float | None = 0.7,
    ) -> None:
        self.parts = dict(zip(PARTS, (panoptic, detection, relations, ocr), strict=True))
        self.cache, self.merge_iou = cache, merge_iou

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes of a batch of PIL pictures, in order."""
        images = [i.convert("RGB") for i in images]
        scenes = [Scene(i.width, i.height, meta={"perception": {}}) for i in images]
        for part, provider in self.parts.items():
            if provider is None:
                notes: list[dict[str, Any]] = [{"status": "absent", "reason": "no provider was given"} for _ in images]
            elif hasattr(type(provider), "relate"):
                notes = self._relate(cast(Relator, provider), images, scenes)
            else:
                notes = self._see(cast(Provider, provider), images, scenes)
            for scene, note in zip(scenes, notes, strict=True):
                scene.meta["perception"][part] = note
        return [s.validate() for s in scenes]

    def _see(self, provider: Provider, images: Sequence[Image], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
        notes = []
        for scene, (found, reason) in zip(scenes, self._partial(provider, images), strict=True):
            if found is None:
                notes.append({"status": "failed", "reason": reason})
            else:
                merge(scene, found, self.merge_iou)
                notes.append({"status": "ok", "provider": provider.name, **found.meta})
        return notes

    def _partial(self, provider: Provider, images: Sequence[Image]) -> list[tuple[Scene | None, str]]:
        """Each picture's partial Scene from the cache or the provider, or None with the reason."""
        try:
            keys = [picture_key(i, provider.name) for i in images] if self.cache else [""] * len(images)
        except Exception as e:  # a Lazy part that cannot be built
            return [(None, _reason(e))] * len(images)
        out: list[tuple[Scene | None, str]] = [(self.cache.get(k) if self.cache else None, "") for k in keys]
        missing = [i for i, (scene, _) in enumerate(out) if scene is None]
        for i, result in zip(missing, _each(provider, [images[i] for i in missing]), strict=True):
            out[i] = result
            if self.cache and result[0] is not None:
                self.cache.put(keys[i], result[0])
        return out

    def _relate(self, relator: Relator, images: Sequence[Image], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
        try:
            found = relator.relate(images, scenes)
            for scene, relations in zip(scenes, found, strict=True):
                Scene(scene.width, scene.height, scene.objects, relations).validate()
        except Exception as e:
            return [{"status": "failed", "reason": _reason(e)} for _ in images]
        for scene, relations in zip(scenes, found, strict=True):
            scene.relations.extend(relations)
        return [{"status": "ok", "provider": relator.name} for _ in images]


def _each(provider: Provider, images: list[Image]) -> list[tuple[Scene | None, str]]:
    """The provider on a batch; when the batch fails, on one picture at a time, so that one cannot spoil the others."""
    if not images:
        return []
    try:
        scenes = provider(images)
        if len(scenes) != len(images):
            raise RuntimeError(f"{len(scenes)} scenes for {len(images)} pictures")
        for scene, image in zip(scenes, images, strict=True):
            if (scene.width, scene.height) != image.size:
                raise RuntimeError(
                    f"a scene of {scene.width}x{scene.height} for a picture of {image.width}x{image.height}"
                )
            scene.validate()
        return [(s, "") for s in scenes]
    except Exception as e:
        return [(None, _reason(e))] if len(images) == 1 else [r for i in images for r in _each(provider, [i])]


def merge(scene: Scene, found: Scene, iou: float | None) -> None:
    """Add what a part found to ``scene``; relations follow their objects, the first segment map stays."""
    places = [_place(scene, o, iou) for o in found.objects]
    scene.relations += [Relation(places[r.subject], r.predicate, places[r.object], r.score) for r in found.relations]
    scene.text_lines += found.text_lines
    scene.captions += found.captions
    if found.segment_map is not None and scene.segment_map is None:
        scene.segment_map, scene.segments = found.segment_map, list(found.segments)


def _place(scene: Scene, o: SceneObject, iou: float | None) -> int:
    if iou is not None:
        for i, known in enumerate(scene.objects):
            if short_name(known.name) == short_name(o.name) and box_iou(known.box, o.box) >= iou:
                known.attributes = {**o.attributes, **known.attributes}
                return i
    scene.objects.append(o)
    return len(scene.objects) - 1


def clip_objects(objects: Sequence[SceneObject], width: int, height: int) -> list[SceneObject]:
    """The objects with their boxes cut at the picture's edges; what lies outside, or has no area, is left out."""
    out = []
    for o in objects:
        x1, y1, x2, y2 = o.box
        box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
        if box[2] > box[0] and box[3] > box[1]:
            out.append(SceneObject(o.name, box, o.score, dict(o.attributes), o.segment))
    return out


def fingerprint(model: Any, image_processor: Any, *settings: Any) -> str:
    """16 hex digits of a model's configuration, the first values of each weight, its processor and settings."""
    facts = [type(model).__name__, _facts(model.config.to_dict()), _facts(image_processor.to_dict()), settings]
    h = hashlib.blake2b(repr(facts).encode(), digest_size=8)
    for name, value in model.state_dict().items():
        h.update(name.encode() + value.flatten()[:16].double().cpu().numpy().tobytes())
    return h.hexdigest()


_PROVENANCE = ("architectures", "dtype", "processor_class", "torch_dtype", "transformers_version")


def _facts(value: Any) -> Any:
    """A configuration without what only says where and how it was stored, in an order of its own."""
    if isinstance(value, dict):
        kept = {str(k): v for k, v in value.items() if not str(k).startswith("_") and k not in _PROVENANCE}
        return sorted((k, _facts(v)) for k, v in kept.items() if v is not None)
    return [_facts(v) for v in value] if isinstance(value, (list, tuple)) else str(value)


def load_model(model_class: Any, processor_class: Any, path: str, device: str) -> tuple[Any, Any]:
    """Weights and processor of a folder or a locally cached hub name; never downloads."""
    try:
        processor = processor_class.from_pretrained(path, local_files_only=True)
        model = model_class.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError) as e:
        todo = "name a folder that holds the model, or download it first"
        raise UserError(f"no usable model at '{path}' ({_reason(e)})", allowed="a model folder", todo=todo) from e
    model.to(device)
    model.eval()
    return model, processor


def _reason(e: Exception) -> str:
    return f"{type(e).__name__}: {str(e).strip().splitlines()[0] if str(e).strip() else 'no message'}"[:300]
