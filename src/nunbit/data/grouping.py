"""Which samples go into which batch, from their lengths alone. No picture is opened, no token is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MEGA = 50
"""Batches' worth of samples that are sorted together: enough for even lengths, few enough to stay random."""


def steps_of(samples: int, batch: int) -> int:
    """Batches of one pass; the last one may be short."""
    return -(-samples // batch)


def plan(
    lengths: np.ndarray,
    kinds: np.ndarray,
    batch: int,
    *,
    seed: tuple[int, ...],
    group: bool = True,
    ordered: bool = False,
) -> list[np.ndarray]:
    """One pass over the samples, each in exactly one batch.

    Grouped: samples of one kind (with pictures or without) are shuffled, sorted by length within a few batches' worth,
    cut, and the batches shuffled. What is left of each kind goes into mixed batches. Source: LLaVA,
    ``group_by_modality_length``.

    Args:
        lengths, kinds: (n,) tokens of each sample; whether it has a picture.
    """
    n, rng = len(lengths), np.random.default_rng(seed)
    if ordered or not group:
        order = np.arange(n) if ordered else rng.permutation(n)
        return [order[i : i + batch] for i in range(0, n, batch)]
    out: list[np.ndarray] = []
    left: list[np.ndarray] = []
    for kind in (True, False):
        members = rng.permutation(np.flatnonzero(kinds == kind))
        whole = len(members) // batch * batch
        left.append(members[whole:])
        for start in range(0, whole, batch * MEGA):
            mega = members[start : min(start + batch * MEGA, whole)]
            mega = mega[np.argsort(-lengths[mega], kind="stable")]
            out += [mega[i : i + batch] for i in range(0, len(mega), batch)]
    rest = np.concatenate(left)
    rest = rest[np.argsort(-lengths[rest], kind="stable")]
    mixed = [rest[i : i + batch] for i in range(0, len(rest), batch)]
    short = [mixed.pop()] if mixed and len(mixed[-1]) < batch else []
    out += mixed
    return [out[i] for i in rng.permutation(len(out))] + short


def packs(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which samples share a row of ``room`` tokens: the longest first, each into the fullest row that still holds it. A
    sample that is longer than a row has one of its own. Rows are ordered by how full they are."""
    rows: list[tuple[int, list[int]]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fits = [k for k, (used, _) in enumerate(rows) if used + lengths[i] <= room]
        if fits:
            k = max(fits, key=lambda k: rows[k][0])
            rows[k] = (rows[k][0] + lengths[i], [*rows[k][1], i])
        else:
            rows.append((lengths[i], [i]))
    return [members for _, members in sorted(rows, key=lambda row: -row[0])]


def token_utilization(lengths: np.ndarray, batches: Sequence[np.ndarray], room: int = 0) -> float:
    """Share of a pass's tokens that are no padding, when each batch is as wide as its longest row; with ``room`` its
    rows are packed."""
    real = shown = 0
    for batch in batches:
        mine = [int(lengths[i]) for i in batch]
        rows = [sum(mine[i] for i in row) for row in packs(mine, room)] if room else mine
        real += sum(mine)
        shown += len(rows) * max(rows)
    return real / shown
