"""What 8-bit linear layers change in answers: tiny-world's questions, answered by the engine before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nunbit.assistant import Assistant
from nunbit.engine.int8_linear import quantise
from nunbit.engine.many import ask_all
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.evaluation.statistics import mcnemar, paired_bootstrap
from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.messages import question

ALLOWED_POINTS = 0.5
"""An answer's accuracy may fall by so much, in hundredths."""


def run(
    assistant: Assistant, *, seed: int = 0, limit: int = 2000, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Accuracy in float32 and with int8 linear layers on the same items. The assistant's model is in int8 afterwards.

    Raises:
        UserError: no float32 model on a processor that has the kernel.
    """
    todo = items(seed, limit)
    full = _answers(assistant, todo)
    say(f"float32: {len(full)}/{limit}")
    replaced = quantise(assistant.model)
    small = _answers(assistant, todo)
    say(f"int8: {len(small)}/{limit}")
    return report(todo, full, small, seed) | {"layers": len(replaced)}


def report(todo: Sequence[WorldItem], full: Sequence[str], small: Sequence[str], seed: int) -> dict[str, Any]:
    """Shares of 1 right, their difference (int8 minus float32) with its interval over pictures, and how many answers
    have other words.
    """
    a, b = ([t.right(x) for t, x in zip(todo, answers, strict=True)] for answers in (full, small))
    change, interval, _ = paired_bootstrap(a, b, [str(t.picture) for t in todo])
    lost, won = sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))
    return {
        "benchmark": "tiny-world",
        "seed": seed,
        "questions": len(todo),
        "float32": float(np.mean(a)),
        "int8": float(np.mean(b)),
        "difference": change,
        "interval": interval,
        "only_float32": lost,
        "only_int8": won,
        "p": mcnemar(lost, won),
        "other_words": float(np.mean([x != y for x, y in zip(full, small, strict=True)])),
        "within_bound": 100 * change >= -ALLOWED_POINTS,
    }


def as_text(result: dict[str, Any]) -> str:
    """The report for a terminal."""
    low, high = result["interval"]
    return "\n".join(
        [
            f"tiny-world, seed {result['seed']}, {result['questions']} questions, in the engine",
            f"float32 {100 * result['float32']:.1f} %",
            f"int8    {100 * result['int8']:.1f} % ({result['layers']} linear layers)",
            f"difference {100 * result['difference']:+.2f} points, 95 % {100 * low:+.2f} to {100 * high:+.2f} "
            f"(allowed: -{ALLOWED_POINTS:g})",
            f"right in float32 alone {result['only_float32']}, in int8 alone {result['only_int8']} "
            f"(McNemar p {result['p']:.2f}); "
            f"other words in {100 * result['other_words']:.1f} % of the answers",
        ]
    )


def _answers(assistant: Assistant, todo: Sequence[WorldItem]) -> list[str]:
    engine = Engine.from_loaded(assistant, slots=8)
    try:
        questions = [question(t.qa.question, [t.pixels]) for t in todo]
        return [r.text.strip() for r in ask_all(engine, questions, SamplingParams(max_tokens=48))]
    finally:
        engine.close()
