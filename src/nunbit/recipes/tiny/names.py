"""What the encoder's classes and colours are called, in English and Korean."""

from __future__ import annotations

from typing import Any

from nunbit.models.text_encoder import encode_words
from nunbit.perception.cells import COLOUR_NAMES
from nunbit.world import panels, puzzles, things
from nunbit.world.base import COLOURS


def class_names() -> list[str]:
    """The encoder's classes; position 0 is nothing."""
    steps = [f"{script} step {i + 1}" for script, (_, n, _) in panels.SCRIPTS.items() for i in range(n)]
    drawn = ["bar", "point", "sector", "board"]
    return ["", *things.names(), *drawn, *steps, *puzzles.HOUR_HANDS, *puzzles.MINUTE_HANDS]


def class_words() -> list[list[str]]:
    """Words for each class of `class_names`, in English and Korean; an hour hand is called by its hour."""
    words = {n: [n, korean] for n, (_, korean) in things.names().items()}
    words |= {n: [n] for n in ("bar", "point", "sector", "board")} | {n: [n.split()[-1]] for n in puzzles.HOUR_HANDS}
    return [words.get(n, []) for n in class_names()]


def colour_words() -> list[list[str]]:
    """Words for each colour of `nunbit.perception.cells.COLOUR_NAMES`, in English and Korean."""
    return [[c, COLOURS[c][0]] if c in COLOURS else [] for c in COLOUR_NAMES]


def translations() -> dict[str, dict[str, str]]:
    """Korean names of things and colours by their English ones, for Scene text."""
    named = {n: korean for n, (_, korean) in things.names().items()}
    return {"ko": named | {c: v[0] for c, v in COLOURS.items()}}


def init_crayon_from_words(aware: Any) -> None:
    """Let the rows of an object-aware model's crayon start from the word embeddings of their classes' names."""
    words, tokenizer = dict(zip(class_names(), class_words(), strict=True)), aware.processor.tokenizer
    rows = [[i for word in words.get(n, []) for i in encode_words(word, tokenizer)] for n in aware.config.classes]
    aware.connectors["crayon"].init_from_word_embeddings(aware.model.get_input_embeddings().weight, rows)
