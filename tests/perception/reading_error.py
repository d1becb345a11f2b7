"""How wrong a reading is: characters, and lines found."""

from __future__ import annotations

import numpy as np


def errors(truth: str, read: str) -> float:
    """The least share of wrong characters with which the truth stands somewhere in what was read; blanks do not
    count."""
    a, b = "".join(truth.split()), "".join(read.split())
    row = np.zeros(len(b) + 1, int)  # it may start anywhere
    for i, char in enumerate(a, 1):
        swap = row[:-1] + np.array([char != c for c in b], int) if b else row[:0]
        nxt = np.empty_like(row)
        nxt[0] = i
        nxt[1:] = np.minimum(swap, row[1:] + 1)
        steps = np.arange(len(nxt))
        row = np.minimum.accumulate(nxt - steps) + steps  # an insertion after the best so far
    return min(1.0, float(row.min()) / max(1, len(a)))


def reading_scores(lines: list[str], read: list[str]) -> tuple[float, float]:
    """Mean character error of the lines, and the share of lines with at most a tenth of wrong characters."""
    whole = "\n".join(read)
    found = [errors(line, whole) for line in lines]
    return float(np.mean(found)), float(np.mean([e <= 0.1 for e in found]))
