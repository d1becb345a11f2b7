"""The study of connectors: the harness answers as the model itself would, variants cost what they say, a killed study goes on."""

import json
import unicodedata

import pytest
import torch

from nunbit.errors import UserError
from nunbit.evaluation.tiny_world import items
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.studies.connectors import VARIANTS, ConnectorsConfig, Joined, as_text, make, run, summary
from nunbit.studies.figures import accuracy, format_figure, format_table, paired_gain


@pytest.fixture(scope="module")
def helper():
    return Assistant(told=False)


@pytest.fixture(scope="module")
def asked():
    return items(11, 8)


def test_with_the_shipped_connector_it_answers_as_the_shipped_model(helper, asked):
    link = make("mlp", helper.model)
    shipped = helper.model.model.multi_modal_projector.state_dict()
    link.module.load_state_dict(shipped)
    joined = Joined(helper.model, helper.processor, link, 2, learns=False)
    mine = joined.ask([t.pixels for t in asked], [t.qa.question for t in asked])
    theirs = helper.ask_many([question(t.qa.question, [t.pixels]) for t in asked])
    assert [unicodedata.normalize("NFC", a).strip() for a in mine] == theirs


def test_gated_layers_see_the_picture_and_a_batch_answers_as_its_rows(helper, asked):
    link = make("gated-2", helper.model)
    try:
        joined = Joined(helper.model, helper.processor, link, 2, learns=False)
        ids = torch.tensor([[*joined.prefix(), joined.ids["<assistant>"]]] * 2)
        pixels = torch.stack([torch.zeros(3, 192, 192), torch.ones(3, 192, 192)])

        def states():
            with torch.no_grad():
                return helper.model.model.language_model(inputs_embeds=joined.read(ids, pixels)).last_hidden_state

        closed = states()
        assert torch.equal(closed[0], closed[1]), "gates begin at 0: no picture is seen"
        for block in link.module.blocks.values():
            block.attention_gate.data.fill_(1.0)
        opened = states()
        assert torch.equal(opened[0, :2], opened[1, :2]) and not torch.allclose(opened[0, 2:], opened[1, 2:], atol=1e-3)
        some = asked[:3]
        together = joined.ask([t.pixels for t in some], [t.qa.question for t in some], most=8)
        assert together == [joined.ask([t.pixels], [t.qa.question], most=8)[0] for t in some]
    finally:
        link.module.detach()


def test_variants_train_and_a_study_goes_on_where_it_was(tmp_path):
    plan = ConnectorsConfig(steps=1, batch=2, seeds=1, eval_questions=14, questions=2, variants=("linear", "gated-4"))
    rows = run(plan, tmp_path, say=lambda _: None)["rows"]
    assert [(r["variant"], r["tokens"], r["seen"]) for r in rows] == [("linear", 144, 144), ("gated-4", 1, 144)]
    assert rows[0]["parameters"] == 193 * 192 < rows[1]["parameters"] and all(r["pictures_per_s"] > 0 < r["first_token_ms"] for r in rows)
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
        return {"variant": variant, "seed": seed, "right": right, "pictures": [i // 2 for i in range(40)], "splits": ["test", "unseen"] * 20, **costs}

    half = [i % 2 == 0 for i in range(40)]
    result = summary([*(fake("linear", s, half) for s in range(3)), *(fake("mlp", s, [v or i % 8 == s * 2 + 1 for i, v in enumerate(half)]) for s in range(3))])
    linear, mlp = result["rows"]
    assert linear["all"]["right"] == 0.5 and linear["unseen"]["right"] == 0 and linear["gain"] is None and linear["first_token_ms"] == 6.0
    assert mlp["gain"]["points"] == pytest.approx(12.5) and mlp["gain"]["interval"][0] <= 12.5 <= mlp["gain"]["interval"][1]
    assert "+12.5" in as_text(result) and set(VARIANTS) >= {"linear", "mlp"}


def test_figures_are_said_with_their_interval():
    figure = accuracy([1.0, 0.0, 1.0, 1.0], [0, 0, 1, 2])
    assert figure["right"] == 0.75 and format_figure(figure).startswith("75.0 (") and format_figure(None) == ""
    assert paired_gain([0, 0], [1, 1], [0, 1])["points"] == 100
    assert format_table(("a", "b"), [("x", "12"), ("yy", "3")]) == "a    b\nx   12\nyy   3"

