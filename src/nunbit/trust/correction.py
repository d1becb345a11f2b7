"""Step 5 of Woodpecker: edits, each tried and kept only if the answer is then better and has lost nothing that holds.

An answer is better with fewer claims that do not hold. It has lost something where a claim that held is gone. So a
correction cannot make an answer worse as far as the checks can see, whatever an edit does to a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nunbit.evidence.claims import Claim
from nunbit.trust.edits import edits_for
from nunbit.trust.phrases import reason
from nunbit.trust.trace import Check, Correction
from nunbit.world.base import Language

Judge = Callable[[str], list[Check]]
"""A text -> its claims, checked."""
MOST_CORRECTIONS, MOST_EDITS, MOST_TRIED, MOST_CHARS_CHECKED = 24, 12, 120, 200_000
"""Corrections of an answer; edits that are tried for each and for all together; and characters that are checked again
for them, so that a long answer takes about as long as a short one with many mistakes."""
Key = tuple[str, str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text after its corrections; ``left`` are the numbers of first checks that nothing could be done about."""

    text: str
    checks: list[Check]
    corrections: tuple[Correction, ...]
    left: tuple[int, ...]


def key_of(claim: Claim) -> Key:
    """What a claim says, wherever it stands. A name says that the thing is there."""
    return "existence" if claim.kind == "naming" else claim.kind, claim.about, claim.value, claim.other, claim.denied


def is_better(before: Sequence[Check], after: Sequence[Check]) -> bool:
    """Whether fewer claims fail, and none that held is gone."""
    failed = [sum(c.holds == "no" for c in checks) for checks in (before, after)]
    return failed[1] < failed[0] and not lost(before, after)


def lost(before: Sequence[Check], after: Sequence[Check]) -> set[Key]:
    """What held before and is no longer said. A thing that is said to be there is not lost where more is said of it."""
    kept = {key_of(c.claim) for c in after if c.holds == "yes"}
    named = {n for c in after if c.holds == "yes" and not c.claim.denied for n in (c.claim.about, c.claim.other)}
    gone = {key_of(c.claim) for c in before if c.holds == "yes"} - kept
    return {k for k in gone if not (k[0] == "existence" and not k[2] and not k[4] and k[1] in named)}


def shown(before: str, after: str) -> tuple[str, str]:
    """What an edit changed as people are shown it: without the comma of a list, and without a verb that stayed."""
    old, new = before.strip(" ,\n"), after.strip(" \n")
    verb = re.match(r"(?:is|are)\s+", old)
    if verb and new.startswith(verb[0]):
        return old[verb.end() :], new[verb.end() :]
    return old, new


def correct(text: str, judge: Judge, checks: Sequence[Check], language: Language) -> Corrected:
    """Correct a text claim by claim.

    Args:
        judge: checks a text as the original was checked.
        checks: of the original.
        language: of a text without letters.
    """
    first = list(checks)
    now, made, given_up, tried = first, list[Correction](), set[Key](), 0
    most = min(MOST_TRIED, max(MOST_EDITS, MOST_CHARS_CHECKED // max(1, len(text))))
    while len(made) < MOST_CORRECTIONS and tried < most:
        wrong = next((c for c in now if c.holds == "no" and key_of(c.claim) not in given_up), None)
        if wrong is None:
            break
        for edit in list(edits_for(text, wrong, now, language))[:MOST_EDITS]:
            new = edit.of(text)
            if not new.strip() or new == text:
                continue
            after = judge(new)
            tried += 1
            if is_better(now, after):
                number = next((i for i, c in enumerate(first) if key_of(c.claim) == key_of(wrong.claim)), -1)
                because = reason(wrong, "en"), reason(wrong, "ko")
                made.append(Correction(edit.action, *shown(text[edit.start : edit.end], edit.words), number, *because))
                text, now = new, after
                break
        else:
            given_up.add(key_of(wrong.claim))
    failing = {key_of(c.claim) for c in now if c.holds == "no"}
    left = tuple(i for i, c in enumerate(first) if c.holds == "no" and key_of(c.claim) in failing)
    return Corrected(text, now, tuple(made), left)
