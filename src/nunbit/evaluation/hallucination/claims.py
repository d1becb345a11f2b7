"""What answers say, judged by exact Scenes: precision and recall by kind of claim, CHAIR with coverage beside it.

CHAIR (arXiv 1809.02156) alone is won by saying little: coverage and the length of answers stand beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nunbit.evidence.names import ANYTHING
from nunbit.scene import Scene
from nunbit.trust.checks import Witness, check_answer, meant_by
from nunbit.trust.correction import key_of, lost
from nunbit.trust.trace import Check
from nunbit.world.names import broader

KINDS = {"existence": "objects", "naming": "objects", "count": "counts", "attribute": "attributes"}
KINDS |= {"place": "relations", "relation": "relations", "text": "text"}
"""Kind of claim -> what it counts as here."""


def exact_checks(question: str, answer: str, scene: Scene) -> list[Check]:
    """The claims of an answer, judged by a Scene that lists all there is."""
    return check_answer(question, answer, Witness([scene], [None]))


@dataclass(slots=True)
class ClaimCounts:
    """Claims of many answers.

    Attributes:
        right, wrong: by kind of claim; claims about which the Scene says nothing are in neither.
        named, there: distinct things of the pictures that the answers name, and all of them.
        mentions, invented: names in the answers, and those of things that are not there; liars: answers with one.
        words, answers: their length and number.
    """

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    named: int = 0
    there: int = 0
    mentions: int = 0
    invented: int = 0
    liars: int = 0
    words: int = 0
    answers: int = 0

    def add(self, answer: str, checks: Sequence[Check], scene: Scene) -> None:
        """Count one answer."""
        for c in checks:
            if c.holds != "unknown":
                (self.right if c.holds == "yes" else self.wrong)[KINDS[c.claim.kind]] += 1
        claims = [c.claim for c in checks if not c.claim.denied]
        affirmed = [(c.span, w) for c in claims for w in (c.about, c.other) if w]
        said = {n for _, w in affirmed for n in meant_by(w)}
        names = {o.name for o in scene.objects}
        self.named += sum(bool({m for w in (n, *broader(n)) for m in meant_by(w)} & said) for n in names)
        self.there += len(names)
        gone = {(c.claim.span, c.missing) for c in checks if c.missing}
        mentioned = {(span, w) for span, w in affirmed if w != ANYTHING}
        self.mentions += len(mentioned)
        self.invented += len(gone & mentioned)
        self.liars += bool(gone)
        self.words += len(answer.split())
        self.answers += 1

    def figures(self) -> dict[str, float]:
        """Precision by kind and of all, recall of objects, CHAIRi, CHAIRs, coverage and length; in hundredths."""
        kinds = sorted({*self.right, *self.wrong})
        out = {f"precision of {k}": _share(self.right[k], self.right[k] + self.wrong[k]) for k in kinds}
        right, wrong = sum(self.right.values()), sum(self.wrong.values())
        return out | {
            "precision": _share(right, right + wrong),
            "recall of objects": _share(self.named, self.there),
            "CHAIRi": _share(self.invented, self.mentions),
            "CHAIRs": _share(self.liars, self.answers),
            "claims": float(right + wrong),
            "words an answer": self.words / max(1, self.answers),
        }


def kept(before: Sequence[Check], after: Sequence[Check]) -> tuple[int, int]:
    """How many of the true claims of an answer are still made in another, and how many there were."""
    true = {key_of(c.claim) for c in before if c.holds == "yes"}
    return len(true) - len(lost(before, after)), len(true)


def _share(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0
