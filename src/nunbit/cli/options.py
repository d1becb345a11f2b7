"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, mps ...")]
Threads = Annotated[int, typer.Option(min=1, help="Processor threads.")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Folder or hub id of an image-text-to-text model; the embedded one if not named."),
]
ObjectAware = Annotated[
    bool,
    typer.Option(
        "--object-aware/--no-object-aware",
        help="Condition an object-aware model on the scene; without, it answers as its base model.",
    ),
]
Pair = Annotated[
    str, typer.Option("--model", help="Folder or hub id of a CLIP or SigLIP model; the embedded one if not named.")
]

# options of `nunbit eval run` and its neighbours
TargetName = Annotated[
    str, typer.Option(help="embedded, a folder or hub id, or the address of a server (http://HOST:PORT/v1).")
]
ModelId = Annotated[str, typer.Option(help="The model's name at its address; the first listed if not named.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, max=8192, help="Tokens of an answer, at most.")]
Together = Annotated[int, typer.Option(min=1, max=1024, help="Items that are answered together.")]
Tries = Annotated[int, typer.Option(min=1, max=20, help="Tries of a request that fails.")]
Ray = Annotated[int, typer.Option(min=0, help="Workers of a Ray cluster that share the items; 0: no Ray.")]
RayAddress = Annotated[str, typer.Option(help="A running cluster: auto, ray://HOST:10001. Empty: this machine.")]


def by_commas(text: str) -> tuple[str, ...]:
    """Split the value of an option that takes several names."""
    return tuple(t.strip() for t in text.split(",") if t.strip())
