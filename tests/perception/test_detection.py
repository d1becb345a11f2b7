"""Zero-shot detection with tiny random models; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.perception.small_models import small_owl
from transformers import (
    BertTokenizerFast,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SwinConfig,
)

from nunbit.errors import UserError
from nunbit.perception import Perception, ZeroShotDetector
from nunbit.perception.detection import match_name


def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((40, 60), (64, 64))]


@pytest.fixture(scope="module")
def owl():
    return small_owl()


def test_owl_with_kept_queries_equals_the_full_pass(owl):
    model, processor = owl
    images, names = pictures(), ["cat", "dog", "red ball"]
    inputs = processor(images=images, text=[names] * 2, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**inputs)
    theirs = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[(40, 60), (64, 64)], text_labels=[names] * 2
    )
    part = ZeroShotDetector(model, processor, names, threshold=0.0, clip=False)
    for scene, result in zip(part(images), theirs, strict=True):
        assert len(result["scores"]) == 16
        real = [i for i, b in enumerate(result["boxes"].tolist()) if b[2] > b[0] and b[3] > b[1]]
        assert [o.name for o in scene.objects] == [result["text_labels"][i] for i in real]
        np.testing.assert_allclose([o.score for o in scene.objects], result["scores"][real], atol=1e-5)
        np.testing.assert_allclose([o.box for o in scene.objects], result["boxes"][real], atol=1e-3)


def test_owl_encodes_its_words_once(owl, monkeypatch):
    part = ZeroShotDetector(*owl, ["cat", "dog"], threshold=0.0)
    calls = []
    text_model = part.model.owlv2.text_model
    hook = text_model.register_forward_hook(lambda *_: calls.append(1))
    part(pictures()), part(pictures())
    hook.remove()
    assert len(calls) == 1
    for scene in part(pictures()):
        assert all(0 <= o.box[0] < o.box[2] <= scene.width and o.box[3] <= scene.height for o in scene.objects)
    kept = sorted(o.score for s in part(pictures()) for o in s.objects)
    middle = kept[len(kept) // 2]
    again = [o.score for s in ZeroShotDetector(*owl, ["cat", "dog"], threshold=middle)(pictures()) for o in s.objects]
    assert sorted(again) == [k for k in kept if k >= middle]


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "cat", "dog", "red", "ball"]
    file = tmp_path_factory.mktemp("dino") / "vocab.txt"
    file.write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab={w: i for i, w in enumerate(words)})
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config={
            "model_type": "bert",
            "vocab_size": len(words),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "max_position_embeddings": 32,
        },
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=7,
        max_text_len=12,
    )
    model = GroundingDinoForObjectDetection(config).eval()
    processor = GroundingDinoImageProcessor(size={"shortest_edge": 32, "longest_edge": 64})
    return model, GroundingDinoProcessor(processor, tokenizer)


def test_grounding_dino_groups_its_words_and_names_its_boxes(dino):
    names = ["cat", "dog", "red ball", "ball", "red dog"]
    part = ZeroShotDetector(*dino, names, threshold=0.0)
    groups = list(part._groups())
    assert sum(groups, []) == names and len(groups) == 2
    for scene in part(pictures()):
        scene.validate()
        assert {o.name for o in scene.objects} <= set(names)
        assert all(o.box[2] <= scene.width and o.box[3] <= scene.height for o in scene.objects)
    scenes = Perception(detection=part)(pictures())
    assert [s.meta["perception"]["detection"]["status"] for s in scenes] == ["ok", "ok"]
    assert sum(len(s.objects) for s in scenes) > 0


def test_phrases_find_their_names():
    names = ["red ball", "ball", "dog"]
    assert match_name("ball", names) == "ball" and match_name("Red ball .", names) == "red ball"
    assert match_name("", names) is None and match_name("tree", names) is None
    with pytest.raises(UserError, match="without names"):
        ZeroShotDetector(None, None, [])
