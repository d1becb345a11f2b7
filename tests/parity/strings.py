"""The verbalisers against the released code: sentences, prompts, maps and tables must be exactly equal.

`tests.parity.tensors` runs this on ``verbaliser_strings.json`` of its folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nunbit import coco, verbalise
from nunbit.crayon_map import crayon_grids, palette
from nunbit.scene import TextLine


def strings(file: Path, check: Any) -> None:
    record = json.loads(file.read_text(encoding="utf-8"))
    for kind, verbaliser in VERBALISERS.items():
        if not record.get(kind):
            check.note(kind, "the file has no case of it")
        for n, case in enumerate(record.get(kind, [])):
            name = f"{kind} {n}: {case.get('name', '')[:34]}"
            try:
                want = ("raises", case["raises"]) if "raises" in case else ("returns", expected(kind, case))
            except KeyError as e:
                check.note(name, f"the case has no {e.args[0]}")
                continue
            check.same(name, outcome(lambda s=verbaliser, c=case: s(c)), want)
    tables = record.get("tables", {}) | {"colours": record.get("colour_table_times_255")}
    for name, ours in (
        ("coco_panoptic_classes", [*coco.PANOPTIC_CLASSES]),
        ("predicates", [*coco.PREDICATES]),
        ("colours", palette().tolist()),
    ):
        if tables.get(name) is None:
            check.note(f"tables: {name}", "the file has none")
        else:
            check.same(f"tables: {name}", ours, tables[name])


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "returns", call()
    except Exception as e:  # the type is what is compared
        return "raises", type(e).__name__


def expected(kind: str, case: dict[str, Any]) -> Any:
    if kind == "collavo_prompt":
        maps = [unroll(case[f"{n}_index_runs"]) for n in ("semantic", "numbering")]
        forward = case.get("model_forward", {}).get("raises", "ok")
        return case.get("object_list", ""), maps, case["output_demo"], case["output_eval"], forward
    if kind == "system_prompt":
        return case["system"], case["demo"], case["eval"]
    if "relations_in_any_order" in case:
        return sorted(case["relations_in_any_order"])
    return case["output"]


def unroll(runs: list[list[int]]) -> list[int]:
    return np.repeat([v for v, _ in runs], [n for _, n in runs]).tolist()


def paint(case: dict[str, Any]) -> np.ndarray:
    cells = np.full((case["size"], case["size"]), case["background"])
    for i, y0, y1, x0, x1 in case["rects_id_y0_y1_x0_x1"]:
        cells[y0:y1, x0:x1] = i
    return cells


def verbalise_panoptic(case: dict[str, Any]) -> str:
    return verbalise.panoptic_sentence(paint(case), coco.segments_from_info(case["segments_info"]), compat=True)


def verbalise_detection(case: dict[str, Any]) -> str:
    names = [f"name {i}" for i in range(1847)]
    for label, name in zip(case["labels"], case["label_names"], strict=True):
        if name is not None:
            names[label] = name
    objects = verbalise.objects_from_detector(case["scores"], case["labels"], case["boxes"], names)
    return verbalise.detection_sentence(objects, 490, 490, compat=True)


def verbalise_relations(case: dict[str, Any]) -> Any:
    scores = np.zeros((len(case["pairs"]), 57), dtype=np.float32)
    for row, entries in zip(scores, case["relation_scores_column_value"], strict=True):
        for column, value in entries:
            row[column] = value
    said = verbalise.psg_sentence(case["labels_1_based"], scores, case["pairs"])
    if "relations_in_any_order" not in case:
        return said
    return sorted(said.removeprefix("The image includes relationships between objects: ")[:-1].split(", and "))


def verbalise_text(case: dict[str, Any]) -> str:
    lines = case["lines"]
    if lines is not None:
        lines = [TextLine.from_box(text, (0, 0, 1, 1), score) for text, score in lines]
    return verbalise.text_sentence(lines, compat=True)


def verbalise_collavo(case: dict[str, Any]) -> Any:
    cells, segments = paint(case), coco.segments_from_info(case["segments_info"])
    maps = crayon_grids(cells, segments, compat=True)
    listed = verbalise.object_list(cells, segments, compat=True)
    question = verbalise.collavo_question(case["question"], listed)
    kind, name = outcome(lambda: maps.embed(np.zeros((134, 1)), np.zeros((21, 1))))
    prompts = (verbalise.collavo_prompt(question, style) for style in ("demo", "eval"))
    return (
        listed,
        [m.ravel().tolist() for m in (maps.semantic, maps.numbering)],
        *prompts,
        name if kind == "raises" else "ok",
    )


VERBALISERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "moai_seg": verbalise_panoptic,
    "moai_od": verbalise_detection,
    "moai_sgg": verbalise_relations,
    "moai_ocr": verbalise_text,
    "moai_aux_join": lambda c: verbalise.join_aux(c["parts_seg_od_sgg_ocr"], compat=True),
    "box_to_string": lambda c: verbalise.box_to_string(c["box"]),
    "collavo_prompt": verbalise_collavo,
    "system_prompt": lambda c: (
        verbalise.SYSTEM,
        verbalise.collavo_prompt(c["question"], "demo"),
        verbalise.collavo_prompt(c["question"], "eval"),
    ),
}
