"""``nunbit perceive``: Scenes of all pictures of data sets, made ahead of training, by any number of processes or of
workers of a Ray cluster that see one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.data.conversations import read_conversations
from nunbit.errors import UserError
from nunbit.evaluation.ray_cluster import connect
from nunbit.perception.ahead import PICTURES, perceive_files
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.pipeline import Perception
from nunbit.training.distributed import join, own_device
from nunbit.training.encoding import agreed

SHARES = 4
"""Batches of pictures in a piece of work of a Ray worker."""


def perceive_data(
    files: Sequence[Path], images: Path | None, config: PerceptionConfig, device: str, ray: int = 0, address: str = ""
) -> None:
    """Fill the configuration's cache with the Scenes of the pictures of conversation files, and print how many.

    Args:
        images: folder of the pictures; each file's own if not given.
        device: where networks run; of several processes (torchrun) each has its own card, and takes its share.
        ray, address: number of workers of a Ray cluster, and where it is.

    Raises:
        UserError: no picture, a part that cannot be opened or fails on too many pictures, or Ray is not installed.
    """
    paths = sorted({path for file in files for c in read_conversations(file, images) for path in c.images})
    if not paths:
        raise UserError(f"'{files[0]}' has no pictures", allowed="conversations with pictures")
    config = replace(config, cache=str(Path(config.cache).resolve()))
    if ray:
        counts, first = _on_ray(paths, config, device, ray, address), True
    else:
        group = join(device)
        with agreed(group):
            counts = perceive_files(paths[group.rank :: group.size], _opened(config, own_device(device)))
        total = group.sum({k: float(v) for k, v in counts.items()})
        counts, first = {k: int(v) for k, v in total.items()}, group.rank == 0
    if first:
        failed, unusable = f"{counts['failed']} with a part that failed", f"{counts['unusable']} files cannot be read"
        print(f"{counts['pictures']} pictures perceived, {failed}; {unusable}; Scenes are in '{config.cache}'")


def _opened(config: PerceptionConfig, device: str) -> Perception:
    return build_perception(config).to(device).load()


def _on_ray(paths: Sequence[Path], config: PerceptionConfig, device: str, workers: int, address: str) -> dict[str, int]:
    """The counts of `perceive_files` over a Ray data set of the paths."""
    ray = connect(address, "data")

    class Worker:
        def __init__(self) -> None:
            self.perception = _opened(config, device)

        def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
            return {k: [v] for k, v in perceive_files(map(Path, batch["path"]), self.perception).items()}

    card = {"num_gpus": 1} if device.startswith("cuda") else {}
    data = ray.data.from_items([{"path": str(p)} for p in paths])
    pool = ray.data.ActorPoolStrategy(size=workers)
    counts = Counter[str]()
    try:
        for row in data.map_batches(Worker, batch_size=SHARES * PICTURES, compute=pool, **card).iter_rows():
            counts.update({k: int(v) for k, v in row.items()})
    except ray.exceptions.RayError as e:
        cause = getattr(e, "cause", None)
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(
            f"a worker was lost ({type(e).__name__})", todo="give the same command again: it resumes"
        ) from e
    return counts
