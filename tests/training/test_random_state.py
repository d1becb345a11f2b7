"""A resumed run draws what the uninterrupted one would have drawn, in every process."""

import random
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.training.dropout_run import weights

from nunbit.training.distributed import ALONE, Group
from nunbit.training.random_state import random_state, restore_random_states, set_random_state


def drawn():
    return random.random(), float(np.random.rand()), torch.rand(3).tolist()


def test_every_generator_of_a_process_is_kept():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    np.random.standard_normal()  # leaves half a pair behind
    random.gauss(0, 1)
    state = random_state()
    want = drawn()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    assert drawn() != want
    set_random_state(state)
    assert drawn() == want


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_generator_of_a_cuda_device_is_kept():
    torch.ones(1, device="cuda")
    state = random_state()
    want = torch.rand(3, device="cuda")
    set_random_state(state)
    assert torch.equal(torch.rand(3, device="cuda"), want)


def test_states_of_another_number_of_processes_are_not_taken():
    torch.manual_seed(0)
    state, before = random_state(), torch.get_rng_state()
    torch.rand(1)
    assert not restore_random_states([state, state], ALONE) and not torch.equal(torch.get_rng_state(), before)
    assert restore_random_states([state], ALONE) and torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_of_an_earlier_version_opens():
    torch.manual_seed(5)
    kept = torch.get_rng_state()
    torch.manual_seed(6)
    assert restore_random_states(kept, ALONE) and torch.equal(torch.get_rng_state(), kept)
    torch.manual_seed(6)
    assert not restore_random_states(kept, Group(1, 2)) and not torch.equal(torch.get_rng_state(), kept)


def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path):
    straight = weights(tmp_path / "straight", 6, "whole")
    weights(tmp_path / "cut", 3, "whole")
    torch.manual_seed(99)
    assert weights(tmp_path / "cut", 6, "whole") == straight


def test_another_number_of_processes_is_said(tmp_path):
    weights(tmp_path, 3, "whole")
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save(state | {"rng": state["rng"] * 2}, tmp_path / "last.pt")
    said = []
    weights(tmp_path, 6, "whole", said.append)
    assert any("another number of processes" in line for line in said)


@pytest.mark.parametrize("way", ["whole", "shards"])
def test_two_processes_resume_bit_for_bit(way, tmp_path):
    """The second process drew from the first one's state before."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    command = [sys.executable, *launch, "-m", "tests.training.dropout_run", str(tmp_path), way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "equal 2" in done.stdout, done.stdout + done.stderr[-3000:]
