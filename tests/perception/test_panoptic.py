"""Panoptic segmentation with a tiny random model; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.perception.small_models import small_segmenter

from nunbit.coco import PANOPTIC_CLASSES
from nunbit.errors import UserError
from nunbit.perception import PanopticSegmenter


def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in ((40, 60), (64, 64))]


@pytest.fixture(scope="module")
def segmenter_parts():
    return small_segmenter()


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


def test_the_map_of_a_large_picture_is_made_small_and_enlarged(segmenter_parts, monkeypatch):
    from nunbit.perception import panoptic

    part = PanopticSegmenter(*segmenter_parts, threshold=0.0, mask_threshold=0.0, overlap=0.0)
    whole = part.segment(pictures())
    monkeypatch.setattr(panoptic, "MOST_CELLS", 600)
    asked = []
    post = part.image_processor.post_process_panoptic_segmentation

    def noted(outputs, threshold, mask_threshold, overlap_mask_area_threshold, label_ids_to_fuse, target_sizes):
        asked.extend(target_sizes)
        limits = threshold, mask_threshold, overlap_mask_area_threshold, label_ids_to_fuse
        return post(outputs, *limits, target_sizes=target_sizes)

    monkeypatch.setattr(part.image_processor, "post_process_panoptic_segmentation", noted)
    found = part.segment(pictures())
    assert all(h * w <= 640 for h, w in asked)
    for (cells, _), (before, _) in zip(found, whole, strict=True):
        assert cells.shape == before.shape and cells.dtype == np.uint8
    assert [s.validate() for s in part(pictures())]
