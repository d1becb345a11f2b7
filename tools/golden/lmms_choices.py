"""Choices, yes/no questions and mathematics as lmms-eval has them."""

from __future__ import annotations

import random
from typing import Any

from tools.golden.lmms_side import Answers, PerItem, Side, mean

# isort: split
from lmms_eval.api.metrics import exact_match_hf_evaluate


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
        """Where its parser finds nothing it draws an option; here the draw is no valid letter, so it is wrong."""
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
