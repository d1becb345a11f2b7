"""Training on a machine with an accelerator that is reached only for minutes: a limited number of bytes in and out,
no network, files that stay while it is warm. `tools/train_on_accelerator.sh` calls these steps, here and there.

  pack      here: the base model, the tokenizer and (if there is one) the last state, in parts that may travel
  receive   there: put a part beside those that came before; says what is still missing
  train     there: join, check, train for so many minutes from the last state, write the result in small files
  collect   here: read the result into one state file, from which the recipe exports or trains on

Only what learns comes back (adapters and rows of the table, bfloat16); the optimiser starts anew with each visit.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import whole, write_text
from nunbit.recipes.small.blocks import grow, shrink

MANIFEST, STATE = "manifest.json", "state.safetensors"
BACK_BYTES_MAX = 15_000_000
"""Size of one file of the result; a machine may send only so much in one file."""


def pack(base: Path, folder: Path, part_bytes: int, state: Path | None = None) -> int:
    """Write ``part-001`` ... under the folder, each of at most ``part_bytes``; returns how many.

    Args:
        base: folder of the base language model (safetensors and tokenizer).
        state: a result of `collect` or an earlier visit to train on from.
    """
    if part_bytes < 1_000_000:
        raise UserError(
            f"parts of {part_bytes:,} bytes",
            allowed="1,000,000 or more",
            todo="the working tree leaves too little room: train from a smaller checkout",
        )
    if not (base / "config.json").is_file():
        raise UserError(f"'{base}' holds no model", allowed="a folder with config.json, weights and tokenizer")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    small = folder / "whole"
    shrink(base, small)
    files = {f.name: f for f in sorted(small.iterdir())}
    if state is not None:
        files[STATE] = state
    manifest: dict[str, Any] = {"files": {}, "parts": 0}
    room, number = 0, 0
    for name, file in files.items():
        with file.open("rb") as f:
            digest, pieces = hashlib.sha256(), []
            while True:
                if room <= 0:
                    number, room = number + 1, part_bytes
                    (folder / f"part-{number:03}").mkdir()
                chunk = f.read(min(room, 1 << 24))
                if not chunk:
                    break
                digest.update(chunk)
                piece = f"part-{number:03}/{name}"
                if piece not in pieces:
                    pieces.append(piece)
                with (folder / piece).open("ab") as out:
                    out.write(chunk)
                room -= len(chunk)
        manifest["files"][name] = {"pieces": pieces, "sha256": digest.hexdigest(), "bytes": file.stat().st_size}
    manifest["parts"] = number
    shutil.rmtree(small)
    for i in range(1, number + 1):
        write_text(folder / f"part-{i:03}" / MANIFEST, json.dumps(manifest))
    return number


def receive(carried: Path, kept: Path) -> list[int]:
    """Copy the parts that have come to where they stay; returns the numbers that are still missing."""
    kept.mkdir(parents=True, exist_ok=True)
    for part in sorted(carried.glob("part-*")):
        shutil.rmtree(kept / part.name, ignore_errors=True)
        shutil.copytree(part, kept / part.name)
    here = sorted(kept.glob("part-*"))
    if not here:
        raise UserError(f"no parts in '{carried}'", allowed="the folders part-001 ... that pack wrote")
    manifest = json.loads((here[0] / MANIFEST).read_text())
    return [i for i in range(1, manifest["parts"] + 1) if not (kept / f"part-{i:03}" / MANIFEST).is_file()]


def join(kept: Path) -> Path:
    """The model's folder, joined from its parts and checked.

    Raises:
        UserError: a part is missing or damaged.
    """
    manifest = json.loads(next(iter(sorted(kept.glob("part-*")))).joinpath(MANIFEST).read_text())
    out = kept / "base"
    out.mkdir(exist_ok=True)
    for name, facts in manifest["files"].items():
        target = out / name
        if target.is_file() and target.stat().st_size == facts["bytes"]:
            continue
        digest = hashlib.sha256()
        with whole(target) as beside, beside.open("wb") as f:
            for piece in facts["pieces"]:
                if not (kept / piece).is_file():
                    raise UserError(
                        f"'{piece}' has not come",
                        allowed=f"all {manifest['parts']} parts",
                        todo="send the missing parts first",
                    )
                with (kept / piece).open("rb") as given:
                    while chunk := given.read(1 << 24):
                        digest.update(chunk)
                        f.write(chunk)
            if digest.hexdigest() != facts["sha256"]:
                raise UserError(f"'{name}' is damaged", allowed="the bytes that pack read", todo="send its parts again")
    grow(out)
    return out


def train(
    kept: Path,
    out: Path,
    minutes: float,
    changes: tuple[str, ...] = (),
    *,
    device: str = "cuda",
    workers: int = 0,
    say: Callable[[str], None] = print,
) -> Path:
    """Train for so many minutes, loading not counted, and write the result into ``out``.

    The learning rate falls to nothing at the end of the time: steps are timed first, their number follows.
    """
    from nunbit.recipes import small
    from nunbit.recipes.small.data import ExampleMaker, embedded_perception
    from nunbit.recipes.small.rehearsal import chats
    from nunbit.recipes.small.rows import Encoder
    from nunbit.recipes.small.train import SmallTask, open_base
    from nunbit.training import loop
    from nunbit.training.options import RunOptions

    base = join(kept)
    recipe = small.configure(
        (f"base={base}", "scene_text.batch=64", "scene_text.micro_batch_size=32", "scene_text.lr=0.002", *changes)
    )
    decoder, tokenizer = open_base(base, recipe.rank)
    if (base / STATE).is_file():
        read_state(decoder, base / STATE)
    task = SmallTask(decoder, Encoder(tokenizer), ExampleMaker(embedded_perception(), chats(kept)))
    work = kept / "run"
    shutil.rmtree(work, ignore_errors=True)
    options = RunOptions(device=device, workers=workers, say=say)
    trial = replace(recipe.scene_text, steps=12 if device == "cuda" else 2, save_every=10**9)
    loop.train(task, trial, work / "trial", options)
    seconds = _median_seconds(work / "trial" / "log.jsonl")
    steps = max(1, int(minutes * 60 / seconds))
    say(f"{seconds:.2f} s a step: {steps} steps in {minutes:g} minutes")
    stage = replace(
        recipe.scene_text, steps=steps, decay=0.5, warmup=min(50, steps), seed=recipe.scene_text.seed + 1000
    )
    limit = replace(options, minutes=1.1 * minutes + 2 * seconds / 60)
    loop.train(task, replace(stage, save_every=10**9), work / "scene_text", limit)
    shutil.copy(work / "scene_text" / "log.jsonl", out / "log.jsonl")
    return write_state(decoder, out)


def _median_seconds(log: Path) -> float:
    """The median time of the later half of a log's steps."""
    times = [json.loads(line)["seconds"] for line in log.read_text().splitlines()]
    late = sorted(times[len(times) // 2 :])
    return float(late[len(late) // 2])


def write_state(decoder: Any, out: Path) -> Path:
    """What learnt, as ``state-001.safetensors`` ... in bfloat16; returns the folder."""
    import torch
    from safetensors.torch import save_file

    state = {
        f"{part}.{k}": v.detach().cpu().to(torch.bfloat16).contiguous()
        for part, m in decoder.learning().items()
        for k, v in m.state_dict().items()
    }
    total = sum(v.numel() * 2 for v in state.values())
    files = max(1, math.ceil(total / (0.9 * BACK_BYTES_MAX)))
    groups: list[dict[str, Any]] = [{} for _ in range(files)]
    sizes = [0] * files
    for key, value in sorted(state.items(), key=lambda item: -item[1].numel()):
        smallest = sizes.index(min(sizes))
        groups[smallest][key] = value
        sizes[smallest] += value.numel() * 2
    for i, group in enumerate(groups, start=1):
        save_file(group, out / f"state-{i:03}.safetensors")
    return out


def collect(result: Path, file: Path) -> Path:
    """One state file from those that came back."""
    from safetensors.torch import load_file, save_file

    parts = sorted(result.glob("state-*.safetensors"))
    if not parts:
        raise UserError(f"no state-*.safetensors in '{result}'", allowed="a folder that train wrote")
    with whole(file) as beside:
        save_file({k: v for p in parts for k, v in load_file(p).items()}, beside)
    return file


def read_state(decoder: Any, file: Path) -> None:
    """Load what learnt into a decoder.

    Raises:
        UserError: the file is of another shape.
    """
    from safetensors.torch import load_file

    state = load_file(file)
    for part, module in decoder.learning().items():
        own = {k.removeprefix(f"{part}."): v.float() for k, v in state.items() if k.startswith(f"{part}.")}
        try:
            module.load_state_dict(own)
        except RuntimeError as e:
            raise UserError(
                f"'{file}' is no state of this recipe ({str(e)[:120]})",
                allowed="a state with the recipe's rank and vocabulary",
            ) from None
