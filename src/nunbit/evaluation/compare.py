"""Two runs of one benchmark side by side: paired difference with interval, McNemar's exact test, the same per
category.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.statistics import mcnemar, paired_bootstrap
from nunbit.files import text_lines


@dataclass(frozen=True, slots=True)
class EvalRun:
    """A finished run as it lies in its folder."""

    folder: Path
    result: Mapping[str, Any]
    samples: Sequence[Mapping[str, Any]]

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""
        return str(self.result["benchmark"])

    @property
    def name(self) -> str:
        """Model and protocol, for tables."""
        return f"{self.result['model']} · {self.result['protocol']}"


def load(folder: str | Path) -> EvalRun:
    """The run in a folder; an unfinished one is a UserError."""
    folder = Path(folder)
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        lines = text_lines((folder / "samples.jsonl").read_text(encoding="utf-8"))
        samples = [json.loads(line) for line in lines if line.strip()]
        result["benchmark"], result["units"], result["model"], result["protocol"]
        return EvalRun(folder, result, samples)
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"'{folder}' holds no finished run",
            allowed="a folder that `nunbit eval run -o FOLDER` has finished",
            todo="give the command of the run again: it resumes",
        ) from None


def compare(a: EvalRun, b: EvalRun) -> dict[str, Any]:
    """What B changes against A on the units that both have. Scores are in hundredths."""
    if a.benchmark != b.benchmark:
        raise UserError(f"runs of {a.benchmark} and {b.benchmark}", allowed="two runs of one benchmark")
    left, right = ({u["id"]: u for u in r.result["units"]} for r in (a, b))
    common = [i for i in left if i in right]
    if not common:
        raise UserError("the two runs share no item", allowed="two runs over the same data")
    notes = []
    if a.result["protocol"] != b.result["protocol"]:
        notes.append(
            f"the protocols differ ({a.result['protocol']}, {b.result['protocol']}): this compares protocols too"
        )
    if len(common) < max(len(left), len(right)):
        notes.append(f"only {len(common)} of {len(left)} and {len(right)} units are in both")
    if pictures_differ(a, b):
        notes.append("some pictures differ under the same item: the data were changed between the runs")
    return {
        "benchmark": a.benchmark,
        "a": a.name,
        "b": b.name,
        "notes": notes,
        "headline": {"name": a.result["headline"], "a": a.result["value"], "b": b.result["value"]},
        "all": _paired([(left[i], right[i]) for i in common]),
        "tables": _tables([(left[i], right[i]) for i in common]),
    }


def pictures_differ(a: EvalRun, b: EvalRun) -> bool:
    """Whether an item that both runs have was asked about different pictures."""
    of = {s["id"]: s["pictures"] for s in a.samples}
    return any(of.get(s["id"], s["pictures"]) != s["pictures"] for s in b.samples)


def as_text(found: Mapping[str, Any]) -> str:
    """For a terminal."""
    head, all_ = found["headline"], found["all"]
    low, high = all_["interval"]
    lines = [f"A  {found['a']}", f"B  {found['b']}", *(f"note: {n}" for n in found["notes"])]
    if head["a"] is not None and head["b"] is not None:
        lines.append(f"{head['name']}: A {head['a']:.2f}, B {head['b']:.2f}")
    lines.append(
        f"mean of {all_['n']} units: A {all_['a']:.2f}, B {all_['b']:.2f}, B - A {all_['difference']:+.2f} "
        f"[{low:+.2f}, {high:+.2f}], paired bootstrap p = {all_['p']:.3f}"
    )
    if all_["mcnemar"] is not None:
        lines.append(f"right only in A {all_['only_a']}, only in B {all_['only_b']}; McNemar p = {all_['mcnemar']:.3f}")
    for axis, rows in found["tables"].items():
        lines.append(f"{axis:40}{'n':>6}{'A':>8}{'B':>8}{'B - A':>8}")
        lines += [
            f"  {name[:37]:38}{r['n']:>6}{r['a']:>8.1f}{r['b']:>8.1f}{r['difference']:>+8.1f}"
            for name, r in rows.items()
        ]
    return "\n".join(lines)


def _paired(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    scores_a, scores_b = [u["score"] for u, _ in pairs], [u["score"] for _, u in pairs]
    difference, (low, high), p = paired_bootstrap(scores_a, scores_b, [u["group"] for u, _ in pairs])
    whole = all(s in (0, 1) for s in (*scores_a, *scores_b))
    only_a = sum(x > y for x, y in zip(scores_a, scores_b, strict=True))
    only_b = sum(x < y for x, y in zip(scores_a, scores_b, strict=True))
    return {
        "n": len(pairs),
        "a": 100 * _mean(scores_a),
        "b": 100 * _mean(scores_b),
        "difference": 100 * difference,
        "interval": (100 * low, 100 * high),
        "p": p,
        "only_a": only_a,
        "only_b": only_b,
        "mcnemar": mcnemar(only_a, only_b) if whole else None,
    }


def _tables(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    parts: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for u, v in pairs:
        for axis, names in u["categories"].items():
            for name in names:
                parts[axis][name].append((u["score"], v["score"]))
    return {axis: {name: _row(part) for name, part in sorted(rows.items())} for axis, rows in parts.items()}


def _row(part: Sequence[tuple[float, float]]) -> dict[str, Any]:
    a, b = (100 * _mean([p[k] for p in part]) for k in (0, 1))
    return {"n": len(part), "a": a, "b": b, "difference": b - a}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
