"""Does the model use solved examples?

Episodes whose rule only the examples state, with 0, 1, 2, 4 or 8 of them in the prompt.

`nunbit-tiny` is trained for one more stage on interleaved episodes of nine solved examples (nine pictures): every
answer is learnt, so one episode teaches 0 to 8 shots at once. Pictures are 64 x 64 pixels, 16 tokens each, so that 8
shots and the question fit the context of 1,024 tokens; at 144 tokens a picture they would not. The test chooses the
examples from a pool at random, and by similarity with the most similar last (RICES). Names and units in the test
never occur in training.

Source: Flamingo, arXiv 2204.14198, sec. 2.4; Yang et al., arXiv 2109.05014. Repeated cases within an episode are what
makes a model use its context: Chan et al., arXiv 2205.05055.

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

from nunbit.assistant import Assistant
from nunbit.evaluation.matching import is_right
from nunbit.files import EMBEDDED
from nunbit.messages import Message, Part, assistant, question
from nunbit.models.checkpoint import open_model, save_new
from nunbit.models.resize import for_small_pictures
from nunbit.prompting.rices import Rices, fingerprint, picture_embedder, vision_encoder
from nunbit.prompting.shots import Shot, few_shot
from nunbit.studies.figures import accuracy, by_kind, format_figure, format_table, paired_gain, study_page
from nunbit.studies.generated import GeneratedTask
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import train
from nunbit.training.multimodal import freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.world import rules
from nunbit.world.base import Language, Split, generator

NAME = "few_shot"
SHOTS = (0, 1, 2, 4, 8)
LANGUAGES: tuple[Language, Language] = ("en", "ko")
SELECTIONS = ("random", "rices")
OPTIMISER: dict[str, Any] = {"lr": 5e-4, "muon_lr": 3e-3, "radius": 1.5, "decay": 0.5}


@dataclass(frozen=True, kw_only=True)
class FewShotConfig:
    """The size of the study.

    Attributes:
        steps, batch: optimiser steps of the stage, episodes a step.
        seeds: stages that are trained.
        episodes, pool: test episodes, and solved examples to choose from in each.
        shots: how many examples the prompt has.
        base: folder of the model that is trained.
    """

    steps: int = 1500
    batch: int = 16
    seeds: int = 3
    episodes: int = 300
    pool: int = 24
    shots: tuple[int, ...] = SHOTS
    base: Path = EMBEDDED


def run(config: FewShotConfig, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train and measure what is not in the folder yet; writes ``few_shot.json`` and ``few_shot.html``.

    Models stay in ``model-SEED``.

    Raises:
        UserError: see `run_study`.
    """
    most = max(config.shots)

    def describe(record: Mapping[str, Any]) -> str:
        shares = {s: 100 * np.mean(record["right"][f"{s}-{most}"]) for s in SELECTIONS}
        return ", ".join(f"{s}, {most} shots: {share:.1f} %" for s, share in shares.items())

    runs = [
        StudyRun(f"seed-{seed}", f"seed {seed}", partial(measure, config, seed, folder, say))
        for seed in range(config.seeds)
    ]
    summarise = partial(summary, shots=config.shots)
    return run_study(NAME, config, folder, runs, summarise=summarise, page=page, say=say, describe=describe)


def measure(config: FewShotConfig, seed: int, folder: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train with one seed and ask the test episodes."""
    path = folder / f"model-{seed}"
    if not path.exists():
        teach(config, seed, folder / f"stage-{seed}", path, say)
    model, processor = open_model(path)
    assistant_ = Assistant.from_loaded(model, processor)
    episodes = [draw(i, seed=0, split="test", pool=config.pool) for i in range(config.episodes)]
    embed, encoder = picture_embedder(model, processor.image_processor), fingerprint(vision_encoder(model))
    indices = [Rices(shots_of(e.pool), embed, encoder=encoder) for e in episodes]
    right: dict[str, list[bool]] = {}
    for selection in SELECTIONS:
        for k in config.shots:
            prompts = []
            for i, (e, index) in enumerate(zip(episodes, indices, strict=True)):
                with_examples = few_shot(select(selection, k, e, index, i))
                prompts.append(with_examples(question(e.query.question, [e.query.pixels])))
            answers = assistant_.ask_many(prompts, max_new_tokens=12)
            right[f"{selection}-{k}"] = [is_right(a, [e.query.answer]) for a, e in zip(answers, episodes, strict=True)]
    kinds, languages = [e.kind for e in episodes], [e.language for e in episodes]
    return {"seed": seed, "right": right, "kinds": kinds, "languages": languages}


def teach(config: FewShotConfig, seed: int, scratch: Path, path: Path, say: Callable[[str], None]) -> None:
    """Train the base model on interleaved episodes and save it to ``path``; resumes from the last checkpoint in
    ``scratch``.
    """
    model, processor = for_small_pictures(*open_model(config.base), rules.SIDE_PX)
    model = model.float()
    freeze(model, {"connector": 1.0, "language": 1.0})
    stage = Stage(
        name="episodes",
        steps=config.steps,
        batch=config.batch,
        warmup=min(30, config.steps),
        seed=seed,
        save_every=50,
        **OPTIMISER,
    )
    turns = max(config.shots) + 1
    task = GeneratedTask(model, processor, lambda number, seed: conversation(number, seed, turns))
    train(task, stage, scratch, RunOptions(say=say))
    save_new(model.requires_grad_(True).eval(), processor, path)
    shutil.rmtree(scratch)


def conversation(number: int, seed: int, turns: int) -> list[Message]:
    """One training episode as a conversation of ``turns`` questions, each with its answer."""
    episode = draw(number, seed=seed, split="train", pool=turns - 1)
    out = []
    for e in (*episode.pool, episode.query):
        out += [Message("user", (Part.image(e.pixels), Part.text(e.question))), assistant(e.answer)]
    return out


def draw(number: int, *, seed: int, split: Split, pool: int) -> rules.Episode:
    """Episode ``number`` of a stream; kinds and languages alternate.

    Args:
        pool: solved examples beside the query.
    """
    rng = generator(seed, number, split)
    language = LANGUAGES[number // len(rules.KINDS) % 2]
    return rules.episode(rng, split, rules.KINDS[number % len(rules.KINDS)], language, pool)


def shots_of(examples: Sequence[rules.Example]) -> list[Shot]:
    """The examples of an episode as shots."""
    return [Shot(e.question, e.answer, image=Image.fromarray(e.pixels)) for e in examples]


def select(selection: str, k: int, episode: rules.Episode, index: Rices, number: int) -> list[Shot]:
    """``k`` examples of an episode's pool: the most similar, or random ones.

    Args:
        number: of the episode; seeds the random choice, whose first examples do not depend on ``k``.
    """
    if selection == "rices":
        return index.nearest(Image.fromarray(episode.query.pixels), k)
    order = np.random.default_rng((number, 5)).permutation(len(episode.pool))[:k]
    return shots_of([episode.pool[int(i)] for i in order])


def summary(records: Sequence[Mapping[str, Any]], shots: Sequence[int]) -> dict[str, Any]:
    """For each number of shots: both selections with intervals over episodes and by kind, the gain of RICES, the gain
    over the fewest shots.
    """
    kinds = records[0]["kinds"]
    episodes = range(len(kinds))
    mean = {key: np.mean([r["right"][key] for r in records], axis=0).tolist() for key in records[0]["right"]}
    rows = []
    for k in shots:
        row: dict[str, Any] = {"shots": k, "seeds": len(records)}
        for s in SELECTIONS:
            row[s] = accuracy(mean[f"{s}-{k}"], episodes)
            row[f"{s}_by_kind"] = by_kind(mean[f"{s}-{k}"], kinds)
        row["rices_gain"] = paired_gain(mean[f"random-{k}"], mean[f"rices-{k}"], episodes)
        row["gain"] = {s: paired_gain(mean[f"{s}-{min(shots)}"], mean[f"{s}-{k}"], episodes) for s in SELECTIONS}
        rows.append(row)
    return {"rows": rows, "episodes": len(kinds)}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    rows = result["rows"]
    kinds = list(rows[0]["random_by_kind"])
    heads = ("shots", "random, %", "gain", "RICES, %", "gain", "RICES over random")
    cells = []
    for r in rows:
        figures = (r["random"], r["gain"]["random"], r["rices"], r["gain"]["rices"], r["rices_gain"])
        pairs = [f"{100 * r['random_by_kind'][k]:.0f}, {100 * r['rices_by_kind'][k]:.0f}" for k in kinds]
        cells.append((str(r["shots"]), *map(format_figure, figures), *pairs))
    table = format_table((*heads, *(f"{k}: random, RICES" for k in kinds)), cells)
    return f"{result['episodes']} episodes, {rows[0]['seeds']} seeds\n{table}"


def page(result: Mapping[str, Any]) -> str:
    """Table and bars as an HTML page."""
    groups = {s: {f"{r['shots']} shots": r[s] for r in result["rows"]} for s in SELECTIONS}
    return study_page("Solved examples", as_text(result), groups)
