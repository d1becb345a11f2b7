"""Run by torchrun: trains a model with dropout, straight and stopped half-way; prints whether the weights are equal.

torchrun ... -m tests.training.dropout_run FOLDER whole|shards
"""

import hashlib
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage


class Dropout:
    """A net with dropout on noise; a micro-batch is one row."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 1))

    def modules(self):
        return {"model": self.model}

    def batch(self, step, stage):
        return {"x": torch.randn(stage.batch, 6, generator=torch.Generator().manual_seed(step))}

    def micro_batches(self, batch, stage):
        for row in batch["x"]:
            yield {"x": row[None], "share": torch.ones(())}

    def loss(self, batch):
        return batch["share"] * (self.model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean(), {}


def weights(folder, steps, way, say=print):
    """Train to a step, resuming what lies in the folder; a digest of the weights."""
    task = Dropout()
    stage = Stage(name="dropout", steps=steps, batch=4, lr=1e-2, save_every=3, warmup=0, decay=0.001, checkpoints=way)
    train(task, stage, folder, RunOptions(say=say))
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in task.model.parameters())).hexdigest()


def main(folder, way):
    straight = weights(folder / "straight", 6, way)
    weights(folder / "cut", 3, way)
    torch.manual_seed(99)  # as in another process
    cut = weights(folder / "cut", 6, way)
    if dist.get_rank() == 0:
        print("equal" if cut == straight else "DIFFERENT", dist.get_world_size())
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
