"""Training a LLaVA: its loss is that of transformers, whatever is frozen, split or packed."""

from dataclasses import replace

import pytest
import torch
from tests.families import LANGUAGE
from tests.training.pairs import task_of, write_families

from nunbit.data.conversations import encode, read_conversations
from nunbit.models.build import build_model
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.debug_set import write_conversations
from nunbit.training.loop import train
from nunbit.training.multimodal import ConversationTask, freeze, part_of
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("world"), samples=12)


def test_the_loss_is_transformers_own(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0, "language": 1.0})
    stage = Stage(name="x", steps=1, batch=6, lr=1e-3)
    batch = task.batch(0, stage)
    with torch.no_grad():
        ours, _ = task.loss(batch)
        labels = torch.full_like(batch["labels"], -100)
        labels[:, 1:] = batch["labels"][:, :-1]
        theirs = task.model(
            input_ids=batch["ids"], pixel_values=batch["pixels"], attention_mask=batch["mask"].long(), labels=labels
        ).loss
    assert abs(float(ours) - float(theirs)) < 1e-5 * float(theirs)


def test_pieces_add_up_to_the_batch(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0, "language": 1.0})
    grads = []
    for micro in (0, 2):
        stage = Stage(name="x", steps=1, batch=7, lr=1e-3, micro_batch_size=micro)
        task.model.zero_grad()
        for piece in task.micro_batches(task.batch(0, stage), stage):
            task.loss(piece)[0].backward()
        grads.append([p.grad.clone() for p in task.model.parameters() if p.requires_grad])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*grads, strict=True))


def test_frozen_parts_stay_and_learning_ones_move(parts, world, tmp_path):
    for rates in ({"connector": 1e-2}, {"vision": 1e-2}, {"language": 1e-2, "connector": 1e-2}):
        task, _ = task_of(parts, world, rates)
        before = {n: p.clone() for n, p in task.model.named_parameters()}
        stage = Stage(name="x", steps=2, batch=4, lr=1e-2, part_lr=rates, warmup=0)
        train(task, stage, tmp_path / "-".join(rates), QUIET)
        moved = {part_of(n) for n, p in task.model.named_parameters() if not torch.equal(before[n], p)}
        assert moved == set(rates)


def test_a_batch_of_words_alone_still_reaches_the_connector(parts, world):
    task, _ = task_of(parts, world, {"connector": 1.0})
    task.samples = [s for s in task.samples if not s.media]
    stage = Stage(name="x", steps=1, batch=2, lr=1e-3)
    batch = task.batch(0, stage)
    assert "pixels" not in batch
    task.loss(batch)[0].backward()
    grads = [p.grad for p in task.model.model.multi_modal_projector.parameters()]
    assert all(g is not None and not g.any() for g in grads)


@pytest.mark.parametrize("llm", LANGUAGE)
def test_a_packed_sample_is_the_sample_alone(parts, world, llm):
    """Hidden states of every document of a packed row equal those of the document by itself: nothing leaks, whatever
    the decoder."""
    model, processor = build_model(parts[1]["clip"], parts[1][llm])
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(world), builder, max_tokens=1000)
    room = 2 * max(s.length for s in samples)
    freeze(model, {"connector": 1.0, "language": 1.0})
    how = {"pad": 0, "ordered": True}
    packed = ConversationTask(model.float(), processor.image_processor, samples, pack=room, **how)
    alone = ConversationTask(model, processor.image_processor, samples, **how)
    model.eval()
    stage = Stage(name="s", steps=1, batch=len(samples), lr=1.0)
    batch = packed.batch(0, stage)
    assert len(batch["ids"]) < len(samples) and int(batch["document"].max()) > 1
    assert packed.token_utilization(stage) >= alone.token_utilization(stage)
    with torch.no_grad():
        whole = packed.loss(batch)[0]
        apart = sum(
            alone.loss(piece)[0]
            for piece in alone.micro_batches(alone.batch(0, stage), replace(stage, micro_batch_size=1))
        )
        assert float(whole) == pytest.approx(float(apart), abs=2e-4)
        cut = sum(packed.loss(piece)[0] for piece in packed.micro_batches(batch, replace(stage, micro_batch_size=1)))
        assert float(cut) == pytest.approx(float(whole), abs=2e-4)
    # A change in the first document of a row reaches no other one.
    row = int((batch["document"] == 2).any(1).nonzero()[0])
    first, others = batch["document"][row] == 1, batch["document"][row] > 1

    def states(ids):
        embeds = packed.embed(batch | {"ids": ids})
        from nunbit.data.packing import block_mask

        return model.model.language_model(
            inputs_embeds=embeds,
            attention_mask=block_mask(batch["document"]),
            position_ids=batch["positions"],
            use_cache=False,
        ).last_hidden_state[row]

    changed = batch["ids"].clone()
    words = first & (changed[row] != packed.image_id)
    changed[row, words] = (changed[row, words] + 1) % 50
    with torch.no_grad():
        before, after = states(batch["ids"]), states(changed)
    assert torch.equal(before[others], after[others]) and not torch.allclose(before[first], after[first])
