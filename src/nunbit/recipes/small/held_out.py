"""Held-out questions during training: tiny-world's, answered from the words alone.

An answer counts where every token is the likeliest one given those before it, so greedy decoding would write exactly
it. That takes one pass over the packed rows and no decoding; it is a little stricter than `nunbit eval tiny-world`,
which also takes other boxes and orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.recipes.small.data import ExampleMaker, styled
from nunbit.recipes.small.decoder import Decoder
from nunbit.recipes.small.rows import Encoder, Row, row
from nunbit.scene import Scene
from nunbit.scene_prompt import scene_words
from nunbit.world.base import Language, Picture, generator
from nunbit.world.names import names_in
from nunbit.world.samples import sample


@dataclass(slots=True)
class Question:
    """A held-out question in the words it is asked with."""

    words: str
    question: str
    answer: str
    kinds: tuple[str, ...]


def tiny_world(limit: int, seed: int = 0, maker: ExampleMaker | None = None) -> list[Question]:
    """The first questions of `nunbit eval tiny-world`, in true Scenes or in those that the maker's perception finds."""
    out, scenes = [], dict[int, Scene]()
    for item in items(seed, limit):
        if item.picture not in scenes:
            picture = drawn(item, seed)
            scenes[item.picture] = maker.estimated(picture) if maker else picture.scene
        words = scene_words(scenes[item.picture], item.qa.language, names_in(item.qa.language))
        kinds = (item.domain, item.qa.kind, item.qa.language)
        out.append(Question(words, item.qa.question, styled(item.qa.answer), kinds))
    return out


def imagined_questions(limit: int, maker: ExampleMaker) -> list[Question]:
    """Questions about imagined photographs and papers that training does not draw."""
    out: list[Question] = []
    number = 0
    while len(out) < limit:
        rng = generator(77, number, "test")
        language: Language = "ko" if number % 2 else "en"
        example = (maker.photo, maker.paper, maker.pictures)[number % 3](rng, number, 77, language)
        source = ("photo", "paper", "pictures")[number % 3]
        out += [
            Question(example.words, *conversation[0], (source, f"{source}/{language}"))
            for conversation in example.conversations
            if len(conversation) == 1
        ]
        number += 1
    return out[:limit]


def drawn(item: WorldItem, seed: int) -> Picture:
    """A held-out picture, drawn again from its number."""
    return sample(item.picture, seed=seed, split=item.split, mixture={item.domain: 1.0}, questions=4).picture


def rows_of(questions: Sequence[Question], encoder: Encoder) -> list[tuple[Row, list[Question]]]:
    """Questions that share their words share a row."""
    out: list[tuple[Row, list[Question]]] = []
    for words, group in groupby(sorted(questions, key=lambda q: q.words), key=lambda q: q.words):
        asked = list(group)
        out.append((row(encoder, words, [[(q.question, q.answer)] for q in asked]), asked))
    return out


@torch.no_grad()
def right(decoder: Decoder, one: Row, count: int) -> list[bool]:
    """Which of a row's conversations greedy decoding would answer exactly so."""
    device = decoder.table.device
    ids, positions, labels, document = (t.to(device) for t in (one.ids, one.positions, one.labels, one.document))
    hidden = decoder.hidden(decoder.embed(ids), positions, one.mask().to(device))
    at = labels >= 0
    hit = decoder.logits(hidden[at]).argmax(-1) == labels[at]
    return [bool(hit[document[at] == n].all()) for n in range(1, count + 1)]


def examine(decoder: Decoder, rows: Sequence[tuple[Row, list[Question]]], name: str = "eval") -> dict[str, float]:
    """Shares that are right: all, and by domain, kind and language."""
    decoder.merge()
    total, good = Counter[str](), Counter[str]()
    for one, asked in rows:
        for question, hit in zip(asked, right(decoder, one, len(asked)), strict=True):
            for key in ("all", *question.kinds):
                total[key] += 1
                good[key] += hit
    return {f"{name}/{k}": round(good[k] / total[k], 4) for k in total}
