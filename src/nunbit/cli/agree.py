"""``nunbit eval agree``: whether ``nunbit ask`` says what ``nunbit see`` shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.options import AsJson, Device, Model, ObjectAware
from nunbit.cli.output import progress, show
from nunbit.media.sources import PICTURE_ENDINGS

EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass(frozen=True, slots=True)
class AgreeOptions:
    """Options of ``nunbit eval agree``."""

    pictures: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, or folders of them; the shipped examples and world pictures if none is named."),
    ] = None
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Number of questions.")] = 100
    seed: Annotated[int, typer.Option(help="Seed of the questions and of the world pictures.")] = 0
    model: Model = None
    device: Device = "cpu"
    object_aware: ObjectAware = True
    as_json: AsJson = False


def agree(options: AgreeOptions) -> None:
    """Ask the model what perception shows with confidence (exists, count, read), and report how often they agree."""
    from nunbit.assistant import Assistant
    from nunbit.cli.photos import perception_of
    from nunbit.evaluation import agreement

    named = list(_files(options.pictures or []))
    assistant = Assistant(options.model, options.device, object_aware=options.object_aware)
    pictures = _decoded(named) if options.pictures else _default_pictures(options.seed, options.limit)
    result = agreement.run(
        assistant.ask_many, perception_of(assistant), pictures, limit=options.limit, seed=options.seed, say=progress
    )
    print(file=sys.stderr)
    result["model"] = assistant.name
    show(result, agreement.as_text, options.as_json)


def _files(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_ENDINGS)
        else:
            yield path


def _decoded(files: list[Path]) -> Iterator[tuple[str, Any]]:
    from nunbit.media import decode

    for file in files:
        yield file.name, decode(file)


def _default_pictures(seed: int, limit: int) -> Iterator[tuple[str, Any]]:
    """The examples of the checkout, then world pictures that training never draws; at most one a question."""
    from PIL import Image

    from nunbit.world.samples import sample

    if EXAMPLES.is_dir():
        yield from _decoded(list(_files([EXAMPLES])))
    for number in range(limit):
        picture = sample(number, seed=seed, split="test", questions=0).picture
        yield picture.domain, Image.fromarray(picture.pixels)
