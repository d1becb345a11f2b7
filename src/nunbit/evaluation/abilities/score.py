"""Marking: an answer's credit from 0 to 1 by the measure of its suite.

Nothing is guessed; what cannot be read is worth nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nunbit.evaluation.abilities.suites import Trial
from nunbit.evaluation.matching import is_right, normal, parse_box
from nunbit.scene import box_iou

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def right(answer: str, trial: Trial) -> bool:
    """Whether the answer is right as a whole: equal, or for boxes an IoU of at least one half."""
    if trial.measure == "number":
        return _number(answer) == float(trial.answer)
    return is_right(answer, (trial.answer, *trial.accept))


def credit(answer: str, trial: Trial) -> float:
    """exact: 1 or 0. characters: 1 - CER on NFC. box: IoU. order: Kendall's tau mapped to 0..1. names: F1 over what
    is listed. number: 1, one half within a tenth of the truth.
    """
    if trial.measure == "characters":
        a, b = (unicodedata.normalize("NFC", normal(t)) for t in (answer, trial.answer))
        return max(0.0, 1 - edits(a, b) / max(1, len(b)))
    if trial.measure == "box":
        given, wanted = parse_box(answer), parse_box(trial.answer)
        return box_iou(given, wanted) if given and wanted else 0.0
    if trial.measure == "order":
        return order(answer, trial.answer)
    if trial.measure == "names":
        return listed(answer, trial.answer)
    if trial.measure == "number":
        value, truth = _number(answer), float(trial.answer)
        return 1.0 if value == truth else 0.5 if value is not None and abs(value - truth) <= 0.1 * abs(truth) else 0.0
    return float(right(answer, trial))


def edits(a: str, b: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def order(answer: str, truth: str) -> float:
    """Kendall's tau of the letters as a share of pairs in the right order; 0 unless each letter is there once."""
    wanted, given = _letters(truth), _letters(answer)
    if sorted(given) != sorted(wanted) or len(wanted) < 2:
        return 0.0
    place = {c: i for i, c in enumerate(given)}
    pairs = [(a, b) for i, a in enumerate(wanted) for b in wanted[i + 1 :]]
    return sum(place[a] < place[b] for a, b in pairs) / len(pairs)


def listed(answer: str, truth: str) -> float:
    """F1 of the things named, whatever their order."""
    given, wanted = (_items(t) for t in (answer, truth))
    hit = 0
    left = list(wanted)
    for item in given:
        if item in left:
            left.remove(item)
            hit += 1
    return 2 * hit / (len(given) + len(wanted)) if given and wanted else 0.0


def _items(text: str) -> Sequence[str]:
    return [p.strip() for p in re.split(r",| and | 그리고 ", normal(text)) if p.strip()]


def _letters(text: str) -> list[str]:
    return re.findall(r"[A-F]", text.upper())


def _number(text: str) -> float | None:
    found = _NUMBER.findall(text.replace(",", ""))
    return float(found[0]) if len(found) == 1 else None
