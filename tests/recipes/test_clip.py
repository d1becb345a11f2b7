"""The recipe of the contrastive pair: captions end in the mark that CLIP pools, batches hold no false negatives, the
model opens anywhere."""

import json

import numpy as np
import pytest
import torch

from nunbit.cli import classify
from nunbit.cli.train import train_recipe
from nunbit.encoders.zero_shot import TEMPLATES, ZeroShotClassifier
from nunbit.recipes import clip, copy
from nunbit.studies import classification
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.world import portraits, things
from nunbit.world.base import generator

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("clip")
    train_recipe("clip", ["debug=true"], out, torch.get_num_threads(), QUIET)
    return out


def test_a_copy_of_the_recipe_runs_by_its_path(trained, tmp_path):
    mine = copy("clip", tmp_path / "mine.py")
    train_recipe(str(mine), ["steps=2", "debug=true"], tmp_path / "run", torch.get_num_threads(), QUIET)
    one, other = ((folder / "model" / "model.safetensors").read_bytes() for folder in (trained, tmp_path / "run"))
    assert one == other


def test_a_text_ends_in_the_mark_that_is_pooled():
    tokenizer = clip.make_tokenizer()
    model = clip.build(tokenizer).eval()
    end = tokenizer.eos_token_id
    assert end == model.config.text_config.eos_token_id != 2, "2 means something else to transformers"
    both = tokenizer(["고양이 그림.", "a photo of cat. " * 40], padding=True, truncation=True, return_tensors="pt")
    assert both["input_ids"].shape[1] == clip.MOST_TOKENS and ((both["input_ids"] == end).sum(1) == 1).all()
    with torch.no_grad():
        alone = tokenizer(["고양이 그림."], return_tensors="pt")
        padded = {k: v[:1] for k, v in both.items() if k in ("input_ids", "attention_mask")}
        one = model.get_text_features(
            input_ids=alone["input_ids"], attention_mask=alone["attention_mask"]
        ).pooler_output
        assert torch.allclose(one, model.get_text_features(**padded).pooler_output, atol=1e-4)
    spelled = tokenizer.tokenize("고양이 cat photo 사진")
    assert len(spelled) == 4, "names and the words of templates are whole"


def test_a_batch_names_everything_at_most_once():
    task = clip.PairTask(clip.build(clip.make_tokenizer()), clip.make_tokenizer())
    stage = Stage(name="x", steps=1, batch=100, lr=1e-3)
    batch = task.batch(3, stage)
    assert len(set(map(tuple, batch["ids"].tolist()))) == 100 and batch["pixels"].shape == (100, 3, 64, 64)
    assert all(torch.equal(v, task.batch(3, stage)[k]) for k, v in batch.items())


def test_the_unseen_style_and_half_of_the_templates_are_kept_out(monkeypatch):
    used = set()
    real = things.artwork_tile
    monkeypatch.setattr(things, "artwork_tile", lambda style, *rest: (used.add(style), real(style, *rest))[1])
    for i in range(40):
        portraits.draw(generator(0, i, "train"), "train", "cat")
    assert used <= set(things.STYLES) and len(used) > 2 and things.UNSEEN_STYLE not in used
    for language in ("en", "ko"):
        kept_out = set(classification.wordings(language)) - set(clip.CAPTIONS[language])
        assert (
            len(classification.wordings(language)) == len(set(classification.wordings(language))) == 20
            and len(kept_out) >= 12
        )
        assert len(kept_out & set(TEMPLATES[language])) >= 6


def test_the_model_is_small_and_classifies_as_the_embedded_default(trained, tmp_path, capsys, monkeypatch):
    folder = trained / "model"
    assert (folder / "model.safetensors").stat().st_size < 6_000_000
    monkeypatch.setattr(classify, "EMBEDDED", folder)
    from PIL import Image

    Image.new("RGB", (90, 50), (200, 30, 30)).save(tmp_path / "p.png")
    classify.classify([str(tmp_path / "p.png")], "고양이,개", None, "", "ensemble", "ko", 1.0, False, True)
    found = json.loads(capsys.readouterr().out)["pictures"][0]["probabilities"]
    assert set(found) == {"고양이", "개"} and sum(found.values()) == pytest.approx(1)
    classifier = ZeroShotClassifier.from_pretrained(str(folder))
    assert next(classifier.model.parameters()).dtype == torch.float32, "16 bits are for the disk"


def test_naming_counts_what_is_right(monkeypatch):
    """A pair that always says the first name: right once in every so many names, whatever the wording."""
    names = things.artwork_names()
    first = torch.zeros(len(names), 2)
    first[:, 0], first[0] = 0.5, 1.0
    classifier = type(
        "E",
        (),
        {
            "encode_labels": lambda self, labels, templates: first,
            "encode_images": lambda self, images: torch.tensor([[1.0, 0.0]] * len(images)),
            "probabilities": lambda self, seen, classes: seen @ classes.T,
        },
    )()
    result = classification.run(classifier, each=2)
    assert [(r["set"], r["language"]) for r in result["rows"]] == [
        (s, x) for s in classification.SETS for x in ("en", "ko")
    ]
    for row in result["rows"]:
        assert (
            row["one"]["right"] == row["ensemble"]["right"] == pytest.approx(1 / len(names))
            and row["spread"]["deviation"] == 0
        )
        assert len(row["by_wording"]) == 20 and row["gain"]["points"] == 0
    assert "unseen style" in classification.as_text(result) and "<svg" in classification.page(result)
    assert np.isclose(result["rows"][0]["spread"]["low"], 1 / len(names))
