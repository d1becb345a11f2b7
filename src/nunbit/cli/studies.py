"""eval ablation, connectors, few-shot, chain-of-thought and classify: studies that train or compare, one command
each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from nunbit.cli.options import AsJson, Pair, Threads, by_commas
from nunbit.cli.output import say, show
from nunbit.files import EMBEDDED

Folder = Annotated[Path, typer.Option("-o", "--out", help="Folder of the study; an existing one is resumed.")]
Seeds = Annotated[int, typer.Option(min=1, max=20, help="Seeds of every variant; a resumed study may have more.")]
Batch = Annotated[int, typer.Option(min=1, max=4096, help="Pictures or conversations a step.")]
Jobs = Annotated[
    int,
    typer.Option(min=1, max=64, help="Runs in parallel, sharing the threads; times are then those of a busy machine."),
]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps.")]
TrainQuestions = Annotated[int, typer.Option(min=1, max=99, help="Training questions a picture, at most.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit eval``."""
    for command in (ablation, connectors, few_shot, chain_of_thought, classify):
        app.command(command.__name__.replace("_", "-"))(command)


def ablation(
    out: Folder = Path("runs/ablation"),
    steps: Steps = 80,
    batch: Batch = 8,
    seeds: Seeds = 3,
    eval_questions: Annotated[int, typer.Option(min=7, help="Test questions.")] = 420,
    variants: Annotated[
        str,
        typer.Option(help="plain, crayon, words, mixer, both, all, adapter, adapters; by commas. All if empty."),
    ] = "",
    scenes: Annotated[str, typer.Option(help="estimated, true, or both by a comma.")] = "estimated,true",
    questions: TrainQuestions = 8,
    image_scale: Annotated[
        float,
        typer.Option(
            min=0.1, max=1.0, help="Share of a picture's side that the model gets; perception gets the whole picture."
        ),
    ] = 0.33,
    base: Annotated[
        str, typer.Option(help="Folder of the LLaVA that every variant starts from; the embedded one if not named.")
    ] = "",
    jobs: Jobs = 1,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """What each kind of scene conditioning brings: same data, steps and seeds."""
    from nunbit.studies import ablation as study

    config = study.AblationConfig(
        steps=steps,
        batch=batch,
        questions=questions,
        image_scale=image_scale,
        seeds=seeds,
        eval_questions=eval_questions,
        scenes=by_commas(scenes),
        variants=by_commas(variants) or tuple(study.VARIANTS),
        base=Path(base) if base else EMBEDDED,
    )
    _run(study, config, out, threads, as_json, jobs=jobs)


def connectors(
    out: Folder = Path("runs/connectors"),
    steps: Steps = 600,
    batch: Batch = 16,
    seeds: Seeds = 3,
    eval_questions: Annotated[int, typer.Option(min=7, help="Test questions.")] = 840,
    questions: TrainQuestions = 8,
    language_lr: Annotated[
        float, typer.Option(min=0.0, help="Learning rate of the language model; 0 freezes it.")
    ] = 3e-4,
    variants: Annotated[
        str,
        typer.Option(
            help="linear, mlp, pixel_shuffle, perceiver, qformer, gated-1, gated-2, gated-4; by commas. All if empty."
        ),
    ] = "",
    jobs: Jobs = 1,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Connection modules between one encoder and one language model: accuracy, size, tokens, speed."""
    from nunbit.studies import connectors as study

    config = study.ConnectorsConfig(
        steps=steps,
        batch=batch,
        seeds=seeds,
        eval_questions=eval_questions,
        questions=questions,
        language_lr=language_lr,
        variants=by_commas(variants) or tuple(study.VARIANTS),
    )
    _run(study, config, out, threads, as_json, jobs=jobs)


def few_shot(
    out: Folder = Path("runs/few-shot"),
    steps: Steps = 1500,
    batch: Batch = 16,
    seeds: Seeds = 3,
    episodes: Annotated[int, typer.Option(min=1, help="Test episodes.")] = 300,
    pool: Annotated[int, typer.Option(min=8, max=1000, help="Solved examples to choose from in each episode.")] = 24,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """0 to 8 solved examples of a rule that only they state, chosen at random and by similarity."""
    from nunbit.studies import few_shot as study

    config = study.FewShotConfig(steps=steps, batch=batch, seeds=seeds, episodes=episodes, pool=pool)
    _run(study, config, out, threads, as_json)


def chain_of_thought(
    out: Folder = Path("runs/chain"),
    steps: Steps = 800,
    batch: Batch = 16,
    seeds: Seeds = 3,
    eval_questions: Annotated[int, typer.Option(min=3, help="Test questions.")] = 240,
    variants: Annotated[str, typer.Option(help="shipped, taught; by a comma. Both if empty.")] = "",
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Direct answers against answers after reasoning, on questions of several steps."""
    from nunbit.studies import chain_of_thought as study

    config = study.ChainOfThoughtConfig(
        steps=steps,
        batch=batch,
        seeds=seeds,
        eval_questions=eval_questions,
        variants=by_commas(variants) or study.VARIANTS,
    )
    _run(study, config, out, threads, as_json)


def classify(
    model: Pair = "",
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file.")] = Path("runs/classify.html"),
    each: Annotated[int, typer.Option(min=1, max=200, help="Pictures of each thing.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pictures; they are held out whatever it is.")] = 0,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Zero-shot classification in known styles and in the unseen one: one template, the ensemble, twenty wordings."""
    import torch

    from nunbit.cli.classify import open_classifier
    from nunbit.files import write_text
    from nunbit.studies import classification

    torch.set_num_threads(threads)
    result = classification.run(open_classifier(model), each=each, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, classification.page(result))
    _show(result, classification.as_text, out, as_json)


def _run(study: ModuleType, config: Any, out: Path, threads: int, as_json: bool, **options: Any) -> None:
    """Run a module of `nunbit.studies` (it has ``NAME``, ``run`` and ``as_text``) with its config."""
    import torch

    torch.set_num_threads(threads)
    _show(study.run(config, out, say=say, **options), study.as_text, out / f"{study.NAME}.html", as_json)


def _show(result: dict[str, Any], as_text: Callable[[dict[str, Any]], str], page: Path, as_json: bool) -> None:
    show(result, lambda r: f"{as_text(r)}\n{page}", as_json)
