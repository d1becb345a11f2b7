"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, mps ...")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads.")]
Model = Annotated[str | None, typer.Option("--model", help="Folder or hub id of an image-text-to-text model; the embedded one if not named.")]
ObjectAware = Annotated[
    bool,
    typer.Option(
        "--object-aware/--no-object-aware",
        help="Condition an object-aware model on the scene; without, it answers as its base model.",
    ),
]
Pair = Annotated[str, typer.Option("--model", help="Folder or hub id of a CLIP or SigLIP model; the embedded one if not named.")]

# what a benchmark asks
Target = Annotated[str, typer.Option(help="embedded, a folder or hub id, or the address of a server (http://HOST:PORT/v1).")]
ModelId = Annotated[str, typer.Option(help="The model's name at its address; the first listed if not named.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, max=8192)]
Together = Annotated[int, typer.Option(min=1, max=1024, help="Items asked together.")]
Tries = Annotated[int, typer.Option(min=1, max=20, help="How often a failing request is made.")]
Ray = Annotated[int, typer.Option(min=0, help="Spread the items over so many workers of a Ray cluster.")]
RayAddress = Annotated[str, typer.Option(help="A running cluster: auto, ray://HOST:10001. Empty: this machine.")]


def by_commas(text: str) -> tuple[str, ...]:
    """The names of an option that takes several."""
    return tuple(t.strip() for t in text.split(",") if t.strip())
