"""The commands. Each reads its arguments, calls one thing of the library, and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.evaluate import register as register_evaluation
from nunbit.cli.options import AsJson, Device, Model, ObjectAware, Pair, Threads
from nunbit.cli.output import progress, show
from nunbit.cli.studies import register as register_studies
from nunbit.errors import UserError

app = typer.Typer(name="nunbit", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
                  help="Ask pictures. Nunbit answers, and shows what in the picture the answer rests on.")  # fmt: skip
eval_app = typer.Typer(no_args_is_help=True, help="Benchmarks.")
world_app = typer.Typer(no_args_is_help=True, help="The procedural picture world.")
recipes_app = typer.Typer(no_args_is_help=True, help="Training recipes.")
register_evaluation(eval_app)
register_studies(eval_app)
app.add_typer(eval_app, name="eval")
app.add_typer(world_app, name="world")
app.add_typer(recipes_app, name="recipes")


@app.command()
def ask(
    words: Annotated[list[str] | None, typer.Argument(help="PICTURE... QUESTION")] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", help="JSON lines with image, question and, if known, answers.")
    ] = None,
    model: Model = None,
    device: Device = "cpu",
    as_json: AsJson = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, max=1024)] = 96,
    readable: Annotated[
        bool, typer.Option("--readable", help="With --batch: lines for people instead of JSON.")
    ] = False,
    shots: Annotated[
        Path | None,
        typer.Option(help="Solved examples shown before the question: JSON lines, or a folder of such files."),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=0, max=64, help="How many examples.")] = 4,
    rices: Annotated[bool, typer.Option("--rices", help="Choose the examples whose pictures are most alike.")] = False,
    text_only: Annotated[bool, typer.Option("--text-only", help="Leave the examples' pictures out.")] = False,
    cot: Annotated[bool, typer.Option("--cot", help="Show the examples with their worked solutions.")] = False,
    zero_shot_cot: Annotated[bool, typer.Option("--zero-shot-cot", help="Think step by step, then answer.")] = False,
    votes: Annotated[
        int, typer.Option("--self-consistency", min=0, max=64, help="Sample so often, keep the commonest.")
    ] = 0,
    point: Annotated[str | None, typer.Option(help="Point at x,y in pixels.")] = None,
    box: Annotated[str | None, typer.Option(help="Draw a box x1,y1,x2,y2.")] = None,
    circle: Annotated[str | None, typer.Option(help="Draw a circle x,y,radius.")] = None,
    arrow: Annotated[str | None, typer.Option(help="Draw an arrow x1,y1,x2,y2.")] = None,
    marks: Annotated[bool, typer.Option("--marks", help="Number everything that perception finds.")] = False,
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Print the conversation that is sent.")] = False,
) -> None:
    """Answer a question about pictures, or a file of questions."""
    from nunbit.cli.ask import PromptOptions, ask_batch, ask_once

    wishes = PromptOptions(shots, k, rices, text_only, cot, zero_shot_cot, votes, marks, show_prompt,
                    {n: v for n, v in {"point": point, "box": box, "circle": circle, "arrow": arrow}.items() if v is not None})  # fmt: skip
    if batch is not None:
        if words:
            raise UserError("both --batch and a picture", allowed="one of the two")
        ask_batch(batch, model, device, readable and not as_json, max_new_tokens, wishes)
        return
    if not words or len(words) < 2:
        raise UserError(f"{len(words or [])} arguments", allowed="one or more pictures, then the question in quotes",
                        todo='write for example: nunbit ask picture.png "What is in the picture?"')  # fmt: skip
    ask_once(words[:-1], words[-1], model, device, as_json, max_new_tokens, wishes)


@app.command()
def chat(
    pictures: Annotated[list[str], typer.Argument(help="PICTURE...")], model: Model = None, device: Device = "cpu"
) -> None:
    """Talk about pictures, turn by turn; an empty line or Ctrl-D ends it."""
    from nunbit.cli.ask import chat_loop

    chat_loop(pictures, model, device)


@app.command()
def doctor(
    as_json: AsJson = False,
    layout: Annotated[
        list[str] | None, typer.Option("--layout", help="Check a released layout: moai-7b, collavo-7b.")
    ] = None,
) -> None:
    """What is installed, which device there is, and whether the embedded model is whole."""
    from nunbit.cli.doctor import examine, print_report

    report = examine(layout or [])
    print(json.dumps(report, indent=1, ensure_ascii=False)) if as_json else print_report(report)
    if not report["ok"]:
        raise typer.Exit(1)


@app.command()
def see(
    picture: Annotated[str, typer.Argument(help="PICTURE")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the picture with what was found drawn on it.")
    ] = None,
    as_json: AsJson = False,
    panoptic: Annotated[
        str | None, typer.Option(help="Folder of a universal segmentation model; the embedded one if not named.")
    ] = None,
    detector: Annotated[str | None, typer.Option(help="Folder of a zero-shot detector.")] = None,
    queries: Annotated[str, typer.Option(help="Names to look for, separated by commas.")] = "",
    ocr: Annotated[bool, typer.Option("--ocr/--no-ocr", help="Read text in the picture.")] = True,
) -> None:
    """Show what perception finds in a picture: segments, objects, relations, text."""
    from nunbit.cli.see import see_picture
    from nunbit.perception.build import PerceptionConfig

    reader = "auto" if ocr else "none"
    config = PerceptionConfig(panoptic=panoptic or "", detector=detector or "", queries=queries, ocr=reader)
    see_picture(picture, config, out, as_json)


@app.command()
def classify(
    pictures: Annotated[list[str], typer.Argument(help="PICTURE...")],
    labels: Annotated[str, typer.Option(help="Class names, separated by commas.")] = "",
    labels_file: Annotated[Path | None, typer.Option(help="A file of class names, one a line.")] = None,
    model: Pair = "",
    templates: Annotated[str, typer.Option(help="one or ensemble.")] = "ensemble",
    language: Annotated[str, typer.Option(help="en or ko: language of the templates.")] = "en",
    temperature: Annotated[float, typer.Option(min=0.01, max=100, help="Above 1 softens the probabilities.")] = 1.0,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="How the answer moves with wording, order and extra classes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Zero-shot classification by a contrastive model."""
    from nunbit.cli.classify import classify as run

    run(pictures, labels, labels_file, model, templates, language, temperature, sensitivity, as_json)


@app.command()
def connectors(as_json: AsJson = False) -> None:
    """The connection modules, with their papers."""
    from nunbit.connectors import CONNECTORS

    rows = []
    for name in CONNECTORS:
        found: Any = CONNECTORS[name]
        kind = "token" if hasattr(found, "tokens") else "layer"
        about = (sys.modules[found.__module__].__doc__ or "").partition("\n")[0].partition(" Source:")[0]
        rows.append({"name": name, "kind": kind, "paper": found.paper, "what": about})
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for r in rows:
        print(f"{r['name']:22} {r['kind']:6} {r['paper']}\n{'':29}{r['what']}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (nunbit recipes list), or a copied recipe's file.")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="key=value ...: nunbit recipes show RECIPE lists the keys, e.g. tune.batch=64 debug=true"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder of the run, runs/RECIPE if not named; an existing one is resumed."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="At most so long a stage.")] = 1e9,
    threads: Threads = 2,
    device: Device = "cpu",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that draw pictures ahead.")] = 0,
    shard: Annotated[
        bool, typer.Option("--shard", help="Under torchrun: spread the decoder's layers over the processes (FSDP2).")
    ] = False,
    ray: Annotated[
        int, typer.Option(min=0, help="Start so many workers on a Ray cluster (pip install 'nunbit\\[ray]').")
    ] = 0,
    track: Annotated[str, typer.Option(help="Trackers beside log.jsonl: tensorboard, wandb, trackio; by commas.")] = "",
    debug: Annotated[
        bool, typer.Option("--debug", help="Two small steps a stage: shows that everything runs.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would need: parameters, bytes, time.")] = False,
    flops: Annotated[float, typer.Option(min=1.0, help="With --plan: operations a second, e.g. 4e14.")] = 5e10,
    as_json: AsJson = False,
) -> None:
    """Train by a recipe. A killed run goes on from its last checkpoint."""
    from nunbit.cli.train import plan_recipe, train_recipe

    if plan:
        plan_recipe(recipe, changes or [], flops, as_json)
        return
    how = {
        "minutes": minutes,
        "device": device,
        "workers": workers,
        "shard": shard,
        "debug": debug,
        "track": tuple(t for t in track.split(",") if t),
    }
    if ray:
        from nunbit.cli.train_on_ray import train_on_ray

        train_on_ray(ray, recipe, changes or [], out, threads, how)
        return
    train_recipe(recipe, changes or [], out, threads, how)


@app.command()
def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder of one adapter.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the merged model.")],
    base: Annotated[Path | None, typer.Option(help="The base, where it is no longer where the adapter says.")] = None,
) -> None:
    """Fold an adapter into its base, and check that the logits stay the same."""
    from nunbit.cli.train import merge_adapter

    merge_adapter(adapter, out, base)


@app.command("import")
def import_checkpoint(
    checkpoint: Annotated[
        Path, typer.Argument(help="An original LLaVA checkpoint (folder or file), or its mm_projector.bin.")
    ],
    vision: Annotated[str, typer.Option(help="Folder or hub id of its vision encoder.")],
    llm: Annotated[str, typer.Option(help="Folder or hub id of its language model.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder, which any transformers opens.")],
) -> None:
    """Make a native LLaVA of an original checkpoint. Says what became of every tensor."""
    from nunbit.cli.train import import_llava

    import_llava(checkpoint, vision, llm, out)


@recipes_app.command("list")
def recipes_list() -> None:
    """The recipes."""
    from nunbit.recipes import RECIPES

    for name, what in sorted(RECIPES.items()):
        print(f"{name:12} {what}")


@recipes_app.command("show")
def recipes_show(
    recipe: Annotated[str, typer.Argument(help="A recipe's name.")],
    code: Annotated[bool, typer.Option("--code", help="Its file instead of its settings.")] = False,
) -> None:
    """A recipe's settings, as key=value."""
    from nunbit.cli.train import show_recipe

    show_recipe(recipe, code)


@recipes_app.command("copy")
def recipes_copy(
    recipe: Annotated[str, typer.Argument(help="A recipe's name.")],
    to: Annotated[Path, typer.Argument(help="A new .py file, which nunbit train runs.")],
) -> None:
    """Copy a recipe's file, to be changed."""
    from nunbit.recipes import copy

    print(copy(recipe, to))


@app.command()
def serve(
    model: Model = None,
    device: Device = "cpu",
    host: Annotated[str, typer.Option(help="0.0.0.0 for the whole network; then set a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", envvar="NUNBIT_API_KEYS", help="An API key that is accepted; repeatable."),
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="A web origin that may call; repeatable.")
    ] = None,
    allow_folder: Annotated[
        list[str] | None, typer.Option("--allow-folder", help="Requests may name pictures in this folder; repeatable.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Requests may name https pictures on this host; repeatable."),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, max=256, help="Answers made together.")] = 8,
    queue: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait.")] = 64,
    rate: Annotated[int, typer.Option(min=0, help="Requests a minute and caller; 0: no bound.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit linear layers on a processor.")] = False,
    page: Annotated[bool, typer.Option(help="Serve the web page at /.")] = True,
    ray: Annotated[
        str, typer.Option(metavar="N|LEAST-MOST", help="So many replicas on a Ray cluster (pip install 'nunbit\\[ray]').")
    ] = "",
    ray_address: Annotated[str, typer.Option(help="A running cluster: auto, ray://HOST:10001. Empty: this machine.")] = "",
) -> None:
    """Answer over the OpenAI API, with a web page."""
    from nunbit.media import FetchPolicy
    from nunbit.serving.launch import Service
    from nunbit.serving.launch import serve as run
    from nunbit.serving.settings import Settings

    fetch = FetchPolicy(folders=tuple(allow_folder or ()), hosts=tuple(allow_host or ()))
    settings = Settings(keys=tuple(key or ()), origins=tuple(origin or ()), per_minute=rate, page=page, fetch=fetch)
    run(Service(model, device, slots, queue, threads, int8, settings), host, port, ray, ray_address)


@eval_app.command("tiny-world")
def eval_tiny_world(
    seed: Annotated[int, typer.Option(help="Any seed is held out.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Questions.")] = 2000,
    model: Model = None,
    device: Device = "cpu",
    int8: Annotated[bool, typer.Option("--int8", help="What 8-bit linear layers change, on the same items.")] = False,
    object_aware: ObjectAware = True,
    as_json: AsJson = False,
) -> None:
    """Held-out questions about world pictures, beside the blank-image and the majority baseline."""
    from nunbit.evaluation import precision, tiny_world
    from nunbit.models.assistant import Assistant

    assistant = Assistant(model, device, told=object_aware)
    if int8:
        result, text = precision.run(assistant, seed=seed, limit=limit, say=progress), precision.as_text
    else:
        result, text = tiny_world.run(assistant.ask_many, seed=seed, limit=limit, say=progress), tiny_world.as_text
    print(file=sys.stderr)
    result["model"] = assistant.name
    show(result, text, as_json)


@world_app.command("show")
def world_show(
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG file.")] = Path("world.png"),
    domain: Annotated[str | None, typer.Option(help="things, writing, documents, charts, puzzles, panels.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    count: Annotated[int, typer.Option(min=1, max=200)] = 12,
    split: Annotated[str, typer.Option(help="train, test or unseen.")] = "train",
) -> None:
    """A contact sheet of pictures with their questions and answers."""
    from nunbit.cli.contact_sheet import write_sheet

    write_sheet(out, domain, seed, count, split)
    print(out)


@app.command()
def bench(
    model: Model = None,
    device: Device = "cpu",
    threads: Annotated[int, typer.Option(min=1)] = 2,
    runs: Annotated[int, typer.Option(min=1, max=1000)] = 15,
    as_json: AsJson = False,
) -> None:
    """Milliseconds to the first token for a 640x480 picture, model already loaded."""
    from nunbit.cli.bench import first_token

    result: dict[str, Any] = first_token(model, device, threads, runs)
    if as_json:
        print(json.dumps(result))
    else:
        print(f"first token, {result['picture']} picture, {threads} threads: median {result['median_ms']:.0f} ms, "
              f"slowest {result['max_ms']:.0f} ms of {runs} (GPT-4o's figure: 232 ms)")  # fmt: skip
