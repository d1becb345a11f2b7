"""Runs a benchmark: asks a Target every item, scores the answers, writes the result.

Files of the run's folder: ``answers.jsonl`` (see `nunbit.evaluation.answers`), and once all items are answered
``samples.jsonl`` (every item with prompt, answer, rule, span, score) and ``result.json``. A request that fails is
tried again and then ends the run with an error: it is never scored as an answer. An item that is refused (a damaged
picture, status 400) is left out with its whole group, counted and named in the result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nunbit import __version__
from nunbit.errors import UserError
from nunbit.evaluation import judging
from nunbit.evaluation.answers import AnswerStore
from nunbit.evaluation.benchmarks.base import Benchmark
from nunbit.evaluation.items import BenchmarkResult, Item, Protocol, ScoredAnswer
from nunbit.evaluation.target import Target
from nunbit.files import write_text
from nunbit.lock import held

Say = Callable[[str], None]
MAX_NAMED = 100
"""Items that are left out and named in a result."""


def run(
    benchmark: Benchmark,
    protocol: Protocol,
    items: Sequence[Item],
    target: Target,
    folder: Path,
    *,
    data: str = "",
    judge: Target | None = None,
    tries: int = 3,
    wait_s: float = 1.0,
    say: Say = lambda _: None,
) -> BenchmarkResult:
    """Ask, score and write. The same call on the same folder asks only the items that have no answer yet.

    Args:
        data: where the items come from; kept for the report, which shows their pictures.
        judge: a model that grades the answers; otherwise it only says how often it agrees with the rules.
        tries, wait_s: see `AnswerStore`.

    Raises:
        UserError: no judge where one is needed, another process in the folder, or a request that keeps failing.
    """
    if benchmark.needs_judge and judge is None:
        raise UserError(
            f"{benchmark.name} without a judge",
            allowed="a judge model that grades the answers",
            todo="name one with --judge http://HOST:PORT/v1",
        )
    folder.mkdir(parents=True, exist_ok=True)
    protocol_id = f"{benchmark.name}@{protocol.name}/{protocol.version}"
    with held(folder):
        began = time.perf_counter()
        store = AnswerStore(target, protocol_id, folder / "answers.jsonl", tries, wait_s)
        answers = store.ask_all([(i.id, partial(benchmark.ask, i, protocol)) for i in items], say)
        asked = len(items)
        items, answers = _answered(items, answers, store.left_out, say)
        verdicts: list[str] = []
        if judge is not None:
            judged = AnswerStore(judge, f"{protocol_id} judge", folder / "verdicts.jsonl", tries, wait_s)
            questions = [(i.id, partial(benchmark.judge_question, i, a)) for i, a in zip(items, answers, strict=True)]
            verdicts = judged.ask_all(questions, say)
        scored = benchmark.score_with_judge(items, answers, verdicts, protocol)
        result = benchmark.summarise(items, scored, protocol)
        manifest = {
            "model": target.name,
            "settings": dict(target.settings),
            "judge": judge.name if judge else None,
            "agreement": judging.agreement(items, scored, verdicts) if verdicts and not benchmark.needs_judge else None,
            "data": data,
            "note": protocol.note,
            "nunbit": __version__,
            "seconds": round(time.perf_counter() - began, 3),
            "from_before": store.reused,
            "outdated": store.outdated,
            "left_out": {"items": asked - len(items), "refused": dict([*store.left_out.items()][:MAX_NAMED])},
        }
        write_text(folder / "samples.jsonl", _samples(items, scored, store))
        write_text(folder / "result.json", json.dumps({**manifest, **asdict(result)}, ensure_ascii=False, indent=1))
    return result


def _answered(
    items: Sequence[Item], answers: Sequence[str], left_out: Mapping[str, str], say: Say
) -> tuple[list[Item], list[str]]:
    """The items and answers without the groups of those that are left out.

    Raises:
        UserError: nothing is left.
    """
    groups = {i.group for i in items if i.id in left_out}
    kept = [(i, a) for i, a in zip(items, answers, strict=True) if i.group not in groups]
    if left_out:
        say(f"left out: {len(items) - len(kept)} items, as {len(left_out)} of them cannot be asked\n")
    if items and not kept:
        raise UserError("no item that can be asked", allowed=next(iter(left_out.values())), todo="check the data")
    return [i for i, _ in kept], [a for _, a in kept]


def limited(items: Sequence[Item], limit: int | None) -> list[Item]:
    """The first ``limit`` items with their groups whole: a question's rotations or a picture's pair are never cut
    apart.
    """
    if limit is None or limit >= len(items):
        return [*items]
    kept = {i.group for i in items[:limit]}
    return [i for i in items if i.group in kept]


def _samples(items: Sequence[Item], scored: Sequence[ScoredAnswer], store: AnswerStore) -> str:
    """The lines of ``samples.jsonl``."""
    lines = []
    for item, answer in zip(items, scored, strict=True):
        prompt, pictures = store.sent[item.id]
        row: dict[str, Any] = {
            "id": item.id,
            "group": item.group,
            "pictures": pictures,
            "prompt": prompt,
            "gold": item.gold,
            "answer": answer.answer,
            "value": answer.found.value,
            "rule": answer.found.rule,
            "span": answer.found.span,
            "score": answer.score if item.gold else None,
            "categories": dict(item.categories),
        }
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
