"""Does chain of thought help?

One model answers questions of several steps (count and compare, look up and add) in three ways: directly, after
reasoning (zero-shot chain of thought, two requests), and after two worked solutions (chain of thought).

  shipped   `nunbit-tiny` as it is, which was never trained on reasoning
  taught    after one more stage on such questions, a third of them in each of the three ways

Source: Wei et al., arXiv 2201.11903; Kojima et al., arXiv 2205.11916, sec. 3. The pictures of the worked solutions
are left out: three pictures of 144 tokens are more than the stage's conversations hold.

    nunbit eval chain-of-thought -o runs/chain --steps 800 --seeds 3      # the full size
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.errors import check_names
from nunbit.evaluation.matching import is_right
from nunbit.files import EMBEDDED
from nunbit.messages import Message, Part, assistant, question, user
from nunbit.models.checkpoint import open_model, save_new
from nunbit.prompting import Ask
from nunbit.prompting.chain_of_thought import CONCLUDE, THINK, final_only, with_words, worked, zero_shot
from nunbit.prompting.shots import Shot, few_shot
from nunbit.studies.figures import (
    accuracy,
    by_kind,
    format_figure,
    format_table,
    group_by,
    mean_right,
    paired_gain,
    study_page,
)
from nunbit.studies.generated import GeneratedTask
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import train
from nunbit.training.multimodal import freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.world import steps
from nunbit.world.base import Language

NAME = "chain"
VARIANTS = ("shipped", "taught")
STRATEGIES = ("direct", "zero-shot-cot", "cot")
EXAMPLES, MAX_TOKENS, CONCURRENT = 2, 96, 16
TEST_SEED, TRAIN_SEED = 1, 2
OPTIMISER: dict[str, Any] = {"lr": 3e-4, "muon_lr": 1.5e-3, "radius": 1.5, "decay": 0.5}


@dataclass(frozen=True, kw_only=True)
class ChainOfThoughtConfig:
    """The size of the study.

    Attributes:
        steps, batch: optimiser steps of the stage, conversations a step.
        seeds: stages that are trained.
        eval_questions: test questions.
        variants: names of `VARIANTS`.
        base: folder of the model that is measured and taught.
    """

    steps: int = 800
    batch: int = 16
    seeds: int = 3
    eval_questions: int = 240
    variants: tuple[str, ...] = VARIANTS
    base: Path = EMBEDDED


def run(config: ChainOfThoughtConfig, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train and measure what is not in the folder yet; writes ``chain.json`` and ``chain.html``.

    Models stay in ``model-SEED``.

    Raises:
        UserError: an unknown variant, or see `run_study`.
    """
    check_names("variant", config.variants, VARIANTS)
    runs = [
        StudyRun(
            f"{variant}-{strategy}-{seed}",
            f"{variant}, {strategy}, seed {seed}",
            partial(measure, config, variant, strategy, seed, folder, say),
        )
        for variant in config.variants
        for seed in range(config.seeds if variant == "taught" else 1)
        for strategy in STRATEGIES
    ]
    return run_study(NAME, config, folder, runs, summarise=summary, page=page, say=say)


def measure(
    config: ChainOfThoughtConfig,
    variant: str,
    strategy: str,
    seed: int,
    folder: Path,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Ask the test questions with one strategy; a taught model is trained first where it is not there yet."""
    where = folder / f"model-{seed}" if variant == "taught" else config.base
    if not where.exists():
        teach(config, seed, folder / f"stage-{seed}", where, say)
    test = [steps.draw(i, 0, "test") for i in range(config.eval_questions)]
    answers = _answers(where, test, strategy)
    return {
        "variant": variant,
        "strategy": strategy,
        "seed": seed,
        "right": [is_right(a, [s.worked.answer]) for a, s in zip(answers, test, strict=True)],
        "kinds": [s.worked.kind for s in test],
        "answers": answers,
        "examples": EXAMPLES if strategy == "cot" else 0,
    }


def _answers(model: Path, test: Sequence[Any], strategy: str) -> list[str]:
    """Answers of the model in a folder, many requests at a time: a strategy's second request waits for its own first
    answer only.
    """
    engine = Engine.from_loaded(Assistant.from_loaded(*open_model(model)), slots=CONCURRENT)

    def ask(messages: Sequence[Message]) -> str:
        output = engine.ask(messages, SamplingParams(max_tokens=MAX_TOKENS))
        if output.failed:  # an error is not an answer
            raise RuntimeError(output.finish)
        return output.text

    def answer(number: int) -> str:
        worked_out = test[number].worked
        asking = with_strategy(strategy, ask, number, worked_out.language)
        return asking(question(worked_out.question, [test[number].picture.pixels]))

    try:
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return [*pool.map(answer, range(len(test)))]
    finally:
        engine.close()


def with_strategy(strategy: str, ask: Ask, number: int, language: Language) -> Ask:
    """``ask`` with the strategy that the command line offers under the same name.

    Args:
        number: of the question; chooses its worked examples.
    """
    if strategy == "direct":
        return ask
    if strategy == "zero-shot-cot":
        return zero_shot(ask)
    with_examples = few_shot(examples(number, TEST_SEED, language), text_only=True, reasoning=True)
    final = final_only(ask)
    return lambda messages: final(with_examples(messages))


def examples(number: int, seed: int, language: Language) -> list[Shot]:
    """Worked examples in a language, from training pictures; the test takes a seed that training does not use."""
    drawn = [steps.draw(number * EXAMPLES + i, 10_000_000 + seed, "train", language).worked for i in range(EXAMPLES)]
    return [Shot(w.question, w.answer, reasoning=w.reasoning) for w in drawn]


def teach(config: ChainOfThoughtConfig, seed: int, scratch: Path, path: Path, say: Callable[[str], None]) -> None:
    """Train the stage and save the model to ``path``; resumes from the last checkpoint in ``scratch``."""
    model, processor = open_model(config.base)
    model = model.float()
    freeze(model, {"connector": 1.0, "language": 1.0})
    stage = Stage(
        name="chain",
        steps=config.steps,
        batch=config.batch,
        micro_batch_size=8,
        warmup=min(20, config.steps),
        seed=seed,
        save_every=50,
        **OPTIMISER,
    )
    train(GeneratedTask(model, processor, conversation), stage, scratch, RunOptions(say=say))
    save_new(model.requires_grad_(True).eval(), processor, path)
    shutil.rmtree(scratch)


def conversation(number: int, seed: int) -> list[Message]:
    """One training conversation. The strategies alternate, each over all kinds of questions."""
    drawn = steps.draw(number, seed, "train")
    w = drawn.worked
    solution = worked(w.reasoning, w.answer, w.language)
    asked = Message("user", (Part.image(drawn.picture.pixels), Part.text(w.question)))
    strategy = STRATEGIES[number // len(steps.KINDS) % len(STRATEGIES)]
    if strategy == "direct":
        return [asked, assistant(w.answer)]
    if strategy == "zero-shot-cot":
        thinking = with_words(asked, THINK[w.language])
        # One text part, since the prompt builder trims each part.
        whole = Message("user", (thinking.parts[0], Part.text(thinking.text)))
        return [whole, assistant(solution), user(CONCLUDE[w.language]), assistant(w.answer)]
    with_examples = few_shot(examples(number, TRAIN_SEED + seed, w.language), text_only=True, reasoning=True)
    return [*with_examples([asked]), assistant(solution)]


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each variant and strategy: the mean over seeds with its interval over questions, by kind, and the gain over
    answering directly.
    """
    kinds = records[0]["kinds"]
    questions = range(len(kinds))
    groups = group_by(records, "variant", "strategy")
    means = {key: mean_right(runs) for key, runs in groups.items()}
    rows = []
    for (variant, strategy), mean in means.items():
        direct = None if strategy == "direct" else means[variant, "direct"]
        rows.append(
            {
                "variant": variant,
                "strategy": strategy,
                "seeds": len(groups[variant, strategy]),
                "all": accuracy(mean, questions),
                "by_kind": by_kind(mean, kinds),
                "gain": paired_gain(direct, mean, questions) if direct else None,
            }
        )
    return {"rows": rows}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    kinds = [*result["rows"][0]["by_kind"]]
    heads = ("weights", "strategy", "seeds", "right, %", "gain over direct", *(f"{k}, %" for k in kinds))
    cells = [
        (
            r["variant"],
            r["strategy"],
            str(r["seeds"]),
            format_figure(r["all"]),
            format_figure(r["gain"]),
            *(f"{100 * r['by_kind'][k]:.1f}" for k in kinds),
        )
        for r in result["rows"]
    ]
    return format_table(heads, cells)


def page(result: Mapping[str, Any]) -> str:
    """Table and bars as an HTML page."""
    by_variant = group_by(result["rows"], "variant")
    groups = {variant: {r["strategy"]: r["all"] for r in rows} for (variant,), rows in by_variant.items()}
    return study_page("Chain of thought", as_text(result), groups)
