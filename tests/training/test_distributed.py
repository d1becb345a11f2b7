"""Two processes give what one gives: replicated or sharded, killed and resumed with another number, with steps that show no picture."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from nunbit.training.debug_set import write_conversations, write_language, write_vision

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
    return [sys.executable, *(launch if processes > 1 else []), "-m", "nunbit", "train", "llava15", f"model.llm={root / 'llm'}",
            f"model.vision={root / 'eyes'}", f"data={data}", "stages=tune", f"tune.steps={steps}", "tune.batch=5", "tune.micro=2",
            "tune.language_lr=1e-3", "tune.connector_lr=1e-3", "tune.warmup=0", "tune.save_every=2", "-o", str(out),
            "--threads", "1", *more]  # fmt: skip


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
    process = subprocess.Popen(command(world, tmp_path, 2, "--shard"), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
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
