"""eval grid: several models, benchmarks, protocols and prompt strategies in one command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.evaluate import AskingOptions
from nunbit.cli.options import AsJson, by_commas
from nunbit.cli.output import progress, say, show

if TYPE_CHECKING:
    from nunbit.evaluation.prompt_strategies import PromptStrategy, StrategyResources


@dataclass(frozen=True, slots=True)
class GridOptions:
    """Options of ``nunbit eval grid``."""

    benchmarks: Annotated[list[str], typer.Argument(help="BENCHMARK=DATA or BENCHMARK@PROTOCOL,PROTOCOL=DATA, each.")]
    asking: AskingOptions
    model: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", help="embedded, a folder or hub id, or an address; repeatable."),
    ] = None
    shots: Annotated[str, typer.Option(help="Numbers of solved examples, by commas: 0,4,8.")] = "0"
    examples: Annotated[Path | None, typer.Option(help="Solved examples: JSON lines, or a folder of them.")] = None
    rices: Annotated[
        str, typer.Option(help="Choose examples by similarity of pictures: no, yes, or both by a comma.")
    ] = "no"
    cot: Annotated[str, typer.Option(help="Chain of thought: no, zero-shot, worked, by commas.")] = "no"
    scene_prompt: Annotated[
        str, typer.Option(help="Text about each picture in the prompt: none, objects, plain, by commas.")
    ] = "none"
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the grid; an existing one is resumed.")] = Path(
        "runs/grid"
    )
    samples: Annotated[int, typer.Option(min=0, help="At most so many items of each benchmark in the page.")] = 100
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the command to ``nunbit eval``."""
    command(app, GridOptions, "grid")(grid)


def grid(options: GridOptions) -> None:
    """Models x benchmarks x protocols x shots x RICES x chain of thought x scene prompt: one table and one page.

    Resumes.
    """
    from nunbit.evaluation.grid import Grid, as_text, columns_of, run_grid, runs_of
    from nunbit.evaluation.prompt_strategies import strategies
    from nunbit.evaluation.report import page
    from nunbit.evaluation.target import NOT_OBJECT_AWARE
    from nunbit.files import write_text
    from nunbit.translation import user_language

    asking, out = options.asking, options.out
    columns = columns_of(options.benchmarks)
    cot, scene_prompts = by_commas(options.cot), by_commas(options.scene_prompt)
    chosen = strategies(_numbers(options.shots), _switch(options.rices), cot, scene_prompts)
    # A label of its own: answers with and without scene conditioning must not share a folder.
    suffix = "" if asking.object_aware else f" {NOT_OBJECT_AWARE}"
    targets = {f"{m}{suffix}": asking.opener(m) for m in options.model or ["embedded"]}
    resources = _resources(options.examples, chosen, asking.device)
    rows = run_grid(Grid(targets, columns, chosen, resources, asking.limit, asking.tries), out, progress)
    print(file=sys.stderr)
    write_text(out / "report.html", page(runs_of(rows), samples=options.samples, language=user_language()))
    show(rows, as_text, options.as_json)
    print(f"written to {out / 'report.html'}", file=sys.stderr)


def _numbers(text: str) -> list[int]:
    from nunbit.errors import UserError

    numbers = by_commas(text)
    if not numbers or not all(t.isdigit() for t in numbers):
        raise UserError(f"--shots {text}", allowed="whole numbers by commas, such as 0,4,8")
    return [int(t) for t in numbers]


def _switch(text: str) -> list[bool]:
    from nunbit.errors import check_names

    known = {"no": False, "yes": True}
    check_names("--rices", by_commas(text), known)
    return [known[n] for n in by_commas(text)]


def _resources(examples: Path | None, chosen: Sequence[PromptStrategy], device: str) -> StrategyResources:
    """The examples, their index by similarity (of the embedded model's encoder) and perception, each only where a
    strategy needs it.
    """
    from nunbit.evaluation.prompt_strategies import StrategyResources
    from nunbit.prompting.shots import load_shots

    shots = load_shots(examples) if examples else []
    nearest = perceive = None
    if any(s.rices for s in chosen) and examples:
        from nunbit.assistant import Assistant
        from nunbit.prompting.rices import Rices, fingerprint, index_file, picture_embedder, vision_encoder

        embedded = Assistant(None, device)
        embed = picture_embedder(embedded.model, embedded.processor.image_processor)
        encoder = f"{embedded.name} {fingerprint(vision_encoder(embedded.model))}"
        file = index_file(examples)
        say(f"note: the index of the pictures of {len(shots)} examples is kept in {file}")
        nearest = Rices(shots, embed, file=file, encoder=encoder).nearest
    if any(s.scene_prompt != "none" for s in chosen):
        from nunbit.perception.build import PerceptionConfig, build_perception

        perceive = build_perception(PerceptionConfig())
    return StrategyResources(shots, nearest, perceive)
