"""`nunbit eval agree`: does the model answer as perception sees?

Questions are made from what perception finds in a picture with confidence (`nunbit see`): whether a thing is there, how
many there are, what is written. The model is asked; an answer agrees or it does not. Whether perception is right is
another question: this measures whether one command denies what the other shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nunbit.evaluation.photo_marking import is_right
from nunbit.evaluation.statistics import bootstrap_interval
from nunbit.evidence.answers import claims_of
from nunbit.evidence.index import CONFIDENT, Index, index_of
from nunbit.evidence.names import ANYTHING, labels_of
from nunbit.evidence.text_lines import SAME_TEXT, plain, similarity
from nunbit.messages import Message, question
from nunbit.scene import Scene
from nunbit.scene_layout import MARKS
from nunbit.world.base import Language, generator
from nunbit.world.names import kind_of, table
from nunbit.world.question_base import QuestionBase

Ask = Callable[[Sequence[Sequence[Message]]], list[str]]
Perceive = Callable[[Sequence[Any]], list[Scene]]
PER_PICTURE, MOST_LINES, LONGEST_LINE = 8, 3, 60
BATCH = 16
LANGUAGES: tuple[Language, Language] = ("en", "ko")


@dataclass(slots=True)
class AgreementItem:
    """One question about a picture.

    Attributes:
        picture: the picture's number; source: its file, or the world's domain.
        kind: exists, exists not, count or read.
        seen: what perception shows, as an answer in the question's language.
    """

    picture: int
    source: str
    image: Any
    scene: Scene
    kind: str
    language: Language
    question: str
    seen: str
    answer: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the answer says what perception shows."""
        if self.kind == "read":
            given, wanted = plain(self.answer), plain(self.seen)
            return wanted in given or similarity(given, wanted) >= SAME_TEXT
        if self.kind != "count":
            return is_right(self.answer, [self.seen], "existence")
        counted = [c for c in claims_of(self.question, self.answer, [self.scene]) if c.kind == "count"]
        return is_right(self.answer, [self.seen], "counting") or any(
            c.verdict == "supported" and c.value == self.seen for c in counted
        )


def questions_of(
    picture: int, source: str, image: Any, scene: Scene, rng: np.random.Generator, language: Language
) -> list[AgreementItem]:
    """Up to `PER_PICTURE` questions about what a Scene shows with confidence."""
    index = index_of([scene])
    asked = QuestionBase(scene, rng, language)
    made: list[tuple[str, str, str]] = []
    names = _confident(scene, index)
    for i in rng.permutation(len(names))[:2]:
        made.append(("exists", asked.wording("exists", n=names[int(i)]), asked.yes_no(True)))
    for i in rng.permutation(len(names))[:3]:
        name = names[int(i)]
        counted = [f for f in index.by_label[name] if f.countable]
        if all(f.confident for f in counted):
            made.append(("count", _count_wording(asked, name), str(len(counted))))
    gone = _absent(index, rng) if names else ""
    if gone:
        made.append(("exists not", asked.wording("exists", n=gone), asked.yes_no(False)))
    made += _reading(scene, asked, rng)
    chosen = [made[int(i)] for i in rng.permutation(len(made))[:PER_PICTURE]]
    return [AgreementItem(picture, source, image, scene, kind, language, text, seen) for kind, text, seen in chosen]


def _count_wording(asked: QuestionBase, name: str) -> str:
    """A question for a number; 마리 counts animals only."""
    for _ in range(20):
        text = asked.wording("count", n=name)
        if kind_of(name) == "animal" or "마리" not in text:
            break
    return text


def _confident(scene: Scene, index: Index) -> list[str]:
    """Names of the table that confident objects have; the parts of charts and boards are no things to ask for."""
    known = {*table()} - {*MARKS, "board", "picture", "photo"}
    named = dict.fromkeys(o.name for o in scene.objects if o.score >= CONFIDENT and o.name in known)
    return [n for n in named if n in index.by_label]


def _absent(index: Index, rng: np.random.Generator) -> str:
    """A name that nothing in the Scene answers to, not even something unsure."""
    names = [*table()]
    for _ in range(20):
        name = names[int(rng.integers(len(names)))]
        if not any(index.by_label.get(label) for label in labels_of(name) - {ANYTHING}):
            return name
    return ""


def _reading(scene: Scene, asked: QuestionBase, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """What the picture says, where that is little; else whether it says one of its lines."""
    lines = [t for t in scene.text_lines if len(plain(t.text)) > 1]
    sure = [t for t in lines if t.score >= CONFIDENT and len(t.text) <= LONGEST_LINE]
    if not sure:
        return []
    if len(sure) == len(lines) <= MOST_LINES:
        return [("read", asked.wording("read"), " ".join(t.text for t in lines))]
    line = sure[int(rng.integers(len(sure)))]
    return [("exists", asked.wording("written", t=line.text), asked.yes_no(True))]


def items(pictures: Iterable[tuple[str, Any]], perceive: Perceive, *, limit: int, seed: int = 0) -> list[AgreementItem]:
    """Questions about pictures in turn, English and Korean, until there are enough or no picture is left.

    Args:
        pictures: names and decoded pictures.
    """
    out: list[AgreementItem] = []
    for number, (source, image) in enumerate(pictures):
        [scene] = perceive([image])
        rng = generator(seed, number, "test")
        out += questions_of(number, source, image, scene, rng, LANGUAGES[number % 2])
        if len(out) >= limit:
            break
    return out[:limit]


def run(
    ask: Ask,
    perceive: Perceive,
    pictures: Iterable[tuple[str, Any]],
    *,
    limit: int = 100,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Ask everything and report.

    Args:
        perceive: what `nunbit see` and the model use.
    """
    todo = items(pictures, perceive, limit=limit, seed=seed)
    for i in range(0, len(todo), BATCH):
        part = todo[i : i + BATCH]
        for item, answer in zip(part, ask([question(t.question, [t.image]) for t in part]), strict=True):
            item.answer = answer
        say(f"{min(i + BATCH, len(todo))}/{len(todo)}")
    return report(todo)


def report(done: Sequence[AgreementItem]) -> dict[str, Any]:
    """Share of agreement with its interval over pictures: all, by kind, language and source; and what disagrees."""
    tables: dict[str, dict[str, list[AgreementItem]]] = {"all": {"all": [*done]} if done else {}}
    for by in ("kind", "language", "source"):
        groups: dict[str, list[AgreementItem]] = defaultdict(list)
        for item in done:
            groups[getattr(item, by)].append(item)
        tables[by] = dict(sorted(groups.items()))
    return {
        "benchmark": "agree",
        "questions": len(done),
        "pictures": len({t.picture for t in done}),
        "tables": {by: {name: _row(part) for name, part in rows.items()} for by, rows in tables.items()},
        "disagreements": [
            {"source": t.source, "question": t.question, "see": t.seen, "ask": t.answer} for t in done if not t.agrees
        ],
    }


def _row(part: Sequence[AgreementItem]) -> dict[str, Any]:
    marks = [t.agrees for t in part]
    interval = bootstrap_interval(marks, [t.picture for t in part])
    return {"n": len(part), "agree": float(np.mean(marks)), "interval": interval}


def as_text(result: dict[str, Any]) -> str:
    """The report for a terminal."""
    lines = [
        f"ask and see agree: {result['questions']} questions about {result['pictures']} pictures",
        f"{'':30}{'n':>5}{'agree':>9}  95 % interval",
    ]
    for by, rows in result["tables"].items():
        for name, row in rows.items():
            low, high = row["interval"]
            label = name if by == "all" else f"{by}: {name}"
            lines.append(f"{label:30}{row['n']:>5}{100 * row['agree']:>8.1f}%  {100 * low:5.1f} - {100 * high:5.1f}")
    shown = result["disagreements"][:10]
    lines += [f"  {d['source']}: {d['question']}  see: {d['see']}  ask: {d['ask']}" for d in shown]
    more = len(result["disagreements"]) - len(shown)
    return "\n".join([*lines, *([f"  +{more} more, with --json"] if more > 0 else [])])
