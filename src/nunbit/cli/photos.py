"""``nunbit eval photos``: photographs and composites that no training saw, beside baselines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nunbit.cli.options import AsJson, Device, Model, ObjectAware
from nunbit.cli.output import progress, show

if TYPE_CHECKING:  # numpy is not imported for a page of help
    from nunbit.messages import Message
    from nunbit.scene import Scene

    Ask = Callable[[Sequence[Sequence[Message]]], list[str]]
BASELINES = ("rules", "base")


@dataclass(frozen=True, slots=True)
class PhotosOptions:
    """Options of ``nunbit eval photos``."""

    baselines: Annotated[
        str,
        typer.Option(help="Beside the blank picture: rules (on what perception finds), base (the language model)."),
    ] = "rules,base"
    composites: Annotated[int, typer.Option(min=0, max=10_000, help="Composites beside the photographs.")] = 30
    model: Model = None
    device: Device = "cpu"
    object_aware: ObjectAware = True
    as_json: AsJson = False


def photos(options: PhotosOptions) -> None:
    """Questions about photographs that no training saw, with intervals, beside the blank picture and other baselines.

    Raises:
        UserError: an unknown baseline, or the base model is not here.
    """
    from nunbit.assistant import Assistant
    from nunbit.cli.options import by_commas
    from nunbit.errors import check_names
    from nunbit.evaluation import photos as benchmark

    wanted = by_commas(options.baselines)
    check_names("baseline", wanted, BASELINES)
    assistant = Assistant(options.model, options.device, object_aware=options.object_aware)
    baselines: dict[str, Ask] = {}
    if "rules" in wanted:
        baselines["rules"] = rules_on(perception_of(assistant))
    if "base" in wanted:
        baselines["base"] = base_language_model(options.device)
    result = benchmark.run(assistant.ask_many, baselines, composites=options.composites, say=progress)
    print(file=sys.stderr)
    result["model"] = assistant.name
    show(result, benchmark.as_text, options.as_json)


def perception_of(assistant: Any) -> Callable[[Sequence[Any]], list[Scene]]:
    """What finds Scenes for the model; the default perception where the model uses none."""
    from nunbit.perception.build import PerceptionConfig, build_perception

    perceive: Callable[[Sequence[Any]], list[Scene]] = (
        assistant.aware.shown if assistant.aware is not None else build_perception(PerceptionConfig())
    )
    return perceive


def rules_on(perceive: Callable[[Sequence[Any]], list[Scene]]) -> Ask:
    """Answers by rules from what perception finds, without any language model."""
    from PIL import Image

    from nunbit.evaluation.scene_rules import RuleAnswerer

    def find(picture: Any) -> Scene:
        return perceive([Image.fromarray(picture)])[0]

    rules = RuleAnswerer(find)
    return lambda conversations: [rules.answer(find(c[-1].images[0]), c[-1].text) for c in conversations]


def base_language_model(device: str) -> Ask:
    """The language model that `nunbit-small` was made from, without pictures.

    Raises:
        UserError: it was not fetched.
    """
    from nunbit.errors import UserError
    from nunbit.evaluation.text_only import text_only
    from nunbit.models import hub
    from nunbit.models.hub_parts import ASSEMBLED

    name = ASSEMBLED["nunbit-small"].base
    if not hub.is_here(name):
        raise UserError(
            f"{name} is not here", todo=f"run 'nunbit models get {name}', or leave out base: --baselines rules"
        )
    return text_only(hub.path(name), device)
