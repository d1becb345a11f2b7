"""``nunbit eval verify``: hallucination before and after verification."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from nunbit.cli.options import AsJson, Device, Model
from nunbit.cli.output import progress, show


@dataclass(frozen=True, slots=True)
class VerifyEvalOptions:
    """Options of ``nunbit eval verify``."""

    pictures: Annotated[int, typer.Option(min=1, max=10_000, help="Drawings, and as many composites.")] = 40
    rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="How many of the liar's statements are false.")] = 0.3
    seed: Annotated[int, typer.Option(help="Seed of the liar.")] = 0
    liar_only: Annotated[bool, typer.Option("--liar-only", help="Leave the model out, which takes longest.")] = False
    llm: Annotated[
        bool, typer.Option("--llm/--no-llm", help="To verify, ask the model again where perception knows nothing.")
    ] = True
    model: Model = None
    device: Device = "cpu"
    as_json: AsJson = False


def verify(options: VerifyEvalOptions) -> None:
    """A lying model and a real one before and after verification: precision, coverage, CHAIR, POPE, consistency."""
    from nunbit.evaluation.hallucination import verify as evaluation
    from nunbit.perception.build import PerceptionConfig, build_perception

    answer: Any = None
    perceive: Any = build_perception(PerceptionConfig())
    name = ""
    if not options.liar_only:
        from nunbit.assistant import Assistant

        assistant = Assistant(options.model, options.device)
        answer, name = assistant.ask_many, assistant.name
        perceive = assistant.aware.shown if assistant.aware is not None else perceive
    counts: dict[str, Any] = {"pictures": options.pictures, "rate": options.rate, "seed": options.seed}
    result = evaluation.run(perceive, answer, ask_model=options.llm, say=progress, **counts)
    print(file=sys.stderr)
    show(result | ({"model name": name} if name else {}), evaluation.as_text, options.as_json)
