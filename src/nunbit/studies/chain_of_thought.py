"""Does it help to think aloud? The same model asked for the answer at once, step by step (zero-shot chain of thought, two stages), and after two
worked solutions (chain of thought), on questions of several steps: count and compare, look up and add.

  shipped   `nunbit-tiny` as it is: it was never shown reasoning
  taught    after one stage more on such questions, in which answering at once, step by step, and after worked examples are equally frequent

Source: Wei et al., arXiv 2201.11903; Kojima et al., arXiv 2205.11916, sec. 3. The examples' pictures are left out: three pictures of 144 tokens
are more than the stage shows at once.

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

from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.errors import check_names
from nunbit.evaluation.matching import is_right
from nunbit.files import EMBEDDED
from nunbit.messages import Message, Part, assistant, question, user
from nunbit.models.assistant import Assistant
from nunbit.models.compose import open_native, save_new
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
from nunbit.studies.generated import DrawnTask
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import Stage, train
from nunbit.training.multimodal import freeze
from nunbit.world import steps
from nunbit.world.base import Language

NAME = "chain"
VARIANTS = ("shipped", "taught")
WAYS = ("direct", "zero-shot-cot", "cot")
EXAMPLES, MOST_TOKENS, TOGETHER = 2, 96, 16
OPTIMISER: dict[str, Any] = {"lr": 3e-4, "muon_lr": 1.5e-3, "radius": 1.5, "decay": 0.5}


@dataclass(frozen=True, kw_only=True)
class ChainOfThoughtConfig:
    """The size of a study: optimiser steps and conversations a step of the stage, test questions."""

    steps: int = 800
    batch: int = 16
    seeds: int = 3
    eval_questions: int = 240
    variants: tuple[str, ...] = VARIANTS
    base: Path = EMBEDDED


def run(plan: ChainOfThoughtConfig, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train and measure whatever is not in the folder yet; writes ``chain.json`` and ``chain.html``; models stay in ``model-SEED``."""
    check_names("variant", plan.variants, VARIANTS)
    todo = [StudyRun(f"{variant}-{way}-{seed}", f"{variant}, {way}, seed {seed}", partial(one, plan, variant, way, seed, folder, say))
            for variant in plan.variants for seed in range(plan.seeds if variant == "taught" else 1) for way in WAYS]  # fmt: skip
    return run_study(NAME, plan, folder, todo, summarise=summary, page=page, say=say)


def one(plan: ChainOfThoughtConfig, variant: str, way: str, seed: int, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Ask the test questions in one way; the model is taught first, if it has to be and is not yet."""
    where = folder / f"model-{seed}" if variant == "taught" else plan.base
    if not where.exists():
        teach(plan, seed, folder / f"stage-{seed}", where, say)
    asked = [steps.draw(i, 0, "test") for i in range(plan.eval_questions)]
    engine = Engine.of(Assistant.of(*open_native(where)), slots=TOGETHER)

    def ask(messages: Sequence[Message]) -> str:
        said = engine.answer(messages, SamplingParams(max_tokens=MOST_TOKENS))
        if said.broken:  # an error is not an answer
            raise RuntimeError(said.finish)
        return said.text

    def answer(number: int) -> str:
        w = asked[number].worked
        return asker(way, ask, number, w.language)(question(w.question, [asked[number].picture.pixels]))

    try:
        with ThreadPoolExecutor(TOGETHER) as pool:  # a way may ask twice, the second time about the first answer: each waits for its own
            answers = [*pool.map(answer, range(len(asked)))]
    finally:
        engine.close()
    return {"variant": variant, "way": way, "seed": seed, "right": [is_right(a, [s.worked.answer]) for a, s in zip(answers, asked, strict=True)],
            "kinds": [s.worked.kind for s in asked], "answers": answers, "examples": EXAMPLES if way == "cot" else 0}  # fmt: skip


def asker(way: str, ask: Ask, number: int, language: Language) -> Ask:
    """The way of asking that the command line offers under the same name."""
    if way == "direct":
        return ask
    if way == "zero-shot-cot":
        return zero_shot(ask)
    shown = few_shot(examples(number, 1, language), text_only=True, reasoning=True)
    final = final_only(ask)
    return lambda messages: final(shown(messages))


def examples(number: int, seed: int, language: Language) -> list[Shot]:
    """Worked examples in a language; those of the test come from training pictures, with a seed that training does not use."""
    return [Shot(s.worked.question, s.worked.answer, reasoning=s.worked.reasoning)
            for s in (steps.draw(number * EXAMPLES + i, 10_000_000 + seed, "train", language) for i in range(EXAMPLES))]  # fmt: skip


def teach(plan: ChainOfThoughtConfig, seed: int, scratch: Path, path: Path, say: Callable[[str], None]) -> None:
    """The stage; goes on from its last checkpoint."""
    model, processor = open_native(plan.base)
    model = model.float()
    freeze(model, {"connector": 1.0, "language": 1.0})
    stage = Stage(name="chain", steps=plan.steps, batch=plan.batch, micro_batch_size=8, warmup=min(20, plan.steps), seed=seed, save_every=50, **OPTIMISER)
    train(DrawnTask(model, processor, talk), stage, scratch, say=say)
    save_new(model.requires_grad_(True).eval(), processor, path)
    shutil.rmtree(scratch)


def talk(number: int, seed: int) -> list[Message]:
    """One training conversation: every question in one of the three ways, which take turns over the kinds."""
    drawn = steps.draw(number, seed, "train")
    w = drawn.worked
    told = worked(w.reasoning, w.answer, w.language)
    plain = Message("user", (Part.image(drawn.picture.pixels), Part.text(w.question)))
    way = WAYS[number // len(steps.KINDS) % len(WAYS)]
    if way == "direct":
        return [plain, assistant(w.answer)]
    if way == "zero-shot-cot":
        asked = with_words(plain, THINK[w.language])
        whole = Message("user", (asked.parts[0], Part.text(asked.text)))  # one part: the renderer trims each
        return [whole, assistant(told), user(CONCLUDE[w.language]), assistant(w.answer)]
    return [*few_shot(examples(number, 2 + seed, w.language), text_only=True, reasoning=True)([plain]), assistant(told)]


def summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per variant and way: the mean over seeds with its interval over questions, by kind, and the gain over answering at once."""
    kinds, number = found[0]["kinds"], list(range(len(found[0]["kinds"])))
    groups = group_by(found, "variant", "way")
    means = {key: mean_right(runs) for key, runs in groups.items()}
    rows = [{"variant": variant, "way": way, "seeds": len(groups[variant, way]), "all": accuracy(mean, number), "by_kind": by_kind(mean, kinds),
             "gain": paired_gain(means[variant, "direct"], mean, number) if way != "direct" else None}
            for (variant, way), mean in means.items()]  # fmt: skip
    return {"rows": rows}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    rows = result["rows"]
    heads = ("weights", "asked", "seeds", "right, %", "gain over direct", *(f"{k}, %" for k in rows[0]["by_kind"]))
    cells = [(r["variant"], r["way"], str(r["seeds"]), format_figure(r["all"]), format_figure(r["gain"]), *(f"{100 * v:.1f}" for v in r["by_kind"].values()))
             for r in rows]  # fmt: skip
    return format_table(heads, cells)


def page(result: Mapping[str, Any]) -> str:
    """Table and bars."""
    groups = {variant: {r["way"]: r["all"] for r in rows} for (variant,), rows in group_by(result["rows"], "variant").items()}
    return study_page("Thinking aloud", as_text(result), groups)
