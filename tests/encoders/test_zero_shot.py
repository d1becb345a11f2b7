"""Zero-shot classification: the arithmetic of the paper, on small random models of both families."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from nunbit.cli import classify
from nunbit.encoders.zero_shot import TEMPLATES, ZeroShotClassifier, fill_template, prompt_templates, sensitivity
from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.recipes.tiny.tokenizer import build_tokenizer


class Processor:
    """A tokenizer and an image processor as one."""

    def __init__(self, tokenizer, images):
        self.tokenizer, self.image_processor = tokenizer, images

    def __call__(self, text=None, images=None, padding=True, truncation=True, return_tensors="pt"):
        if images is not None:
            return self.image_processor(images, return_tensors="pt")
        return self.tokenizer(text, padding=padding, truncation=truncation, max_length=24, return_tensors="pt")


@pytest.fixture(scope="module", params=["clip", "siglip"])
def classifier(request):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(0)
    tokenizer = build_tokenizer(["a", "photo", "of", "cat", "dog", "car"], ["고양이"])
    tokenizer.padding_side = "right"  # as CLIP's: its positions are absolute
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=0,
        bos_token_id=1,
        projection_size=32,
    )
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8
    )
    config, kind = (CLIPConfig, CLIPModel) if request.param == "clip" else (SiglipConfig, SiglipModel)
    model = kind(config(text_config=text, vision_config=vision))
    images = CLIPImageProcessor(size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32})
    return ZeroShotClassifier(model, Processor(tokenizer, images))


PICTURES = [Image.new("RGB", (40, 30), c) for c in ((255, 0, 0), (0, 255, 0), (20, 20, 200))]
LABELS = ["cat", "dog", "car"]


def test_ensembles_are_the_unit_mean_of_unit_vectors(classifier):
    single = torch.stack([classifier.encode_labels(LABELS, [t]) for t in TEMPLATES["en"]])
    assert torch.allclose(
        classifier.encode_labels(LABELS, TEMPLATES["en"]), normalize(single.mean(0), dim=-1), atol=1e-5
    )


def test_scores_equal_those_of_the_model_itself(classifier):
    one = prompt_templates("one", "en")
    words = [one[0].replace("{}", n) for n in LABELS]
    inputs = classifier.processor(text=words, padding="max_length" if classifier.sigmoid else True)
    with torch.no_grad():
        out = classifier.model(
            **{k: inputs[k] for k in ("input_ids", "attention_mask") if k in inputs},
            pixel_values=classifier.processor(images=PICTURES)["pixel_values"],
        )
    want = out.logits_per_image.sigmoid() if classifier.sigmoid else out.logits_per_image.softmax(-1)
    got = classifier.probabilities(classifier.encode_images(PICTURES), classifier.encode_labels(LABELS, one))
    assert torch.allclose(got, want, atol=1e-4)


def test_temperature_softens_and_the_order_of_labels_changes_nothing(classifier):
    sharp, soft = (classifier.classify(PICTURES, LABELS, temperature=t)[0].probabilities for t in (0.5, 5.0))
    assert max(soft) - min(soft) < max(sharp) - min(sharp)
    found = sensitivity(classifier, PICTURES, LABELS, TEMPLATES["ko"], ["text", "cat"])
    assert (
        found["by_order"] == 0
        and set(found["by_wording"]) == set(TEMPLATES["ko"])
        and 0 <= found["by_distractors"] <= 1
    )
    assert sensitivity(classifier, PICTURES, LABELS, TEMPLATES["en"][:1])["spread"] == 0


def test_bad_wishes_are_refused(classifier, tmp_path):
    for labels in ([], ["a", "a"]):
        with pytest.raises(UserError):
            classifier.encode_labels(labels, ["{}"])
    for kind, language in (("two", "en"), ("one", "fr")):
        with pytest.raises(UserError):
            prompt_templates(kind, language)
    with pytest.raises(UserError, match="cannot be opened"):
        ZeroShotClassifier.from_pretrained(str(tmp_path))


def test_templates_hold_the_class_and_its_particle():
    assert fill_template("a photo of {}.", "cat") == "a photo of cat." and fill_template("{} {}", "{}") == "{} {}"
    assert (
        fill_template("{이/가} 있는 그림.", "고양이") == "고양이가 있는 그림."
        and fill_template("{을/를} 본다", "컵") == "컵을 본다"
    )
    for language, templates in TEMPLATES.items():
        assert len(set(templates)) == len(templates) >= 7, language
        assert all("컵" in fill_template(t, "컵") and "{" not in fill_template(t, "컵") for t in templates)


def test_sensitivity_counts_answers_that_move():
    """Pictures and words on a plane: class vectors are known, so every share can be counted by hand."""
    classifier = Plane(
        {
            "good cat": (1.0, 0.0),
            "good dog": (0.0, 1.0),
            "bad cat": (0.0, 1.0),
            "bad dog": (1.0, 0.0),
            "good fog": (0.8, 0.6),
            "bad fog": (0.8, 0.6),
            "fair cat": (1.0, 0.0),
            "fair dog": (0.0, 1.0),
            "fair fog": (0.8, 0.6),
        }
    )
    seen = [(0.96, 0.28), (0.28, 0.96), (0.8, 0.6)]
    found = sensitivity(classifier, seen, ["cat", "dog"], ["good {}", "bad {}", "fair {}"], ["fog", "cat"])
    assert found["by_wording"] == {"good {}": 0.0, "bad {}": 1.0, "fair {}": 0.0}
    assert found["by_order"] == 0 and found["by_distractors"] == pytest.approx(1 / 3) and found["spread"] > 0.1


class Plane(ZeroShotClassifier):
    def __init__(self, words):
        self.words, self.sigmoid = words, False
        self.model = type("M", (), {"logit_scale": torch.tensor(2.0)})()

    def encode_labels(self, labels, templates):
        rows = [[self.words[fill_template(t, n)] for t in templates] for n in labels]
        return normalize(torch.tensor(rows).mean(1), dim=-1)

    def encode_images(self, images):
        return normalize(torch.tensor(images), dim=-1)


def test_many_pictures_are_seen_some_at_a_time(classifier, monkeypatch):
    whole = classifier.encode_images(PICTURES)
    monkeypatch.setattr("nunbit.encoders.zero_shot.IMAGE_BATCH", 2)
    assert torch.allclose(classifier.encode_images(PICTURES), whole, atol=1e-6) and whole.shape[0] == 3


@pytest.fixture
def folder(classifier, tmp_path):
    """A directory as transformers writes it, with an own tokenizer."""
    from transformers import CLIPProcessor, SiglipProcessor

    kind = SiglipProcessor if classifier.sigmoid else CLIPProcessor
    tokenizer = classifier.processor.tokenizer
    tokenizer.model_max_length = 24
    classifier.model.save_pretrained(tmp_path / "clip")
    kind(image_processor=classifier.processor.image_processor, tokenizer=tokenizer).save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


def test_a_directory_of_transformers_is_opened(classifier, folder):
    opened = ZeroShotClassifier.from_pretrained(str(folder))
    for label in ("cat", "cat " * 99):  # the second is longer than the model reads
        assert torch.allclose(
            opened.encode_labels([label], TEMPLATES["ko"]),
            classifier.encode_labels([label], TEMPLATES["ko"]),
            atol=1e-5,
        )
    mine, theirs = (e.classify(PICTURES, LABELS) for e in (classifier, opened))
    assert [g.label for g in mine] == [g.label for g in theirs]
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="cannot be opened"):
        ZeroShotClassifier.from_pretrained(str(folder))
    with pytest.raises(UserError, match="type 'llava'"):
        ZeroShotClassifier.from_pretrained(str(EMBEDDED))


def test_classify_as_a_person_types_it(classifier, folder, tmp_path):
    PICTURES[0].save(tmp_path / "p.png")
    (tmp_path / "names.txt").write_text("고양이\n\n개\n", encoding="utf-8")
    words = [
        "classify",
        tmp_path / "p.png",
        "--labels-file",
        tmp_path / "names.txt",
        "--model",
        folder,
        "--language",
        "ko",
        "--temperature",
        "2",
        "--sensitivity",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "nunbit", *map(str, words)], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert list(out["pictures"][0]["probabilities"]) == ["고양이", "개"] and set(
        out["sensitivity"]["by_wording"]
    ) == set(TEMPLATES["ko"])
    total = sum(out["pictures"][0]["probabilities"].values())
    assert (total == pytest.approx(1)) is not classifier.sigmoid, "SigLIP judges each class on its own"


def test_from_the_command_line(classifier, tmp_path, capsys, monkeypatch):

    monkeypatch.setattr(classify.ZeroShotClassifier, "from_pretrained", lambda folder: classifier)
    monkeypatch.setattr(classify, "EMBEDDED", tmp_path / "none")
    PICTURES[0].save(tmp_path / "p.png")
    classify.classify([str(tmp_path / "p.png")], "cat, dog", None, "x", "ensemble", "en", 1.0, True, True)
    out = json.loads(capsys.readouterr().out)
    assert out["pictures"][0]["label"] in ("cat", "dog") and out["sensitivity"]["by_order"] == 0
    classify.classify([str(tmp_path / "p.png")], "cat, dog", None, "x", "one", "en", 1.0, True, False)
    assert "%" in capsys.readouterr().out
    for labels, file, model, says in (
        ("cat", None, "x", "two"),
        ("", None, "x", "nowhere"),
        ("a,b", tmp_path, "x", "two places"),
        ("", tmp_path / "no", "x", "cannot be read"),
        ("a,b", None, "", "no contrastive"),
    ):
        with pytest.raises(UserError, match=says):
            classify.classify([], labels, file, model, "one", "en", 1.0, False, True)


def test_the_shipped_pair_names_things_it_never_saw_in_that_style():
    from nunbit.encoders.zero_shot import EMBEDDED
    from nunbit.studies.classification import SETS
    from nunbit.world import portraits, things
    from nunbit.world.base import generator

    classifier, names = ZeroShotClassifier.from_pretrained(str(EMBEDDED)), things.artwork_names()
    for language, at in (("en", 0), ("ko", 1)):
        classes = classifier.encode_labels([(n, things.names()[n][1])[at] for n in names], TEMPLATES[language])
        for split, least in (("test", 0.9), ("unseen", 0.35)):
            assert split in SETS.values()
            drawn = [portraits.draw(generator(31, i, split), split, n).pixels for i, n in enumerate(names)]
            chosen = (
                classifier.probabilities(classifier.encode_images([Image.fromarray(p) for p in drawn]), classes)
                .argmax(-1)
                .tolist()
            )
            assert np.mean([names[k] == n for k, n in zip(chosen, names, strict=True)]) > least
