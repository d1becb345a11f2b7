"""Parts of perception composed into one Scene a picture.

A part that fails on a picture adds nothing to its Scene. The reason stands in ``scene.meta["perception"]`` (see
`failed_parts`), the failure is counted in `Perception.failures`, and each reason is logged once. A training run ends
where too many fail (`check_failures`), and an answer's JSON names them (`perception_fields`).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from nunbit.coco import short_name
from nunbit.errors import UserError, check_names
from nunbit.media.bounds import reduced
from nunbit.media.images import as_rgb
from nunbit.perception.base import FACTS, FAILED, Provider, Relator, covered_parts, move, reason_of
from nunbit.perception.cache import SceneCache, picture_key
from nunbit.perception.scaling import at_size
from nunbit.scene import Relation, Scene, SceneObject, box_iou

if TYPE_CHECKING:
    from PIL.Image import Image

PARTS = ("panoptic", "detection", "relations", "ocr")
"""Every part, in the order in which they run and merge."""
ABSENT = "no provider was given"
MAX_FAILED, FEW_PICTURES = 0.05, 20
"""The share of pictures that a part may fail on in a training run, and from how many pictures on the share counts
before all are seen."""
_MOST_REASONS = 1000
_log = logging.getLogger(__name__)


class Perception:
    """Composes parts into one Scene a picture.

    Args:
        cache: where providers' Scenes are kept by picture content; failures are never kept.
        merge_iou: an object of a later part is the same as an earlier one of its name at this overlap; None keeps both,
            which is what MoAI's two sentences expect.
        max_failed: the share of pictures that a part may fail on; see `check_failures`.
        parts: providers by their name in `PARTS`; None is absent. ``relations`` may be a Provider (finds its own
            objects) or a Relator (relates those that the parts before it found).

    Attributes:
        pictures: how many pictures were perceived.
        failures: on how many of them each part failed.
        reasons: why each part failed last.

    Raises:
        UserError: a part that `PARTS` does not name.
    """

    def __init__(
        self,
        *,
        cache: SceneCache | None = None,
        merge_iou: float | None = 0.7,
        max_failed: float = MAX_FAILED,
        **parts: Provider | Relator | None,
    ) -> None:
        check_names("part of perception", parts, PARTS)
        self.parts = {name: parts.get(name) for name in PARTS}
        self.cache, self.merge_iou, self.max_failed = cache, merge_iou, max_failed
        self.pictures, self.failures, self.reasons = 0, Counter[str](), dict[str, str]()
        self._logged: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def load(self) -> Perception:
        """Open every part now, so that one that cannot be opened is an error before any work begins; returns itself.

        Raises:
            UserError: a part that cannot be opened, with the reason.
        """
        for part, provider in self.parts.items():
            if provider is not None:
                try:
                    _ = provider.name  # reading the name builds a Lazy provider and looks for a program
                except UserError:
                    raise
                except Exception as e:
                    raise UserError(f"perception cannot open its part '{part}' ({reason_of(e)})") from e
        return self

    def to(self, device: str) -> Perception:
        """Run the networks of all parts on a device; returns itself. What they find is kept on the processor."""
        for provider in self.parts.values():
            move(provider, device)
        return self

    def check_failures(self, all_seen: bool = False) -> None:
        """End what relies on Scenes where a part failed on too many pictures: what is trained on empty Scenes learns
        that nothing is known.

        Args:
            all_seen: no more pictures come, so that the share counts however few there were.

        Raises:
            UserError: a part failed on more than ``max_failed`` of the pictures so far.
        """
        if self.pictures < FEW_PICTURES and not all_seen:
            return
        for part, count in self.failures.items():
            if count > self.max_failed * self.pictures:
                raise UserError(
                    f"perception's part '{part}' failed on {count} of {self.pictures} pictures ({self.reasons[part]})",
                    allowed=f"at most {self.max_failed:.0%} of them (perception.max_failed)",
                    todo="mend that part or its pictures, or configure perception without it",
                )

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes of a batch of PIL pictures of any mode, in order.

        The parts look at a very large picture in the size in which models see it (`nunbit.media.bounds`).
        """
        sizes = [i.size for i in images]
        images = [reduced(as_rgb(i)) for i in images]
        scenes = [Scene(i.width, i.height, meta={"perception": {}}) for i in images]
        covered: list[dict[str, dict[str, Any]]] = [{} for _ in images]
        for part, provider in self.parts.items():
            if provider is None:
                notes = [c.get(part, {"status": "absent", "reason": ABSENT}) for c in covered]
            elif hasattr(type(provider), "relate"):
                notes = self._relate(cast(Relator, provider), images, scenes)
            else:
                notes = self._provide(cast(Provider, provider), images, scenes)
                self._cover(cast(Provider, provider), notes, covered)
            for scene, note in zip(scenes, notes, strict=True):
                scene.meta["perception"][part] = note
        self._count(scenes)
        return [at_size(s, *size).validate() for s, size in zip(scenes, sizes, strict=True)]

    @staticmethod
    def _cover(provider: Provider, notes: Sequence[dict[str, Any]], covered: Sequence[dict[str, Any]]) -> None:
        """Note which other parts a provider did too, for each picture on which it did not fail."""
        for note, others in zip(notes, covered, strict=True):
            if note["status"] == "ok":
                failed = note.pop(FAILED, {})
                for part in covered_parts(provider):
                    ok = {"status": "ok", "provider": provider.name}
                    others[part] = {"status": "failed", "reason": failed[part]} if part in failed else ok

    def _provide(self, provider: Provider, images: Sequence[Image], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
        notes = []
        for scene, (found, reason) in zip(scenes, self._partial(provider, images), strict=True):
            if found is None:
                notes.append({"status": "failed", "reason": reason})
            else:
                merge(scene, found, self.merge_iou)
                own = {k: v for k, v in found.meta.items() if k != FACTS}
                notes.append({"status": "ok", "provider": provider.name, **own})
        return notes

    def _partial(self, provider: Provider, images: Sequence[Image]) -> list[tuple[Scene | None, str]]:
        """Each picture's partial Scene from the cache or the provider, or None with the reason."""
        try:
            keys = [picture_key(i, provider.name) for i in images] if self.cache else [""] * len(images)
        except Exception as e:  # a Lazy part that cannot be built
            return [(None, reason_of(e))] * len(images)
        out: list[tuple[Scene | None, str]] = [(self.cache.get(k) if self.cache else None, "") for k in keys]
        missing = [i for i, (scene, _) in enumerate(out) if scene is None]
        for i, result in zip(missing, _each(provider, [images[i] for i in missing]), strict=True):
            out[i] = result
            if self.cache and result[0] is not None and not result[0].meta.get(FAILED):
                self.cache.put(keys[i], result[0])
        return out

    def _relate(self, relator: Relator, images: Sequence[Image], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
        try:
            found = relator.relate(images, scenes)
            for scene, relations in zip(scenes, found, strict=True):
                Scene(scene.width, scene.height, scene.objects, relations).validate()
        except Exception as e:
            return [{"status": "failed", "reason": reason_of(e)} for _ in images]
        for scene, relations in zip(scenes, found, strict=True):
            scene.relations.extend(relations)
        return [{"status": "ok", "provider": relator.name} for _ in images]

    def _count(self, scenes: Sequence[Scene]) -> None:
        """Count pictures and failures; log each reason of each part once."""
        failed = [item for scene in scenes for item in failed_parts(scene).items()]
        with self._lock:
            self.pictures += len(scenes)
            self.failures.update(part for part, _ in failed)
            self.reasons.update(failed)
            # Reasons may hold a picture's size or name: what is remembered of them is bounded.
            new = [] if len(self._logged) >= _MOST_REASONS else sorted({*failed} - self._logged)
            self._logged.update(new)
        for part, reason in new:
            _log.warning("perception: the part '%s' failed on a picture (%s)", part, reason)


def failed_parts(scene: Scene) -> dict[str, str]:
    """The parts of perception that failed on the picture of a Scene, with the reason of each; empty where none did."""
    notes = scene.meta.get("perception", {})
    return {part: str(note.get("reason", "")) for part, note in notes.items() if note.get("status") == "failed"}


def perception_fields(scenes: Sequence[Scene]) -> dict[str, Any]:
    """What an answer's JSON says of perception: the parts that failed, of which picture (from 0), and why; nothing
    where all worked."""
    failed = [
        {"picture": i, "part": part, "reason": reason}
        for i, scene in enumerate(scenes)
        for part, reason in failed_parts(scene).items()
    ]
    return {"perception": {"failed": failed}} if failed else {}


def missing_parts(scene: Scene) -> list[str]:
    """What perception could not do for want of a program or package, in sentences."""
    notes = scene.meta.get("perception", {}).values()
    return list(dict.fromkeys(n["missing"] for n in notes if isinstance(n.get("missing"), str)))


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
                sizes = f"{scene.width}x{scene.height} for a picture of {image.width}x{image.height}"
                raise RuntimeError(f"a scene of {sizes}")
            scene.validate()
        return [(s, "") for s in scenes]
    except Exception as e:
        return [(None, reason_of(e))] if len(images) == 1 else [r for i in images for r in _each(provider, [i])]


def merge(scene: Scene, found: Scene, iou: float | None) -> None:
    """Add what a part found to ``scene``; relations follow their objects, the first segment map stays.

    ``found.meta["facts"]`` are facts of the whole picture (its kind, tables): they go into ``scene.meta``, the first
    stays.
    """
    places = [_place(scene, o, iou) for o in found.objects]
    scene.relations += [Relation(places[r.subject], r.predicate, places[r.object], r.score) for r in found.relations]
    scene.text_lines += found.text_lines
    scene.captions += found.captions
    for key, value in found.meta.get(FACTS, {}).items():
        scene.meta.setdefault(key, value)
    if found.segment_map is not None and scene.segment_map is None:
        scene.segment_map, scene.segments = found.segment_map, list(found.segments)


def _place(scene: Scene, o: SceneObject, iou: float | None) -> int:
    """The position of an object in a Scene: of the same object where an earlier part found it, else a new one."""
    if iou is not None:
        for i, known in enumerate(scene.objects):
            if short_name(known.name) == short_name(o.name) and box_iou(known.box, o.box) >= iou:
                known.attributes = {**o.attributes, **known.attributes}
                return i
    scene.objects.append(o)
    return len(scene.objects) - 1
