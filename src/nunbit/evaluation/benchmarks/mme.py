"""MME: two yes/no questions a picture in ten perception and four cognition tasks. Source: arXiv 2306.13394.

A task scores 100 * accuracy + 100 * share of pictures with both questions right; perception is at most 2000,
cognition 800.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, Load, Protocol
from nunbit.evaluation.protocols import SHORT, YES_NO, by_text, equal, named, question_then
from nunbit.evaluation.reading import Files, Pictures, plain
from nunbit.files import decoded_text, text_lines

COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_PICTURES = (".jpg", ".png", ".jpeg")
_ASIS = question_then()


def _lmms_prompt(item: Item) -> str:
    return f"{item.question.replace(' Please answer yes or no.', '')}\n{SHORT}"


class MME(Benchmark):
    """MME: the sum of its perception and cognition scores."""

    name, title, source = "mme", "MME", "arXiv 2306.13394"
    columns = (frozenset({"question", "answer", "category", "image"}),)
    headline, mean = "perception", False
    protocols = named(
        Protocol(
            "official",
            _ASIS,
            by_text(harness.mme_yes_no),
            equal,
            'the released calculation: "yes" or "no" within the first four characters, so "None" is a no',
        ),
        Protocol("nunbit", _ASIS, YES_NO, equal, "the released question and metric; nunbit's rules"),
        Protocol(
            "vlmevalkit",
            _ASIS,
            by_text(harness.vlmevalkit_yes_no),
            equal,
            "VLMEvalKit: one of the two words, not both",
            version=2,
        ),
        Protocol(
            "lmms",
            _lmms_prompt,
            by_text(harness.mme_yes_no),
            equal,
            "lmms-eval's sentence in place of the released one",
        ),
    )

    def read(self, path: str | Path) -> list[Item]:
        """The released layout is a folder a task, with a text file of two questions beside each picture; tables are
        read as elsewhere.
        """
        root = Path(path)
        if root.is_dir() or root.suffix.lower() == ".zip":
            items = _released(Files(root))
            if items:
                return items
        return super().read(path)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture or a yes/no answer."""
        loads = pictures.of(row.get("image"))
        answer = plain(row.get("answer")).lower()
        if not loads or answer not in ("yes", "no"):
            return None
        picture = plain(row.get("question_id") or row.get("image_path") or row.get("index")) or place
        task = plain(row["category"])
        return _item(picture, f"{task}/{PurePosixPath(picture).name}", loads, plain(row["question"]), answer, task)

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """Sums over perception and cognition, both accuracies, and the score of each task."""
        by_task: dict[str, list[Sequence[Scored]]] = defaultdict(list)
        for g in groups:
            by_task[g[0][0].categories["category"][0]].append(g)
        scores = {
            t: 100 * average(m.score for g in gs for _, m in g)
            + 100 * average(all(m.score == 1 for _, m in g) for g in gs)
            for t, gs in sorted(by_task.items())
        }
        perception = sum(s for t, s in scores.items() if t not in COGNITION)
        cognition = sum(s for t, s in scores.items() if t in COGNITION)
        scored = [m for g in groups for _, m in g]
        return {
            "perception": perception,
            "cognition": cognition,
            "total": perception + cognition,
            "accuracy": 100 * average(m.score for m in scored),
            "accuracy+": 100 * average(all(m.score == 1 for _, m in g) for g in groups),
            **{f"score of {t}": s for t, s in scores.items()},
        }


def _item(id_: str, picture: str, loads: tuple[Load, ...], question: str, answer: str, task: str) -> Item:
    return Item(
        id_,
        picture,
        loads,
        question,
        (answer,),
        categories=axes(category=task, part="cognition" if task in COGNITION else "perception"),
    )


def _released(files: Files) -> list[Item]:
    names = files.names()
    texts = {(p.parent.as_posix(), p.stem): n for n in names if (p := PurePosixPath(n)).suffix == ".txt"}
    items = []
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() not in _PICTURES:
            continue
        task_folder = path.parent.parent if path.parent.name == "images" else path.parent
        text = texts.get((path.parent.as_posix(), path.stem)) or texts.get(
            ((task_folder / "questions_answers_YN").as_posix(), path.stem)
        )
        if not text:
            continue
        for k, line in enumerate(text_lines(decoded_text(files.read(text))), start=1):
            question, _, answer = line.rpartition("\t")
            if answer.strip().lower() in ("yes", "no"):
                picture = f"{task_folder.name}/{path.name}"
                load = partial(files.read, name)
                items.append(
                    _item(f"{picture}#{k}", picture, (load,), question, answer.strip().lower(), task_folder.name)
                )
    return items


BENCHMARKS.register(MME.name)(MME())
