"""Two processes give what one gives: replicated or sharded, killed and resumed with another number, with steps that
show no picture."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from nunbit.recipes.debug_set import write_conversations, write_language, write_vision

STEPS = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    write_language(root / "llm")
    write_vision(root / "eyes")
    return root, write_conversations(root, samples=18)


def command(world, out, processes, *more, steps=STEPS):
    root, data = world
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(port())]
    return [
        sys.executable,
        *(launch if processes > 1 else []),
        "-m",
        "nunbit",
        "train",
        "llava15",
        f"model.llm={root / 'llm'}",
        f"model.vision={root / 'eyes'}",
        f"data={data}",
        "stages=tune",
        f"tune.steps={steps}",
        "tune.batch=5",
        "tune.micro_batch_size=2",
        "tune.language_lr=1e-3",
        "tune.connector_lr=1e-3",
        "tune.warmup=0",
        "tune.save_every=2",
        "-o",
        str(out),
        "--threads",
        "1",
        *more,
    ]


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(world, out, processes, *more, steps=STEPS):
    done = subprocess.run(
        command(world, out, processes, *more, steps=steps), capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return lines(out)


def lines(out):
    log = out / "tune" / "log.jsonl"
    return [json.loads(t) for t in log.read_text().splitlines() if t.endswith("}")] if log.exists() else []


def same(a, b):
    assert len(a) == len(b)
    for key in ("loss", "grad"):
        assert [x[key] for x in a] == pytest.approx([x[key] for x in b], rel=1e-3)


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory):
    return run(world, tmp_path_factory.mktemp("alone"), 1)


@pytest.mark.parametrize("more", ((), ("--shard",)))
def test_two_processes_equal_one(world, alone, tmp_path, more):
    same(alone, run(world, tmp_path / "two", 2, *more))


def test_killed_with_two_resumed_with_one(world, alone, tmp_path):
    """Killed at whatever step it has reached once four are logged."""
    process = subprocess.Popen(
        command(world, tmp_path, 2, "--shard"),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    began = time.monotonic()
    while len(lines(tmp_path)) < 4 and time.monotonic() - began < 200:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    same(alone, run(world, tmp_path, 1))


def test_words_alone_do_not_hang(world, tmp_path):
    root, data = world
    (root / "words.json").write_text(json.dumps([r for r in json.loads(data.read_text()) if "image" not in r]))
    assert len(run((root, root / "words.json"), tmp_path / "words", 2, "--shard", steps=2)) == 2


LAYERS = """
import sys, torch
from torch.distributed.fsdp import fully_shard
from nunbit.training.distributed import join
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

class Layers:
    '''Five columns over two processes: shards of unequal size, and a last layer that is not sharded.'''

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))

    def modules(self):
        return {"model": self.model}

    def prepare(self, device, shard):
        if shard:
            layer = fully_shard(self.model[0])
            layer.set_gradient_divide_factor(1.0)
            layer.set_force_sum_reduction_for_comms(True)

    def batch(self, step, stage):
        if step == int(sys.argv[2]):
            raise SystemExit
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        return {"x": x, "labels": torch.zeros(4), "share": torch.ones(())}

    def micro_batches(self, batch, stage):
        for i in range(2):
            yield {k: v if k == "share" else v[2 * i : 2 * i + 2] for k, v in batch.items()}

    def loss(self, batch):
        return batch["share"] * (self.model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().sum() / 4, {}

stage = Stage(name="layers", steps=8, batch=4, lr=1e-2, warmup=0, save_every=2, fused=True, checkpoints=sys.argv[3])
train(Layers(), stage, sys.argv[1], RunOptions(say=lambda _: None, shard=True))
"""


def layers(folder, processes, stop, way="shards"):
    """The task above in so many processes, until ``stop`` ends it; returns what is in its folder."""
    where, all_ = str(port()), []
    for rank in range(processes):
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        if processes > 1:
            env |= {"RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": where}
        all_.append(
            subprocess.Popen(
                [sys.executable, "-c", LAYERS, str(folder), str(stop), way], env=env, stderr=subprocess.PIPE
            )
        )
    for process in all_:
        said = process.communicate(timeout=280)[1].decode()
        assert process.returncode == 0, said[-3000:]
    return {p.name: sorted(q.name for q in p.iterdir()) if p.is_dir() else [] for p in folder.iterdir()}


def test_shards_go_from_two_processes_to_one_and_back(tmp_path):
    """Weights, moments and step: two processes save at 2, one goes on and saves at 4, two go on to the end."""
    layers(tmp_path / "whole", 1, 99, "whole")
    two = layers(tmp_path / "cut", 2, 3)["shards-00000002"]
    assert len([f for f in two if f.endswith(".safetensors")]) == 2 and "state.pt" in two
    one = layers(tmp_path / "cut", 1, 5)
    assert len([f for f in one["shards-00000004"] if f.endswith(".safetensors")]) == 1 and "shards-00000002" not in one
    assert "shards-00000008" in layers(tmp_path / "cut", 2, 99)
    curves = [[json.loads(t) for t in (tmp_path / n / "log.jsonl").read_text().splitlines()] for n in ("whole", "cut")]
    same(*curves)


@pytest.fixture(scope="module")
def base(world, tmp_path_factory):
    """A small native LLaVA on disk."""
    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save

    folder = tmp_path_factory.mktemp("base") / "model"
    save(*build_model(world[0] / "eyes", world[0] / "llm"), folder)
    return folder


@pytest.mark.parametrize("processes", (1, 2))
@pytest.mark.parametrize("kind", ("adapters", "adapters-4bit", "experts"))
def test_what_no_process_drew_rests_bit_for_bit(kind, processes, base, world, tmp_path):
    if kind.endswith("4bit"):
        pytest.importorskip("bitsandbytes")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", str(port())]
    command = [
        sys.executable,
        *(launch if processes > 1 else []),
        "-m",
        "tests.training.idle_parts",
        kind,
        str(base),
        str(world[1]),
        str(tmp_path),
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "moved" in done.stdout
