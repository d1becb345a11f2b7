"""eval ablation, connectors, few-shot, chain-of-thought and classify: studies that train or compare, one command each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.options import AsJson, Pair, Threads, by_commas
from nunbit.cli.output import say, show
from nunbit.files import EMBEDDED

Folder = Annotated[Path, typer.Option("-o", "--out", help="Folder of the study; an existing one is gone on with.")]
Seeds = Annotated[int, typer.Option(min=1, max=20, help="More of them may be asked for later.")]
Batch = Annotated[int, typer.Option(min=1, max=4096)]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Runs at once, each on its part of the threads; times are then those of a busy machine.")]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit eval``."""
    for name, command in (("ablation", ablation), ("connectors", connectors), ("few-shot", few_shot), ("chain-of-thought", chain_of_thought), ("classify", classify)):
        app.command(name)(command)


def ablation(
    out: Folder = Path("runs/ablation"),
    steps: Steps = 80,
    batch: Batch = 8,
    seeds: Seeds = 3,
    asked: Annotated[int, typer.Option(min=7, help="Test questions.")] = 420,
    arms: Annotated[str, typer.Option(help="plain, crayon, words, mixer, both, all, adapter, adapters; by commas. All if empty.")] = "",
    scenes: Annotated[str, typer.Option(help="estimated, true, or both by a comma.")] = "estimated,true",
    questions: Annotated[int, typer.Option(min=1, max=99, help="Training questions a picture, at most.")] = 8,
    sight: Annotated[float, typer.Option(min=0.1, max=1.0, help="Share of a picture's side that the model is shown; its eyes see all.")] = 0.33,
    base: Annotated[str, typer.Option(help="Folder of the LLaVA that every arm begins with; the embedded one if not named.")] = "",
    jobs: Jobs = 1,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """What each way of telling a model what is where brings: same data, steps and seeds."""
    from nunbit.studies import ablation as study

    plan = study.Plan(
        steps=steps, batch=batch, questions=questions, sight=sight, seeds=seeds, asked=asked, scenes=by_commas(scenes),
        arms=by_commas(arms) or tuple(study.ARMS), base=Path(base) if base else EMBEDDED,
    )  # fmt: skip
    _run(study, plan, out, threads, as_json, jobs=jobs)


def connectors(
    out: Folder = Path("runs/connectors"),
    steps: Steps = 600,
    batch: Batch = 16,
    seeds: Seeds = 3,
    asked: Annotated[int, typer.Option(min=7, help="Test questions.")] = 840,
    questions: Annotated[int, typer.Option(min=1, max=99, help="Training questions a picture, at most.")] = 8,
    language_lr: Annotated[float, typer.Option(min=0.0, help="Rate of the language model; 0 freezes it.")] = 3e-4,
    arms: Annotated[
        str, typer.Option(help="linear, mlp, pixel_shuffle, perceiver, qformer, gated-1, gated-2, gated-4; by commas. All if empty.")
    ] = "",
    jobs: Jobs = 1,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Connection modules between one encoder and one language model: accuracy, size, tokens, speed."""
    from nunbit.studies import connectors as study

    plan = study.Plan(steps=steps, batch=batch, seeds=seeds, asked=asked, questions=questions, language_lr=language_lr, arms=by_commas(arms) or tuple(study.ARMS))
    _run(study, plan, out, threads, as_json, jobs=jobs)


def few_shot(
    out: Folder = Path("runs/few-shot"),
    steps: Steps = 1500,
    batch: Batch = 16,
    seeds: Seeds = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Test episodes.")] = 300,
    pool: Annotated[int, typer.Option(min=8, max=1000, help="Solved examples to choose from in each.")] = 24,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """0 to 8 solved examples of a rule that stands nowhere else, chosen at random and by likeness."""
    from nunbit.studies import few_shot as study

    _run(study, study.Plan(steps=steps, batch=batch, seeds=seeds, episodes=episodes, pool=pool), out, threads, as_json)


def chain_of_thought(
    out: Folder = Path("runs/chain"),
    steps: Steps = 800,
    batch: Batch = 16,
    seeds: Seeds = 3,
    asked: Annotated[int, typer.Option(min=3, help="Test questions.")] = 240,
    arms: Annotated[str, typer.Option(help="shipped, taught; by a comma. Both if empty.")] = "",
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Answers at once against answers after reasoning, on questions of several steps."""
    from nunbit.studies import chain_of_thought as study

    _run(study, study.Plan(steps=steps, batch=batch, seeds=seeds, asked=asked, arms=by_commas(arms) or study.ARMS), out, threads, as_json)


def classify(
    model: Pair = "",
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file.")] = Path("runs/classify.html"),
    each: Annotated[int, typer.Option(min=1, max=200, help="Pictures of each thing.")] = 4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Zero-shot naming in known styles and in the unseen one: one template, the ensemble, twenty wordings."""
    import torch

    from nunbit.cli.classify import open_pair
    from nunbit.files import write_text
    from nunbit.studies import classification

    torch.set_num_threads(threads)
    result = classification.run(open_pair(model), each=each, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, classification.page(result))
    _show(result, classification.as_text, out, as_json)


def _run(study: Any, plan: Any, out: Path, threads: int, as_json: bool, **how: Any) -> None:
    """A module of `nunbit.recipes` with ``NAME``, ``run`` and ``as_text``, under a plan of its own."""
    import torch

    torch.set_num_threads(threads)
    _show(study.run(plan, out, say=say, **how), study.as_text, out / f"{study.NAME}.html", as_json)


def _show(result: dict[str, Any], as_text: Callable[[dict[str, Any]], str], page: Path, as_json: bool) -> None:
    show(result, lambda r: f"{as_text(r)}\n{page}", as_json)
