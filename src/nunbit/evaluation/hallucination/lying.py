"""A deliberately lying model: true statements about exact Scenes, each made false with a known probability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.english import article
from nunbit.evidence.claims import Claim, ClaimKind
from nunbit.evidence.english import NUMBER_WORDS
from nunbit.evidence.statements import COLOUR_WORDS, NEAR_COLOURS
from nunbit.scene import Scene, SceneObject
from nunbit.trust.checks import meant_by
from nunbit.trust.phrases import sentence, truth
from nunbit.trust.trace import Check
from nunbit.world.base import Language
from nunbit.world.names import broader, english_plural, korean

CLEAR, CLEAR_OF_EDGE = 0.12, 0.36
"""Share of the picture by which two things must be apart for a relation, and how near to an edge a place is named."""
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
ACROSS = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


@dataclass(frozen=True, slots=True)
class LiarStatement:
    """A statement of the liar: its words, its kind, and whether it is false."""

    kind: ClaimKind
    words: str
    lie: bool


def answer_about(
    scene: Scene, rng: np.random.Generator, language: Language, rate: float, pool: Sequence[str]
) -> tuple[str, list[LiarStatement]]:
    """An answer of up to six statements, each false with probability ``rate``, and what is false in it.

    Args:
        pool: names of things from which invented ones are drawn.
    """
    made: list[LiarStatement] = []
    for claim, false in _claims(scene, rng, pool):
        lie = false is not None and rng.random() < rate
        said = false if lie and false is not None else claim
        words = _worded(said, language, rng)
        made.append(LiarStatement(claim.kind, words, lie))
    order = rng.permutation(len(made))[:6]
    chosen = [made[i] for i in order]
    return " ".join(t.words for t in chosen), chosen


def _claims(scene: Scene, rng: np.random.Generator, pool: Sequence[str]) -> list[tuple[Claim, Claim | None]]:
    """True claims about a Scene, each with a false one of its kind."""
    counts = Counter(o.name for o in scene.objects)
    invented = [n for n in pool if not is_there(n, scene)]
    out: list[tuple[Claim, Claim | None]] = []
    for name, many in counts.items():
        lie = _claim("existence", str(rng.choice(invented))) if invented else None
        out.append((_claim("existence", name), lie))
        if _counts_alone(name, counts):
            wrong = max(1, many + int(rng.choice([-1, 1, 2])))
            out.append((_claim("count", name, str(many)), _claim("count", name, str(wrong + (wrong == many)))))
    alone = [o for o in scene.objects if counts[o.name] == 1 and _counts_alone(o.name, counts)]
    for o in alone:
        out += [*_colour(o, rng), *_place(o, scene)]
    for a, b in zip(alone, alone[1:], strict=False):
        if side := _side(a, b, scene):
            out.append((_claim("relation", a.name, side, b.name), _claim("relation", a.name, OPPOSITE[side], b.name)))
    return out


def _claim(kind: ClaimKind, about: str, value: str = "", other: str = "") -> Claim:
    return Claim(kind, "", (0, 0), about, value, other, verdict="supported")


def is_there(name: str, scene: Scene) -> bool:
    """Whether a thing, or one that is also called so, is in a Scene."""
    known = {n for o in scene.objects for w in (o.name, *broader(o.name)) for n in meant_by(w)}
    return bool(known & {n for w in (name, *broader(name)) for n in meant_by(w)})


def _counts_alone(name: str, counts: Counter[str]) -> bool:
    """Whether nothing else in the Scene may be called so."""
    others = [n for n in counts if n != name]
    return not any(meant_by(name) & {m for w in (other, *broader(other)) for m in meant_by(w)} for other in others)


def _colour(o: SceneObject, rng: np.random.Generator) -> list[tuple[Claim, Claim | None]]:
    colour = o.attributes.get("colour", "")
    if colour not in COLOUR_WORDS:
        return []
    far = [c for c in COLOUR_WORDS if c != colour and frozenset((c, colour)) not in NEAR_COLOURS]
    return [(_claim("attribute", o.name, colour), _claim("attribute", o.name, str(rng.choice(far))))]


def _middle(o: SceneObject, scene: Scene) -> tuple[float, float]:
    return (o.box[0] + o.box[2]) / 2 / scene.width, (o.box[1] + o.box[3]) / 2 / scene.height


def _place(o: SceneObject, scene: Scene) -> list[tuple[Claim, Claim | None]]:
    x, y = _middle(o, scene)
    row = "top" if y < CLEAR_OF_EDGE else "bottom" if y > 1 - CLEAR_OF_EDGE else ""
    column = "left" if x < CLEAR_OF_EDGE else "right" if x > 1 - CLEAR_OF_EDGE else ""
    part = f"{row} {column}".strip()
    if not part:
        return []
    return [(_claim("place", o.name, part), _claim("place", o.name, " ".join(ACROSS[w] for w in part.split())))]


def _side(a: SceneObject, b: SceneObject, scene: Scene) -> str:
    """On which side of ``b`` the thing ``a`` is, where that is clear; "" where it is not."""
    (ax, ay), (bx, by) = _middle(a, scene), _middle(b, scene)
    if abs(bx - ax) >= max(CLEAR, abs(by - ay)):
        return "left of" if ax < bx else "right of"
    return ("above" if ay < by else "below") if abs(by - ay) >= CLEAR else ""


def _worded(claim: Claim, language: Language, rng: np.random.Generator) -> str:
    """A claim in one of several wordings."""
    plain = sentence(truth(Check(claim, 0, "", holds="yes", decided_by="perception"), language))
    other = (_other_ko if language == "ko" else _other_en)(claim)
    return other if other and rng.random() < 0.5 else plain


def _other_en(c: Claim) -> str:
    match c.kind:
        case "existence":
            return f"I can see {article(c.about)} {c.about}."
        case "count":
            many = int(c.value)
            noun = c.about if many == 1 else english_plural(c.about)
            return f"The picture shows {NUMBER_WORDS.get(many, str(many))} {noun}."
        case "attribute":
            return f"There is {article(c.value)} {c.value} {c.about}."
        case "relation" if c.value in ("left of", "right of"):
            return f"{article(c.about).capitalize()} {c.about} stands to the {c.value.split()[0]} of the {c.other}."
    return ""


def _other_ko(c: Claim) -> str:
    noun = korean(c.about)
    match c.kind:
        case "existence":
            return f"{noun}도 보입니다."
        case "attribute":
            return f"{korean(c.value)} {noun} 하나가 보입니다." if len(noun) > 1 else ""
    return ""
