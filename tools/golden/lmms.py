"""lmms-eval's side of `tools.golden.make`: its tasks' own functions write the prompts, process replies and aggregate.

Rows are made in the columns of the data sets that its task files name, from the same fixtures. Prompts use the
``default`` settings of the task files. Where a task would call an LLM, the reply itself is returned (MathVista) or the
recorded verdict (MM-Vet). CHAIR reads WordNet and sentence boundaries from the folder that NLTK_DATA names, made by
`tools.golden.nltk_data`. NLTK's tagger is replaced by one that calls every word a noun, as the task itself does with
words of other kinds; where the real tagger finds a verb, "skiing" is a mention of skis.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.golden.lmms_choices import (
    KDTC,
    MME,
    MMMU,
    POPE,
    Diagrams,
    MathVista,
    MMBench,
    ScienceQA,
    Seed,
)
from tools.golden.lmms_side import Answers, PerItem, Side

# isort: split
from lmms_eval.api.metrics import anls


def version(source: Path) -> str:
    import tomllib

    return str(tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


class TextVQA(PerItem):
    module, file = "textvqa.utils", "textvqa/_default_template_textvqa_yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question_id": item.id, "question": item.question, "answers": list(item.gold), "ocr_tokens": []}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.textvqa_doc_to_text(doc, self.settings)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        doc["answers"] = list(doc["answers"])  # its code writes into this list
        return self.task.textvqa_process_results(doc, [reply])["exact_match"]


class ChartQA(PerItem):
    module, file = "chartqa.utils", "chartqa/chartqa.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question": item.question, "answer": item.gold[0], "type": f"{item.categories['category'][0]}_test"}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.chartqa_doc_to_text(doc, self.settings)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        return self.task.chartqa_process_results(doc, [reply])["relaxed_overall"]


class DocVQA(PerItem):
    module, file, figure = "docvqa.utils", "docvqa/_default_template_docvqa_yaml", "ANLS"

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question": item.question, "answers": list(item.gold)}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.docvqa_doc_to_text(doc, self.settings)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        return anls(references=doc["answers"], predictions=[reply])["anls"]


class OCRBench(Side):
    module, file = "ocrbench.utils", "ocrbench/ocrbench.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        kind = item.categories["category"][0]
        return {
            "question": item.question,
            "answer": list(item.gold),
            "question_type": kind,
            "dataset": "HME100k" if item.facts["formula"] else "x",
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.ocrbench_doc_to_text(doc, self.settings)

    def rows(self, replies: dict[str, str]) -> dict[str, dict[str, Any]]:
        return {
            k: self.task.ocrbench_process_results(d, [replies[k]])["ocrbench_accuracy"] for k, d in self.docs.items()
        }

    def total(self, rows: Sequence[dict[str, Any]], fresh: bool = True) -> float:
        if fresh:  # its counts are a global of the module and would go on from the set before
            self.task.OCRBench_score.update(dict.fromkeys(self.task.OCRBench_score, 0))
        self.task.generate_submission_file = lambda name, args, subpath="": os.devnull
        return 1000 * self.task.ocrbench_aggregate_accuracy(rows, None)

    def score(self, replies: dict[str, str]) -> Answers:
        rows = self.rows(replies)
        return {k: float(r["score"]) for k, r in rows.items()}, {"right answers": self.total([*rows.values()])}


class Captions(Side):
    module = "coco_cap.utils"

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question_id": f"COCO_val2014_{item.id}.jpg", "answer": list(item.gold), "id": int(item.id)}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.coco_doc_to_text(doc)

    def score(self, replies: dict[str, str]) -> Answers:
        self.task.Meteor = lambda: None  # its METEOR starts a Java program of its own; nunbit has no METEOR
        self.task.generate_submission_file = lambda name, args: os.devnull
        rows = [self.task.coco_process_result(d, [replies[k]])["coco_CIDEr"] for k, d in self.docs.items()]
        figures = {"CIDEr-D": "CIDEr", "ROUGE-L": "ROUGE_L", **{f"BLEU-{n}": f"Bleu_{n}" for n in range(1, 5)}}
        return {}, {
            ours: 100 * self.task.coco_aggregation_result([dict(r) for r in rows], theirs, None)
            for ours, theirs in figures.items()
        }


class Objects(Side):
    module = "coco_cap_chair.utils"

    def __init__(self, table: Path, items: Sequence[Any]) -> None:
        super().__init__(table, items)
        all_nouns(self.task)

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question_id": item.id, "gt_object": list(item.gold)}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.coco_cap_chair_doc_to_text(doc)

    def score(self, replies: dict[str, str]) -> Answers:
        """An item's score is the share of its mentions that exist. Without mentions its code divides by 0."""
        rows = {
            k: self.task.coco_cap_chair_process_result(d, [replies[k]])["coco_cap_chair_i"]
            for k, d in self.docs.items()
        }
        named = {k: r for k, r in rows.items() if r["pred"]}
        figures = {"CHAIRi": "chair_i", "CHAIRs": "chair_s", "recall": "recall"}
        totals = {
            ours: getattr(self.task, f"coco_cap_chair_aggregate_results_{theirs}")([*rows.values()])
            for ours, theirs in figures.items()
            if named or ours != "CHAIRi"
        }
        return {k: 1 - self.task.coco_cap_chair_aggregate_results_chair_i([r]) / 100 for k, r in named.items()}, totals


def all_nouns(task: types.ModuleType) -> None:
    if importlib.util.find_spec("nltk") is None or not os.environ.get("NLTK_DATA"):
        raise SystemExit("CHAIR needs NLTK, and NLTK_DATA naming the folder that tools/golden/nltk_data.py makes")
    task.nltk.pos_tag = lambda words: [(w, "NN") for w in words]


class Graded(Side):
    module, file = "mmvet.utils", "mmvet/mmvet.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "question_id": item.id,
            "question": item.question,
            "answer": item.gold[0],
            "capability": ",".join(item.categories["ability"]),
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.doc_to_text(doc, self.settings)

    def judged(self, replies: dict[str, str], verdicts: dict[str, str]) -> Answers:
        self.task.time = types.SimpleNamespace(sleep=lambda seconds: None)
        rows = {}
        for k, doc in self.docs.items():
            self.task.get_chat_response = lambda *_, said=verdicts[k], **__: (said, "stub")
            rows[k] = self.task.mmvet_process_results(doc, [replies[k]])["gpt_eval_score"]
        return {k: float(r["score"]) for k, r in rows.items()}, {
            "score": self.task.mmvet_aggregate_results([*rows.values()])
        }


def _of(kind: type[Side], **stated: str) -> type[Side]:
    return type(kind.__name__, (kind,), stated)


BENCHMARKS: dict[str, Callable[[Path, Sequence[Any]], Side]] = {
    **{
        name: _of(MMBench, module=f"mmbench.{tongue}_utils", file=f"mmbench/_default_template_mmbench_{tongue}_yaml")
        for name, tongue in (("mmbench", "en"), ("mmbench-cn", "cn"), ("k-mmbench", "ko"))
    },
    "ai2d-mask": Diagrams,
    "ai2d-no-mask": _of(Diagrams, file="ai2d/ai2d_no_mask.yaml"),
    "scienceqa-img": ScienceQA,
    "seed-bench": Seed,
    "k-dtcbench": KDTC,
    "mme": MME,
    "pope": POPE,
    "textvqa": TextVQA,
    "chartqa": ChartQA,
    "docvqa": DocVQA,
    "ocrbench": OCRBench,
    "mmmu": MMMU,
    "mathvista": MathVista,
    "coco-captions": Captions,
    "chair": Objects,
    "mm-vet": Graded,
}


def defects(scratch: Path) -> dict[str, Any]:
    """Inputs on which its code goes wrong, with what it makes of them."""
    from lmms_eval.tasks.mmmu import utils as mmmu
    from lmms_eval.tasks.ocrbench import utils as ocr

    bench = importlib.import_module("lmms_eval.tasks.mathvista.utils").mathvista_evaluator
    choice = ["red", "blue car"]
    open_ = {r: mmmu.eval_open(g, str(mmmu.parse_open_response(r)[0])) for r, g in (("12", "12"), ("paris", "paris"))}
    ocr.generate_submission_file = lambda name, args, subpath="": os.devnull
    ocr.OCRBench_score.update(dict.fromkeys(ocr.OCRBench_score, 0))
    said = [{"prediction": p, "ground_truth": "yes"} for p in ("yes", "yes.")]
    pope = importlib.import_module("lmms_eval.tasks.pope.utils")
    row = {"question_type": "Doc-oriented VQA", "score": 1}
    chair = importlib.import_module("lmms_eval.tasks.coco_cap_chair.utils")
    all_nouns(chair)
    lost = ("Two men.", "Three vases.", "Two smartphones.", "A motor bike.", "A cheesecake.", "An iPhone.")
    try:
        silent = str(chair.coco_cap_chair_aggregate_results_chair_i([{"answer": ["dog"], "pred": []}]))
    except ZeroDivisionError as e:
        silent = type(e).__name__
    return {
        "mathvista: a precision of 1.0 loses every decimal": {
            str(p): bench.normalize_extracted_answer("1.25", [], "free_form", "float", p) for p in (1.0, 1)
        },
        "mathvista: any noise is the nearest option": {
            "I do not know": bench.normalize_extracted_answer("I do not know", choice, "multi_choice", "text", None)
        },
        "pope: a yes with a full stop is no missed yes": {
            "recall": pope.pope_aggregate_recall(said),
            "yes ratio": pope.pope_aggregate_yes_ratio(said),
        },
        "mmmu: an open answer is compared letter by letter": open_,
        "ocrbench: a second evaluation adds to the first": [
            1000 * ocr.ocrbench_aggregate_accuracy([row], None) for _ in range(2)
        ],
        "chair: men, vases and some words of its own list are lost": {s: chair.caption_to_words(s)[1] for s in lost},
        "chair: where nothing is named there is no figure": silent,
    }
