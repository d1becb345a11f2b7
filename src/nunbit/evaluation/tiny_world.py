"""`nunbit eval tiny-world`: held-out questions about world pictures, with two baselines and intervals.

The pictures come from splits that training never draws (`test`, and `unseen` with the artwork style kept out of
training), so any seed is held out. Baselines: the same model with a blank image, and the most frequent answer
of the kind (known from training questions, in the question's language).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nunbit.evaluation.matching import is_right, same_list
from nunbit.evaluation.statistics import bootstrap_interval
from nunbit.messages import Message, question
from nunbit.world import DOMAINS
from nunbit.world.artwork import missing_styles
from nunbit.world.base import QA, Split
from nunbit.world.samples import sample

Ask = Callable[[Sequence[Sequence[Message]]], list[str]]


@dataclass(slots=True)
class WorldItem:
    """One held-out question: its picture's number and pixels, where it comes from, and what was answered."""

    picture: int
    pixels: np.ndarray
    domain: str
    split: Split
    qa: QA
    answer: str = ""
    blank_answer: str = ""
    majority_answer: str = ""

    def right(self, answer: str) -> bool:
        """Whether an answer is right: equal to an accepted one, for boxes IoU of one half or more, for unordered
        lists in any order.
        """
        given = is_right(answer, (self.qa.answer, *self.qa.accept))
        return given or (self.qa.unordered and same_list(answer, self.qa.answer))


def items(seed: int, limit: int) -> list[WorldItem]:
    """``limit`` questions, four a picture, the domains in equal parts; every seventh picture is a *things* picture in
    the unseen style.
    """
    out: list[WorldItem] = []
    domains = [*DOMAINS]
    number = 0
    while len(out) < limit:
        slot = number % (len(domains) + 1)
        split: Split = "unseen" if slot == len(domains) else "test"
        domain = "things" if split == "unseen" else domains[slot]
        drawn = sample(number, seed=seed, split=split, mixture={domain: 1.0}, questions=4)
        out += [WorldItem(number, drawn.picture.pixels, domain, split, qa) for qa in drawn.questions]
        number += 1
    return out[:limit]


def majority_answers(pictures: int = 600) -> dict[tuple[str, str, str], str]:
    """The most frequent answer per (domain, kind, language) in training pictures."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for i in range(pictures):
        drawn = sample(i, seed=0, split="train", questions=99)
        for qa in drawn.questions:
            counts[drawn.picture.domain, qa.kind, qa.language][qa.answer] += 1
    return {k: c.most_common(1)[0][0] for k, c in counts.items()}


def run(ask: Ask, *, seed: int = 0, limit: int = 2000, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Ask all questions and report; see `report` for the form."""
    todo = items(seed, limit)
    majority = majority_answers()
    for i in range(0, len(todo), 64):
        part = todo[i : i + 64]
        for item, answer in zip(part, ask([question(t.qa.question, [t.pixels]) for t in part]), strict=True):
            item.answer = answer
        blanks = ask([question(t.qa.question, [np.full_like(t.pixels, 127)]) for t in part])
        for item, answer in zip(part, blanks, strict=True):
            item.blank_answer = answer
            item.majority_answer = majority.get((item.domain, item.qa.kind, item.qa.language), "")
        say(f"{min(i + 64, len(todo))}/{len(todo)}")
    return report(todo, seed)


def report(done: Sequence[WorldItem], seed: int) -> dict[str, Any]:
    """A table: overall, per domain, per kind, per language, and the unseen style apart. EngineStats are shares of 1."""
    groups: dict[str, dict[str, list[WorldItem]]] = {"all": {"all": [*done]}}
    for by, key in (
        ("domain", lambda t: f"{t.domain} (unseen style)" if t.split == "unseen" else t.domain),
        ("kind", lambda t: t.qa.kind),
        ("language", lambda t: t.qa.language),
    ):
        table: dict[str, list[WorldItem]] = defaultdict(list)
        for item in done:
            table[key(item)].append(item)
        groups[by] = dict(sorted(table.items()))
    return {
        "benchmark": "tiny-world",
        "seed": seed,
        "questions": len(done),
        "missing_artwork": list(missing_styles()),
        "tables": {by: {name: _row(part) for name, part in rows.items()} for by, rows in groups.items()},
    }


def as_text(result: dict[str, Any]) -> str:
    """The report for a terminal."""
    lines = [
        f"tiny-world, seed {result['seed']}, {result['questions']} questions",
        f"{'':34}{'n':>6}{'right':>8}  95 % interval{'blank image':>12}{'majority':>10}",
    ]
    if missing := result.get("missing_artwork"):
        lines.append(f"note: without the artwork {', '.join(missing)}: not comparable with published figures")
    for by, rows in result["tables"].items():
        for name, r in rows.items():
            label = name if by == "all" else f"{by}: {name}"
            low, high = r["interval"]
            lines.append(
                f"{label:34}{r['n']:>6}{100 * r['right']:>7.1f}%  {100 * low:5.1f} - {100 * high:4.1f}"
                f"{100 * r['blank_image']:>11.1f}%{100 * r['majority']:>9.1f}%"
            )
    return "\n".join(lines)


def _row(part: Sequence[WorldItem]) -> dict[str, Any]:
    right = [t.right(t.answer) for t in part]
    return {
        "n": len(part),
        "right": _mean(right),
        "interval": bootstrap_interval(right, [t.picture for t in part]),
        "blank_image": _mean(t.right(t.blank_answer) for t in part),
        "majority": _mean(t.right(t.majority_answer) for t in part),
    }


def _mean(values: Iterable[bool]) -> float:
    return float(np.mean([*values]))
