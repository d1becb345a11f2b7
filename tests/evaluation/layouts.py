"""Writes small copies of each benchmark in the layouts in which people download them: a dozen items or more, tiny
pictures, known answers.
"""

from tests.evaluation.choice_layouts import (
    ai2d_mask,
    ai2d_no_mask,
    k_dtcbench,
    k_mmbench,
    k_seed,
    mmbench,
    scienceqa,
    scienceqa_original,
    seed,
)
from tests.evaluation.data_files import COLOURS, b64, options_of, picture, tsv, write_json, zipped


def mathvista_rows():
    kinds = [
        ("multi_choice", "text", ["3", "4", "5"], "4", None),
        ("free_form", "integer", None, "12", None),
        ("free_form", "float", None, "1.2", 1.0),
        ("free_form", "float", None, "2.55", 2.0),
        ("free_form", "list", None, "[1, 2, 3]", None),
        ("multi_choice", "text", ["a cat", "a dog"], "a dog", None),
    ]
    rows = {}
    for n in range(12):
        kind, form, choices, answer, precision = kinds[n % 6]
        rows[str(n + 1)] = {
            "pid": str(n + 1),
            "question": f"How many, {n}?",
            "image": f"images/{n + 1}.png",
            "choices": choices,
            "unit": None,
            "precision": precision,
            "answer": answer,
            "question_type": kind,
            "answer_type": form,
            "query": "",
            "metadata": {
                "category": "math-targeted-vqa",
                "context": "chart",
                "grade": "daily life",
                "language": "english",
                "skills": ["arithmetic reasoning", "geometry reasoning"][: 1 + n % 2],
                "source": "X",
                "task": "figure QA",
            },
        }
    return rows


def mathvista(folder):
    for n in range(12):
        picture(folder / "images" / f"{n + 1}.png", n)
    write_json(folder / "data" / "testmini.json", mathvista_rows())
    return folder


def mme(folder):
    for task in ("existence", "OCR", "code_reasoning"):
        for n in range(3):
            picture(folder / "MME" / task / f"{n}.png", n)
            lines = f"Is it {COLOURS[n]}? Please answer yes or no.\tYes\nIs it loud? Please answer yes or no.\tNo\n"
            (folder / "MME" / task / f"{n}.txt").write_text(lines, encoding="utf-8")
    return zipped(folder / "MME")


def pope(folder):
    for n in range(4):
        picture(folder / "val2014" / f"COCO_val2014_{n}.jpg", n)
    for kind in ("random", "popular", "adversarial"):
        rows = [
            {
                "question_id": n + 1,
                "image": f"COCO_val2014_{n}.jpg",
                "text": f"Is there a {kind} dog in the image?",
                "label": ["yes", "no"][n % 2],
            }
            for n in range(4)
        ]
        write_json(folder / "coco" / f"coco_pope_{kind}.json", rows, lines=True)
    return folder


def pope_tsv(folder):
    rows = [
        {
            "index": n,
            "image": b64(n),
            "question": "Is there a dog in the image?",
            "answer": ["Yes", "No"][n % 2],
            "category": "random,popular",
        }
        for n in range(12)
    ]
    return tsv(folder / "POPE.tsv", rows)


def textvqa(folder):
    rows = []
    for n in range(12):
        picture(folder / "train_images" / f"img{n}.jpg", n)
        rows.append(
            {
                "question_id": n,
                "question": "what word is it?",
                "image_id": f"img{n}",
                "image_classes": ["Sign"],
                "set_name": "val",
                "ocr_tokens": ["STOP", COLOURS[n]],
                "answers": [COLOURS[n]] * 10,
            }
        )
    write_json(folder / "TextVQA_0.5.1_val.json", {"dataset_type": "val", "data": rows})
    return folder


def chartqa(folder):
    for kind in ("human", "augmented"):
        for n in range(6):
            picture(folder / "test" / "png" / f"{kind}{n}.png", n)
        write_json(
            folder / "test" / f"test_{kind}.json",
            [
                {"imgname": f"{kind}{n}.png", "query": "How many?", "label": ["12", "red", "25%"][n % 3]}
                for n in range(6)
            ],
        )
    picture(folder / "train" / "png" / "t.png", 1)
    write_json(folder / "train" / "train_human.json", [{"imgname": "t.png", "query": "?", "label": "1"}])
    return folder


def docvqa(folder):
    for n in range(12):
        picture(folder / "documents" / f"d{n}_1.png", n)
    rows = [
        {
            "questionId": 100 + n,
            "question": "What is the date?",
            "image": f"documents/d{n}_1.png",
            "docId": n,
            "ucsf_document_id": f"d{n}",
            "ucsf_document_page_no": "1",
            "question_types": ["form"],
            "answers": [f"May {n}, 1999", f"{n} May 1999"],
            "data_split": "val",
        }
        for n in range(12)
    ]
    write_json(folder / "val_v1.0_withQT.json", {"dataset_name": "docvqa", "dataset_split": "val", "data": rows})
    return folder


def ocrbench(folder):
    kinds = ["Regular Text Recognition", "Doc-oriented VQA", "Handwritten Mathematical Expression Recognition"]
    rows = [
        {
            "index": n,
            "image": b64(n),
            "question": "what is written in the image?",
            "answer": str([["CENTRE"], ["$5", "5 dollars"], ["x ^ 2 + Y"]][n % 3]),
            "category": kinds[n % 3],
        }
        for n in range(12)
    ]
    return tsv(folder / "OCRBench.tsv", rows)


def mmmu_rows():
    rows = []
    for n in range(12):
        opened = n % 4 == 3
        rows.append(
            {
                "id": f"validation_{['Art', 'Math'][n % 2]}_{n}",
                "question": "See <image 1> and <image 2>: which?" if n % 3 == 0 else "Which?",
                "options": "[]" if opened else str(options_of(n)),
                "answer": "['12', 'twelve']" if opened else "ABCD"[n % 4],
                "question_type": "open" if opened else "multiple-choice",
                "subfield": "X",
                "topic_difficulty": "Easy",
                "image_1": b64(n),
                "image_2": b64(n + 50) if n % 3 == 0 else "",
            }
        )
    return rows


def mmmu(folder):
    return tsv(folder / "MMMU_validation.tsv", mmmu_rows())


def hallusion(folder):
    rows = []
    for s in range(3):
        for figure in range(2):
            picture(folder / "hallusion_bench" / "VD" / f"{s}_{figure}.png", 2 * s + figure)
            for q in range(2):
                rows.append(
                    {
                        "category": "VD",
                        "subcategory": "illusion",
                        "visual_input": "1",
                        "set_id": str(s),
                        "figure_id": str(figure),
                        "question_id": str(q),
                        "question": f"Are they equal, {q}?",
                        "gt_answer": str((figure + q) % 2),
                        "gt_answer_details": "x",
                        "filename": f"./hallusion_bench/VD/{s}_{figure}.png",
                    }
                )
    rows.append(rows[0] | {"category": "VS", "visual_input": "0", "figure_id": "0", "filename": None})
    write_json(folder / "HallusionBench.json", rows)
    return folder


def coco_captions(folder):
    images, notes = [], []
    for n in range(12):
        picture(folder / "val2014" / f"COCO_{n}.jpg", n)
        images.append({"id": n, "file_name": f"COCO_{n}.jpg"})
        for k in range(2):
            notes.append(
                {
                    "image_id": n,
                    "id": 2 * n + k,
                    "caption": f"A {COLOURS[n]} bird sits near a {COLOURS[(n + 5) % 12]} tree number {n}.",
                }
            )
    write_json(folder / "annotations" / "captions_val2014.json", {"images": images, "annotations": notes})
    return folder


SCENES = (
    ("dining table, knife, fork", "A desk with two knives.", "Forks and a cup beside a plate."),
    ("person, hot dog", "A child eats a hot dog.", "A kid with lunch."),
    ("traffic light, car, bus", "Cars wait at the street light.", "A taxi behind a bus."),
    ("wine glass, bottle, dining table", "Wine glasses on a table.", "Two bottles of red wine."),
    ("toilet, sink", "The seat of a toilet.", "A lavatory beside a small sink."),
    ("train, person", "People near the train tracks.", "A locomotive comes in."),
    ("bear", "A baby bear in the grass.", "The adult bear is out of sight."),
    ("mouse, keyboard, laptop", "A notebook computer with its mouse.", "A monitor stands behind."),
    ("couch, cat, remote", "A kitten sleeps on the sofa.", "The remotes lie on the floor."),
    ("motorcycle, person", "A biker on a motorbike.", "A lorry overtakes him."),
    ("bird, boat", "Geese swim past a sailboat.", "Ducks at the harbour."),
    ("bench, person", "Old men on a bench.", "A man holds an umbrella."),
    ("vase, potted plant, clock", "Vases of all sizes.", "A houseplant under a clock."),
    ("oven, cake, refrigerator", "A cupcake cools beside the stove.", "A fridge full of food."),
    ("skis, snowboard, person", "A skier and a snowboarder.", "Pairs of skis in the snow."),
    ("cow, sheep", "Calves and lambs in one field.", "Cattle at a fence, one goat."),
)
"""What the annotations of a picture hold, and its captions, which name more."""


def chair(folder):
    """Both files of COCO: instances of some classes, and captions."""
    names = sorted({o for objects, *_ in SCENES for o in objects.split(", ")})
    images, notes, captions = [], [], []
    for n, (objects, *said) in enumerate(SCENES):
        id_ = 391 + 13 * n
        images.append({"id": id_, "file_name": f"COCO_val2014_{id_:012d}.jpg"})
        picture(folder / "val2014" / images[-1]["file_name"], n)
        notes += [
            {"image_id": id_, "category_id": 1 + names.index(o), "bbox": [0, 0, 1, 1]} for o in objects.split(", ")
        ]
        captions += [{"image_id": id_, "caption": c} for c in said]
    classes = [{"id": 1 + k, "name": o} for k, o in enumerate(names)]
    for kind, part, extra in (("instances", notes, {"categories": classes}), ("captions", captions, {})):
        rows = [{"id": k, **a} for k, a in enumerate(part)]
        write_json(folder / "annotations" / f"{kind}_val2014.json", {"images": images, "annotations": rows, **extra})
    return folder


def mm_vet(folder):
    rows = {}
    for n in range(12):
        picture(folder / "images" / f"v1_{n}.png", n)
        rows[f"v1_{n}"] = {
            "imagename": f"v1_{n}.png",
            "question": "What is it?",
            "answer": "red <AND> blue",
            "imagesource": "",
            "capability": [["ocr"], ["ocr", "math"]][n % 2],
        }
    write_json(folder / "mm-vet.json", rows)
    return folder


def own(folder):
    rows = []
    for n in range(12):
        picture(folder / "pictures" / f"{n}.png", n)
        row = {"id": f"q{n}", "image": f"pictures/{n}.png", "question": "Which?", "category": ["a", "b"][n % 2]}
        rows.append(
            row | ({"options": options_of(n), "answer": options_of(n)[1]} if n % 2 else {"answers": ["red", "crimson"]})
        )
    return write_json(folder / "questions.jsonl", rows, lines=True)


LAYOUTS = {
    "mmbench": [mmbench],
    "mmbench-cn": [mmbench],
    "k-mmbench": [k_mmbench],
    "ai2d-mask": [ai2d_mask],
    "ai2d-no-mask": [ai2d_no_mask],
    "mathvista": [mathvista],
    "mme": [mme],
    "pope": [pope, pope_tsv],
    "scienceqa-img": [scienceqa, scienceqa_original],
    "seed-bench": [seed],
    "k-seed": [k_seed],
    "k-dtcbench": [k_dtcbench],
    "textvqa": [textvqa],
    "chartqa": [chartqa],
    "docvqa": [docvqa],
    "ocrbench": [ocrbench],
    "mmmu": [mmmu],
    "hallusionbench": [hallusion],
    "coco-captions": [coco_captions],
    "chair": [chair],
    "mm-vet": [mm_vet],
    "jsonl": [own],
}
"""Benchmark -> the layouts that are written for it."""
