"""Training a Flamingo: what learns, and which picture words attend to."""

from dataclasses import replace

import pytest
import torch
from tests.recipes.parts import encoded, small_flamingo, write_parts

from nunbit.recipes import flamingo
from nunbit.recipes.flamingo import build_flamingo
from nunbit.recipes.flamingo.task import FlamingoTask, pictures_seen
from nunbit.training.loop import train
from nunbit.training.optimisers import make_optimisers
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("parts"))


def flamingo_task(parts, *changes, **how):
    done = small_flamingo(parts, *changes)
    model, processor = build_flamingo(done)
    return FlamingoTask(model, processor, encoded(parts, processor, 1), p_next=done.p_next, **how)


def test_flamingo_its_loss_is_the_language_models_own(parts):
    task = flamingo_task(parts, ordered=True)
    stage = Stage(name="x", steps=1, batch=6, lr=1.0)
    batch = task.batch(0, stage)
    assert len(batch["pixels"]) > 6 and "index" not in batch
    labels = torch.full_like(batch["labels"], -100)
    labels[:, 1:] = batch["labels"][:, :-1]
    with torch.no_grad():
        ours = task.loss(batch)[0].item()
        theirs = task.model(batch["ids"], batch["pixels"], batch["mask"].long(), labels=labels).loss.item()
        cut = sum(task.loss(piece)[0].item() for piece in task.micro_batches(batch, replace(stage, micro_batch_size=2)))
    assert ours == pytest.approx(theirs, rel=1e-5) and cut == pytest.approx(theirs, rel=1e-5)


def test_flamingo_learns_what_joins_and_nothing_else(parts, tmp_path):
    task = flamingo_task(parts)
    before = {n: p.clone() for n, p in task.model.named_parameters()}
    phase = flamingo.configure([*parts, "mixture.connector_lr=1e-2", "mixture.batch=4", "mixture.steps=3"]).mixture
    stage = phase.stage("mixture", 3, 0)
    decays = {g["weight_decay"] for g in make_optimisers(task.modules(), stage)[0].param_groups}
    assert decays == {0.0, 0.1}
    train(task, stage, tmp_path, QUIET)
    moved = {n.split(".")[1] for n, p in task.model.named_parameters() if not torch.equal(before[n], p)}
    assert moved == {"multi_modal_projector", "image_marker"}
    still = [n for n, p in task.model.named_parameters() if ".multi_modal_projector" in n and torch.equal(before[n], p)]
    assert not [n for n in still if "gate" in n or "latents" in n], still


def test_flamingo_words_alone_leave_a_gradient_everywhere(parts):
    task = flamingo_task(parts)
    task.samples = [s for s in task.samples if not s.media]
    batch = task.batch(0, Stage(name="x", steps=1, batch=2, lr=1.0))
    task.loss(batch)[0].backward()
    assert all(p.grad is not None for m in task.modules().values() for p in m.parameters())


def test_flamingo_a_piece_without_answers_counts_nothing(parts):
    """What a process of a distributed run is given when there are fewer pieces than processes."""
    task = flamingo_task(parts)
    batch = task.batch(0, Stage(name="x", steps=1, batch=4, lr=1.0))
    loss, _ = task.loss(batch | {"labels": torch.full_like(batch["labels"], -100)})
    loss.backward()
    grads = [p.grad for m in task.modules().values() for p in m.parameters()]
    assert float(loss) == 0.0 and all(g is None or not g.any() for g in grads)


def test_flamingo_words_see_the_last_picture_or_the_next(parts):
    image = torch.tensor([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]]).bool()
    seen = pictures_seen(image, torch.tensor([False, True, True]))
    assert seen.tolist() == [[0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], [1, 1, 2, 2, 2, 2]]
    task = flamingo_task(parts, "p_next=0.5")
    stage = Stage(name="x", steps=1, batch=8, lr=1.0, micro_batch_size=3)
    batch = task.batch(0, stage)
    last = (batch["ids"] == task.image_id).cumsum(1)
    rows = (batch["index"] != last).any(1)
    assert rows.any() and not rows.all()
    assert torch.equal(batch["index"], task.batch(0, stage)["index"])
    assert all(torch.isfinite(task.loss(piece)[0]) for piece in task.micro_batches(batch, stage))
