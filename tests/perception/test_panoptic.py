"""Panoptic segmentation with a tiny random model; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    SwinConfig,
)

from nunbit.coco import PANOPTIC_CLASSES
from nunbit.errors import UserError
from nunbit.perception import PanopticSegmenter


def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((40, 60), (64, 64))]


def swin():
    return SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


@pytest.fixture(scope="module")
def segmenter_parts():
    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        id2label=dict(enumerate(PANOPTIC_CLASSES)),
        label2id={n: i for i, n in enumerate(PANOPTIC_CLASSES)},
    )
    model = Mask2FormerForUniversalSegmentation(config).eval()
    return model, Mask2FormerImageProcessor(size={"height": 64, "width": 64}, do_resize=True)


def test_panoptic_is_the_library_post_processing(segmenter_parts):
    model, processor = segmenter_parts
    images = pictures()
    part = PanopticSegmenter(model, processor, threshold=0.0, mask_threshold=0.0, overlap=0.0)
    assert part.classes is PANOPTIC_CLASSES
    inputs = processor(images=images, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**inputs)
    theirs = processor.post_process_panoptic_segmentation(
        outputs, 0.0, 0.0, 0.0, set(), target_sizes=[(40, 60), (64, 64)]
    )
    found = part.segment(images)
    assert sum(len(segments) for _, segments in found) > 0
    for (cells, segments), result in zip(found, theirs, strict=True):
        np.testing.assert_array_equal(cells, result["segmentation"].clamp(min=0).numpy())
        assert [s.id for s in segments] == [r["id"] for r in result["segments_info"]]
        assert [s.thing for s in segments] == [r["label_id"] < 80 for r in result["segments_info"]]
    scenes = [s.validate() for s in part(images)]
    assert [o.segment for s in scenes for o in s.objects] == [i for c, _ in found for i in np.unique(c[c > 0])]
    small = part.segment(images, [(35, 35)] * 2)
    assert all(cells.shape == (35, 35) for cells, _ in small)


def test_panoptic_finds_nothing_above_an_unreachable_threshold(segmenter_parts):
    part = PanopticSegmenter(*segmenter_parts, threshold=1.0)
    [scene] = part(pictures()[:1])
    assert scene.segments == scene.objects == [] and not scene.segment_map.any()
    assert part.name != PanopticSegmenter(*segmenter_parts, threshold=0.9).name


def test_segments_counted_from_zero_are_moved_up(segmenter_parts):
    part = PanopticSegmenter(*segmenter_parts)
    info = [{"id": 0, "label_id": 17, "score": 0.9}, {"id": 1, "label_id": 17, "score": 0.8}]
    cells, segments = part._table({"segmentation": torch.tensor([[-1, 0], [1, 5]]), "segments_info": info})
    assert cells.tolist() == [[0, 1], [2, 0]]
    assert [(s.id, s.name, s.number) for s in segments] == [(1, "horse", 1), (2, "horse", 2)]


def test_saved_and_loaded_and_missing(segmenter_parts, tmp_path):
    model, processor = segmenter_parts
    model.save_pretrained(tmp_path), processor.save_pretrained(tmp_path)
    loaded = PanopticSegmenter.from_pretrained(str(tmp_path))
    assert loaded.name == PanopticSegmenter(model, processor).name
    with pytest.raises(UserError, match="no usable model"):
        PanopticSegmenter.from_pretrained(str(tmp_path / "nowhere"))
