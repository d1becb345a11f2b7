"""When is an answer right? Exact after folding case and spaces; a box at IoU >= 0.5. No guessing, no partial credit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nunbit.scene import box_iou

_BOX = re.compile(r"^\[\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\]$")


def normal(text: str) -> str:
    """The form in which answers are compared: NFKC, lower case, single spaces, no final full stop."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip().rstrip(".")
    return re.sub(r"\s+", " ", folded)


def parse_box(text: str) -> tuple[float, float, float, float] | None:
    """``[x1, y1, x2, y2]`` in hundredths, or None when the text is not a box."""
    found = _BOX.match(text.strip())
    if not found:
        return None
    x1, y1, x2, y2 = (float(g) for g in found.groups())
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def same_list(answer: str, truth: str) -> bool:
    """Whether two lists ("a cat, 2 dogs and a bus") name the same, in any order."""
    one, other = (sorted(re.split(r",? and |, ", normal(text))) for text in (answer, truth))
    return one == other


def is_right(answer: str, truths: Sequence[str]) -> bool:
    """Whether the answer equals any of the truths; where a truth is a box, whether it overlaps it with IoU >= 0.5."""
    for truth in truths:
        wanted = parse_box(truth)
        if wanted is None:
            if normal(answer) == normal(truth):
                return True
        else:
            given = parse_box(answer)
            if given is not None and box_iou(given, wanted) >= 0.5:
                return True
    return False
