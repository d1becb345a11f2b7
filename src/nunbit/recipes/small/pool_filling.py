"""Fills the pools of a run (`nunbit.recipes.small.pool`): pictures are drawn, perception looks at them, and what it
finds is kept with the features of the vision encoder. A second a picture; a killed run resumes at the first file that
is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.files import whole, write_text
from nunbit.recipes.small import rehearsal
from nunbit.recipes.small.pool import PER_FILE, features, page_paper, world_picture
from nunbit.scene import Scene
from nunbit.world.base import generator

COMPOSITE_SEED = 11
"""Seed of the composites."""
Say = Callable[[str], None]
Entry = tuple[Any, Any]
"""What is written of one picture (JSON), and the picture (PIL) if its features are kept, else None."""


def prepare(base: Path, folder: Path, counts: dict[str, int], replies: bool, say: Say = print) -> None:
    """Bring a run's folder to what its settings ask for: what is there already is not made again.

    Args:
        base: folder of the base language model, for its replies.
        counts: pictures of each of the pools ``page``, ``pool`` (composites) and ``world``; a multiple of `PER_FILE`
            is kept.
        replies: whether the base model's replies to `rehearsal.prompts` are rehearsed.
    """
    if replies and not (folder / rehearsal.FILE).is_file():
        say("writing the base model's replies")
        rehearsal.generate_from(base, folder)
    for name, count in counts.items():
        fill(folder / "pool", name, count, say)


def fill(folder: Path, name: str, count: int, say: Say = print) -> None:
    """Add pictures to one pool until the folder holds ``count`` of them.

    Args:
        name: ``page``, ``pool`` or ``world``: how its files begin.
    """
    entry, keeps_features = {"page": (page, True), "pool": (composite, True), "world": (world, False)}[name]
    missing = [n for n in range(-(-count // PER_FILE)) if not (folder / f"{name}-{n:05}.jsonl").exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    find, encode = perception(), features()
    for number in missing:
        lines, made, grids = [], [], []
        for i in range(number * PER_FILE, (number + 1) * PER_FILE):
            written, image = entry(i, find)
            lines.append(json.dumps(written, ensure_ascii=False))
            if keeps_features:
                cells, grid = encode(image)
                made.append(cells)
                grids.append(grid)
        _write_file(folder / f"{name}-{number:05}.jsonl", lines, made, grids)
        say(f"{(number + 1) * PER_FILE}/{count} pictures of '{name}'")


def page(number: int, find: Callable[[Any], Scene]) -> Entry:
    """A painted page: its rows, so that pages of other makers are recognised, and what was read."""
    from PIL import Image

    from nunbit.world import pages

    paper, _, rng = page_paper(number)
    image = Image.fromarray(pages.render(paper, rng))
    return {"rows": paper.rows, "read": find(image).to_json()}, image


def composite(number: int, find: Callable[[Any], Scene]) -> Entry:
    """A composite: what is there and what perception finds."""
    from PIL import Image

    from nunbit.world import composites

    drawn = composites.draw(generator(COMPOSITE_SEED, number, "train"), "train")
    image = Image.fromarray(drawn.pixels)
    return {"true": without_segments(drawn.scene), "estimated": find(image).to_json()}, image


def world(number: int, find: Callable[[Any], Scene]) -> Entry:
    """A picture of the procedural world: what perception finds; it is drawn again from its number."""
    from PIL import Image

    return without_segments(find(Image.fromarray(world_picture(number).picture.pixels))), None


def without_segments(scene: Scene) -> dict[str, Any]:
    """A Scene as JSON without its masks."""
    scene.segment_map, scene.segments = None, []
    for o in scene.objects:
        o.segment = None
    return scene.to_json()


def perception() -> Callable[[Any], Scene]:
    """What finds the Scene of a picture: all parts that ship with the package."""
    from nunbit.perception.merge import build_parts

    parts = build_parts()
    return lambda image: parts([image])[0]


def _write_file(file: Path, lines: list[str], made: list[np.ndarray], grids: list[tuple[int, int]]) -> None:
    if made:
        with whole(file.with_suffix(".npz")) as beside, beside.open("wb") as f:
            np.savez_compressed(f, features=np.stack(made), grids=np.array(grids))
    write_text(file, "\n".join(lines) + "\n")
