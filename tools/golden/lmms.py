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
import random
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENAI_API_KEY", "EMPTY")
from tools.golden.absent import SCORING, bare_package, stand_in  # noqa: E402

stand_in(SCORING)
TASKS = next(Path(p) / "lmms_eval" / "tasks" for p in sys.path if (Path(p) / "lmms_eval" / "tasks").is_dir())
for package in ("tasks", "models"):
    bare_package(f"lmms_eval.{package}", TASKS.with_name(package))

import yaml  # noqa: E402
from lmms_eval.api.metrics import anls, exact_match_hf_evaluate  # noqa: E402

Answers = tuple[dict[str, float], dict[str, float]]


def version(source: Path) -> str:
    import tomllib

    return str(tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


class _Loader(yaml.SafeLoader):
    """Task files name functions by a tag; what is wanted here are their plain settings."""


_Loader.add_constructor("!function", lambda loader, node: node.value)


def settings(file: str) -> dict[str, Any]:
    """``lmms_eval_specific_kwargs: default`` of a task file."""
    content = yaml.load((TASKS / file).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return dict(content.get("lmms_eval_specific_kwargs", {}).get("default", {}))


class Side:
    """One benchmark as lmms-eval has it."""

    module: str
    file: str = ""

    def __init__(self, table: Path, items: Sequence[Any]) -> None:
        self.items = items
        self.task = importlib.import_module(f"lmms_eval.tasks.{self.module}")
        self.settings = settings(self.file) if self.file else {}
        self.docs = {i.id: self.doc(i) for i in items}

    def doc(self, item: Any) -> dict[str, Any]:
        raise NotImplementedError

    def prompt(self, doc: dict[str, Any]) -> str:
        raise NotImplementedError

    def prompts(self) -> dict[str, str]:
        return {k: self.prompt(d) for k, d in self.docs.items()}

    def score(self, replies: dict[str, str]) -> Answers:
        raise NotImplementedError


class MMBench(Side):
    def doc(self, item: Any) -> dict[str, Any]:
        """Absent options are the word "nan" in its data."""
        options = {c: item.options.get(c, "nan") for c in "ABCD"}
        names = {"category": item.categories["category"][0], "L2-category": "x", "l2-category": "x"}
        return {
            "index": int(item.id),
            "question": item.question,
            "hint": item.hint or None,
            **options,
            "answer": item.gold[0],
            **names,
            "source": "x",
            "split": "dev",
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.mmbench_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        """Its only evaluation without an OpenAI key, ``static``; a question is scored with all its rotations."""
        rows = [self.task.mmbench_process_results(d, [replies[k]])["gpt_eval_score"] for k, d in self.docs.items()]
        evaluator = self.task.mmbench_evaluator
        scores = {}
        for base in dict.fromkeys(i.group for i in self.items):
            group = [r for r in rows if r["index"] % 1_000_000 == int(base)]
            scores[base] = float(evaluator.eval_result(group, eval_method="static")[0])
        return scores, {"accuracy": 100 * float(evaluator.eval_result(rows, eval_method="static")[0])}


class Diagrams(Side):
    module, file = "ai2d.utils", "ai2d/ai2d.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "question": item.question,
            "options": list(item.options.values()),
            "answer": str([*item.options].index(item.gold[0])),
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.ai2d_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        rule = self.task.MultiChoiceRegexFilter(
            group_select=0, ignore_case=True, ignore_punctuation=True, regex_pattern="([A-Z])\\."
        )
        scores = {}
        for k, doc in self.docs.items():
            said = rule.apply([[replies[k]]], [doc])
            wanted = [self.task.ai2d_doc_to_target(doc, "mcq")]
            scores[k] = float(
                exact_match_hf_evaluate(predictions=said, references=wanted, ignore_case=True, ignore_punctuation=True)[
                    "exact_match"
                ]
            )
        return scores, {"accuracy": mean(scores)}


class PerItem(Side):
    """Tasks whose every reply has a score of its own under one name."""

    figure = "accuracy"

    def one(self, doc: dict[str, Any], reply: str) -> float:
        raise NotImplementedError

    def score(self, replies: dict[str, str]) -> Answers:
        scores = {k: self.one(dict(d), replies[k]) for k, d in self.docs.items()}
        return scores, {self.figure: mean(scores)}


class ScienceQA(PerItem):
    module, file = "scienceqa.utils", "scienceqa/scienceqa_img.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "question": item.question,
            "choices": list(item.options.values()),
            "hint": item.hint,
            "answer": [*item.options].index(item.gold[0]),
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.sqa_doc_to_text(doc, self.settings)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        return self.task.sqa_process_results(doc, [reply])["exact_match"]


class Seed(PerItem):
    module = "seedbench.utils"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "question": item.question,
            **{f"choice_{k.lower()}": v for k, v in item.options.items()},
            "answer": item.gold[0],
            "data_type": "image",
            "question_id": item.id,
            "index": item.id,
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.seed_doc_to_text(doc)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        return self.task.seed_aggregation_result([self.task.seed_process_result(doc, [reply])["seed_all"]])


class KDTC(Seed):
    module = "dtcbench.utils"

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.dtcbench_doc_to_text(doc)

    def one(self, doc: dict[str, Any], reply: str) -> float:
        return self.task.dtcbench_aggregation_result([self.task.dtcbench_process_result(doc, [reply])["dtcbench_acc"]])


class MME(Side):
    module, file = "mme.utils", "mme/mme.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "question_id": item.group,
            "question": item.question,
            "answer": item.gold[0].capitalize(),
            "category": item.categories["category"][0],
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.mme_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        scores, parts = {}, {"mme_perception_score": [], "mme_cognition_score": []}
        for k, doc in self.docs.items():
            ((part, row),) = self.task.mme_process_results(doc, [replies[k]]).items()
            scores[k] = row["score"]
            parts[part].append(row)
        return scores, {p.split("_")[1]: self.task.mme_aggregate_results(rows) for p, rows in parts.items()}


class POPE(Side):
    module, file = "pope.utils", "pope/pope.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {"question_id": item.id, "question": item.question, "answer": item.gold[0]}

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.pope_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        rows = {k: self.task.pope_process_results(d, [replies[k]])["pope_accuracy"] for k, d in self.docs.items()}
        totals = {
            ours: 100 * getattr(self.task, f"pope_aggregate_{theirs}")([*rows.values()])
            for theirs, ours in (
                ("accuracy", "accuracy"),
                ("precision", "precision"),
                ("recall", "recall"),
                ("f1_score", "F1"),
                ("yes_ratio", "yes ratio"),
            )
        }
        return {k: r["score"] for k, r in rows.items()}, totals


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


class MMMU(Side):
    module, file = "mmmu.utils", "mmmu/mmmu_val.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        return {
            "id": f"validation_{item.categories['subject'][0]}_{item.id}",
            "question": item.question,
            "options": str(list(item.options.values())),
            "answer": item.gold[0],
            "question_type": "multiple-choice" if item.options else "open",
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.mmmu_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        """Where its parser reads nothing it draws an option. Here every draw gives a letter that is no option, so that draws show as wrong."""
        drawn, random.choice = random.choice, lambda options: "drawn"  # type: ignore[assignment]
        try:
            rows = {k: self.task.mmmu_process_results(d, [replies[k]])["mmmu_acc"] for k, d in self.docs.items()}
        finally:
            random.choice = drawn  # type: ignore[assignment]
        scores = {k: 100 * self.task.mmmu_aggregate_results([r]) / 100 for k, r in rows.items()}
        return scores, {"accuracy": 100 * self.task.mmmu_aggregate_results([*rows.values()])}


class MathVista(Side):
    module, file = "mathvista.utils", "mathvista/mathvista_testmini_solution.yaml"

    def doc(self, item: Any) -> dict[str, Any]:
        kind, form = item.categories["question-type"][0], item.categories["answer-type"][0]
        precision = item.facts["precision"]
        return {
            "pid": item.id,
            "question": item.question,
            "question_type": kind,
            "answer_type": form,
            "choices": list(item.options.values()),
            "query": "",
            "answer": item.gold[0],
            "precision": float(precision) if precision else None,
            "unit": "",
            "metadata": {
                "split": "testmini",
                **dict.fromkeys(("language", "source", "category", "task", "context", "grade"), "x"),
                "skills": ["x"],
            },
        }

    def prompt(self, doc: dict[str, Any]) -> str:
        return self.task.mathvista_doc_to_text(doc, self.settings)

    def score(self, replies: dict[str, str]) -> Answers:
        """The LLM that extracts is one that repeats the reply: what is compared is the normalisation after it."""
        rows = {}
        for k, doc in self.docs.items():
            self.task.mathvista_evaluator.get_chat_response = lambda *_, reply=replies[k], **__: reply
            rows[k] = self.task.mathvista_process_results(doc, [replies[k]])["llm_as_judge_eval"]
        scores = {k: float(r["true_false"]) for k, r in rows.items()}
        return scores, {"accuracy": mean(scores)}


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
        """An item's score is the share of its mentions that are there. Where nothing is mentioned its code divides by zero: no score."""
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


def mean(scores: dict[str, float]) -> float:
    return 100 * sum(scores.values()) / len(scores)


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
