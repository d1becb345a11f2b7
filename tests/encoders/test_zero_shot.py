"""Zero-shot classification: the arithmetic of the paper, on small random models of both families."""

import json

import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from nunbit.encoders.zero_shot import TEMPLATES, ZeroShot, sensitivity, templates_of
from nunbit.errors import UserError
from nunbit.models.tokenizer import build_tokenizer


class Processor:
    """A tokenizer and an image processor as one."""

    def __init__(self, tokenizer, images):
        self.tokenizer, self.image_processor = tokenizer, images

    def __call__(self, text=None, images=None, padding=True, truncation=True, return_tensors="pt"):
        if images is not None:
            return self.image_processor(images, return_tensors="pt")
        return self.tokenizer(text, padding=padding, truncation=truncation, max_length=24, return_tensors="pt")


@pytest.fixture(scope="module", params=["clip", "siglip"])
def eyes(request):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(0)
    tokenizer = build_tokenizer(["a", "photo", "of", "cat", "dog", "car"], ["고양이"])
    tokenizer.padding_side = "right"  # as CLIP's: its positions are absolute
    text = dict(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                max_position_embeddings=32, eos_token_id=tokenizer.eos_token_id, pad_token_id=0, bos_token_id=1, projection_size=32)  # fmt: skip
    vision = dict(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8
    )
    config, kind = (CLIPConfig, CLIPModel) if request.param == "clip" else (SiglipConfig, SiglipModel)
    model = kind(config(text_config=text, vision_config=vision))
    images = CLIPImageProcessor(size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32})
    return ZeroShot(model, Processor(tokenizer, images))


PICTURES = [Image.new("RGB", (40, 30), c) for c in ((255, 0, 0), (0, 255, 0), (20, 20, 200))]
LABELS = ["cat", "dog", "car"]


def test_ensembles_are_the_unit_mean_of_unit_vectors(eyes):
    single = torch.stack([eyes.classes(LABELS, [t]) for t in TEMPLATES["en"]])
    assert torch.allclose(eyes.classes(LABELS, TEMPLATES["en"]), normalize(single.mean(0), dim=-1), atol=1e-5)


def test_scores_equal_those_of_the_model_itself(eyes):
    one = templates_of("one", "en")
    words = [one[0].replace("{}", n) for n in LABELS]
    inputs = eyes.processor(text=words, padding="max_length" if eyes.sigmoid else True)
    with torch.no_grad():
        out = eyes.model(**{k: inputs[k] for k in ("input_ids", "attention_mask") if k in inputs},
                         pixel_values=eyes.processor(images=PICTURES)["pixel_values"])  # fmt: skip
    want = out.logits_per_image.sigmoid() if eyes.sigmoid else out.logits_per_image.softmax(-1)
    got = eyes.scores(eyes.pictures(PICTURES), eyes.classes(LABELS, one))
    assert torch.allclose(got, want, atol=1e-4)


def test_temperature_softens_and_the_order_of_labels_changes_nothing(eyes):
    sharp, soft = (eyes.classify(PICTURES, LABELS, temperature=t)[0].probabilities for t in (0.5, 5.0))
    assert max(soft) - min(soft) < max(sharp) - min(sharp)
    found = sensitivity(eyes, PICTURES, LABELS, TEMPLATES["ko"], ["text", "cat"])
    assert (
        found["by_order"] == 0
        and set(found["by_wording"]) == set(TEMPLATES["ko"])
        and 0 <= found["by_distractors"] <= 1
    )
    assert sensitivity(eyes, PICTURES, LABELS, TEMPLATES["en"][:1])["spread"] == 0


def test_bad_wishes_are_refused(eyes, tmp_path):
    for labels in ([], ["a", "a"]):
        with pytest.raises(UserError):
            eyes.classes(labels, ["{}"])
    for kind, language in (("two", "en"), ("one", "fr")):
        with pytest.raises(UserError):
            templates_of(kind, language)
    with pytest.raises(UserError, match="cannot be opened"):
        ZeroShot.from_pretrained(str(tmp_path))


def test_from_the_command_line(eyes, tmp_path, capsys, monkeypatch):
    from nunbit.cli import classifying

    monkeypatch.setattr(classifying.ZeroShot, "from_pretrained", lambda folder: eyes)
    PICTURES[0].save(tmp_path / "p.png")
    classifying.classify([str(tmp_path / "p.png")], "cat, dog", None, "x", "ensemble", "en", 1.0, True, True)
    out = json.loads(capsys.readouterr().out)
    assert out["pictures"][0]["label"] in ("cat", "dog") and out["sensitivity"]["by_order"] == 0
    classifying.classify([str(tmp_path / "p.png")], "cat, dog", None, "x", "one", "en", 1.0, True, False)
    assert "%" in capsys.readouterr().out
    with pytest.raises(UserError, match="two"):
        classifying.classify([], "cat", None, "x", "one", "en", 1.0, False, True)
