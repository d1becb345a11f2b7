"""Trains small models by their recipes in one, two and four processes with ``--shard``, and prints how far the losses
are apart.

    python -m tests.training.sharded_run --steps 20        all recipes; make shard
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import socket
import tempfile
import traceback
from pathlib import Path

import torch

from nunbit import recipes
from nunbit.models.build import build_model
from nunbit.models.checkpoint import save
from nunbit.recipes.debug_set import write_conversations, write_language, write_vision
from nunbit.training.options import RunOptions

BASE = "model.base={root}/base"
NEW = "model.llm={root}/llm model.vision={root}/vision"
OPTIONS = ("micro_batch_size=2", "batch=5", "warmup=0", "save_every=3")
RECIPES = {
    "llava15": ("tune", f"{NEW} tune.language_lr=1e-3 tune.connector_lr=1e-3"),
    "llava15-stages": (
        "tune",
        f"{NEW} recipe=llava15 stages=connect,tune connect.steps=2 connect.batch=5 connect.micro_batch_size=2"
        " connect.warmup=0 tune.language_lr=1e-3 tune.connector_lr=1e-3",
    ),
    "llava15-lora": (
        "tune",
        f"{BASE} lora.rank=4 lora.dropout=0 recipe=llava15 tune.language_lr=1e-3 tune.connector_lr=1e-3",
    ),
    "collavo": (
        "instruct",
        f"{BASE} lora.rank=4 lora.dropout=0 lora.bits=0 crayon.rank=4 crayon.dropout=0 instruct.language_lr=1e-2"
        " instruct.layer_connector_lr=1e-3",
    ),
    "moai": (
        "gates",
        f"{BASE} moai.latents=4 moai.depth=1 moai.heads=2 moai.rank=4 moai.every=1 gates.layer_connector_lr=1e-3",
    ),
    "flamingo": (
        "mixture",
        f"{NEW} flamingo.every=1 flamingo.heads=2 flamingo.head_dim=8 flamingo.latents=4 flamingo.resampler_depth=1"
        " flamingo.resampler_heads=2 flamingo.resampler_head_dim=8 mixture.connector_lr=1e-3",
    ),
}


def write_world(root: Path) -> Path:
    """Small parts, a base of them, and conversations with and without pictures."""
    write_language(root / "llm")
    write_vision(root / "vision")
    save(*build_model(root / "vision", root / "llm"), root / "base")
    write_conversations(root, samples=14)
    return root


def configure(kind: str, root: Path, steps: int):
    """(module, config) of a recipe on the world."""
    stage, text = RECIPES[kind]
    changes = text.format(root=root).split()
    name = next((c.partition("=")[2] for c in changes if c.startswith("recipe=")), kind)
    own = [f"stages={stage}", f"data={root / 'conversations.json'}"]
    own += [f"{stage}.{o}" for o in OPTIONS] + [f"{stage}.steps={steps}"]
    module = recipes.load(name)
    return module, module.configure([*own, *(c for c in changes if not c.startswith("recipe="))])


def train(kind: str, root: Path, out: Path, steps: int, **how) -> None:
    """Run the recipe in this process, as one of the group that the environment describes."""
    torch.set_num_threads(1)
    module, config = configure(kind, root, steps)
    module.run(config, out, RunOptions(say=lambda _: None, **how))


def processes(count: int, function, *given, limit_s: float = 400, **how) -> None:
    """Run a function in so many forked processes that make a group.

    Raises:
        RuntimeError: one of them failed, or was not done within ``limit_s``.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    context = multiprocessing.get_context("fork")
    errors = context.SimpleQueue()

    def enter(rank: int) -> None:
        group = {"WORLD_SIZE": count, "RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {k: str(v) for k, v in group.items()} if count > 1 else {}
        faulthandler.dump_traceback_later(300)
        torch.set_num_threads(1)  # OpenMP's threads of the parent are not in a forked process
        try:
            function(*given, **how)
        except BaseException:
            errors.put(traceback.format_exc())
            os._exit(1)
        os._exit(0)

    started = [context.Process(target=enter, args=(rank,)) for rank in range(count)]
    for p in started:
        p.start()
    for p in started:
        p.join(limit_s)
        if p.exitcode != 0:
            ended = f"exit code {p.exitcode}" if p.exitcode is not None else f"not done within {limit_s:.0f} s"
            for other in started:
                other.kill()
            raise RuntimeError(errors.get() if not errors.empty() else ended)


def lines(out: Path, kind: str) -> list[dict]:
    """The log of the recipe's stage."""
    return [json.loads(t) for t in (out / RECIPES[kind][0] / "log.jsonl").read_text().splitlines()]


def gap(a: list[dict], b: list[dict], key: str = "loss") -> float:
    """Largest relative difference of a figure over all steps."""
    assert len(a) == len(b) > 0
    return max(abs(x[key] - y[key]) / abs(x[key]) for x, y in zip(a, b, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--limit", type=float, default=400, help="seconds of one run; more on a busy machine")
    steps, limit = parser.parse_args().steps, parser.parse_args().limit
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = write_world(Path(folder))
        for kind in parser.parse_args().recipes.split(","):
            processes(1, train, kind, root, root / f"{kind}-1", steps, limit_s=limit)
            for count in (2, 4):
                out = root / f"{kind}-{count}"
                processes(count, train, kind, root, out, steps, limit_s=limit, shard=True)
                apart = gap(lines(root / f"{kind}-1", kind), lines(out, kind))
                worst = max(worst, apart)
                print(f"{kind:14} {count} processes: losses of {steps} steps at most {apart:.1e} apart", flush=True)
    if worst > 1e-5:
        raise SystemExit("the losses differ")


if __name__ == "__main__":
    main()
