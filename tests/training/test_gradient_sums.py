"""Sums of gradients over processes: equal to one process's, begun before the backward pass is over, idle parts idle."""

import json

import torch
import torch.distributed as dist
from tests.training.sharded_run import processes

from nunbit.training import gradient_sums
from nunbit.training.distributed import join
from nunbit.training.gradient_sums import GradientSums


def model():
    torch.manual_seed(0)
    return torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(4)])


def inside(out):
    """Each process shows its own rows; the last layer is reached by the first process alone, one by nobody."""
    gradient_sums.BUCKET = 100  # a bucket a layer
    layers, group = model(), join("cpu")
    idle = torch.nn.Linear(8, 8)
    sums = GradientSums([*layers.parameters(), *idle.parameters()], group)
    started = []
    real = gradient_sums.Bucket.start
    gradient_sums.Bucket.start = lambda bucket: (started.append(sums._armed), real(bucket))[1]
    x = torch.ones(2, 8) * (group.rank + 1)
    for _ in range(2):  # the second step knows what is reached
        for p in (*layers.parameters(), *idle.parameters()):
            p.grad = None
        started.clear()
        for part in (1, 2):
            if part == 2:
                sums.arm()
            h = x * part
            for layer in layers[: 4 if group.rank == 0 else 3]:
                h = torch.tanh(layer(h))
            h.sum().backward()
        sums.finish()
    grads = [p.grad for p in layers.parameters()]
    (out / f"{group.rank}.json").write_text(
        json.dumps(
            {
                "grads": [g.flatten().tolist() for g in grads],
                "early": sum(started),
                "all": len(started),
                "idle": [p.grad is None for p in idle.parameters()],
            }
        )
    )
    dist.destroy_process_group()


def test_two_processes_sum_what_one_computes(tmp_path):
    processes(2, inside, tmp_path)
    layers = model()
    for rank in (0, 1):
        for part in (1, 2):
            h = torch.ones(2, 8) * (rank + 1) * part
            for layer in layers[: 4 if rank == 0 else 3]:
                h = torch.tanh(layer(h))
            h.sum().backward()
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for got, p in zip(found["grads"], layers.parameters(), strict=True):
            assert torch.allclose(torch.tensor(got), p.grad.flatten(), atol=1e-5)
        assert all(found["idle"]), "what nobody reached keeps no gradient"
        assert found["all"] == 5 and (found["early"] == 4 if rank == 0 else True)
