"""Few-shot and chain-of-thought studies: small pictures for many of them, episodes as conversations, tables that say what the files say."""

import json
import shutil

import numpy as np
import pytest
import torch

from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.models.image_tokens import image_tokens
from nunbit.models.resize import for_small_pictures
from nunbit.prompting.chain_of_thought import ANSWER, CONCLUDE, THINK
from nunbit.prompting.shots import few_shot as examples_first
from nunbit.studies import chain_of_thought, few_shot
from nunbit.studies.generated import GeneratedTask
from nunbit.training.loop import Stage
from nunbit.world import rules


@pytest.fixture(scope="module")
def shipped():
    held = Assistant()
    return held.model, held.processor


@pytest.fixture(scope="module")
def small(shipped):
    return for_small_pictures(*shipped, rules.SIDE_PX)


def test_small_pictures_take_few_tokens_and_the_same_weights(shipped, small):
    model, processor = small
    assert image_tokens(model.config) == 16 and image_tokens(shipped[0].config) == 144
    before, after = (m.model.vision_tower.embeddings.position_embeddings[0] for m in (shipped[0], model))
    assert torch.equal(after[1:].unflatten(0, (4, 4)), before[1:].unflatten(0, (12, 12))[:4, :4]) and torch.equal(after[0], before[0])
    assert torch.equal(model.lm_head.weight, shipped[0].lm_head.weight)
    e = few_shot.draw(0, seed=0, split="test", pool=8)
    asked = examples_first(few_shot.shots_of(e.pool))(question(e.query.question, [e.query.pixels]))
    inputs = Assistant.of(model, processor)._inputs([asked])
    assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == 9 * 16 and inputs["input_ids"].shape[1] < 1024
    with pytest.raises(UserError, match="multiples of 16"):
        for_small_pictures(*shipped, 100)


def test_an_episode_is_a_conversation_whose_answers_are_learnt(small):
    task = GeneratedTask(*small, lambda number, seed: few_shot.conversation(number, seed, 9))
    stage = Stage(name="x", steps=1, batch=2, lr=1e-3)
    batch = task.batch(0, stage)
    assert len(batch["pixels"]) == 18 and batch["owner"].tolist() == [0] * 9 + [1] * 9 and batch["pixels"].shape[-1] == 64
    again = task.batch(0, stage)
    assert all(torch.equal(batch[k], again[k]) for k in batch)
    tokenizer = small[1].tokenizer
    assert ((batch["labels"] == tokenizer.eos_token_id).sum(1) == 9).all(), "nine answers, each with its end"
    loss, _ = task.loss(batch)
    assert torch.isfinite(loss)


def test_the_few_shot_study_runs_and_goes_on(tmp_path):
    plan = few_shot.FewShotConfig(steps=1, batch=2, seeds=1, episodes=6, pool=8, shots=(0, 2))
    result = few_shot.run(plan, tmp_path, say=lambda _: None)
    assert [r["shots"] for r in result["rows"]] == [0, 2] and result["rows"][0]["random"] == result["rows"][0]["rices"]
    assert set(result["rows"][0]["random_by_kind"]) == set(rules.KINDS) and (tmp_path / "model-0" / "config.json").exists()
    file = tmp_path / "seed-0.json"
    kept = json.loads(file.read_text())
    kept["right"]["rices-2"] = [True] * 6
    file.write_text(json.dumps(kept))
    row = few_shot.run(plan, tmp_path, say=lambda _: None)["rows"][1]
    assert row["rices"]["right"] == 1 and row["rices_gain"]["points"] == pytest.approx(100 - 100 * row["random"]["right"])
    assert "shots" in few_shot.as_text(result) and "<svg" in (tmp_path / "few_shot.html").read_text()


def test_a_study_goes_on_wherever_its_base_stands_and_says_which_file_is_damaged(tmp_path):
    from nunbit.files import EMBEDDED
    from nunbit.studies.study import load_or_measure, study_folder

    moved = shutil.copytree(EMBEDDED, tmp_path / "moved")
    for base in (EMBEDDED, moved):
        with study_folder(tmp_path / "study", few_shot.FewShotConfig(base=base)):
            pass
    (moved / "config.json").write_text("{}")
    with pytest.raises(UserError, match="other settings"), study_folder(tmp_path / "study", few_shot.FewShotConfig(base=moved)):
        pass
    for damage in (b"", b'{"right": [1', b"[]", b"\xff\xfe"):
        (tmp_path / "x.json").write_bytes(damage)
        with pytest.raises(UserError, match="x.json.*damaged"):
            load_or_measure(tmp_path / "x.json", dict)


def test_chosen_examples_are_of_the_episode_and_random_ones_do_not_depend_on_their_number():
    e = few_shot.draw(1, seed=0, split="test", pool=12)
    two, four = (few_shot.select("random", k, e, None, 7) for k in (2, 4))
    assert [s.answer for s in four[:2]] == [s.answer for s in two] and all(any(np.array_equal(np.asarray(s.image), x.pixels) for x in e.pool) for s in four)


def test_training_conversations_are_of_three_ways():
    for number, way in ((0, "direct"), (3, "zero-shot-cot"), (6, "cot")):
        talk = chain_of_thought.conversation(number, 0)
        language = "ko" if any("가" <= c <= "힣" for c in talk[-2].text) else "en"
        assert sum(len(m.images) for m in talk) == 1 and talk[-1].role == "assistant"
        assert (ANSWER[language] in talk[1].text) is (way != "direct")
        if way == "zero-shot-cot":
            assert THINK[language] in talk[0].text and talk[2].text == CONCLUDE[language] and talk[3].text in talk[1].text
        assert len(talk) == {"direct": 2, "zero-shot-cot": 4, "cot": 6}[way]


def test_the_chain_of_thought_study_runs(tmp_path):
    plan = chain_of_thought.ChainOfThoughtConfig(steps=1, batch=2, seeds=1, eval_questions=3)
    result = chain_of_thought.run(plan, tmp_path, say=lambda _: None)
    assert [(r["variant"], r["strategy"]) for r in result["rows"]] == [(a, w) for a in chain_of_thought.VARIANTS for w in chain_of_thought.STRATEGIES]
    assert all((r["gain"] is None) is (r["strategy"] == "direct") for r in result["rows"])
    assert "cot" in chain_of_thought.as_text(result) and "<svg" in (tmp_path / "chain.html").read_text()
    with pytest.raises(UserError, match="tought"):
        chain_of_thought.run(chain_of_thought.ChainOfThoughtConfig(variants=("tought",)), tmp_path)
