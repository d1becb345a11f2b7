"""``nunbit train ... --ray N``: the same command in N workers of a Ray cluster. Ray Train places them and gives each its rank and the address
of the first, as torchrun does; everything else is `train_recipe`. The workers must see the same folders.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit import recipes
from nunbit.errors import UserError


def train_on_ray(workers: int, recipe: str, changes: Sequence[str], out: Path | None, threads: int, how: dict[str, Any]) -> None:  # fmt: skip
    """Run the recipe in ``workers`` workers, each with ``threads`` processors (and a graphics card, on ``cuda``).

    Raises:
        UserError: Ray is not installed, or a setting is wrong.
    """
    module = recipes.load(recipe)
    if hasattr(module, "configure"):
        module.configure(
            [*changes, *(["debug=true"] if how.get("debug") else [])]
        )  # a mistake is said here, once, before anything starts
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError:
        raise UserError("--ray without Ray", allowed="torchrun, accelerate launch, or one process",
                        todo="install it: pip install 'nunbit[ray]'") from None  # fmt: skip
    cuda = str(how["device"]).startswith("cuda")
    told = {"recipe": recipe, "changes": list(changes), "out": out, "threads": threads, "how": how, "cwd": os.getcwd()}
    place = (out or Path("runs") / Path(recipe).stem).resolve()
    TorchTrainer(
        worker,
        train_loop_config=told,
        torch_config=TorchConfig(backend="nccl" if cuda else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=cuda, resources_per_worker={"CPU": threads, **({"GPU": 1} if cuda else {})}
        ),
        run_config=RunConfig(name="ray", storage_path=str(place)),
    ).fit()


def worker(told: dict[str, Any]) -> None:
    """What each worker runs: the command, where it was given. Ray has set RANK, WORLD_SIZE and MASTER_ADDR, and joined the processes."""
    from nunbit.cli.train import train_recipe

    os.chdir(told["cwd"])  # paths on the command line are relative to it
    train_recipe(told["recipe"], told["changes"], told["out"], told["threads"], dict(told["how"]))
