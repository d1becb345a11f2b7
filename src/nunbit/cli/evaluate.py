"""eval list, run, compare and report."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.options import AsJson, Device, MaxNewTokens, ModelId, Ray, RayAddress, Target, Together, Tries
from nunbit.cli.output import progress, show
from nunbit.errors import UserError


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit eval``."""
    from nunbit.cli.grid import grid

    for name, command in (
        ("list", list_all),
        ("run", run),
        ("grid", grid),
        ("compare", compare_two),
        ("report", report),
        ("abilities", abilities),
    ):
        app.command(name)(command)


def list_all(as_json: AsJson = False) -> None:
    """The benchmarks with their protocols."""
    from nunbit.evaluation.benchmarks import BENCHMARKS

    rows: list[dict[str, Any]] = [{"name": n, "title": b.title, "figure": b.headline, "source": b.source, "judge": b.needs_judge,
             "protocols": {p.name: f"version {p.version}: {p.note}" for p in b.protocols.values()}} for n in BENCHMARKS for b in (BENCHMARKS[n],)]  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for r in rows:
        print(f"{r['name']:18}{r['title']:26}{r['figure']:12}{r['source']}{'   needs --judge' if r['judge'] else ''}")
        print(f"{'':18}@{', @'.join(r['protocols'])}")


def run(
    benchmark: Annotated[str, typer.Argument(help="BENCHMARK or BENCHMARK@PROTOCOL, see `nunbit eval list`.")],
    data: Annotated[Path, typer.Option(help="File, folder or zip with the benchmark's data; nothing is downloaded.")],
    model: Target = "embedded",
    model_id: ModelId = "",
    judge: Annotated[str | None, typer.Option(help="Address of a judge model. Benchmarks that need one are graded by it; others say how often it agrees with their rules.")] = None,
    judge_id: Annotated[str, typer.Option(help="The judge's name at its address.")] = "",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the run; an existing one goes on.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items, their groups whole.")] = None,
    max_new_tokens: MaxNewTokens = 64,
    batch: Together = 16,
    tries: Tries = 3,
    device: Device = "cpu",
    ray: Ray = 0,
    ray_address: RayAddress = "",
    as_json: AsJson = False,
) -> None:
    """Ask a model a benchmark. A stopped run goes on when the same command is given; a failing request ends it with an error."""
    from nunbit.evaluation.benchmarks import BENCHMARKS
    from nunbit.evaluation.runner import limited
    from nunbit.evaluation.runner import run as run_it

    name, _, protocol_name = benchmark.partition("@")
    what = BENCHMARKS[name]
    protocol = what.protocol(protocol_name or "official")
    items = limited(what.read(data), limit)
    opened = partial(target_at, model, model_id, device, max_new_tokens, batch)
    target = spread_over(opened, ray, ray_address, device) if ray else opened()
    folder = (
        out
        or Path("runs") / "eval" / f"{name}@{protocol.name}" / re.sub(r"[^\w.-]+", "-", target.name).strip("-.")[-80:]
    )
    run_it(what, protocol, items, target, folder, data=str(data.resolve()), tries=tries, say=progress,
                    judge=target_at(judge, judge_id, device, 16, batch) if judge else None)  # fmt: skip
    print(file=sys.stderr)
    written = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    show({k: v for k, v in written.items() if k != "units"} | {"folder": str(folder)}, as_text, as_json)
    if not as_json:
        print(f"written to {folder}", file=sys.stderr)


def compare_two(
    a: Annotated[Path, typer.Argument(help="Folder of the first run.")],
    b: Annotated[Path, typer.Argument(help="Folder of the second run.")],
    as_json: AsJson = False,
) -> None:
    """What the second run changes against the first, with paired tests."""
    from nunbit.evaluation.compare import as_text as compare_text
    from nunbit.evaluation.compare import compare, load

    show(compare(load(a), load(b)), compare_text, as_json)


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file.")] = Path("report.html"),
    samples: Annotated[int, typer.Option(min=0, help="At most so many items of each benchmark.")] = 300,
) -> None:
    """One HTML file: table, charts, differences, every sample with its picture, prompt, answer and rule."""
    from nunbit.evaluation.compare import load
    from nunbit.evaluation.report import page

    text = page([load(f) for f in folders], samples=samples)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UserError(f"'{out}' cannot be written ({type(e).__name__})", todo="name another file with -o") from None
    print(out)


def abilities(
    names: Annotated[list[str] | None, typer.Argument(help="Suites; all if none is named.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="Trials a suite.")] = 50,
    seed: Annotated[int, typer.Option(help="Any seed is held out.")] = 0,
    model: Target = "embedded",
    model_id: ModelId = "",
    write: Annotated[
        Path | None, typer.Option(help="Ask nothing; write the suites into this folder for other harnesses.")
    ] = None,
    layout: Annotated[str, typer.Option(help="With --write: mmbench, mathvista, pope.")] = "mmbench",
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """What GPT-4V was shown to do, as exact tests: reading, counting, pointing, ordering, faces, frames ..."""
    if write is not None:
        from nunbit.evaluation.abilities.layouts import write as write_them

        print(write_them(write, layout, names=names or [], count=count, seed=seed))
        return
    from nunbit.evaluation.abilities.run import as_text as abilities_text
    from nunbit.evaluation.abilities.run import run as run_them

    target = target_at(model, model_id, device, 64, 16)
    result = run_them(asker(target), names=names or [], count=count, seed=seed, say=progress)
    result["model"] = target.name
    print(file=sys.stderr)
    show(result, abilities_text, as_json)


def asker(target: Any) -> Any:
    """Conversations with pixels -> answers, by any target (which takes file bytes). A failed request is an error."""
    from nunbit.evaluation.target import Failure, encoded

    def ask(conversations: Any) -> list[str]:
        answers: list[str] = []
        for start in range(0, len(conversations), target.batch):
            some = conversations[start : start + target.batch]
            found = target.answer([encoded(c) for c in some])
            for a in found:
                if isinstance(a, Failure):
                    raise UserError(
                        f"a request to '{target.name}' failed ({a.why})", todo="check the server and begin again"
                    )
                answers.append(a)
        return answers

    return ask


def as_text(result: dict[str, Any]) -> str:
    """A finished run for a terminal."""
    head = f"{result['protocol']}   {result['model']}"
    if result["value"] is None:
        return f"{head}\n{result['items']} items answered; the data hold no gold answers, so nothing is scored"
    low, high = result["interval"]
    lines = [head, f"{result['headline']} {result['value']:.2f}  [{low:.2f}, {high:.2f}]   {result['items']} items, {result['unparsed']} unparsed"
             + (f", {result['unscored']} without gold" if result["unscored"] else "")]  # fmt: skip
    if result.get("agreement"):
        from nunbit.evaluation.judging import as_text as judged_text

        lines.append(judged_text(result["agreement"]))
    lines += [f"  {n:38}{v:>8.2f}" for n, v in result["figures"].items() if n != result["headline"]]
    for axis, rows in result["tables"].items():
        lines.append(f"{axis:40}{'n':>6}{'score':>8}{'unparsed':>10}  95 %")
        lines += [
            f"  {n[:37]:38}{r['n']:>6}{r['score']:>8.1f}{r['unparsed']:>10}  {r['interval'][0]:.1f} - {r['interval'][1]:.1f}"
            for n, r in rows.items()
        ]
    return "\n".join(lines)


def spread_over(opened: Callable[[], Any], workers: int, address: str, device: str) -> Any:
    """The target on a cluster; on CUDA each worker takes a GPU."""
    from nunbit.evaluation.ray_cluster import spread

    return spread(opened, workers, address=address, gpus=1.0 if device.startswith("cuda") else 0.0)


def target_at(model: str, model_id: str, device: str, max_new_tokens: int, batch: int) -> Any:
    """The target that a name stands for: the embedded model, a folder or hub id, or an address."""
    if model.startswith(("http://", "https://")):
        from nunbit.serving.client import endpoint

        key = os.environ.get("NUNBIT_API_KEY") or os.environ.get("OPENAI_API_KEY", "")
        return endpoint(model, model=model_id, key=key, max_tokens=max_new_tokens, concurrent=batch)
    from nunbit.evaluation.target import local_target

    return local_target(None if model == "embedded" else model, device, max_new_tokens=max_new_tokens, batch=batch)
