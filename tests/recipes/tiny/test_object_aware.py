"""An object-aware model on the picture world: many questions in one row are as many rows of one, in every arm."""

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.data.packing import pack
from nunbit.files import EMBEDDED
from nunbit.recipes.tiny.names import class_names, class_words
from nunbit.recipes.tiny.object_aware import SceneTextTask, WorldTask, low_detail
from nunbit.recipes.tiny.questions import as_batch
from nunbit.recipes.tiny.tokenizer import spelt
from nunbit.scene import Scene
from nunbit.studies.ablation import VARIANTS, build_variant
from nunbit.training.stage import Stage

STAGE = Stage(name="s", steps=1, batch=3, lr=1e-3, seed=5)


def loud(arm: str):
    aware, _ = build_variant(EMBEDDED, arm)
    torch.manual_seed(2)
    for m in aware.modules().values():
        for p in m.parameters():
            torch.nn.init.normal_(p, std=0.15)
        m.eval()
    return aware


@pytest.mark.parametrize("arm", ["both", "words"])
def test_questions_of_one_row_know_nothing_of_each_other(arm, monkeypatch):
    task = WorldTask(loud(arm), truth=True, questions=3)
    rows = []
    inner = task._rows
    monkeypatch.setattr(task, "_rows", lambda *a: rows.append(inner(*a)) or rows[-1])
    with torch.no_grad():
        batch = task.batch(0, STAGE)
        together = task.loss(batch)[1]["answer"] * int((batch["labels"] >= 0).sum())
        alone = 0.0
        signals = {k: v for k, v in batch.items() if k not in ("ids", "positions", "labels", "mask")}
        for i, (prefix, asked) in enumerate(rows):
            for one in asked:
                packed = pack([prefix], [range(len(prefix))], len(prefix), [[one]], task.tokenizer.pad_token_id)
                single = as_batch(packed) | {k: v[i : i + 1] for k, v in signals.items()}
                alone += task.loss(single)[1]["answer"] * len(one[1])
    assert len(rows) == 3 and sum(len(asked) for _, asked in rows) == 9
    assert together == pytest.approx(alone, rel=1e-4)


def test_silent_connectors_change_nothing_and_true_scenes_are_told():
    losses = {}
    for arm in ("plain", "both"):
        aware, _ = build_variant(EMBEDDED, arm)
        task = WorldTask(aware, truth=True, questions=2)
        with torch.no_grad():
            losses[arm] = float(task.loss(task.batch(0, STAGE))[0])
        assert set(task.modules()) == {"language", *VARIANTS[arm][0]}
    assert losses["both"] == pytest.approx(losses["plain"], rel=1e-5)


def test_what_is_copied_is_learnt_spelt_out():
    task = WorldTask(build_variant(EMBEDDED, "plain")[0], truth=True, questions=6)
    batch = task.batch(1, Stage(name="s", steps=1, batch=12, lr=1e-3, seed=6))
    words = [task.tokenizer.decode(row[row >= 0]) for row in batch["labels"]]
    assert len(words) == 12 and all("<eos>" in w for w in words)
    ids = spelt("open", task.tokenizer)
    assert len(ids) == 5 and task.tokenizer.decode(ids).strip() == "open"


def test_the_crayon_begins_as_the_names_of_its_classes():
    aware, _ = build_variant(EMBEDDED, "crayon")
    table, tokenizer = aware.model.get_input_embeddings().weight, aware.processor.tokenizer
    words = dict(zip(class_names(), class_words(), strict=True))["elephant"]
    ids = [i for w in words for i in tokenizer(w, add_special_tokens=False)["input_ids"]]
    row = aware.connectors["crayon"].semantic.weight[aware.config.classes.index("elephant") + 1]
    assert len(words) == 2 and torch.allclose(row, table[ids].sum(0), atol=1e-6)


def test_of_untold_pictures_nothing_is_said_and_only_told_ones_are_blurred():
    aware, _ = build_variant(EMBEDDED, "words")
    stage = Stage(name="s", steps=1, batch=12, lr=1e-3, seed=5)
    length, pixels = {}, {}
    for told in (0.0, 0.5, 1.0):
        batch = WorldTask(aware, truth=1.0, questions=1, conditioned=told, blurred=1.0).batch(0, stage)
        length[told], pixels[told] = (batch["positions"] > 0).sum(1), batch["pixels"]
    longer, changed = (length[0.5] > length[0.0]), (pixels[0.5] != pixels[0.0]).flatten(1).any(1)
    assert 0 < longer.sum() < 12 and torch.equal(longer, changed)
    assert (length[1.0] > length[0.0]).all() and (pixels[1.0] != pixels[0.0]).flatten(1).any(1).all()


def test_scenes_are_true_ones_or_those_of_the_eyes():
    aware, _ = build_variant(EMBEDDED, "words")
    looked = []
    aware.perception = lambda pictures: looked.extend(pictures) or [Scene(p.width, p.height) for p in pictures]
    stage = Stage(name="s", steps=1, batch=12, lr=1e-3, seed=5)
    for truth, least, most in ((1.0, 0, 0), (0.0, 12, 12), (0.5, 1, 11)):
        looked.clear()
        WorldTask(aware, truth=truth, questions=1).batch(0, stage)
        assert least <= len(looked) <= most


def test_the_decoder_learns_as_one_module():
    aware, _ = build_variant(EMBEDDED, "plain")
    ((name, module),) = SceneTextTask(aware, truth=True).modules().items()
    assert name == "language" and module is aware.model.model.language_model


def test_short_sight_takes_detail_and_keeps_the_size():
    stripes = Image.fromarray((np.indices((48, 48)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    blurred = low_detail(stripes, 0.5)
    assert blurred.size == (48, 48) and np.asarray(blurred).std() < 5 < np.asarray(stripes).std()
