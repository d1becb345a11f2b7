"""The smallest task: a line through noise. Shared by the tests of loop, checkpoints and optimisers."""

import json

import torch

from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

QUIET = RunOptions(say=lambda _: None)
STAGE = Stage(name="line", steps=6, batch=4, lr=1e-2, save_every=2, warmup=0)


class Line:
    """Fits a line to noise drawn from the step's own seed."""

    def __init__(self, width=3):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(width, 1)

    def modules(self):
        return {"model": self.model}

    def batch(self, step, stage):
        return {"x": torch.randn(stage.batch, self.model.in_features, generator=torch.Generator().manual_seed(step))}

    def loss(self, batch):
        return (self.model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean(), {}


def quiet(task, folder, stage=STAGE):
    return train(task, stage, folder, QUIET)


def log(folder):
    return [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]
