"""Scene -> words and maps: hand-written expectations, and every reference string where the folder is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.segments import SEGMENTS, cells

from nunbit import coco, verbalise
from nunbit.crayon_map import crayon_grids, palette
from nunbit.errors import UserError
from nunbit.scene import Relation, Scene, SceneObject, TextLine

FOLDER = os.environ.get("NUNBIT_GOLDEN", Path(__file__).parents[2] / "shared" / "golden")
GOLDEN = Path(FOLDER) / "verbaliser_strings.json"
FILE = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


def cases(kind: str) -> list:
    if not FILE and "NUNBIT_GOLDEN" in os.environ:
        raise FileNotFoundError(f"NUNBIT_GOLDEN is set, and there is no {GOLDEN}")
    if not FILE:
        reason = f"no reference strings at {GOLDEN.parent} (set NUNBIT_GOLDEN)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(c, id=str(c.get("name", i))[:40]) for i, c in enumerate(FILE[kind])]


def expect(case: dict, call) -> None:
    if "raises" in case:
        with pytest.raises(Exception) as caught:
            call()
        assert type(caught.value).__name__ == case["raises"]
    else:
        assert call() == case["output"]


def paint(case: dict) -> np.ndarray:
    cells = np.full((case["size"], case["size"]), case["background"])
    for i, y0, y1, x0, x1 in case["rects_id_y0_y1_x0_x1"]:
        cells[y0:y1, x0:x1] = i
    return cells


def unroll(runs: list) -> np.ndarray:
    return np.repeat([v for v, _ in runs], [n for _, n in runs])


# ---- reference strings


@pytest.mark.parametrize("case", cases("moai_seg"))
def test_golden_panoptic(case):
    segments = coco.segments_from_info(case["segments_info"])
    expect(case, lambda: verbalise.panoptic_sentence(paint(case), segments, compat=True))


@pytest.mark.parametrize("case", cases("moai_od"))
def test_golden_detection(case):
    names = [f"name {i}" for i in range(1847)]
    for label, name in zip(case["labels"], case["label_names"], strict=True):
        if name is not None:
            names[label] = name

    def call() -> str:
        objects = verbalise.objects_from_detector(case["scores"], case["labels"], case["boxes"], names)
        return verbalise.detection_sentence(objects, 490, 490, compat=True)

    expect(case, call)


@pytest.mark.parametrize("case", cases("moai_sgg"))
def test_golden_relations(case):
    scores = np.zeros((len(case["pairs"]), 57), dtype=np.float32)
    for row, entries in zip(scores, case["relation_scores_column_value"], strict=True):
        for column, value in entries:
            row[column] = value

    def call() -> str:
        return verbalise.psg_sentence(case["labels_1_based"], scores, case["pairs"])

    if "relations_in_any_order" not in case:
        expect(case, call)
        return
    opening = "The image includes relationships between objects: "
    said = call()
    assert said.startswith(opening)
    assert sorted(said[len(opening) : -1].split(", and ")) == sorted(case["relations_in_any_order"])


@pytest.mark.parametrize("case", cases("moai_ocr"))
def test_golden_text(case):
    lines = case["lines"]
    if lines is not None:
        lines = [TextLine.from_box(text, (0, 0, 1, 1), score) for text, score in lines]
    expect(case, lambda: verbalise.text_sentence(lines, compat=True))


@pytest.mark.parametrize("case", cases("moai_aux_join"))
def test_golden_join(case):
    expect(case, lambda: verbalise.join_aux(case["parts_seg_od_sgg_ocr"], compat=True))


@pytest.mark.parametrize("case", cases("box_to_string"))
def test_golden_box(case):
    expect(case, lambda: verbalise.box_to_string(case["box"]))


@pytest.mark.parametrize("case", cases("collavo_prompt"))
def test_golden_collavo(case):
    cells, segments = paint(case), coco.segments_from_info(case["segments_info"])

    def call() -> tuple:
        maps = crayon_grids(cells, segments, compat=True)
        return maps, verbalise.object_list(cells, segments, compat=True)

    if "raises" in case:
        expect(case, call)
        return
    maps, listed = call()
    assert listed == case.get("object_list", "")
    np.testing.assert_array_equal(maps.semantic.ravel(), unroll(case["semantic_index_runs"]))
    np.testing.assert_array_equal(maps.numbering.ravel(), unroll(case["numbering_index_runs"]))
    question = verbalise.collavo_question(case["question"], listed)
    assert verbalise.collavo_prompt(question, "demo") == case["output_demo"]
    assert verbalise.collavo_prompt(question, "eval") == case["output_eval"]
    if "model_forward" in case:
        tables = np.zeros((134, 2)), np.zeros((21, 2))
        if case["model_forward"].get("raises"):
            with pytest.raises(IndexError):
                maps.embed(*tables)
        else:
            assert maps.embed(*tables).shape == (1225, 2)


@pytest.mark.parametrize("case", cases("system_prompt"))
def test_golden_system_prompt(case):
    assert case["system"] == verbalise.SYSTEM
    assert verbalise.collavo_prompt(case["question"], "demo") == case["demo"]
    assert verbalise.collavo_prompt(case["question"], "eval") == case["eval"]


@pytest.mark.skipif(not FILE, reason="no reference strings")
def test_golden_tables():
    assert list(coco.PANOPTIC_CLASSES) == FILE["tables"]["coco_panoptic_classes"]
    assert list(coco.PREDICATES) == FILE["tables"]["predicates"]
    assert palette().tolist() == FILE["colour_table_times_255"]


# ---- the same arithmetic by hand


PREFIX = "The image includes bounding box coordinates and their objects: "


def test_object_list_and_sentence():
    first, second, third = "[0.00, 0.00, 0.29, 0.29]", "[0.57, 0.14, 0.86, 0.57]", "[0.00, 0.71, 1.00, 1.00]"
    listed = f"(#1 person) {first}, (#2 person) {second}, (#1 grass) {third}"
    assert verbalise.object_list(cells(), SEGMENTS) == verbalise.object_list(cells(), SEGMENTS, compat=True) == listed
    assert verbalise.panoptic_sentence(cells(), SEGMENTS) == (
        PREFIX + f"{first} person, and {second} person, and {third} grass."
    )
    assert verbalise.collavo_question("Hi?", "") == "None of detailed object information for image. Hi?"
    assert verbalise.collavo_question("Hi?", listed) == f"The image includes {listed}. Hi?"


def test_a_vanished_segment_keeps_the_others_at_their_place():
    gone = cells()
    gone[gone == 1] = 0
    left = "(#2 person) [0.57, 0.14, 0.86, 0.57], (#1 grass) [0.00, 0.71, 1.00, 1.00]"
    assert verbalise.object_list(gone, SEGMENTS) == left
    assert verbalise.panoptic_sentence(gone, SEGMENTS, compat=True) == ""
    with pytest.raises(IndexError):
        verbalise.object_list(gone, SEGMENTS, compat=True)


def test_detections_are_clipped_unless_compat():
    objects = [SceneObject("goldfish", (-5, 10, 495, 480), 0.5), SceneObject("tree", (0, 0, 9, 9), 0.49)]
    assert verbalise.detection_sentence(objects, 490, 490) == PREFIX + "[0.00, 0.02, 1.00, 0.98] goldfish."
    raw = PREFIX + "[-0.01, 0.02, 1.01, 0.98] goldfish."
    assert verbalise.detection_sentence(objects, 490, 490, compat=True) == raw
    assert verbalise.box_to_string([0.125, 0.005, 0.995, 0.025]) == "[0.12, 0.00, 1.00, 0.03]"


def test_relations_number_repeated_names():
    objects = [SceneObject(n, (0, 0, 1, 1)) for n in ("person", "person", "sky-other-merged")]
    relations = [Relation(0, "holding", 2, 0.8), Relation(1, "in", 0, 0.79), Relation(0, "on", 7, 0.9)]
    opening = "The image includes relationships between objects: "
    assert verbalise.relation_sentence(objects, relations) == opening + "person (#1) is holding sky."
    assert verbalise.relation_sentence(objects, relations, compat=True) == ""


def test_scene_graph_scores():
    scores = np.zeros((3, 57), dtype=np.float32)
    scores[0, 0], scores[1, 22], scores[2, 4] = 0.99, 0.95, 0.85
    found = verbalise.relations_from_scores(scores, [(0, 1), (1, 0), (0, 1)], 2)
    assert sorted((r.subject, r.predicate, r.object) for r in found) == [(0, "on", 1), (1, "holding", 0)]
    assert verbalise.psg_sentence([1, 18, 19], scores[:2], [(0, 1), (1, 0)]) == ""


def test_text_and_join():
    lines = [TextLine.from_box(t, (0, 0, 1, 1), s) for t, s in (("출구", 0.85), ("x", 0.84), (" ", 0.99))]
    assert verbalise.text_sentence(lines) == "The image includes text descriptions: 출구."
    assert verbalise.text_sentence(None) == verbalise.text_sentence([]) == ""
    with pytest.raises(TypeError):
        verbalise.text_sentence(None, compat=True)
    assert verbalise.join_aux(["A.", "", "", "D."]) == "A. D."
    assert verbalise.join_aux(["A.", "", "", "D."], compat=True) == "A.   D."


def test_moai_text_of_a_scene():
    scene = Scene(
        35, 35, [SceneObject("person", (0, 0, 10, 10), segment=1), SceneObject("lamp", (7, 7, 14, 14), 0.9)],
        [Relation(0, "beside", 1)], [TextLine.from_box("OPEN", (1, 1, 9, 3))], SEGMENTS[:1], (cells() == 1).astype(int),
    )  # fmt: skip
    assert verbalise.moai_text(scene) == (
        PREFIX + "[0.00, 0.00, 0.29, 0.29] person. " + PREFIX + "[0.20, 0.20, 0.40, 0.40] lamp. "
        "The image includes relationships between objects: person is beside lamp. "
        "The image includes text descriptions: OPEN."
    )
    assert verbalise.moai_text(Scene(5, 5)) == ""
    assert verbalise.moai_text(Scene(5, 5), compat=True) == "   "


def test_transcription():
    scene = Scene(
        200, 100,
        [SceneObject("circle", (20, 20, 60, 40), attributes={"colour": "red"}), SceneObject("dog", (-9, 0, 200, 100))],
        text_lines=[TextLine.from_box('say "no"', (20, 90, 60, 99)), TextLine.from_box("OPEN", (20, 70, 60, 80))],
    )  # fmt: skip
    assert verbalise.transcribe(scene) == (
        "Objects: red circle [10, 20, 30, 40]; dog [0, 0, 100, 100]. "
        'Text: "OPEN" [10, 70, 30, 80]; "say \'no\'" [10, 90, 30, 99].'
    )
    korean = verbalise.transcribe(scene, "ko", translate={"red": "빨간색", "circle": "원"}, max_items=1)
    assert korean == '물체: 빨간색 원 [10, 20, 30, 40]; +1. 글자: "OPEN" [10, 70, 30, 80]; +1.'
    assert verbalise.transcribe(Scene(4, 4), "zh") == "物体: 没有识别出内容。"
    with pytest.raises(UserError, match="en, ko, zh"):
        verbalise.transcribe(scene, "fr")
