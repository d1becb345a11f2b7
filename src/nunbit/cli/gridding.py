"""eval grid: several models, benchmarks, protocols and ways to ask in one command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer


def grid(
    benchmarks: Annotated[list[str], typer.Argument(help="BENCHMARK=DATA or BENCHMARK@PROTOCOL,PROTOCOL=DATA, each.")],
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="embedded, a folder or hub id, or an address; again for more.")
    ] = None,
    model_id: Annotated[str, typer.Option(help="The model's name at an address; the first listed if not named.")] = "",
    shots: Annotated[str, typer.Option(help="Numbers of solved examples, by commas: 0,4,8.")] = "0",
    examples: Annotated[Path | None, typer.Option(help="Solved examples: JSON lines, or a folder of them.")] = None,
    rices: Annotated[str, typer.Option(help="Examples by likeness of pictures: no, yes, or both by a comma.")] = "no",
    cot: Annotated[str, typer.Option(help="Chain of thought: no, zero-shot, worked, by commas.")] = "no",
    told: Annotated[str, typer.Option(help="What is said of each picture: nothing, objects, plain, by commas.")] = "nothing",
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the grid; an existing one goes on.")] = Path("runs/grid"),
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items of each benchmark.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, max=8192)] = 64,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Items asked together.")] = 16,
    tries: Annotated[int, typer.Option(min=1, max=20, help="How often a failing request is made.")] = 3,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps ...")] = "cpu",
    ray: Annotated[int, typer.Option(min=0, help="Spread the items over so many workers of a Ray cluster.")] = 0,
    ray_address: Annotated[str, typer.Option(help="A running cluster: auto, ray://HOST:10001.")] = "",
    samples: Annotated[int, typer.Option(min=0, help="At most so many items of each benchmark in the page.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Models x benchmarks x protocols x shots x RICES x chain of thought x perception: one table and one page. Resumes."""
    from nunbit.cli.evaluating import progress, spread_over, target_at
    from nunbit.evaluation.grid import Grid, as_text, columns_of, run_grid, runs_of
    from nunbit.evaluation.report import page
    from nunbit.evaluation.ways import ways
    from nunbit.files import write_text

    def opener(name: str) -> Any:
        opened = partial(target_at, name, model_id, device, max_new_tokens, batch)
        return partial(spread_over, opened, ray, ray_address, device) if ray else opened

    columns = columns_of(benchmarks)
    asked = ways(_numbers(shots), _switch(rices), _names(cot), _names(told))
    plan = Grid({m: opener(m) for m in model or ["embedded"]}, columns, asked, _helpers(examples, asked, device), limit, tries)
    rows = run_grid(plan, out, progress)
    print(file=sys.stderr)
    write_text(out / "report.html", page(runs_of(rows), samples=samples))
    print(json.dumps(rows, indent=1, ensure_ascii=False) if as_json else as_text(rows))
    print(f"written to {out / 'report.html'}", file=sys.stderr)


def _names(text: str) -> list[str]:
    return [t.strip() for t in text.split(",") if t.strip()]


def _numbers(text: str) -> list[int]:
    from nunbit.errors import UserError

    if not _names(text) or not all(t.isdigit() for t in _names(text)):
        raise UserError(f"--shots {text}", allowed="whole numbers by commas, such as 0,4,8")
    return [int(t) for t in _names(text)]


def _switch(text: str) -> list[bool]:
    from nunbit.errors import unknown_name

    known = {"no": False, "yes": True}
    for name in _names(text):
        if name not in known:
            raise unknown_name("--rices", name, known)
    return [known[n] for n in _names(text)]


def _helpers(examples: Path | None, asked: Sequence[Any], device: str) -> Any:
    """Examples, an index by likeness (the embedded model's eyes) and perception, each only where some way needs it."""
    from nunbit.evaluation.ways import Helpers
    from nunbit.prompting.shots import load_shots

    shots = load_shots(examples) if examples else []
    nearest = describe = None
    if any(w.rices for w in asked) and examples:
        from nunbit.models.assistant import Assistant
        from nunbit.prompting.rices import Rices, fingerprint, index_file, picture_embedder, vision_encoder

        eyes = Assistant(None, device)
        embed = picture_embedder(eyes.model, eyes.processor.image_processor)
        nearest = Rices(shots, embed, file=index_file(examples), encoder=f"{eyes.name} {fingerprint(vision_encoder(eyes.model))}").nearest
    if any(w.told != "nothing" for w in asked):
        from nunbit.models.aware import in_words
        from nunbit.models.eyes import EyesChoice, open_eyes

        perception = open_eyes(EyesChoice())

        def describe(pictures: Sequence[Any], how: str) -> list[str]:
            return [in_words(s, how) for s in perception([*pictures])]

    return Helpers(shots, nearest, describe)
