"""A picture, the same picture with one thing painted over, and no picture: whether the answers follow the picture.

Source: HallusionBench, arXiv 2310.14566, sec. 2 (visual-supplement pairs); the pictures are ours, so that what was
edited is known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.evaluation.hallucination.pictures import ExactPicture
from nunbit.evaluation.hallucination.pope import question_about
from nunbit.evidence.answers import yes_or_no
from nunbit.scene import Scene

GROWN_PX = 3
"""How far beyond a thing's outline the paint goes, so that no edge of it is left."""


@dataclass(frozen=True, slots=True)
class Triple:
    """A question about a thing, its picture, and the picture without it; pixels ``(H, W, 3)`` uint8."""

    question: str
    name: str
    picture: ExactPicture
    edited: np.ndarray


def triples(pictures: Sequence[ExactPicture]) -> list[Triple]:
    """One triple for each picture that has a thing of its own name which covers no other."""
    out = []
    for p in pictures:
        for i, o in enumerate(p.scene.objects):
            if p.scene.count(o.name) == 1 and (edited := painted_over(p.pixels, p.scene, i)) is not None:
                out.append(Triple(question_about(o.name, p.language), o.name, p, edited))
                break
    return out


def painted_over(pixels: np.ndarray, scene: Scene, number: int) -> np.ndarray | None:
    """The picture ``(H, W, 3)`` with one object in the mean colour of what surrounds it; None where it has no mask, or
    another object is near."""
    o = scene.objects[number]
    if o.segment is None or scene.segment_map is None:
        return None
    mask = scene.segment_map == o.segment
    grown, ring = _grown(mask, GROWN_PX), _grown(mask, 3 * GROWN_PX)
    others = (scene.segment_map > 0) & ~mask & _things(scene)
    around = ring & ~grown & ~others
    if not mask.any() or (grown & others).any() or not around.any():
        return None
    out = pixels.copy()
    out[grown] = pixels[around].mean(0).round().astype(np.uint8)
    return out


def _things(scene: Scene) -> np.ndarray:
    """Where other things are, ``(H, W)``; stuff such as the background may be painted with."""
    ids = [s.id for s in scene.segments if s.thing]
    assert scene.segment_map is not None
    return np.isin(scene.segment_map, ids)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """A mask ``(H, W)`` grown by some pixels to each side."""
    out = mask.copy()
    for _ in range(by):
        padded = np.pad(out, 1)
        out = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return out


def consistency(answers: Sequence[tuple[str, str, str]]) -> dict[str, float]:
    """Shares in hundredths of answers to triples: yes to the picture, no to the edited one, no yes without a picture,
    and all three."""
    said = [tuple(yes_or_no(a) for a in triple) for triple in answers]
    right = [(s[0] is True, s[1] is False, s[2] is not True) for s in said]
    names = ("picture", "edited", "none")
    out = {n: 100 * float(np.mean([r[i] for r in right])) if right else 0.0 for i, n in enumerate(names)}
    return out | {"all three": 100 * float(np.mean([all(r) for r in right])) if right else 0.0, "n": float(len(right))}
