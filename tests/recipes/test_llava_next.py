"""LLaVA-NeXT: pictures of many shapes."""

import pytest
import torch
from tests.recipes.parts import encoded, write_parts

from nunbit.models.image_tokens import token_counter
from nunbit.recipes import llava_next
from nunbit.training.multimodal import ConversationTask, freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.training.stages import build_model

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("parts"))


def test_next_its_loss_is_transformers_own_over_pictures_of_many_shapes(parts):
    done = llava_next.configure(parts)
    model, processor = build_model(done.model)
    freeze(model, {"vision": 1.0, "connector": 1.0, "language": 1.0})
    samples = encoded(parts, processor, token_counter(model.config))
    task = ConversationTask(model, processor.image_processor, samples, pad=0, ordered=True)
    batch = task.batch(0, Stage(name="x", steps=1, batch=6, lr=1.0))
    assert batch["pixels"].ndim == 5 and len({tuple(s) for s in batch["sizes"].tolist()}) > 1
    labels = torch.full_like(batch["labels"], -100)
    labels[:, 1:] = batch["labels"][:, :-1]
    model.eval()
    ours, _ = task.loss(batch)
    with torch.no_grad():
        theirs = model(
            input_ids=batch["ids"],
            pixel_values=batch["pixels"],
            image_sizes=batch["sizes"],
            attention_mask=batch["mask"].long(),
            labels=labels,
        ).loss
    assert float(ours.detach()) == pytest.approx(float(theirs), rel=1e-5)
    ours.backward()
    assert model.model.image_newline.grad.abs().sum() > 0
    cut = sum(
        task.loss(piece)[0].item()
        for piece in task.micro_batches(batch, Stage(name="x", steps=1, batch=6, lr=1.0, micro_batch_size=2))
    )
    assert cut == pytest.approx(float(theirs), rel=1e-5)


def test_next_words_alone_reach_the_whole_connector(parts):
    model, processor = build_model(llava_next.configure(parts).model)
    freeze(model, {"connector": 1.0})
    samples = [s for s in encoded(parts, processor, token_counter(model.config)) if not s.media]
    task = ConversationTask(model, processor.image_processor, samples, pad=0)
    task.loss(task.batch(0, Stage(name="x", steps=1, batch=2, lr=1.0)))[0].backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    assert len(learning) == 5 and all(p.grad is not None and not p.grad.any() for p in learning)


def test_next_an_adapter_merges(parts, tmp_path):
    pytest.importorskip("peft")
    from nunbit.training.adapters import merge

    changes = [
        "lora.rank=4",
        "stages=tune",
        "tune.vision_lr=0",
        "tune.language_lr=1e-2",
        "tune.steps=1",
        "tune.batch=2",
    ]
    folder = llava_next.run(llava_next.configure([*parts, *changes]), tmp_path / "run", QUIET)
    assert merge(folder, tmp_path / "merged") < 1e-3
