"""`nunbit eval abilities`: every suite, beside the same model with blank images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nunbit.errors import check_names
from nunbit.evaluation.abilities.score import credit, right
from nunbit.evaluation.abilities.suites import SUITES, trials
from nunbit.evaluation.statistics import bootstrap_interval
from nunbit.messages import Message

Ask = Callable[[Sequence[Sequence[Message]]], list[str]]


def run(
    ask: Ask, *, names: Sequence[str] = (), count: int = 50, seed: int = 0, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Ask ``count`` trials of each named suite (all, if none is named).

    Returns:
        per suite: n, right and credit in 0..1 with 95 % intervals, both with blank images, and the right share by
            language.
    """
    check_names("ability", names, SUITES)
    out: dict[str, Any] = {}
    for name in names or list(SUITES):
        todo = list(trials(name, count, seed))
        answers, blanks = ask([t.messages() for t in todo]), ask([t.messages(blank=True) for t in todo])
        out[name] = {"about": SUITES[name].about, "measure": SUITES[name].measure} | table(todo, answers, blanks)
        say(f"{name}: {100 * out[name]['right']:.0f} %")
    return {"benchmark": "abilities", "seed": seed, "count": count, "suites": out}


def table(todo: Sequence[Any], answers: Sequence[str], blanks: Sequence[str]) -> dict[str, Any]:
    """The figures of one suite from the answers with and without its pictures.

    Args:
        todo: the trials.
        answers, blanks: an answer for each trial, and for each trial with blank images.
    """
    exact = [float(right(a, t)) for a, t in zip(answers, todo, strict=True)]
    part = [credit(a, t) for a, t in zip(answers, todo, strict=True)]
    blank = [float(right(a, t)) for a, t in zip(blanks, todo, strict=True)]
    soft = [credit(a, t) for a, t in zip(blanks, todo, strict=True)]
    clusters = list(range(len(todo)))
    by = {lang: [w for w, t in zip(exact, todo, strict=True) if t.language == lang] for lang in ("en", "ko")}
    return {
        "n": len(todo),
        "right": float(np.mean(exact)),
        "interval": bootstrap_interval(exact, clusters),
        "credit": float(np.mean(part)),
        "credit_interval": bootstrap_interval(part, clusters),
        "blank_image": float(np.mean(blank)),
        "blank_image_credit": float(np.mean(soft)),
        "languages": {k: float(np.mean(v)) for k, v in by.items() if v},
        "answers": [
            {"question": t.words, "answer": a, "gold": t.answer} for t, a in zip(todo[:4], answers, strict=False)
        ],
    }


def as_text(result: dict[str, Any]) -> str:
    """The table for a terminal."""
    lines = [
        f"abilities, seed {result['seed']}, {result['count']} trials a suite",
        f"{'':22}{'right':>8}  95 % interval {'blank':>8}   {'credit':>7} {'blank':>8}  measure",
    ]
    for name, r in result["suites"].items():
        low, high = r["interval"]
        lines.append(
            f"{name:22}{100 * r['right']:>7.0f}%  {100 * low:5.0f} - {100 * high:3.0f}  {100 * r['blank_image']:>8.0f}%"
            f"   {r['credit']:>7.2f} {r['blank_image_credit']:>8.2f}  {r['measure']}"
        )
    return "\n".join(lines)
