"""An object-aware model on the picture world: many questions in one row are as many rows of one, in every arm."""

import pytest
import torch

from nunbit.data.packing import pack
from nunbit.models.tokenizer import spelt
from nunbit.recipes.ablation import ARMS, EMBEDDED, make
from nunbit.training.aware_world import WorldTask
from nunbit.training.loop import Stage
from nunbit.training.words import vars_of

STAGE = Stage(name="s", steps=1, batch=3, lr=1e-3, seed=5)


def loud(arm: str):
    aware, _ = make(EMBEDDED, arm)
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
    inner = task._asked
    monkeypatch.setattr(task, "_asked", lambda *a: rows.append(inner(*a)) or rows[-1])
    with torch.no_grad():
        batch = task.batch(0, STAGE)
        together = task.loss(batch)[1]["answer"] * int((batch["labels"] >= 0).sum())
        alone = 0.0
        signals = {k: v for k, v in batch.items() if k not in ("ids", "positions", "labels", "mask")}
        for i, (prefix, asked) in enumerate(rows):
            for one in asked:
                packed = pack([prefix], [range(len(prefix))], len(prefix), [[one]], task.tokenizer.pad_token_id)
                single = vars_of(packed) | {k: v[i : i + 1] for k, v in signals.items()}
                alone += task.loss(single)[1]["answer"] * len(one[1])
    assert len(rows) == 3 and sum(len(asked) for _, asked in rows) == 9
    assert together == pytest.approx(alone, rel=1e-4)


def test_silent_connectors_change_nothing_and_true_scenes_are_told():
    losses = {}
    for arm in ("plain", "both"):
        aware, _ = make(EMBEDDED, arm)
        task = WorldTask(aware, truth=True, questions=2)
        with torch.no_grad():
            losses[arm] = float(task.loss(task.batch(0, STAGE))[0])
        assert set(task.modules()) == {"language", *ARMS[arm][0]}
    assert losses["both"] == pytest.approx(losses["plain"], rel=1e-5)


def test_what_is_copied_is_learnt_spelt_out():
    task = WorldTask(make(EMBEDDED, "plain")[0], truth=True, questions=6)
    batch = task.batch(1, Stage(name="s", steps=1, batch=12, lr=1e-3, seed=6))
    words = [task.tokenizer.decode(row[row >= 0]) for row in batch["labels"]]
    assert len(words) == 12 and all("<eos>" in w for w in words)
    ids = spelt("open", task.tokenizer)
    assert len(ids) == 5 and task.tokenizer.decode(ids).strip() == "open"
