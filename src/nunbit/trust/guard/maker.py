"""Made sentences that the classifier learns from: orders to a model and ordinary writing, in English and Korean, broken
into lines and misread as recognisers misread.

Templates are in ``orders.tsv`` and ``ordinary.tsv``: ``[a|b]`` is one of several, ``{name}`` an entry of ``slots.tsv``.
``prose.tsv`` has sentences of this project's documentation, which speak of models, prompts and answers without orders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from nunbit.trust.guard.tables import guard_table
from nunbit.world.base import pick

DEEPEST = 8
"""Slots within slots."""
PROSE = 0.3
"""Share of ordinary lines that are sentences of documentation."""
MISREAD = {
    "en": [*"l1 I1 Il O0 o0 S5 B8 m:rn d:cl e:c c:e i:l h:b u:v n:r a:s t:f g:q".split()],
    "ko": [*"라:리 고:그 답:담 세:서 력:럭 지:시 무:부 하:히 을:올 은:온 는:논 말:밀 요:오 이:미".split()],
}
"""Pairs that recognisers take for each other: two characters, or two strings."""
_CHOICE, _SLOT = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]"), re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Sample:
    """Lines as a recogniser might read them.

    Attributes:
        order: whether they are an order to a model.
        template: the number of the template, so that templates can be held out.
    """

    lines: tuple[str, ...]
    order: bool
    template: int


@cache
def _slots() -> dict[tuple[str, str], tuple[str, ...]]:
    out: dict[tuple[str, str], list[str]] = {}
    for name, language, text in guard_table("slots.tsv"):
        out.setdefault((name, language), []).append(text)
    return {k: tuple(v) for k, v in out.items()}


def filled(rng: np.random.Generator, template: str, language: str) -> str:
    """A sentence of a template."""
    for _ in range(DEEPEST):
        template = _CHOICE.sub(lambda m: pick(rng, m[1].split("|")), template)
        if not _SLOT.search(template) and not _CHOICE.search(template):
            break
        template = _SLOT.sub(lambda m: _slot(rng, m[1], language), template)
    return re.sub(r"\s+", " ", template).strip()


def _slot(rng: np.random.Generator, name: str, language: str) -> str:
    known = _slots()
    return pick(rng, known.get((name, language)) or known[name, "en"])


def sentence(rng: np.random.Generator, table: str, language: str, numbers: tuple[int, ...]) -> tuple[str, int]:
    """A sentence of one of the templates with these numbers, and which it was."""
    number = int(pick(rng, numbers))
    return filled(rng, guard_table(table)[number][1], language), number


def numbers_of(table: str, language: str) -> tuple[int, ...]:
    """The numbers of a table's templates in a language."""
    return tuple(i for i, row in enumerate(guard_table(table)) if row[0] == language)


def samples(seed: int, count: int, *, hold_out: int = 0, held: bool = False) -> Iterator[Sample]:
    """Samples, half of them orders.

    Args:
        hold_out: every so-manieth template is held out; 0 for none.
        held: samples of the templates that are held out, instead of the others.
    """
    rng = np.random.default_rng(seed)

    def chosen(table: str, language: str) -> tuple[int, ...]:
        every = numbers_of(table, language)
        return tuple(n for i, n in enumerate(every) if not hold_out or (i % hold_out == 0) == held)

    known = {(t, k): chosen(t, k) for t in ("orders.tsv", "ordinary.tsv") for k in ("en", "ko")}
    for i in range(count):
        language = "ko" if rng.random() < 0.45 else "en"
        ordinary = [_ordinary(rng, language, known["ordinary.tsv", language]) for _ in range(8)]
        if i % 2:
            few = ordinary[: int(rng.integers(1, 8))]
            lines = [line for text, _ in few for line in _lines(rng, _cased(rng, text))]
            yield Sample(_misread(rng, lines, language), False, few[0][1])
            continue
        text, number = sentence(rng, "orders.tsv", language, known["orders.tsv", language])
        lines = _lines(rng, _cased(rng, text))
        before, after = (int(rng.integers(0, 3)) if rng.random() < 0.3 else 0 for _ in range(2))
        around = [t for t, _ in ordinary[:before]], [t for t, _ in ordinary[before : before + after]]
        yield Sample(_misread(rng, [*around[0], *lines, *around[1]], language), True, number)


def _ordinary(rng: np.random.Generator, language: str, numbers: tuple[int, ...]) -> tuple[str, int]:
    if rng.random() < PROSE:
        return pick(rng, _prose()[language]), -1
    return sentence(rng, "ordinary.tsv", language, numbers)


@cache
def _prose() -> dict[str, tuple[str, ...]]:
    return {k: tuple(t for language, t in guard_table("prose.tsv") if language == k) for k in ("en", "ko")}


def _cased(rng: np.random.Generator, text: str) -> str:
    chance = rng.random()
    return text.upper() if chance < 0.15 else text.lower() if chance < 0.25 else text


def _lines(rng: np.random.Generator, text: str) -> list[str]:
    """A text broken at blanks into lines of a random width."""
    width, lines = int(rng.integers(10, 70)), [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _misread(rng: np.random.Generator, lines: list[str], language: str) -> tuple[str, ...]:
    """Lines with letters taken for others, blanks lost or added, and signs left out, in a third of all samples."""
    if rng.random() < 0.65:
        return tuple(lines)
    rate = float(rng.uniform(0.01, 0.06))
    return tuple(_misread_line(rng, line, language, rate) for line in lines)


def _misread_line(rng: np.random.Generator, line: str, language: str, rate: float) -> str:
    out = []
    for char in line:
        if rng.random() >= rate:
            out.append(char)
            continue
        pairs = [p for p in MISREAD[language] if p[0] == char]
        if pairs:
            pair = pick(rng, pairs)
            out.append(pair.partition(":")[2] if ":" in pair else pair[1])
        elif char != " " and rng.random() < 0.5:
            out.append(char + " ")
    return "".join(out)
