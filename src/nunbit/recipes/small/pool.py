"""Composites with what perception finds in them and what the vision encoder makes of them, kept on disk: perception
takes a second a picture, and a picture is asked about many times.

Files ``pool-00000.npz`` and ``.jsonl`` of 50 pictures each; `nunbit.recipes.small.pool_filling` writes them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.errors import UserError
from nunbit.scene import Scene
from nunbit.world.base import Language, generator
from nunbit.world.papers import Paper
from nunbit.world.samples import Sample, sample

PER_FILE = 50
WORLD = {"things": 0.30, "writing": 0.16, "documents": 0.18, "charts": 0.14, "puzzles": 0.14, "panels": 0.08}
"""Share of each domain among world pictures."""
EMPHASIS = {
    "documents/describe": 0.1,
    "charts/describe": 0.15,
    "puzzles/describe": 0.1,
    "panels/describe": 0.15,
    "panels/count": 0.2,
    "panels/exists": 0.3,
    "writing/attribute": 0.4,
    "puzzles/count": 0.7,
    "panels/order": 1.5,
    "charts/compare": 1.5,
    "puzzles/lookup": 1.5,
}
"""What is easy is asked less often than what is not."""


@dataclass(slots=True)
class Pooled:
    """One picture of a pool: its true and its estimated Scene, and features ``(N, Dv)`` float16 with their grid."""

    true: Scene
    estimated: Scene
    features: np.ndarray
    grid: tuple[int, int]


class Pool:
    """The pictures of a folder, by number."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(f for f in folder.glob("pool-*.jsonl") if f.with_suffix(".npz").exists())
        self._open = lru_cache(maxsize=8)(_read_file)

    def __len__(self) -> int:
        return PER_FILE * len(self.files)

    def __getitem__(self, number: int) -> Pooled:
        rows, features, grids = self._open(self.files[number // PER_FILE])
        row = rows[number % PER_FILE]
        grid = grids[number % PER_FILE]
        return Pooled(
            Scene.from_json(row["true"]),
            Scene.from_json(row["estimated"]),
            features[number % PER_FILE],
            (int(grid[0]), int(grid[1])),
        )


WORLD_SEED = 12
"""Seed of the world pictures whose estimated Scenes are kept."""


class WorldPool:
    """Estimated Scenes of world pictures; the pictures are drawn again from their numbers."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("world-*.jsonl"))
        self.scenes: list[Any] = []
        for file in files:
            try:
                self.scenes += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            except ValueError:
                raise UserError(f"'{file}' is damaged", todo="remove it: it is made again") from None

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, number: int) -> Scene:
        """What perception finds in world picture ``number`` of the seed `WORLD_SEED`."""
        return Scene.from_json(self.scenes[number])


def world_picture(number: int, *, seed: int = WORLD_SEED, korean: float = 0.0, questions: int = 1) -> Sample:
    """World picture ``number`` with questions; without a seed that of the pool."""
    return sample(
        number, seed=seed, split="train", mixture=WORLD, questions=questions, even=True, korean=korean,
        emphasis=EMPHASIS,
    )  # fmt: skip


PAGE_SEED = 13
"""Seed of the pages whose estimated Scenes are kept."""


def page_paper(number: int) -> tuple[Paper, Language, np.random.Generator]:
    """Paper ``number`` of the pages, the language that it is asked in, and the generator that paints it next."""
    from nunbit.world import pages, paper_kinds

    rng = generator(PAGE_SEED, number, "train")
    language: Language = "ko" if rng.random() < 0.5 else "en"
    paper = paper_kinds.draw(rng, language)
    while not pages.paintable(paper):
        paper = paper_kinds.draw(rng, language)
    return paper, language, rng


class PagePool:
    """Painted pages as perception reads them, with the features of their pixels; the papers are drawn again from their
    numbers."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(f for f in folder.glob("page-*.jsonl") if f.with_suffix(".npz").exists())
        self._open = lru_cache(maxsize=8)(_read_file)

    def __len__(self) -> int:
        return PER_FILE * len(self.files)

    def __getitem__(self, number: int) -> tuple[Paper, Language, Pooled]:
        """The paper, its language, and the page: what was read in it stands in ``true`` and ``estimated``."""
        file = self.files[number // PER_FILE]
        rows, features, grids = self._open(file)
        at = number % PER_FILE
        paper, language, _ = page_paper(PER_FILE * int(file.stem.partition("-")[2]) + at)
        if rows[at].get("rows") != paper.rows:
            raise UserError(
                f"'{file}' holds pages that other makers drew", todo="remove the run's pool of pages: it is drawn again"
            )
        scene, grid = Scene.from_json(rows[at]["read"]), grids[at]
        return paper, language, Pooled(scene, scene, features[at], (int(grid[0]), int(grid[1])))


def _read_file(path: Path) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """The rows of a file, and the features and grids beside it.

    Raises:
        UserError: one of the two is damaged.
    """
    try:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as held:
            features, grids = held["features"], held["grids"]
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        whole = len(rows) == len(features) == len(grids) == PER_FILE and all(isinstance(r, dict) for r in rows)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        whole = False
    if not whole:
        raise UserError(
            f"'{path}' or the file of features beside it is damaged", todo="remove both: they are made again"
        )
    return rows, features, grids


def features() -> Callable[[Any], tuple[np.ndarray, tuple[int, int]]]:
    """A picture's features ``(N, 1280)`` of the shipped EfficientNet-Lite, and their grid."""
    import torch
    from PIL import Image as images

    from nunbit.encoders.efficientnet_lite import MEAN, SCALE, EfficientNetLiteForImageClassification

    model = EfficientNetLiteForImageClassification.shipped()
    side = model.config.image_size

    def computed(image: Any) -> tuple[np.ndarray, tuple[int, int]]:
        square = image.convert("RGB").resize((side, side), images.Resampling.BICUBIC)
        pixels = torch.from_numpy((np.asarray(square, np.float32) - MEAN) / SCALE).permute(2, 0, 1)[None]
        with torch.inference_mode():
            out = model.encoder(pixels)
        return out.last_hidden_state[0].half().numpy(), (out.grid[0], out.grid[1])

    return computed
