"""Questions as token ids, and the loss on their answers: what all tasks of this recipe share.

Letters: B rows, T tokens, D width, R rows with a target, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import torch
import torch.nn.functional as F

from nunbit.data.packing import Pack
from nunbit.models.text_encoder import encode_words
from nunbit.recipes.tiny.tokenizer import ASSISTANT, EOS, spelt
from nunbit.training.stage import Batch
from nunbit.world.base import QA
from nunbit.world.samples import Sample

COPIED = ("read", "lookup", "compare", "order")
"""Kinds of questions whose answer may be a string of the picture."""


def is_copied(qa: QA, drawn: Sample) -> bool:
    """Whether an answer is read off the picture."""
    return qa.kind in COPIED and any(qa.answer in line.text for line in drawn.picture.scene.text_lines)


def question_ids(samples: Sequence[Sample], tokenizer: Any) -> list[list[tuple[list[int], list[int]]]]:
    """Per sample, (given, learnt) ids of each question.

    They are those that `nunbit.models.prompt.PromptBuilder` builds after a picture (a test holds the two together),
    except that an answer which is read off the picture is spelt out: a picture shows characters, and copying them is
    one rule for every word.
    """
    assistant, eos = tokenizer.convert_tokens_to_ids(ASSISTANT), tokenizer.convert_tokens_to_ids(EOS)

    def learnt(qa: QA, s: Sample) -> list[int]:
        return [*(spelt if is_copied(qa, s) else encode_words)(qa.answer, tokenizer), eos]

    return [[(encode_words(q.question, tokenizer) + [assistant], learnt(q, s)) for q in s.questions] for s in samples]


def answer_loss(model: Any, embeds: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropy on answer rows only: they are selected before the LM head, which is most of the cost at this size.

    Args:
        embeds: ``(B, T, D)``.
        batch: ``mask`` ``(B, 1, T, T)``, ``positions`` and ``labels`` ``(B, T)``.

    A token of an answer of n tokens weighs n ** -0.7: counted by tokens, descriptions and boxes drown what "yes" and
    "red" could teach.
    """
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=batch["mask"], position_ids=batch["positions"], use_cache=False
    ).last_hidden_state
    rows = batch["labels"] >= 0
    logits, wanted = model.lm_head(hidden[rows]), batch["labels"][rows]
    which, weight = answers_of(rows), even_weights(rows)
    each = F.cross_entropy(logits.float(), wanted, reduction="none")
    wrong = logits.argmax(-1) != wanted
    whole = torch.bincount(which, wrong) == 0
    figures = {"answer": each.mean(), "token_ok": 1 - wrong.float().mean(), "answer_ok": whole.float().mean()}
    return (each * weight).sum() / weight.sum(), {k: v.item() for k, v in figures.items()}


def answers_of(rows: torch.Tensor) -> torch.Tensor:
    """``(B, T)`` bool, true where a token is learnt, to the number of its answer for each such row ``(R,)``, from 0."""
    begins = rows & ~F.pad(rows, (1, 0))[:, :-1]
    return (begins.flatten().cumsum(0) - 1)[rows.flatten()]


def even_weights(rows: torch.Tensor) -> torch.Tensor:
    """``(B, T)`` bool, true where a token is learnt, to the weight n ** -0.7 of each such row ``(R,)``, n the tokens of
    its answer."""
    which = answers_of(rows)
    return (torch.bincount(which).float() ** -0.7)[which]


def fitting(questions: list[tuple[list[int], list[int]]], room: int) -> list[tuple[list[int], list[int]]]:
    """The first of the questions, and those after it that fit in the rest of ``room`` tokens."""
    out: list[tuple[list[int], list[int]]] = []
    for given, learnt in questions:
        room -= len(given) + len(learnt)
        if room >= 0 or not out:
            out.append((given, learnt))
    return out


def split_batch(batch: Batch, size: int) -> Iterator[Batch]:
    """Micro-batches of rows of like length, ``size`` rows each, as wide as the longest, with their ``share`` of the
    batch's answers."""
    long = (batch["positions"] > 0).sum(1) + 1  # only padding and the very first token stand at 0
    parts = long.argsort(stable=True).split(size or len(long))
    weights = [even_weights(batch["labels"][rows] >= 0).sum() for rows in parts]
    for rows, mine in zip(parts, weights, strict=True):
        wide = int(long[rows].max())
        part = {k: v[rows] for k, v in batch.items()}
        part |= {k: part[k][:, :wide] for k in ("ids", "positions", "labels")}
        yield part | {"mask": part["mask"][:, :, :wide, :wide], "share": mine / sum(weights)}


def as_batch(packed: Pack) -> Batch:
    """The tensors of packed rows by name: ``ids``, ``positions``, ``labels`` (B, T), ``mask`` (B, 1, T, T)."""
    return {f.name: getattr(packed, f.name) for f in fields(packed)}
