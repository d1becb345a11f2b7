"""Episodes as conversations, examples chosen at random or by similarity, a study that resumes."""

import json

import numpy as np
import pytest
import torch

from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import PromptBuilder
from nunbit.models.resize import for_small_pictures
from nunbit.prompting.shots import few_shot as examples_first
from nunbit.studies import few_shot
from nunbit.world import rules


def test_small_pictures_take_few_tokens_and_the_same_weights(shipped_pair, small):
    model, processor = small
    assert image_tokens(model.config) == 16 and image_tokens(shipped_pair[0].config) == 144
    before, after = (m.model.vision_tower.embeddings.position_embeddings[0] for m in (shipped_pair[0], model))
    assert torch.equal(after[1:].unflatten(0, (4, 4)), before[1:].unflatten(0, (12, 12))[:4, :4]) and torch.equal(
        after[0], before[0]
    )
    assert torch.equal(model.lm_head.weight, shipped_pair[0].lm_head.weight)
    e = few_shot.draw(0, seed=0, split="test", pool=8)
    asked = examples_first(few_shot.shots_of(e.pool))(question(e.query.question, [e.query.pixels]))
    prompt = PromptBuilder.from_processor(processor, image_tokens(model.config)).build(asked)
    ids, _ = prompt.expanded()
    assert int((ids == model.config.image_token_id).sum()) == 9 * 16 and prompt.length == len(ids) < 1024
    with pytest.raises(UserError, match="multiples of 16"):
        for_small_pictures(*shipped_pair, 100)


def test_the_few_shot_study_runs_and_goes_on(tmp_path):
    plan = few_shot.FewShotConfig(steps=1, batch=2, seeds=1, episodes=6, pool=8, shots=(0, 2))
    result = few_shot.run(plan, tmp_path, say=lambda _: None)
    assert [r["shots"] for r in result["rows"]] == [0, 2] and result["rows"][0]["random"] == result["rows"][0]["rices"]
    assert (
        set(result["rows"][0]["random_by_kind"]) == set(rules.KINDS) and (tmp_path / "model-0" / "config.json").exists()
    )
    file = tmp_path / "seed-0.json"
    kept = json.loads(file.read_text())
    kept["right"]["rices-2"] = [True] * 6
    file.write_text(json.dumps(kept))
    row = few_shot.run(plan, tmp_path, say=lambda _: None)["rows"][1]
    assert row["rices"]["right"] == 1 and row["rices_gain"]["points"] == pytest.approx(
        100 - 100 * row["random"]["right"]
    )
    assert "shots" in few_shot.as_text(result) and "<svg" in (tmp_path / "few_shot.html").read_text()


def test_chosen_examples_are_of_the_episode_and_random_ones_do_not_depend_on_their_number():
    e = few_shot.draw(1, seed=0, split="test", pool=12)
    two, four = (few_shot.select("random", k, e, None, 7) for k in (2, 4))
    assert [s.answer for s in four[:2]] == [s.answer for s in two] and all(
        any(np.array_equal(np.asarray(s.image), x.pixels) for x in e.pool) for s in four
    )
