"""Many questions about one picture in one sequence, under a block mask, so that the picture's tokens are computed once.

Each question sees the picture and itself, at the positions it would have alone: logits equal those of separate
sequences (a test shows it). Legend: B batch, T tokens, P prefix (picture) tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(slots=True)
class Pack:
    """``ids``, ``positions``, ``labels`` (B, T); ``mask`` (B, 1, T, T) True where a row may look. ``labels`` are -100
    off the answers and already shifted: row t predicts ``labels[t]``."""

    ids: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


def pack(
    prefixes: Sequence[Sequence[int]],
    prefix_positions: Sequence[Sequence[int]],
    after: int | Sequence[int],
    questions: Sequence[Sequence[tuple[list[int], list[int]]]],
    pad: int,
) -> Pack:
    """Pack a batch.

    Args:
        prefixes: ids of each sample's picture part; prefix_positions: their positions.
        after: the position at which every question starts, one for all samples or one each.
        questions: per sample, (ids that are given, ids that are learnt) of each question.
    """
    starts = [after] * len(prefixes) if isinstance(after, int) else after
    rows = [_row(*one) for one in zip(prefixes, prefix_positions, starts, questions, strict=True)]
    width = max(len(r[0]) for r in rows)
    ids = torch.full((len(rows), width), pad)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    document = torch.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        for target, values in zip((ids, positions, labels, document), row, strict=True):
            target[i, : len(values)] = torch.tensor(values)
    return Pack(ids, positions, labels, block_mask(document))


def block_mask(document: torch.Tensor) -> torch.Tensor:
    """Which tokens may attend to which, in rows of several documents.

    Args:
        document: ``(B, T)`` numbers of the documents, 0 of the shared prefix, -1 of padding.

    Returns:
        ``(B, 1, T, T)`` bool, true where the row's token may attend to the column's.
    """
    causal = torch.ones(document.shape[1], document.shape[1], dtype=torch.bool).tril()
    same = document[:, :, None] == document[:, None, :]
    mask = causal & (same | (document == 0)[:, None, :])
    # A padding row looks at the prefix and at padding, itself included, so that no softmax is empty.
    return mask[:, None]


def real_tokens(positions: torch.Tensor) -> torch.Tensor:
    """``(B, T)`` positions of `pack` to ``(B, T)`` bool, true on tokens.

    Only padding and a row's first token have position 0.
    """
    real = positions > 0
    real[:, 0] = True
    return real


def _row(
    prefix: Sequence[int], positions: Sequence[int], after: int, questions: Sequence[tuple[list[int], list[int]]]
) -> tuple[list[int], list[int], list[int], list[int]]:
    ids, pos = list(prefix), list(positions)
    labels, document = [-100] * len(ids), [0] * len(ids)
    for number, (given, learnt) in enumerate(questions, start=1):
        text = given + learnt
        ids += text
        pos += range(after, after + len(text))
        labels += [-100] * (len(given) - 1) + learnt + [-100]
        document += [number] * len(text)
    return ids, pos, labels, document
