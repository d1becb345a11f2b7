"""The same benchmarks as the tab-separated tables that VLMEvalKit distributes, beside the other layouts; its own code
reads these files.
"""

from tests.evaluation.choice_layouts import ai2d_mask, ai2d_no_mask, k_mmbench, k_seed, lettered, mmbench, scienceqa
from tests.evaluation.data_files import COLOURS, b64, options_of, tsv
from tests.evaluation.layouts import chair, mathvista_rows, mmmu_rows, ocrbench, pope_tsv

MME_TASKS = (
    "OCR",
    "artwork",
    "celebrity",
    "code_reasoning",
    "color",
    "commonsense_reasoning",
    "count",
    "existence",
    "landmark",
    "numerical_calculation",
    "position",
    "posters",
    "scene",
    "text_translation",
)


def mathvista_table(folder):
    """The question column holds the whole query; a choice has its letter beside the text."""
    rows = []
    for n, r in enumerate(mathvista_rows().values()):
        options = r["choices"] or []
        letter = "ABC"[options.index(r["answer"])] if options else ""
        listed = "\nChoices:\n" + "\n".join(f"({'ABC'[k]}) {o}" for k, o in enumerate(options)) if options else ""
        rows.append(
            {
                "index": r["pid"],
                "image": b64(n),
                "question": f"Hint: Please answer.\nQuestion: {r['question']}{listed}",
                "answer": r["answer"],
                "answer_option": letter,
                "choices": str(options),
                "question_type": r["question_type"],
                "answer_type": r["answer_type"],
                "task": "figure QA",
                "skills": str(r["metadata"]["skills"]),
                "precision": r["precision"] or "",
            }
        )
    return tsv(folder / "MathVista_MINI.tsv", rows)


def mme_table(folder):
    """All fourteen tasks, a picture each: VLMEvalKit's sums need every one of them."""
    rows = [
        {
            "index": 2 * n + k,
            "image": b64(n),
            "image_path": f"{task}/{n}.png",
            "question": f"Is it so, {k}? Please answer yes or no.",
            "answer": ["Yes", "No"][k],
            "category": task,
        }
        for n, task in enumerate(MME_TASKS)
        for k in (0, 1)
    ]
    return tsv(folder / "MME.tsv", rows)


def hallusion_table(folder):
    """Two parts of the benchmark have a subcategory of one name, with sets and figures of the same numbers."""
    rows = []
    for n, (part, sub, set_) in enumerate((("VD", "ocr", 0), ("VS", "ocr", 0), ("VD", "illusion", 1))):
        for figure in (1, 2):
            for q in (0, 1):
                rows.append(
                    {
                        "index": f"{part}_{sub}_1_{set_}_{figure}_{q}",
                        "image": b64(2 * n + figure),
                        "question": f"Are they equal, {q}?",
                        "answer": ["No", "Yes"][(figure + q) % 2],
                        "category": part,
                        "l2-category": sub,
                    }
                )
    return tsv(folder / "HallusionBench.tsv", rows)


def textvqa_table(folder):
    people = [
        ["red"] * 7 + ["the red"] * 2 + ["dark red"],
        ["2 dogs"] * 2 + ["two dogs"] * 8,
        ["it's"] * 10,
        ["a-b"] * 5 + ["10:30 p.m."] * 5,
    ]
    rows = [
        {"index": n, "image": b64(n), "question": "what word is it?", "answer": str(people[n % 4])} for n in range(12)
    ]
    return tsv(folder / "TextVQA_VAL.tsv", rows)


def chartqa_table(folder):
    rows = [
        {
            "index": n,
            "image": b64(n),
            "question": "How many?",
            "answer": ["12", "red", "25%", "2020", "0"][n % 5],
            "split": ["test_human", "test_augmented"][n % 2],
        }
        for n in range(15)
    ]
    return tsv(folder / "ChartQA_TEST.tsv", rows)


def docvqa_table(folder):
    rows = [
        {
            "index": n,
            "image": b64(n),
            "question": "What is the date?",
            "answer": str([f"May {n},  1999", f"{n} May 1999"]),
        }
        for n in range(12)
    ]
    return tsv(folder / "DocVQA_VAL.tsv", rows)


def mmmu_table(folder):
    """Options in columns; an open question has none, and its answer is the word itself."""
    rows = []
    for n, r in enumerate(mmmu_rows()):
        opened = r["question_type"] == "open"
        pictures = [p for p in (r["image_1"], r["image_2"]) if p]
        rows.append(
            {
                "index": n,
                "id": r["id"],
                "question": r["question"],
                **{c: "" if opened else options_of(n)[k] for k, c in enumerate("ABCD")},
                "answer": "12" if opened else r["answer"],
                "category": ["Art", "Math"][n % 2],
                "split": "validation",
                "image": str(pictures) if len(pictures) > 1 else pictures[0],
            }
        )
    return tsv(folder / "MMMU_DEV_VAL.tsv", rows)


def coco_table(folder):
    rows = [
        {
            "index": n,
            "image": b64(n),
            "answer": str(
                [
                    f"A {COLOURS[n]} bird sits near a {COLOURS[(n + 5) % 12]} tree number {n}.",
                    f"One {COLOURS[n]} bird, and a tree.",
                ]
            ),
        }
        for n in range(12)
    ]
    return tsv(folder / "COCO_VAL.tsv", rows)


def mm_vet_table(folder):
    abilities = ("ocr", "ocr,math", "rec,know", "rec,spat,gen")
    rows = [
        {"index": n, "image": b64(n), "question": "What is it?", "answer": "red<AND>blue", "category": abilities[n % 4]}
        for n in range(12)
    ]
    return tsv(folder / "MMVet.tsv", rows)


def mmbench_cn_table(folder):
    return mmbench(folder, "MMBench_DEV_CN.tsv")


def seed_table(folder):
    return tsv(folder / "SEEDBench_IMG.tsv", [lettered(n) for n in range(12)])


def k_dtcbench_table(folder):
    """VLMEvalKit's copy has the options in columns A to D."""
    return tsv(folder / "K-DTCBench.tsv", [lettered(n) for n in range(12)])


TABLES = {
    "mmbench": mmbench,
    "mmbench-cn": mmbench_cn_table,
    "k-mmbench": k_mmbench,
    "ai2d-mask": ai2d_mask,
    "ai2d-no-mask": ai2d_no_mask,
    "mathvista": mathvista_table,
    "mme": mme_table,
    "pope": pope_tsv,
    "scienceqa-img": scienceqa,
    "seed-bench": seed_table,
    "k-seed": k_seed,
    "k-dtcbench": k_dtcbench_table,
    "textvqa": textvqa_table,
    "chartqa": chartqa_table,
    "docvqa": docvqa_table,
    "ocrbench": ocrbench,
    "mmmu": mmmu_table,
    "hallusionbench": hallusion_table,
    "coco-captions": coco_table,
    "mm-vet": mm_vet_table,
    "chair": chair,
}
"""Benchmark -> its table; of CHAIR, which VLMEvalKit has not, the one layout that there is."""
