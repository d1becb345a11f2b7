"""eval ablation, connectors, few-shot, chain-of-thought and classify: studies that train or compare, one command each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads.")]
Seeds = Annotated[int, typer.Option(min=1, max=20, help="More of them may be asked for later.")]
Batch = Annotated[int, typer.Option(min=1, max=4096)]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
_OUT = "Folder of the study; an existing one is gone on with."


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit eval``."""
    for name, command in (("ablation", ablation), ("connectors", connectors), ("few-shot", few_shot), ("chain-of-thought", chain_of_thought), ("classify", classify)):
        app.command(name)(command)


def ablation(
    out: Annotated[Path, typer.Option("-o", "--out", help=_OUT)] = Path("runs/ablation"),
    steps: Steps = 200,
    batch: Batch = 16,
    seeds: Seeds = 3,
    questions: Annotated[int, typer.Option(min=7, help="Test questions.")] = 420,
    arms: Annotated[str, typer.Option(help="plain, crayon, words, mixer, all, adapter, adapters; by commas. All if empty.")] = "",
    scenes: Annotated[str, typer.Option(help="estimated, true, or both by a comma.")] = "estimated,true",
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """What each way of telling a model what is where brings: same data, steps and seeds."""
    from nunbit.recipes.ablation import ARMS, Plan, as_text, run

    plan = Plan(steps=steps, batch=batch, seeds=seeds, questions=questions, scenes=_named(scenes), arms=_named(arms) or tuple(ARMS))
    _finish(lambda: run(plan, out, say=_say), as_text, out / "ablation.html", threads, as_json)


def connectors(
    out: Annotated[Path, typer.Option("-o", "--out", help=_OUT)] = Path("runs/connectors"),
    steps: Steps = 600,
    batch: Batch = 16,
    seeds: Seeds = 3,
    asked: Annotated[int, typer.Option(min=7, help="Test questions.")] = 840,
    questions: Annotated[int, typer.Option(min=1, max=99, help="Training questions a picture, at most.")] = 8,
    language_lr: Annotated[float, typer.Option(min=0.0, help="Rate of the language model; 0 freezes it.")] = 3e-4,
    arms: Annotated[
        str, typer.Option(help="linear, mlp, pixel_shuffle, perceiver, qformer, gated-1, gated-2, gated-4; by commas. All if empty.")
    ] = "",
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Connection modules between one encoder and one language model: accuracy, size, tokens, speed."""
    from nunbit.recipes.connector_study import ARMS, Plan, as_text, run

    plan = Plan(steps=steps, batch=batch, seeds=seeds, asked=asked, questions=questions, language_lr=language_lr, arms=_named(arms) or tuple(ARMS))
    _finish(lambda: run(plan, out, say=_say), as_text, out / "connectors.html", threads, as_json)


def few_shot(
    out: Annotated[Path, typer.Option("-o", "--out", help=_OUT)] = Path("runs/few-shot"),
    steps: Steps = 1500,
    batch: Batch = 16,
    seeds: Seeds = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Test episodes.")] = 300,
    pool: Annotated[int, typer.Option(min=8, max=1000, help="Solved examples to choose from in each.")] = 24,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """0 to 8 solved examples of a rule that stands nowhere else, chosen at random and by likeness."""
    from nunbit.recipes.few_shot import Plan, as_text, run

    plan = Plan(steps=steps, batch=batch, seeds=seeds, episodes=episodes, pool=pool)
    _finish(lambda: run(plan, out, say=_say), as_text, out / "few_shot.html", threads, as_json)


def chain_of_thought(
    out: Annotated[Path, typer.Option("-o", "--out", help=_OUT)] = Path("runs/chain"),
    steps: Steps = 800,
    batch: Batch = 16,
    seeds: Seeds = 3,
    asked: Annotated[int, typer.Option(min=3, help="Test questions.")] = 240,
    arms: Annotated[str, typer.Option(help="shipped, taught; by a comma. Both if empty.")] = "",
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Answers at once against answers after reasoning, on questions of several steps."""
    from nunbit.recipes.chain_study import ARMS, Plan, as_text, run

    plan = Plan(steps=steps, batch=batch, seeds=seeds, asked=asked, arms=_named(arms) or ARMS)
    _finish(lambda: run(plan, out, say=_say), as_text, out / "chain.html", threads, as_json)


def classify(
    model: Annotated[str, typer.Option("--model", help="Folder or hub id of a CLIP or SigLIP model; the embedded one if not named.")] = "",
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file.")] = Path("runs/classify.html"),
    each: Annotated[int, typer.Option(min=1, max=200, help="Pictures of each thing.")] = 4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Zero-shot naming in known styles and in the unseen one: one template, the ensemble, twenty wordings."""
    from nunbit.cli.classifying import open_pair
    from nunbit.evaluation import study
    from nunbit.evaluation.naming import as_text, page, run

    def named() -> dict[str, Any]:
        result = run(open_pair(model), each=each, seed=seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        study.text(out, page(result))
        return result

    _finish(named, as_text, out, threads, as_json)


def _finish(run: Callable[[], dict[str, Any]], as_text: Callable[[dict[str, Any]], str], page: Path, threads: int, as_json: bool) -> None:
    import torch

    torch.set_num_threads(threads)
    result = run()
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else f"{as_text(result)}\n{page}")


def _named(listed: str) -> tuple[str, ...]:
    return tuple(a.strip() for a in listed.split(",") if a.strip())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
