"""eval list, run, compare and report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import (
    AsJson,
    Device,
    MaxNewTokens,
    ModelId,
    ObjectAware,
    Ray,
    RayAddress,
    TargetName,
    Together,
    Tries,
)
from nunbit.cli.output import progress, show
from nunbit.errors import UserError
from nunbit.files import write_text
from nunbit.system_errors import explained, safe_name

if TYPE_CHECKING:
    from nunbit.evaluation.target import Conversation, Target


@dataclass(frozen=True, slots=True)
class AskingOptions:
    """How items are asked: options of ``nunbit eval run`` and ``grid``."""

    model_id: ModelId = ""
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items, their groups whole.")] = None
    object_aware: ObjectAware = True
    max_new_tokens: MaxNewTokens = 64
    batch: Together = 16
    tries: Tries = 3
    device: Device = "cpu"
    ray: Ray = 0
    ray_address: RayAddress = ""

    def opener(self, model: str) -> Callable[[], Target]:
        """A function that opens the target of a model, on a Ray cluster if one is wanted."""
        opened = partial(
            target_at, model, self.model_id, self.device, self.max_new_tokens, self.batch, self.object_aware
        )
        if not self.ray:
            return opened
        return partial(spread_over, opened, self.ray, self.ray_address, self.device)


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """Options of ``nunbit eval run``."""

    benchmark: Annotated[str, typer.Argument(help="BENCHMARK or BENCHMARK@PROTOCOL, see `nunbit eval list`.")]
    data: Annotated[Path, typer.Option(help="File, folder or zip with the benchmark's data; nothing is downloaded.")]
    asking: AskingOptions
    model: TargetName = "embedded"
    judge: Annotated[
        str | None,
        typer.Option(
            help="Address of a judge model. It grades benchmarks that need one; for others its agreement with the "
            "rules is reported."
        ),
    ] = None
    judge_id: Annotated[str, typer.Option(help="The judge's name at its address.")] = ""
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the run; an existing one is resumed.")] = (
        None
    )
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit eval``."""
    app.command("list")(list_all)
    command(app, EvalOptions, "run")(run)
    for name, function in (("compare", compare_two), ("report", report), ("abilities", abilities)):
        app.command(name)(function)


def list_all(as_json: AsJson = False) -> None:
    """The benchmarks with their protocols."""
    from nunbit.evaluation.benchmarks import BENCHMARKS

    rows: list[dict[str, Any]] = []
    for name in BENCHMARKS:
        found = BENCHMARKS[name]
        protocols = {p.name: f"version {p.version}: {p.note}" for p in found.protocols.values()}
        rows.append(
            {
                "name": name,
                "title": found.title,
                "figure": found.headline,
                "source": found.source,
                "judge": found.needs_judge,
                "protocols": protocols,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for r in rows:
        print(f"{r['name']:18}{r['title']:26}{r['figure']:12}{r['source']}{'   needs --judge' if r['judge'] else ''}")
        print(f"{'':18}@{', @'.join(r['protocols'])}")


def run(options: EvalOptions) -> None:
    """Run a benchmark on a model.

    The same command resumes a stopped run; a request that keeps failing ends it with an error.
    """
    from nunbit.evaluation.benchmarks import BENCHMARKS
    from nunbit.evaluation.runner import limited
    from nunbit.evaluation.runner import run as run_it

    asking = options.asking
    name, _, protocol_name = options.benchmark.partition("@")
    benchmark = BENCHMARKS[name]
    protocol = benchmark.protocol(protocol_name or "official")
    items = limited(benchmark.read(options.data), asking.limit)
    target = asking.opener(options.model)()
    judge = target_at(options.judge, options.judge_id, asking.device, 16, asking.batch) if options.judge else None
    folder = options.out or _default_folder(f"{name}@{protocol.name}", target.name)
    data = str(options.data.resolve())
    run_it(benchmark, protocol, items, target, folder, data=data, judge=judge, tries=asking.tries, say=progress)
    print(file=sys.stderr)
    written = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    show({k: v for k, v in written.items() if k != "units"} | {"folder": str(folder)}, as_text, options.as_json)
    if not options.as_json:
        print(f"written to {folder}", file=sys.stderr)


def _default_folder(protocol: str, target: str) -> Path:
    return Path("runs") / "eval" / protocol / safe_name(target)


def compare_two(
    a: Annotated[Path, typer.Argument(help="Folder of the first run.")],
    b: Annotated[Path, typer.Argument(help="Folder of the second run.")],
    as_json: AsJson = False,
) -> None:
    """The difference of the second run from the first, with paired tests."""
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
    from nunbit.translation import user_language

    text = page([load(f) for f in folders], samples=samples, language=user_language())
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, text)
    except OSError as e:
        raise explained(OSError(e.errno, e.strerror, str(out))) from None
    print(out)


def abilities(
    names: Annotated[list[str] | None, typer.Argument(help="Suites; all if none is named.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="Trials a suite.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the trials; they are held out whatever it is.")] = 0,
    model: TargetName = "embedded",
    model_id: ModelId = "",
    write: Annotated[
        Path | None, typer.Option(help="Only write the suites into this folder, for other harnesses.")
    ] = None,
    layout: Annotated[str, typer.Option(help="With --write: mmbench, mathvista, pope.")] = "mmbench",
    object_aware: ObjectAware = True,
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

    target = target_at(model, model_id, device, 64, 16, object_aware)
    result = run_them(ask_with(target), names=names or [], count=count, seed=seed, say=progress)
    result["model"] = target.name
    print(file=sys.stderr)
    show(result, abilities_text, as_json)


def ask_with(target: Target) -> Callable[[Sequence[Conversation]], list[str]]:
    """A function from conversations with decoded pictures to answers.

    Raises (the function):
        UserError: a request failed.
    """
    from nunbit.evaluation.target import Failure, encoded

    def ask(conversations: Sequence[Conversation]) -> list[str]:
        answers: list[str] = []
        for start in range(0, len(conversations), target.batch):
            for answer in target.answer([encoded(c) for c in conversations[start : start + target.batch]]):
                if isinstance(answer, Failure):
                    raise UserError(
                        f"a request to '{target.name}' failed ({answer.why})", todo="check the server and start again"
                    )
                answers.append(answer)
        return answers

    return ask


def as_text(result: dict[str, Any]) -> str:
    """A finished run for a terminal."""
    from nunbit.evaluation.report_words import in_words
    from nunbit.translation import user_language

    say, items = partial(in_words, language=user_language()), result["items"]
    head = f"{result['protocol']}   {result['model']}"
    if result["value"] is None:
        return f"{head}\n{say(f'{items} items answered; the data hold no gold answers, so nothing is scored')}"
    low, high = result["interval"]
    counts = say(f"{items} items, {result['unparsed']} unparsed")
    counts += ", " + say(f"{result['unscored']} without gold") if result["unscored"] else ""
    lines = [head, f"{result['headline']} {result['value']:.2f}  [{low:.2f}, {high:.2f}]   {counts}"]
    if result.get("agreement"):
        from nunbit.evaluation.judging import as_text as judged_text

        lines.append(judged_text(result["agreement"]))
    lines += [f"  {n:38}{v:>8.2f}" for n, v in result["figures"].items() if n != result["headline"]]
    for axis, rows in result["tables"].items():
        lines.append(f"{axis:40}{'n':>6}{say('score'):>8}{say('unparsed'):>10}  95 %")
        for name, row in rows.items():
            interval = f"{row['interval'][0]:.1f} - {row['interval'][1]:.1f}"
            lines.append(f"  {name[:37]:38}{row['n']:>6}{row['score']:>8.1f}{row['unparsed']:>10}  {interval}")
    return "\n".join(lines)


def spread_over(opened: Callable[[], Target], workers: int, address: str, device: str) -> Target:
    """The target on a cluster; on CUDA each worker takes a GPU."""
    from nunbit.evaluation.ray_cluster import spread

    return spread(opened, workers, address=address, gpus=1.0 if device.startswith("cuda") else 0.0)


def target_at(
    model: str, model_id: str, device: str, max_new_tokens: int, batch: int, object_aware: bool = True
) -> Target:
    """The target that a name stands for: the embedded model, a folder or hub id, or an address.

    Args:
        object_aware: scene conditioning of a model on this machine.

    Raises:
        UserError: no scene conditioning is asked of a server, which decides that itself.
    """
    if model.startswith(("http://", "https://")):
        if not object_aware:
            raise UserError(
                f"--no-object-aware with the server {model}",
                allowed="models on this machine: a server conditions its model itself",
                todo="serve the base model, or name its folder with --model",
            )
        from nunbit.serving.client import remote_target

        key = os.environ.get("NUNBIT_API_KEY") or os.environ.get("OPENAI_API_KEY", "")
        return remote_target(model, model=model_id, key=key, max_tokens=max_new_tokens, concurrent=batch)
    from nunbit.evaluation.target import local_target

    return local_target(
        None if model == "embedded" else model,
        device,
        max_new_tokens=max_new_tokens,
        batch=batch,
        object_aware=object_aware,
    )
