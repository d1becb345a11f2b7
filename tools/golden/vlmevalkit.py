"""VLMEvalKit's side of `tools.golden.make`: its dataset classes read tables, make prompts and score by exact match."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.golden.absent import SCORING, bare_package, stand_in

stand_in(SCORING)
ROOT = next(Path(p) / "vlmeval" for p in sys.path if (Path(p) / "vlmeval" / "dataset").is_dir())
for package in ("vlmeval", "vlmeval.api", "vlmeval.dataset", "vlmeval.dataset.utils"):
    bare_package(package, ROOT.joinpath(*package.split(".")[1:]))
vars(sys.modules["vlmeval.dataset.utils"]).update(build_judge=None, DEBUG_MESSAGE="")  # no judge is ever built
os.environ["PRED_FORMAT"] = "tsv"

import pandas as pd  # noqa: E402
from vlmeval.dataset.image_caption import COCO_Caption_Scorer, ImageCaptionDataset  # noqa: E402
from vlmeval.dataset.image_mcq import ImageMCQDataset, MMMUDataset  # noqa: E402
from vlmeval.dataset.image_vqa import ImageVQADataset, MathVista, MMVet, OCRBench  # noqa: E402
from vlmeval.dataset.image_yorn import ImageYORNDataset  # noqa: E402
from vlmeval.dataset.utils.mathvista import MathVista_acc, MathVista_auxeval  # noqa: E402
from vlmeval.dataset.utils.mmvet import MMVet_acc, MMVet_auxeval  # noqa: E402
from vlmeval.dataset.utils.vqa_eval import hit_calculate, process_line  # noqa: E402
from vlmeval.smp import dump, get_intermediate_file_path, load  # noqa: E402
from vlmeval.utils import can_infer  # noqa: E402


def version(source: Path) -> str:
    found = re.search(r"__version__ = '([^']+)'", (source / "vlmeval" / "__init__.py").read_text(encoding="utf-8"))
    return found[1] if found else "unknown"


class Silent:
    """A judge that is never reached, so that what remains is the rules."""

    def generate(self, prompt: str, **_: Any) -> str:
        return "Failed to obtain answer via API."


class Says(Silent):
    """A judge that always says the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    def generate(self, prompt: str, **_: Any) -> str:
        return self.text


class Side:
    """One benchmark as VLMEvalKit has it: the class that reads the table and the name that chooses its rules."""

    kind: Any
    named: str

    def __init__(self, table: Path, items: Sequence[Any]) -> None:
        self.items, self.folder, self.runs = items, table.parent, 0
        shutil.copy(table, table.parents[1] / f"{self.named}.tsv")
        self.data = self.kind(dataset=self.named)
        self.ids = {str(x): i.id for x, i in zip(self.data.data["index"], items, strict=True)}

    def prompts(self) -> dict[str, str]:
        """The words of each prompt; pictures come first or where the text names them."""
        lines = [self.data.data.iloc[n] for n in range(len(self.data.data))]
        return {
            self.ids[str(line["index"])]: "".join(
                m["value"] for m in self.data.build_prompt(line) if m["type"] == "text"
            )
            for line in lines
        }

    def answered(self, replies: dict[str, str]) -> Path:
        """The table that VLMEvalKit leaves when it has asked a model."""
        self.runs += 1
        frame = self.data.data.drop(
            columns=[c for c in ("image", "image_path") if c in self.data.data and c != "image_path"]
        )
        frame["prediction"] = [replies[self.ids[str(x)]] for x in frame["index"]]
        path = self.folder / f"run{self.runs}_{self.named}.tsv"
        dump(frame, str(path))
        return path

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        raise NotImplementedError


class Choice(Side):
    kind = ImageMCQDataset

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        path = self.answered(replies)
        table = self.data.evaluate(str(path), model="exact_matching", nproc=1)
        rows = load(get_intermediate_file_path(str(path), "_exact_matching_result"))
        return (
            {self.ids[str(x)]: h for x, h in zip(rows["index"], rows["hit"], strict=True)},
            {"accuracy": 100 * table["Overall"].mean()},
        )


class Subjects(Choice):
    kind = MMMUDataset


class YesNo(Side):
    kind = ImageYORNDataset
    names = {
        "perception": "perception",
        "reasoning": "cognition",
        "aAcc": "aAcc",
        "fAcc": "fAcc",
        "qAcc": "qAcc",
        "Overall": "F1",
        "acc": "accuracy",
        "precision": "precision",
        "recall": "recall",
    }

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        path = self.answered(replies)
        first = self.data.evaluate(str(path), model="exact_matching", nproc=1).iloc[0]
        rows = load(get_intermediate_file_path(str(path), "_auxmatch"))
        scores = {self.ids[str(x)]: float(s) for x, s in zip(rows["index"], rows["score"], strict=True)}
        return scores, {ours: first[theirs] for theirs, ours in self.names.items() if theirs in first}


class Words(Side):
    kind = ImageVQADataset
    method, figure = "vqa_score", "accuracy"

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        rows = load(str(self.answered(replies)))
        lines = [{**r, "answer": str(r["answer"]), "prediction": str(r["prediction"])} for r in rows.to_dict("records")]
        hits = hit_calculate([process_line(r, method=self.method) for r in lines], self.named)
        scores = {self.ids[str(r["index"])]: float(h) for r, h in zip(lines, hits, strict=True)}
        return scores, {self.figure: 100 * sum(scores.values()) / len(scores)}


class Reading(Side):
    kind = OCRBench

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        rows = load(str(self.answered(replies)))
        scores = {}
        for n in range(len(rows)):
            one = self.folder / f"one{self.runs}_{n}.tsv"
            dump(rows.iloc[n : n + 1], str(one))
            scores[self.ids[str(rows.iloc[n]["index"])]] = self.data.evaluate(str(one))["Final Score"]
        return scores, {"right answers": self.data.evaluate(str(self.answered(replies)))["Final Score"]}


class Mathematics(Side):
    kind = MathVista

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        """As its ``evaluate``, which insists on a working judge, with one that never answers."""
        path = self.answered(replies)
        rows = load(str(path))
        found = [MathVista_auxeval(Silent(), rows.iloc[n]) for n in range(len(rows))]
        rows["res"], rows["log"] = [f["res"] for f in found], [f["log"] for f in found]
        dump(rows, str(path))
        total = {r["Task&Skill"]: r["acc"] for r in MathVista_acc(str(path)).to_dict("records")}
        scores = {}
        for n in range(len(rows)):
            dump(rows.iloc[n : n + 1], str(path))
            scores[self.ids[str(rows.iloc[n]["index"])]] = MathVista_acc(str(path)).iloc[0]["hit"]
        return scores, {"accuracy": total["Overall"]}


class Captions(Side):
    kind = ImageCaptionDataset

    def score(self, replies: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        path = self.answered(replies)
        total = self.data.evaluate(str(path))
        rows = load(str(path)).to_dict("records")
        said = {str(n): [str(r["prediction"])] for n, r in enumerate(rows)}
        gold = {str(n): list(self.items[n].gold) for n in range(len(rows))}
        cider = COCO_Caption_Scorer(said, gold).scorers[2][0].compute_score(gold, said)[1]
        scores = {self.items[n].id: float(c) for n, c in enumerate(cider)}
        return scores, {
            "CIDEr-D": total["CIDEr"],
            "ROUGE-L": total["ROUGE_L"],
            **{f"BLEU-{k}": b for k, b in enumerate(total["Bleu"], start=1)},
        }


class Graded(Side):
    kind = MMVet

    def judged(self, replies: dict[str, str], verdicts: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
        path = self.answered(replies)
        rows = load(str(path))
        graded = [
            MMVet_auxeval(Says(verdicts[self.ids[str(rows.iloc[n]["index"])]]), rows.iloc[n]) for n in range(len(rows))
        ]
        rows["score"], rows["log"] = [g["score"] for g in graded], [g["log"] for g in graded]
        dump(rows, str(path))
        by_mixture = MMVet_acc(str(path))[1]
        overall = by_mixture[by_mixture["Category"] == "Overall"]["acc"].iloc[0]
        return {self.ids[str(x)]: float(s) for x, s in zip(rows["index"], rows["score"], strict=True)}, {
            "score": overall
        }


def side(kind: type[Side], named: str, **extra: Any) -> type[Side]:
    """A side under a name for which VLMEvalKit has the benchmark's rules and nothing to download."""
    return type(named, (kind,), {"named": named, **extra})


BENCHMARKS = {
    "mmbench": side(Choice, "MMBench_EN_fixture"),
    "mmbench-cn": side(Choice, "MMBench_CN_fixture"),
    "k-mmbench": side(Choice, "MMBench_KO_fixture"),
    "ai2d-mask": side(Choice, "AI2D_fixture"),
    "ai2d-no-mask": side(Choice, "AI2D_NO_MASK_fixture"),
    "scienceqa-img": side(Choice, "ScienceQA_fixture"),
    "seed-bench": side(Choice, "SEEDBench_IMG_fixture"),
    "k-seed": side(Choice, "SEEDBench_KO_fixture"),
    "k-dtcbench": side(Choice, "K-DTC_fixture"),
    "mmmu": side(Subjects, "MMMU_fixture"),
    "mme": side(YesNo, "MME_fixture"),
    "pope": side(YesNo, "POPE_fixture"),
    "hallusionbench": side(YesNo, "HallusionBench_fixture"),
    "textvqa": side(Words, "TextVQA_fixture"),
    "chartqa": side(Words, "ChartQA_fixture", method="relaxed_accuracy"),
    "docvqa": side(Words, "DocVQA_fixture", method="anls", figure="ANLS"),
    "ocrbench": side(Reading, "OCRBench_fixture"),
    "mathvista": side(Mathematics, "MathVista_fixture"),
    "coco-captions": side(Captions, "COCO_fixture"),
    "mm-vet": side(Graded, "MMVet_fixture"),
}


def defects(scratch: Path) -> dict[str, Any]:
    """Inputs on which the rules go wrong, with what they make of them; False is no answer."""
    two = {"A": "blue", "B": "red"}
    korean = ["정답은 B입니다.", "B입니다", "선택지 B가 맞습니다", "정답은 B 입니다."]
    frame = pd.DataFrame({"index": range(4), "prediction": korean})
    return {
        "korean letters": {r: can_infer(r, dict(two)) for r in frame["prediction"]},
        "a small letter": {"b": can_infer("b", dict(two))},
        "an article": {
            "The answer is a red car": can_infer("The answer is a red car, there beside the road", dict(two))
        },
    }
