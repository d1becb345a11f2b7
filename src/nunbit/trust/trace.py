"""The record of a verification: what each of the five steps did, in order, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from nunbit.errors import UserError
from nunbit.evidence.claims import Claim
from nunbit.evidence.claims import from_json as claims_from_json
from nunbit.evidence.claims import to_json as claims_to_json
from nunbit.evidence.shapes import as_declared
from nunbit.scene import Box

FORMAT = "nunbit.verification/1"
Holds = Literal["yes", "no", "unknown"]
_CHECK_FIELDS = ("sentence", "question", "reply", "holds", "decided_by", "found", "missing")
DecidedBy = Literal["perception", "absence", "model", "nobody"]
Action = Literal["replaced", "removed", "restated"]


@dataclass(frozen=True, slots=True)
class KeyConcept:
    """A thing that an answer names.

    Attributes:
        name: its English name; text: the answer's words.
        sentence: number of the sentence that names it, from 0.
        span: place of the words in the answer.
    """

    name: str
    text: str
    sentence: int
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Check:
    """A claim with the question that it answers, and whether it holds.

    Attributes:
        claim: what the answer says, with perception's verdict.
        sentence: number of its sentence, from 0.
        question: what would be asked to find out.
        reply: the model's answer to it; empty where it was not asked.
        holds: whether the claim is true as far as anybody knows.
        decided_by: perception's verdict; absence (perception looked for such things and found none); the model's reply.
        found: what is true instead, where that is known.
        missing: the name of the thing that is not there, where the claim fails by that.
    """

    claim: Claim
    sentence: int
    question: str
    reply: str = ""
    holds: Holds = "unknown"
    decided_by: DecidedBy = "nobody"
    found: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class VisualClaim:
    """A true statement about the picture, of which the correction is made.

    Attributes:
        kind: ``counting`` (how many of a thing), ``specific`` (one thing with its box) or ``overall`` (between things,
            and what is written).
        picture: position of the picture in the conversation; boxes: in its pixels.
    """

    kind: Literal["counting", "specific", "overall"]
    text: str
    picture: int = 0
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Correction:
    """An edit of the answer.

    Attributes:
        action: ``replaced`` (a word), ``removed`` (words, or a sentence) or ``restated`` (a sentence in new words).
        before, after: the words of the answer, and what stands there now; empty where nothing does.
        check: number of the check that it is for.
        reason: why, in a sentence; reason_ko: the same in Korean.
        by: ``rules`` or ``model``, which was given the visual claims.
    """

    action: Action
    before: str
    after: str
    check: int
    reason: str
    reason_ko: str
    by: Literal["rules", "model"] = "rules"


@dataclass(frozen=True, slots=True)
class Verification:
    """An answer before and after, and the five steps between.

    Attributes:
        original: what the model said; answer: the corrected answer, the same where nothing is wrong.
        grounded: the corrected answer with boxes behind the names, in shares of the picture's sides.
        concepts: step 1, key concepts, in order.
        checks: steps 2 and 3, questions and their validation.
        visual_claims: step 4.
        corrections: step 5.
        left: numbers of the checks that do not hold and could not be corrected.
        claims: of the corrected answer, with the boxes that they rest on.
    """

    question: str
    original: str
    answer: str
    grounded: str
    concepts: tuple[KeyConcept, ...] = ()
    checks: tuple[Check, ...] = ()
    visual_claims: tuple[VisualClaim, ...] = ()
    corrections: tuple[Correction, ...] = ()
    left: tuple[int, ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the answer was corrected."""
        return self.answer != self.original

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        checked = claims_to_json([c.claim for c in self.checks])
        return {
            "format": FORMAT,
            "question": self.question,
            "original": self.original,
            "answer": self.answer,
            "grounded": self.grounded,
            "changed": self.changed,
            "concepts": [{**asdict(c), "span": [*c.span]} for c in self.concepts],
            "checks": {
                "rows": [{k: getattr(c, k) for k in _CHECK_FIELDS} for c in self.checks],
                "evidence": checked,
            },
            "visual_claims": [
                {**asdict(v), "boxes": [[round(x, 2) for x in b] for b in v.boxes]} for v in self.visual_claims
            ],
            "corrections": [asdict(c) for c in self.corrections],
            "left": [*self.left],
            "evidence": claims_to_json(self.claims),
        }


def from_json(data: str | Mapping[str, Any]) -> Verification:
    """Read what `Verification.to_json` wrote. Boxes have two decimals.

    Raises:
        UserError: another form.
    """
    try:
        read = json.loads(data) if isinstance(data, str) else data
        if read["format"] != FORMAT:
            raise UserError(f"a verification of form '{read['format']}'", allowed=FORMAT)
        claims = claims_from_json(read["checks"]["evidence"])
        made = Verification(
            read["question"],
            read["original"],
            read["answer"],
            read["grounded"],
            tuple(as_declared(KeyConcept(**{**c, "span": tuple(c["span"])})) for c in read["concepts"]),
            tuple(_check(row, claim) for row, claim in zip(read["checks"]["rows"], claims, strict=True)),
            tuple(
                as_declared(VisualClaim(**{**v, "boxes": tuple(map(tuple, v["boxes"]))})) for v in read["visual_claims"]
            ),
            tuple(as_declared(Correction(**c)) for c in read["corrections"]),
            tuple(map(int, read["left"])),
            tuple(claims_from_json(read["evidence"])),
        )
        return as_declared(made)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise UserError(f"a verification with a missing or misshapen field ({e})", allowed=f"form {FORMAT}") from None


def _check(row: Mapping[str, Any], claim: Claim) -> Check:
    if row["holds"] not in get_args(Holds) or row["decided_by"] not in get_args(DecidedBy):
        raise ValueError(f"holds '{row['holds']}', decided_by '{row['decided_by']}'")
    return as_declared(Check(claim=claim, **row))
