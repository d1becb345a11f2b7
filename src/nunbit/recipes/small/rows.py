"""Rows of training: the words about one picture once, and many conversations beside each other under a block mask.

A conversation is a list of (question, answer) turns. Ids are those that the chat template gives: `USER_START`, the
words, a line break, the question, and so on; the words and the first question are encoded apart, which gives the same
ids as together (a test shows it).

Letters: B rows, L tokens of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional as F

from nunbit.data.packing import block_mask

USER_START, ASSISTANT_START, END_OF_TURN = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
NEXT_USER = "\n<|im_start|>user\n"
Turn = tuple[str, str]
IMAGE_ID = -1
"""Stands for a token of a picture in the ids of a row."""


KEYS = ("ids", "positions", "labels", "document", "weights")


@dataclass(slots=True)
class Row:
    """One sequence of T tokens, all of shape ``(T)``: ids, positions, labels (-100 where nothing is learnt; row t
    predicts ``labels[t]``), number of the conversation (0 for what all share, -1 for padding), weight of each
    label. Several of one length may lie end to end, see `padded`."""

    ids: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    document: torch.Tensor
    weights: torch.Tensor

    def mask(self, rows: int = 1) -> torch.Tensor:
        """``(B, L, L)``: True where a token may attend to another, of ``rows`` sequences end to end."""
        return block_mask(self.document.view(rows, -1))[:, 0]


def padded(rows: Sequence[Row], pad: int) -> Row:
    """Rows end to end, each filled up to the length of the longest."""
    length = max(len(r.ids) for r in rows)
    fill = {"ids": pad, "positions": 0, "labels": -100, "document": -1, "weights": 0.0}

    def joined(key: str) -> torch.Tensor:
        return torch.cat([F.pad(getattr(r, key), (0, length - len(r.ids)), value=fill[key]) for r in rows])

    return Row(*(joined(k) for k in KEYS))


class Encoder:
    """Text to ids, each string once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.control = {
            s: tuple(tokenizer(s, add_special_tokens=False).input_ids)
            for s in (USER_START, ASSISTANT_START, END_OF_TURN, NEXT_USER)
        }
        self.text = lru_cache(maxsize=20000)(self._text)

    def _text(self, text: str) -> tuple[int, ...]:
        # What is written in a picture or typed by a user never becomes a control token.
        return tuple(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)


def row(encoder: Encoder, words: str, conversations: Sequence[Sequence[Turn]], image_tokens: int = 0) -> Row:
    """Pack the conversations about one picture. A conversation's answers weigh its tokens by 1 / sqrt(their number)."""
    pictured = [*encoder.control[USER_START], *[IMAGE_ID] * image_tokens]
    first = [*pictured, *(encoder.text(words + "\n") if words else ())]
    ids, positions, labels = list(first), list(range(len(first))), [-100] * len(first)
    document, weights = [0] * len(first), [0.0] * len(first)
    for number, turns in enumerate(conversations, start=1):
        text: list[int] = []
        learnt: list[int] = []
        for i, (question, answer) in enumerate(turns):
            given = [
                *(encoder.control[NEXT_USER] if i else ()),
                *encoder.text(question),
                *encoder.control[ASSISTANT_START],
            ]
            reply = [*encoder.text(answer), *encoder.control[END_OF_TURN]]
            text += given + reply
            learnt += [-100] * len(given) + reply
        shifted = learnt[1:] + [-100]
        share = max(1, sum(x >= 0 for x in shifted)) ** -0.5
        ids += text
        positions += range(len(first), len(first) + len(text))
        labels += shifted
        document += [number] * len(text)
        weights += [share if x >= 0 else 0.0 for x in shifted]
    return Row(
        torch.tensor(ids), torch.tensor(positions), torch.tensor(labels), torch.tensor(document), torch.tensor(weights)
    )
