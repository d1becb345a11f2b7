"""``nunbit train ... --ray N``: the same command in N workers of a Ray cluster.

Ray Train places the workers and gives each its rank and the address of the first, as torchrun does; everything else is
`train_recipe`. The workers must have the same folders.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit import recipes
from nunbit.errors import UserError
from nunbit.training.options import RunOptions


def train_on_ray(
    workers: int, recipe: str, changes: Sequence[str], out: Path | None, threads: int, options: RunOptions
) -> None:
    """Run the recipe in ``workers`` workers, each with ``threads`` processors (and a graphics card, on CUDA).

    Raises:
        UserError: Ray is not installed, or a setting is wrong.
    """
    recipes.load(recipe).configure(changes)  # a mistake is reported here, once, before anything starts
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError:
        raise UserError(
            "--ray without Ray",
            allowed="torchrun, accelerate launch, or one process",
            todo="install it: pip install 'nunbit[ray]'",
        ) from None
    cuda = options.device.startswith("cuda")
    command = {
        "recipe": recipe,
        "changes": list(changes),
        "out": out,
        "threads": threads,
        "options": options,
        "cwd": os.getcwd(),
    }
    resources = {"CPU": threads, **({"GPU": 1} if cuda else {})}
    TorchTrainer(
        worker,
        train_loop_config=command,
        torch_config=TorchConfig(backend="nccl" if cuda else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=cuda, resources_per_worker=resources),
        run_config=RunConfig(name="ray", storage_path=str((out or Path("runs") / Path(recipe).stem).resolve())),
    ).fit()


def worker(command: dict[str, Any]) -> None:
    """Run the command in the folder where it was given. Ray has set RANK, WORLD_SIZE and MASTER_ADDR, and joined the
    processes."""
    from nunbit.cli.train import train_recipe

    os.chdir(command["cwd"])  # paths on the command line are relative to it
    train_recipe(command["recipe"], command["changes"], command["out"], command["threads"], command["options"])
