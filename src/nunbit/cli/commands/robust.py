"""nunbit robust: how much answers depend on what should not matter."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, Model, Threads, by_commas
from nunbit.cli.output import progress, show


@dataclass(frozen=True, slots=True)
class RobustOptions:
    """Options of ``nunbit robust``."""

    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            help="Folder or hub id of a CLIP or SigLIP model; repeatable: side by side. If not named the embedded one, "
            "for photographs the namer of perception.",
        ),
    ] = None
    pictures: Annotated[
        str,
        typer.Option(help="world (drawings), photographs (cut-outs), or a folder with a folder of pictures a name."),
    ] = "world"
    limit: Annotated[int, typer.Option(min=8, max=100_000, help="Pictures that are classified.")] = 314
    answers: Annotated[
        bool, typer.Option("--answers/--no-answers", help="Also ask a whole model, which takes longest.")
    ] = False
    model: Model = None
    questions: Annotated[int, typer.Option(min=4, max=10_000, help="Questions to the whole model.")] = 40
    parts: Annotated[
        str, typer.Option(help="wording, balance, corruption, attack, context; by commas. All if empty.")
    ] = ""
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Steps of the attacks.")] = 20
    language: Annotated[str, typer.Option(help="Language of the templates: en or ko.")] = "en"
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pictures; they are held out whatever it is.")] = 0
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file.")] = Path("runs/robust.html")
    device: Device = "cpu"
    threads: Threads = 2
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the command to ``nunbit``."""
    command(app, RobustOptions)(robust)


def robust(options: RobustOptions) -> None:
    """Measure how answers change with wording, order, class balance, corruption, attacks and context."""
    import torch

    from nunbit.cli.classify import open_classifier
    from nunbit.encoders.zero_shot import prompt_templates
    from nunbit.files import write_text
    from nunbit.perception.image_names import ImageNamer
    from nunbit.studies.robustness.namer import NAME, NamerClassifier
    from nunbit.studies.robustness.page import page
    from nunbit.studies.robustness.run import PARTS, RobustnessOptions, as_text, run

    torch.set_num_threads(options.threads)
    prompt_templates("one", options.language)  # refuses another language
    chosen: Any = {"language": options.language, "parts": by_commas(options.parts) or PARTS}
    wanted = RobustnessOptions(
        options.pictures, options.limit, options.questions, options.steps, seed=options.seed, **chosen
    )
    pairs: Any = {name or "nunbit-clip": open_classifier(name) for name in options.pair or ()}
    if not pairs and options.pictures == "photographs":  # of which the embedded pair knows nothing
        pairs = {NAME: NamerClassifier(ImageNamer.from_pretrained())}
    pairs = pairs or {"nunbit-clip": open_classifier("")}
    assistant = None
    if options.answers:
        from nunbit.assistant import Assistant

        assistant = Assistant(options.model, options.device)
    result = run(pairs, assistant, wanted, progress)
    print(file=sys.stderr)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, page(result))
    show(result, lambda r: f"{as_text(r)}\n{options.out}", options.as_json)
