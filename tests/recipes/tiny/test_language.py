"""The language model on the oracle encoder: its curriculum, its micro-batches."""

from dataclasses import replace

import pytest
import torch

from nunbit.recipes.tiny.curriculum import CURRICULUM, EMPHASIS, MIXTURE, CurriculumStage
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, make_tokenizer
from nunbit.recipes.tiny.names import class_names
from nunbit.training.stage import Stage


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def test_the_curriculum_asks_what_it_says(tokenizer):
    task = OracleTask(build(tokenizer), tokenizer, class_names(), curriculum=CURRICULUM)
    stage = Stage(name="language", steps=3700, batch=8, lr=1e-3)
    for now, step in zip(CURRICULUM, [0, *(int(x.until) for x in CURRICULUM[:-1])], strict=True):
        assert task.curriculum_stage(step) is now
        owners = task.picture_stages(step, stage)
        assert now.review or set(map(id, owners)) == {id(now)}
        for drawn, own in zip(task.samples(step, stage), owners, strict=True):
            assert not own.kinds or {q.kind for q in drawn.questions} <= set(own.kinds)
            assert own.korean or {q.language for q in drawn.questions} <= {"en"}
            assert not own.mixture or drawn.picture.domain in own.mixture
            assert not own.short or len(drawn.picture.glyphs) <= own.short or drawn.picture.domain != "writing"
            assert own.imagined < 1 or not drawn.picture.pixels.any()
    assert {k.split("/")[0] for k in EMPHASIS} <= set(MIXTURE)


def test_pieces_add_up_to_the_batch(tokenizer):
    """Loss and gradient of a batch are the sum of its pieces', whatever their size; earlier stages of the curriculum
    come up in later ones."""
    torch.manual_seed(0)
    curriculum = (
        CurriculumStage(until=1, kinds=("count",), imagined=1.0),
        CurriculumStage(kinds=("attribute",), imagined=1.0, review=0.5),
    )
    task = OracleTask(build(tokenizer), tokenizer, class_names(), curriculum=curriculum, room=150)
    stage = Stage(name="words", steps=9, batch=8, lr=1e-3)
    asked = {q.kind for s in task.samples(3, stage) for q in s.questions}
    assert asked == {"count", "attribute"} and {q.kind for s in task.samples(0, stage) for q in s.questions} == {
        "count"
    }
    batch = task.batch(3, stage)
    assert batch["ids"].shape[1] <= 150
    weight = task.model.model.language_model.layers[0].mlp.up_proj.weight
    seen = []
    for micro in (0, 3):
        pieces = list(task.micro_batches(batch, replace(stage, micro_batch_size=micro)))
        assert len(pieces) == (3 if micro else 1)
        weight.grad = None
        losses = [task.loss(piece)[0] for piece in pieces]
        sum(losses).backward()
        seen.append((float(sum(losses).detach()), weight.grad.clone()))
    assert seen[0][0] == pytest.approx(seen[1][0], abs=1e-5) and torch.allclose(seen[0][1], seen[1][1], atol=1e-6)
