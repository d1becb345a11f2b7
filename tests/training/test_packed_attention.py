"""Documents in one row: attention in each of them gives what a dense mask gives, without the mask."""

import pytest
import torch
from tests.training.small_llava import STAGE, task_of, write_world

from nunbit.training import multimodal
from nunbit.training.memory import MemoryMeter


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def gradients(task, batch):
    task.model.zero_grad()
    loss, figures = task.loss(batch)
    loss.backward()
    return float(loss.detach()), figures, [p.grad.clone() for p in task.model.parameters() if p.grad is not None]


def test_documents_equal_the_dense_mask(world):
    dense, flat = task_of(world, pack=400), task_of(world, pack=400)
    batch = dense.batch(0, STAGE)
    assert len(batch["ids"]) < STAGE.batch, "rows hold several documents"
    wanted, figures, grads = gradients(dense, batch)
    flat.prepare("cpu")
    assert flat.flat and not dense.flat
    loss, own_figures, own = gradients(flat, batch)
    assert loss == pytest.approx(wanted, rel=1e-5) and figures == own_figures
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(own, grads, strict=True))


def test_no_square_of_the_row_is_held(world, monkeypatch):
    task = task_of(world, pack=400)
    batch = task.batch(0, STAGE)
    made = []
    monkeypatch.setattr(multimodal, "block_mask", lambda document: made.append(document))
    task.prepare("cpu")
    with MemoryMeter():
        task.loss(batch)
    assert not made


def test_a_model_is_evaluated_by_rows_and_learns_by_documents(world):
    task = task_of(world, pack=400)
    task.prepare("cpu")
    decoder = task.model.model.language_model
    with task.as_assistant():
        assert decoder.config._attn_implementation == "sdpa"
    assert decoder.config._attn_implementation == "nunbit_documents"
    task_of_rows = task_of(world)
    task_of_rows.model = task.model
    task_of_rows.prepare("cpu")
    assert decoder.config._attn_implementation == "sdpa"
