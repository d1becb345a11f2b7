"""Does the model use solved examples? Episodes whose rule stands only in the examples, and 0, 1, 2, 4 or 8 of them shown.

`nunbit-tiny` goes through one stage more, on interleaved episodes of nine solved examples each (nine pictures): every answer is learnt, so one
episode teaches 0 to 8 shots at once. Pictures are 64 x 64 pixels, 16 tokens each, for 8 shots and the question to fit into its context
(1,024; with its own 144 tokens a picture they would not). Then it is asked with examples chosen at random from a pool, and with the likest
ones, the likest last (RICES). Names and units in the test are never those of training.

Source: Flamingo, arXiv 2204.14198, sec. 2.4; Yang et al., arXiv 2109.05014. Repeated cases within an episode are what brings context to be
used: Chan et al., arXiv 2205.05055.

    nunbit eval few-shot -o runs/few-shot --steps 1500 --seeds 3      # the full size
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nunbit.evaluation.matching import is_right
from nunbit.files import EMBEDDED
from nunbit.messages import Message, Part, assistant, question
from nunbit.models.assistant import Assistant
from nunbit.models.compose import open_native, save_new
from nunbit.models.resize import for_small_pictures
from nunbit.prompting.rices import Rices, fingerprint, picture_embedder, vision_encoder
from nunbit.prompting.shots import Shot, few_shot
from nunbit.studies.figures import accuracy, by_kind, format_figure, format_table, paired_gain, study_page
from nunbit.studies.generated import DrawnTask
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import Stage, train
from nunbit.training.multimodal import freeze
from nunbit.world import rules
from nunbit.world.base import Language, Split, generator

NAME = "few_shot"
SHOTS = (0, 1, 2, 4, 8)
LANGUAGES: tuple[Language, Language] = ("en", "ko")
WAYS = ("random", "rices")
OPTIMISER: dict[str, Any] = {"lr": 5e-4, "muon_lr": 3e-3, "radius": 1.5, "decay": 0.5}


@dataclass(frozen=True, kw_only=True)
class FewShotConfig:
    """The size of a study.

    Attributes:
        steps, batch: optimiser steps of the stage, episodes a step.
        episodes, pool: test episodes, and solved examples to choose from in each.
        shots: how many examples are shown.
    """

    steps: int = 1500
    batch: int = 16
    seeds: int = 3
    episodes: int = 300
    pool: int = 24
    shots: tuple[int, ...] = SHOTS
    base: Path = EMBEDDED


def run(plan: FewShotConfig, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train and measure whatever is not in the folder yet; writes ``few_shot.json`` and ``few_shot.html``; models stay in ``model-SEED``."""
    most = max(plan.shots)

    def told(done: Mapping[str, Any]) -> str:
        return ", ".join(f"{way}, {most} shots: {100 * np.mean(done['right'][f'{way}-{most}']):.1f} %" for way in WAYS)

    todo = [StudyRun(f"seed-{seed}", f"seed {seed}", partial(one, plan, seed, folder, say)) for seed in range(plan.seeds)]
    return run_study(NAME, plan, folder, todo, summarise=partial(summary, shots=plan.shots), page=page, say=say, describe=told)


def one(plan: FewShotConfig, seed: int, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train with one seed and ask the test episodes."""
    path = folder / f"model-{seed}"
    if not path.exists():
        teach(plan, seed, folder / f"stage-{seed}", path, say)
    model, processor = open_native(path)
    helper = Assistant.of(model, processor)
    episodes = [drawn(i, seed=0, split="test", pool=plan.pool) for i in range(plan.episodes)]
    embed, encoder = picture_embedder(model, processor.image_processor), fingerprint(vision_encoder(model))
    indices = [Rices(shots_of(e.pool), embed, encoder=encoder) for e in episodes]
    right: dict[str, list[bool]] = {}
    for way in WAYS:
        for k in plan.shots:
            asked = [few_shot(chosen(way, k, e, index, i))(question(e.query.question, [e.query.pixels]))
                     for i, (e, index) in enumerate(zip(episodes, indices, strict=True))]  # fmt: skip
            answers = helper.ask_many(asked, max_new_tokens=12)
            right[f"{way}-{k}"] = [is_right(a, [e.query.answer]) for a, e in zip(answers, episodes, strict=True)]
    return {"seed": seed, "right": right, "kinds": [e.kind for e in episodes], "languages": [e.language for e in episodes]}


def teach(plan: FewShotConfig, seed: int, scratch: Path, path: Path, say: Callable[[str], None]) -> None:
    """The stage: the shipped weights on interleaved episodes; goes on from its last checkpoint."""
    model, processor = for_small_pictures(*open_native(plan.base), rules.SIDE_PX)
    model = model.float()
    freeze(model, {"connector": 1.0, "language": 1.0})
    stage = Stage(name="episodes", steps=plan.steps, batch=plan.batch, warmup=min(30, plan.steps), seed=seed, save_every=50, **OPTIMISER)
    turns = max(plan.shots) + 1
    train(DrawnTask(model, processor, lambda number, seed: talk(number, seed, turns)), stage, scratch, say=say)
    save_new(model.requires_grad_(True).eval(), processor, path)
    shutil.rmtree(scratch)


def talk(number: int, seed: int, turns: int) -> list[Message]:
    """One training episode as a conversation, each of its examples a question with its answer."""
    e = drawn(number, seed=seed, split="train", pool=turns - 1)
    return [m for x in (*e.pool, e.query) for m in (Message("user", (Part.image(x.pixels), Part.text(x.question))), assistant(x.answer))]


def drawn(number: int, *, seed: int, split: Split, pool: int) -> rules.Episode:
    """Episode ``number`` of a stream: kinds take turns, so do languages."""
    rng = generator(seed, number, split)
    language = LANGUAGES[number // len(rules.KINDS) % 2]
    return rules.episode(rng, split, rules.KINDS[number % len(rules.KINDS)], language, pool)


def shots_of(examples: Sequence[rules.Example]) -> list[Shot]:
    return [Shot(e.question, e.answer, image=Image.fromarray(e.pixels)) for e in examples]


def chosen(way: str, k: int, episode: rules.Episode, index: Rices, number: int) -> list[Shot]:
    """``k`` examples of an episode's pool: the likest, or any."""
    if way == "rices":
        return index.nearest(Image.fromarray(episode.query.pixels), k)
    order = np.random.default_rng((number, 5)).permutation(len(episode.pool))[:k]
    return shots_of([episode.pool[int(i)] for i in order])


def summary(found: Sequence[Mapping[str, Any]], shots: Sequence[int]) -> dict[str, Any]:
    """Per number of shots: both ways with intervals over episodes, what RICES gains, what the shots gain over none, and by kind."""
    kinds, number = found[0]["kinds"], list(range(len(found[0]["kinds"])))
    mean = {key: np.mean([r["right"][key] for r in found], axis=0) for key in found[0]["right"]}
    rows = []
    for k in shots:
        row: dict[str, Any] = {"shots": k, "seeds": len(found)}
        for way in WAYS:
            values = mean[f"{way}-{k}"]
            row[way] = accuracy(values, number)
            row[f"{way}_by_kind"] = by_kind(values, kinds)
        row["rices_gain"] = paired_gain(mean[f"random-{k}"].tolist(), mean[f"rices-{k}"].tolist(), number)
        row["gain"] = {way: paired_gain(mean[f"{way}-{min(shots)}"].tolist(), mean[f"{way}-{k}"].tolist(), number) for way in WAYS}
        rows.append(row)
    return {"rows": rows, "episodes": len(number)}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    rows = result["rows"]
    kinds = list(rows[0]["random_by_kind"])
    heads = ("shots", "random, %", "gain", "RICES, %", "gain", "RICES over random", *(f"{k}: random, RICES" for k in kinds))
    cells = [(str(r["shots"]), format_figure(r["random"]), format_figure(r["gain"]["random"]), format_figure(r["rices"]), format_figure(r["gain"]["rices"]),
              format_figure(r["rices_gain"]), *(f"{100 * r['random_by_kind'][k]:.0f}, {100 * r['rices_by_kind'][k]:.0f}" for k in kinds))
             for r in rows]  # fmt: skip
    return f"{result['episodes']} episodes, {rows[0]['seeds']} seeds\n" + format_table(heads, cells)


def page(result: Mapping[str, Any]) -> str:
    """Table and bars."""
    groups = {way: {f"{r['shots']} shots": r[way] for r in result["rows"]} for way in WAYS}
    return study_page("Solved examples", as_text(result), groups)
