"""The connectors study: composed models answer as the shipped one, variants cost what they say, a killed study
resumes.
"""

import json

import pytest
import torch

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.evaluation.tiny_world import items
from nunbit.messages import question
from nunbit.studies.connectors import VARIANTS, ConnectorsConfig, WorldQuestionsTask, as_text, compose, run, summary
from nunbit.training.stage import Stage


@pytest.fixture(scope="module")
def shipped():
    return Assistant(object_aware=False)


@pytest.fixture(scope="module")
def test_items():
    return items(11, 8)


def questions(test_items):
    return [question(t.qa.question, [t.pixels]) for t in test_items]


def test_with_the_shipped_connector_it_answers_as_the_shipped_model(shipped, test_items):
    model, processor = compose("mlp", shipped.model, shipped.processor)
    model.connector.load_state_dict(shipped.model.model.multi_modal_projector.state_dict())
    composed = Assistant.from_loaded(model, processor)
    assert composed.ask_many(questions(test_items)) == shipped.ask_many(questions(test_items))


def test_gated_layers_attend_to_the_picture_and_a_batch_answers_as_its_rows(shipped, test_items):
    model, processor = compose("gated-2", shipped.model, shipped.processor)
    try:
        task = WorldQuestionsTask(model, processor, 2, language=False)
        ids = torch.tensor([[*task.prefix, processor.tokenizer.convert_tokens_to_ids("<assistant>")]] * 2)
        pixels = torch.stack([torch.zeros(3, 192, 192), torch.ones(3, 192, 192)])

        def states():
            with torch.no_grad():
                return model(input_ids=ids, pixel_values=pixels).logits

        closed = states()
        assert torch.equal(closed[0], closed[1]), "gates start at 0: the picture has no effect"
        for block in model.connector.blocks.values():
            block.attention_gate.data.fill_(1.0)
        opened = states()
        assert torch.equal(opened[0, :2], opened[1, :2]) and not torch.allclose(opened[0, 2:], opened[1, 2:], atol=1e-3)
        assistant, some = Assistant.from_loaded(model, processor), questions(test_items)[:3]
        together = assistant.ask_many(some, max_new_tokens=8)
        assert together == [assistant.ask(q, max_new_tokens=8).text for q in some]
        assistant.close()
    finally:
        model.connector.detach()


def test_only_the_connector_learns_unless_the_language_model_does_too(shipped):
    for language in (False, True):
        model, processor = compose("pixel_shuffle", shipped.model, shipped.processor)
        task = WorldQuestionsTask(model, processor, 2, language=language)
        assert set(task.modules()) == {"connector", "language"} if language else {"connector"}
        loss, _ = task.loss(task.batch(0, Stage(name="x", steps=1, batch=2, lr=1e-3)))
        loss.backward()
        learning = {n.split(".")[1] for n, p in model.named_parameters() if p.grad is not None}
        assert learning == {"multi_modal_projector", *(["language_model"] if language else [])}
        model.zero_grad()


def test_variants_train_and_a_study_goes_on_where_it_was(tmp_path):
    plan = ConnectorsConfig(steps=1, batch=2, seeds=1, eval_questions=14, questions=2, variants=("linear", "gated-4"))
    rows = run(plan, tmp_path, say=lambda _: None)["rows"]
    assert [(r["variant"], r["tokens"], r["seen"]) for r in rows] == [("linear", 144, 144), ("gated-4", 1, 144)]
    assert rows[0]["parameters"] == 193 * 192 < rows[1]["parameters"] and all(
        r["pictures_per_s"] > 0 < r["first_token_ms"] for r in rows
    )
    file = tmp_path / "linear-0.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"first_token_ms": 12345.0}))
    assert run(plan, tmp_path, say=lambda _: None)["rows"][0]["first_token_ms"] == 12345.0
    assert "<svg" in (tmp_path / "connectors.html").read_text() and not [p for p in tmp_path.iterdir() if p.is_dir()]
    with pytest.raises(UserError, match="other settings"):
        run(ConnectorsConfig(steps=2, batch=2, seeds=1, eval_questions=14, questions=2, variants=("linear",)), tmp_path)
    with pytest.raises(UserError, match="linaer"):
        run(ConnectorsConfig(variants=("linaer",)), tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_the_table_is_the_mean_over_seeds_and_the_gain_is_paired():
    def fake(variant, seed, right):
        costs = {"parameters": 10, "tokens": 4, "seen": 4, "first_token_ms": 5.0 + seed, "pictures_per_s": 2.0}
        return {
            "variant": variant,
            "seed": seed,
            "right": right,
            "pictures": [i // 2 for i in range(40)],
            "splits": ["test", "unseen"] * 20,
            **costs,
        }

    half = [i % 2 == 0 for i in range(40)]
    result = summary(
        [
            *(fake("linear", s, half) for s in range(3)),
            *(fake("mlp", s, [v or i % 8 == s * 2 + 1 for i, v in enumerate(half)]) for s in range(3)),
        ]
    )
    linear, mlp = result["rows"]
    assert (
        linear["all"]["right"] == 0.5
        and linear["unseen"]["right"] == 0
        and linear["gain"] is None
        and linear["first_token_ms"] == 6.0
    )
    assert (
        mlp["gain"]["points"] == pytest.approx(12.5)
        and mlp["gain"]["interval"][0] <= 12.5 <= mlp["gain"]["interval"][1]
    )
    assert "+12.5" in as_text(result) and set(VARIANTS) >= {"linear", "mlp"}
