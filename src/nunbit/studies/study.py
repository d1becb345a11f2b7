"""What every study over arms and seeds shares: a folder that goes on where it was killed, figures with intervals, a table, a page.

A run is one file of the folder. ``plan.json`` keeps the settings it was made under: a folder never mixes two studies.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nunbit.errors import UserError
from nunbit.evaluation.charts import bars
from nunbit.evaluation.statistics import bootstrap_interval, paired_bootstrap
from nunbit.files import write_text
from nunbit.lock import held

Run = dict[str, Any]
GROWS = ("arms", "seeds", "scenes")
"""Settings that may grow from one command to the next: more arms and seeds are more files."""


class Todo(NamedTuple):
    """One run of a study: the name of its file, what it is called aloud, and what makes it."""

    file: str
    title: str
    make: Callable[[], Run]


def right_of(run: Mapping[str, Any]) -> str:
    """What is said of a run that is done."""
    return f"{100 * np.mean(run['right']):.1f} %"


def run(name: str, plan: Any, folder: Path, todo: Iterable[Todo], summary: Callable[[list[Run]], Run], page: Callable[[Run], str],
        say: Callable[[str], None], told: Callable[[Run], str] = right_of, jobs: int = 1) -> Run:  # fmt: skip
    """Make whatever is not in the folder yet, and of all runs ``NAME.json`` and ``NAME.html``.

    Args:
        plan: the settings, a dataclass.
        told: what is said of a run.
        jobs: so many runs at once, each in a process of its own on its part of the processor's threads; times in them are then those of a
            busy machine. Runs must not need each other, and what makes them must be picklable.

    Raises:
        UserError: what `opened` and `read` raise.
    """
    with opened(folder, plan):
        todo, found = list(todo), []
        if jobs > 1:
            _at_once(folder, [t for t in todo if not (folder / f"{t.file}.json").exists()], jobs, say, told)
        for file, title, make in todo:
            found.append(kept(folder / f"{file}.json", make))
            say(f"{title}: {told(found[-1])}")
        result = summary(found)
        write(folder / f"{name}.json", result)
        write_text(folder / f"{name}.html", page(result))
    return result


def _at_once(folder: Path, todo: Sequence[Todo], jobs: int, say: Callable[[str], None], told: Callable[[Run], str]) -> None:
    import multiprocessing

    import torch

    # Forked processes would share the locks of threads that are not theirs.
    threads, spawn = max(1, torch.get_num_threads() // jobs), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        doing = {pool.submit(kept, folder / f"{t.file}.json", t.make): t.title for t in todo}
        try:
            for done in as_completed(doing):
                say(f"{doing[done]}: {told(done.result())}")
        except BrokenProcessPool:
            raise UserError("a run of the study ended without a word: killed, or out of memory", todo="ask again with fewer --jobs; what is done stays") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def opened(folder: Path, plan: Any) -> Iterator[None]:
    """Hold the folder of a study.

    Raises:
        UserError: it belongs to a study with other settings, or another process writes into it.
    """
    assert is_dataclass(plan) and not isinstance(plan, type)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        mine = {k: v for k, v in json.loads(json.dumps(asdict(plan), default=weights)).items() if k not in GROWS}
        path = folder / "plan.json"
        if path.exists():
            theirs = read(path)
            other = [k for k in mine if theirs.get(k) != mine[k]]
            if other:
                was = ", ".join(f"{k}={theirs.get(k)}" for k in other)
                raise UserError(f"'{folder}' holds a study with other settings", allowed=was, todo="name another folder with -o")
        write(path, mine)
        yield


def kept(path: Path, make: Callable[[], Run]) -> Run:
    """The run in a file; made, and written whole, where it is not there yet."""
    if not path.exists():
        write(path, make())
    return read(path)


def read(path: Path) -> Run:
    """A file of the folder.

    Raises:
        UserError: it does not hold what `write` wrote.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # UnicodeDecodeError is one
        found = None
    if not isinstance(found, dict):
        raise UserError(f"'{path}' is damaged", allowed="a file of this study, as it was written", todo="delete it; the same command makes it again")
    return found


def weights(folder: Path) -> str:
    """Which weights a study begins with, wherever they stand: 16 hexadecimal digits of what the folder's files hold. What tells a model what
    is where does not count: studies begin with the model alone."""
    if not folder.is_dir():
        raise UserError(f"no folder '{folder}' to begin with", allowed="the folder of a native LLaVA", todo="check the path")
    kept = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".json") and p.stem != "aware"):
        kept.update(path.name.encode() + path.read_bytes())
    return kept.hexdigest()[:16]


def write(path: Path, data: Any) -> None:
    write_text(path, json.dumps(data, ensure_ascii=False, indent=1))


def grouped(found: Iterable[Mapping[str, Any]], *keys: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """The runs by what they have under the keys, in order of appearance."""
    out: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for one in found:
        out[tuple(one[k] for k in keys)].append(one)
    return out


def mean_right(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    """Of each question, the share of runs (seeds) that answer it right."""
    return np.mean([r["right"] for r in runs], axis=0).tolist()


def over_seeds(runs: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]] = ()) -> Run:
    """The mean over seeds with its interval over pictures, the unseen style apart, and the paired gain over the base's runs, if given."""
    mean, pictures = mean_right(runs), runs[0]["pictures"]
    unseen = [i for i, s in enumerate(runs[0]["splits"]) if s == "unseen"]
    return {
        "seeds": len(runs), "by_seed": [float(np.mean(r["right"])) for r in runs], "all": share(mean, pictures),
        "unseen": share([mean[i] for i in unseen], [pictures[i] for i in unseen]) if unseen else None,
        "gain": gain(mean_right(base), mean, pictures) if base else None,
    }  # fmt: skip


def medians(runs: Sequence[Mapping[str, Any]], *keys: str) -> dict[str, float]:
    """Of costs, which no interval is given for."""
    return {k: float(np.median([r[k] for r in runs])) for k in keys}


def by_kind(values: Sequence[float], kinds: Sequence[str]) -> dict[str, float]:
    """The mean of each kind of question."""
    return {kind: float(np.mean([v for v, k in zip(values, kinds, strict=True) if k == kind])) for kind in dict.fromkeys(kinds)}


def share(right: Sequence[float], clusters: Sequence[Any]) -> Run:
    """A share of right answers with its 95 % interval over clusters (pictures, episodes)."""
    return {"right": float(np.mean(right)), "interval": bootstrap_interval(list(right), list(clusters)), "n": len(right)}


def gain(base: Sequence[float], other: Sequence[float], clusters: Sequence[Any]) -> Run:
    """What the other one is better by on the same questions, in points, with its 95 % interval and p value."""
    points, interval, p = paired_bootstrap(base, other, [str(c) for c in clusters])
    return {"points": 100 * points, "interval": [100 * v for v in interval], "p": p}


def said(figure: Mapping[str, Any] | None) -> str:
    """``61.2 (55.0 to 67.1)`` of a share, ``+3.1 (-0.2 to 6.0)`` of a gain."""
    if figure is None:
        return ""
    low, high = figure["interval"]
    if "points" in figure:
        return f"{figure['points']:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{100 * figure['right']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; the first to the left, the others to the right."""
    wide = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    lines = [[c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, wide, strict=True))] for r in [heads, *rows]]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def bar(figure: Mapping[str, Any]) -> Run:
    """A share as `nunbit.evaluation.charts.bars` draws it."""
    return {"n": figure["n"], "score": 100 * figure["right"], "interval": [100 * v for v in figure["interval"]]}


def page(title: str, body: str, groups: Mapping[str, Mapping[str, Mapping[str, Any]]], below: str = "") -> str:
    """One HTML file that needs nothing else: the table, and a chart of right answers.

    Args:
        groups: name of a colour -> category -> share.
        below: HTML after the chart.
    """
    css = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    legend = " ".join(f'<span class="dot run{k}"></span>{escape(name)}' for k, name in enumerate(groups))
    charts = bars([{c: bar(f) for c, f in rows.items()} for rows in groups.values()], list(groups))
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{css} '
            "td.heat { text-align: center } pre { overflow-x: auto; white-space: pre; font: 13px ui-monospace, monospace }</style></head><body>"
            f"<h1>{escape(title)}</h1><pre>{escape(body)}</pre><h2>Right answers, %</h2><p>{legend}</p><div class=charts>{charts}</div>{below}</body></html>")  # fmt: skip
