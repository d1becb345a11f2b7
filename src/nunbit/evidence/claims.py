"""The nouns of evidence: a claim of an answer, what it rests on, and both as JSON.

Evidence is where the words of an answer are in the picture. It says nothing about how the model came to its answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from nunbit.errors import UserError
from nunbit.evidence.shapes import as_declared
from nunbit.scene import Box, as_box

FORMAT = "nunbit.evidence/1"
ABOUT = (
    "Where the words of the answer are in the picture, as perception found it. It does not prove that the model looked "
    "there, and perception can be wrong."
)

ClaimKind = Literal["existence", "count", "naming", "attribute", "place", "relation", "text"]
Verdict = Literal["supported", "contradicted", "not found"]
EvidenceKind = Literal["object", "text", "region"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something in a picture that a claim rests on.

    Attributes:
        kind: an object, a line of text that was read, or a region: a segment, or the whole picture.
        text: the object's name, the line, or what the region shows.
        box: ``(x1, y1, x2, y2)`` in pixels of the decoded picture, x2 and y2 exclusive.
        picture: position of the picture in the conversation, from 0.
        score: confidence of perception, from 0 to 1.
        source: the parts of perception that found it, joined by "+"; empty where the Scene does not say.
        id: ``PICTURE.object.POSITION``, ``PICTURE.text.POSITION``, ``PICTURE.segment.ID`` or ``PICTURE.picture``;
            positions are those in the Scene's lists.
    """

    kind: EvidenceKind
    text: str
    box: Box
    picture: int
    score: float
    source: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that an answer says, compared with the Scenes of its pictures.

    Attributes:
        kind: what is claimed.
        text: the words of the answer, ``answer[span[0] : span[1]]``.
        span: their place in the answer.
        about: English name of the thing; empty for a claim about text.
        value: what the answer says of it: a number, a colour, a part of the picture, a predicate, text that was read.
        other: the second thing of a relation.
        denied: the answer says that it is not so.
        verdict: ``supported``: the Scene says the same; ``contradicted``: a confident part of the Scene says otherwise;
            ``not found``: the Scene says neither, which is no sign that the answer is wrong.
        weak: supported by something of low confidence, or by something more general than the answer ("woman" by a
            person).
        found: what the Scene says instead, for a contradiction.
        evidence: what the verdict rests on; empty where nothing was found.
    """

    kind: ClaimKind
    text: str
    span: tuple[int, int]
    about: str = ""
    value: str = ""
    other: str = ""
    denied: bool = False
    verdict: Verdict = "not found"
    weak: bool = False
    found: str = ""
    evidence: tuple[Evidence, ...] = ()


def all_evidence(claims: Iterable[Claim]) -> list[Evidence]:
    """What the claims rest on, each once, in the order in which the claims name it."""
    return list(dict.fromkeys(e for claim in claims for e in claim.evidence))


def contradictions(claims: Iterable[Claim]) -> list[Claim]:
    """The claims that the Scenes contradict."""
    return [c for c in claims if c.verdict == "contradicted"]


def to_json(claims: Sequence[Claim]) -> dict[str, Any]:
    """JSON values: every piece of evidence once, and the claims, which name theirs by id."""
    found = [
        {**asdict(e), "box": [round(v, 2) for v in e.box], "score": round(e.score, 3)} for e in all_evidence(claims)
    ]
    rows = [{**asdict(c), "span": [*c.span], "evidence": [e.id for e in c.evidence]} for c in claims]
    return {"format": FORMAT, "about": ABOUT, "claims": rows, "evidence": found}


def from_json(data: str | Mapping[str, Any]) -> list[Claim]:
    """Read what `to_json` wrote. Boxes have two decimals, scores three.

    Raises:
        UserError: another form.
    """
    try:
        read = json.loads(data) if isinstance(data, str) else data
        if read["format"] != FORMAT:
            raise UserError(f"evidence of form '{read['format']}'", allowed=FORMAT)
        known = {e["id"]: as_declared(Evidence(**{**e, "box": as_box(e["box"])})) for e in read["evidence"]}
        claims = [_claim(row, known) for row in read["claims"]]
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as e:
        raise UserError(f"evidence with a missing or misshapen field ({e})", allowed=f"the form {FORMAT}") from None
    return claims


def _claim(row: Mapping[str, Any], known: Mapping[str, Evidence]) -> Claim:
    start, end = row["span"]
    if row["kind"] not in get_args(ClaimKind) or row["verdict"] not in get_args(Verdict):
        raise ValueError(f"kind '{row['kind']}', verdict '{row['verdict']}'")
    evidence = tuple(known[i] for i in row["evidence"])
    return as_declared(Claim(**{**row, "span": (start, end), "evidence": evidence}))
