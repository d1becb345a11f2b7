"""`nunbit eval photos`: questions about photographs and composites that no training saw, with baselines and intervals.

Photographs come from packages that are installed beside this one (scikit-image, scikit-learn, matplotlib,
wallpapers); their questions and answers were written by a person who looked at them. Composites show only cut-outs
whose names training never draws, on backgrounds that it never uses.
"""

from __future__ import annotations

import csv
import importlib.util
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.errors import UserError
from nunbit.evaluation.photo_marking import is_right
from nunbit.evaluation.statistics import bootstrap_interval
from nunbit.messages import Message, question
from nunbit.world.base import Language, generator

Ask = Callable[[Sequence[Sequence[Message]]], list[str]]

KINDS = ("existence", "naming", "counting", "colour", "place", "relation", "reading", "unanswerable")
COMPOSITES, PER_COMPOSITE = 30, 4
LONGEST_PX = 640
"""Photographs are shown at most this large, so that a run takes minutes."""
KIND_OF_TALK = {
    "exists": "existence",
    "count": "counting",
    "false premise": "unanswerable",
    **{k: k for k in ("colour", "place", "relation", "naming", "unanswerable", "reading")},
}
"""Kinds of the question makers and what they are called here."""


@dataclass(slots=True)
class PhotoItem:
    """One question: its picture's number and pixels ``(H, W, 3)``, what is right, and what was answered by whom."""

    picture: int
    source: str
    pixels: np.ndarray
    kind: str
    language: Language
    question: str
    answers: tuple[str, ...]
    given: dict[str, str] = field(default_factory=dict)

    def right(self, answer: str) -> bool:
        """Whether an answer is right, by the rule of the item's kind."""
        return is_right(answer, self.answers, self.kind)


def items(*, composites: int = COMPOSITES, say: Callable[[str], None] = lambda _: None) -> list[PhotoItem]:
    """All questions, photographs first; what is not installed is left out, with a message."""
    out: list[PhotoItem] = []
    missing: list[str] = []
    with (Path(__file__).parent / "photo_questions.tsv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    numbers: dict[str, int] = {}
    for row in rows:
        pixels = _photograph(row["file"])
        if pixels is None:
            missing.append(row["file"])
            continue
        number, answers = numbers.setdefault(row["file"], len(numbers)), tuple(row["answers"].split("|"))
        language: Language = "ko" if row["language"] == "ko" else "en"
        out.append(PhotoItem(number, "photograph", pixels, row["kind"], language, row["question"], answers))
    if missing:
        say(f"{len(set(missing))} photographs are not installed: {', '.join(sorted(set(missing))[:5])}")
    return out + _composites(len(numbers), composites, say)


def _photograph(name: str) -> np.ndarray | None:
    """A photograph by its short name; None where its package is not installed."""
    from PIL import Image

    file = locate(name)
    if file is None:
        return None
    opened = Image.open(file)
    opened.draft("RGB", (2 * LONGEST_PX, 2 * LONGEST_PX))
    image = opened.convert("RGB")
    image.thumbnail((LONGEST_PX, LONGEST_PX))
    return np.asarray(image)


def locate(name: str) -> Path | None:
    """Where a photograph lies: in a Python package, or in a wallpaper package of the system."""
    package, _, rest = name.partition("/")
    folders = {"skimage": "data", "sklearn": "datasets/images", "matplotlib": "mpl-data/sample_data"}
    if package in folders:
        found = importlib.util.find_spec(package)
        file = Path(found.origin).parent / folders[package] / rest if found and found.origin else None
    elif package == "mate":
        file = Path("/usr/share/backgrounds/mate/nature") / rest
    else:
        file = Path("/usr/share/wallpapers") / rest / "contents/images/2560x1600.jpg"
    return file if file is not None and file.is_file() else None


def _composites(first: int, many: int, say: Callable[[str], None]) -> list[PhotoItem]:
    """Questions about composites of held-out cut-outs: as many kinds as a picture gives."""
    from nunbit.world import composites
    from nunbit.world.cutouts import cutouts
    from nunbit.world.scene_questions import SceneQuestions

    try:
        known = tuple(sorted({c.name for c in cutouts()}))
    except UserError as e:
        say(str(e))
        return []
    out: list[PhotoItem] = []
    for number in range(many):
        rng = generator(4242, number, "test")
        drawn = composites.draw(rng, "test", most=4)
        language: Language = "ko" if number % 3 == 2 else "en"
        conversations = SceneQuestions(drawn.scene, rng, language, known).draw(40)
        if drawn.scene.text_lines:
            asked = "뭐라고 쓰여 있나요?" if language == "ko" else "What does it say?"
            out.append(
                PhotoItem(
                    first + number,
                    "composite",
                    drawn.pixels,
                    "reading",
                    language,
                    asked,
                    (drawn.scene.text_lines[0].text,),
                )
            )
        done: set[str] = set()
        for conversation in conversations:
            kind, answer = KIND_OF_TALK.get(conversation.kind), conversation.turns[0][1]
            if answer.endswith(".") and kind != "unanswerable":
                continue  # a sentence was asked for
            if (
                kind
                and len(conversation.turns) == 1
                and kind not in done
                and len(done) < PER_COMPOSITE
                and not answer.startswith("[")
            ):
                done.add(kind)
                out.append(
                    PhotoItem(
                        first + number, "composite", drawn.pixels, kind, language, conversation.turns[0][0], (answer,)
                    )
                )
    return out


def run(
    ask: Ask,
    baselines: dict[str, Ask] | None = None,
    *,
    composites: int = COMPOSITES,
    batch: int = 16,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Ask everything and report.

    Args:
        baselines: other answerers by name, asked the same; "blank" is always there: the same model and a grey picture.

    Raises:
        UserError: no package with pictures is installed.
    """
    todo = items(composites=composites, say=say)
    if not todo:
        raise UserError(
            "no photograph is here", todo="pip install scikit-image, or install the package tuxpaint-stamps-default"
        )
    for name, asked, grey in (
        ("right", ask, False),
        ("blank", ask, True),
        *((n, a, False) for n, a in (baselines or {}).items()),
    ):
        for i in range(0, len(todo), batch):
            part = todo[i : i + batch]
            shown = [np.full_like(t.pixels, 127) if grey else t.pixels for t in part]
            for item, answer in zip(
                part, asked([question(t.question, [p]) for t, p in zip(part, shown, strict=True)]), strict=True
            ):
                item.given[name] = answer
            say(f"{name} {min(i + batch, len(todo))}/{len(todo)}")
    return report(todo)


def report(done: Sequence[PhotoItem]) -> dict[str, Any]:
    """Tables: all, by source, kind and language; a row holds every answerer's share and the interval of the first."""
    tables: dict[str, dict[str, list[PhotoItem]]] = {"all": {"all": [*done]}}
    for by in ("source", "kind", "language"):
        groups: dict[str, list[PhotoItem]] = defaultdict(list)
        for item in done:
            groups[getattr(item, by)].append(item)
        tables[by] = dict(sorted(groups.items()))
    return {
        "benchmark": "photos",
        "questions": len(done),
        "pictures": len({t.picture for t in done}),
        "tables": {by: {name: _row(part) for name, part in rows.items()} for by, rows in tables.items()},
        "answers": [{"question": t.question, "right": t.answers, **t.given} for t in done],
    }


def _row(part: Sequence[PhotoItem]) -> dict[str, Any]:
    names = list(part[0].given)
    marks = {n: [t.right(t.given[n]) for t in part] for n in names}
    return {"n": len(part), "interval": bootstrap_interval(marks[names[0]], [t.picture for t in part])} | {
        n: float(np.mean(m)) for n, m in marks.items()
    }


def as_text(result: dict[str, Any]) -> str:
    """The report for a terminal."""
    names = [k for k in result["tables"]["all"]["all"] if k not in ("n", "interval")]
    lines = [
        f"photos, {result['questions']} questions about {result['pictures']} pictures",
        f"{'':28}{'n':>5}  95 % interval" + "".join(f"{n:>12}" for n in names),
    ]
    for by, rows in result["tables"].items():
        for name, r in rows.items():
            low, high = r["interval"]
            label = name if by == "all" else f"{by}: {name}"
            lines.append(
                f"{label:28}{r['n']:>5}  {100 * low:5.1f} - {100 * high:5.1f}"
                + "".join(f"{100 * r[n]:>11.1f}%" for n in names)
            )
    return "\n".join(lines)
