"""What every benchmark is: how its files become Items, how an Item is asked, how marks become figures.

One file in this folder each.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from nunbit.errors import UserError, unknown_name
from nunbit.evaluation import judging
from nunbit.evaluation.items import BenchmarkResult, Item, Protocol, Row, ScoredAnswer, Unit
from nunbit.evaluation.reading import Document, Pictures, documents, plain
from nunbit.evaluation.statistics import bootstrap_interval, resampled_interval
from nunbit.messages import EncodedImage, Message, Part
from nunbit.registry import Registry

Scored = tuple[Item, ScoredAnswer]
BENCHMARKS: Registry[Benchmark] = Registry("benchmark")


class Benchmark(ABC):
    """A benchmark; subclasses state the class variables and `item`, and override what differs.

    A table or JSON file fits when its rows have every column of one of the sets in ``columns``. ``splits`` names the
    preferred split where files are called after splits. ``headline`` is the first of `figures`; ``mean`` says that it
    is 100 times the mean of the units.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    columns: ClassVar[Sequence[frozenset[str]]]
    splits: ClassVar[Sequence[str]] = ("test", "validation", "val", "dev")
    protocols: ClassVar[Mapping[str, Protocol]]
    headline: ClassVar[str] = "accuracy"
    mean: ClassVar[bool] = True
    needs_judge: ClassVar[bool] = False

    def read(self, path: str | Path) -> list[Item]:
        """The items at a path, in the order of the data; the same file always gives the same items."""
        seen: list[str] = []
        found: list[tuple[str, list[Item]]] = []
        for document in documents(Path(path)):
            rows = self.rows(document)
            fits = bool(rows) and any(need <= {*map(str, rows[0])} for need in self.columns)
            if fits:
                if refused := self.refusal(document):
                    raise refused
                pictures = Pictures(document.files, rows)
                items = [i for n, r in enumerate(rows) if (i := self._item(r, pictures, document.name, n))]
                found.append((document.name, items))
            elif rows:
                seen.append(f"{document.name} ({', '.join(sorted(map(str, rows[0]))[:12])})")
        chosen = self._preferred(found)
        _no_twins(chosen)
        items = [i for _, part in chosen for i in part]
        if not items:
            wanted = " or ".join("{" + ", ".join(sorted(c)) + "}" for c in self.columns)
            raise UserError(
                f"'{path}' holds nothing of {self.title}" + (f"; seen: {'; '.join(seen[:5])}" if seen else ""),
                allowed=f"files whose rows have the columns {wanted}",
                todo="name the right file or folder with --data",
            )
        return _unique(items)

    def _item(self, row: Mapping[str, Any], pictures: Pictures, document: str, number: int) -> Item | None:
        """As `item`; an error names the row."""
        try:
            return self.item(row, pictures, f"{document}#{number}")
        except UserError as e:
            raise UserError(f"row {number + 1} of '{document}': {e.given}", allowed=e.allowed, todo=e.todo) from None

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The rows of a file; JSON may be a list, a dictionary of rows, or hold its list under ``data``."""
        content = document.content
        if isinstance(content, dict):
            content = content.get("data", content)
        if isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values()):
            content = [{"id": k, **v} for k, v in content.items()]
        if not isinstance(content, list) or not all(isinstance(r, dict) for r in content):
            return []
        return [{str(k).lower(): v for k, v in r.items()} for r in content]

    def refusal(self, document: Document) -> UserError | None:
        """The error for a file that fits and yet belongs to a sibling of this benchmark."""
        return None

    @abstractmethod
    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an item; None for rows that are none (no picture, say). ``place`` is unique to the row."""

    def _preferred(self, found: list[tuple[str, list[Item]]]) -> list[tuple[str, list[Item]]]:
        """Where files are named after splits, only the first split of ``splits`` that is there."""
        for split in self.splits:
            named = [f for f in found if split in re.split(r"[-_./]", PurePosixPath(f[0]).name.lower())]
            if named:
                return named
        return found

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name.

        Raises:
            UserError: unknown.
        """
        if name not in self.protocols:
            raise unknown_name(f"protocol of {self.name}", name, self.protocols)
        return self.protocols[name]

    def ask(self, item: Item, protocol: Protocol) -> list[Message]:
        """The conversation: pictures first, then the words.

        Pictures stay encoded, so that a server gets the very bytes of the data.
        """
        return [
            Message("user", (*(Part.image(EncodedImage(p)) for p in item.pictures), Part.text(protocol.prompt(item))))
        ]

    def score_answers(self, items: Sequence[Item], answers: Sequence[str], protocol: Protocol) -> list[ScoredAnswer]:
        """Parse and score each answer by the protocol's rules; without gold the score is 0 and does not count."""
        out = []
        for item, answer in zip(items, answers, strict=True):
            found = protocol.parse(answer, item)
            out.append(ScoredAnswer(answer, found, protocol.credit(found, item) if item.gold else 0.0))
        return out

    def judge_question(self, item: Item, answer: str) -> list[Message]:
        """What a judge is asked about a reply: whether it gives the right answer, where the rules mark and the judge
        stands beside them.
        """
        return judging.judge_question(item, answer)

    def score_with_judge(
        self, items: Sequence[Item], answers: Sequence[str], verdicts: Sequence[str], protocol: Protocol
    ) -> list[ScoredAnswer]:
        """The marks with the judge's replies at hand: those of the rules, unless ``needs_judge``."""
        return self.score_answers(items, answers, protocol)

    def score(self, items: Sequence[Item], answers: Sequence[str], protocol: Protocol) -> BenchmarkResult:
        """Score answers and summarise them: `score_answers`, then `summarise`."""
        return self.summarise(items, self.score_answers(items, answers, protocol), protocol)

    def summarise(self, items: Sequence[Item], marks: Sequence[ScoredAnswer], protocol: Protocol) -> BenchmarkResult:
        """Figures, intervals and tables of scored answers. Items without gold are counted as unscored."""
        groups: dict[str, list[Scored]] = defaultdict(list)
        for item, mark in zip(items, marks, strict=True):
            if item.gold:
                groups[item.group].append((item, mark))
        grouped = [*groups.values()]
        units = [u for g in grouped for u in self.units(g)]
        figures = self.figures(grouped) if grouped else {}
        unscored = sum(not i.gold for i in items)
        unparsed = sum(not m.found.parsed for m in marks)
        value = figures.get(self.headline)
        return BenchmarkResult(
            self.name,
            f"{self.name}@{protocol.name}/{protocol.version}",
            self.headline,
            value,
            self._interval(grouped, units) if grouped else None,
            len(items),
            unscored,
            unparsed,
            figures,
            tables(units),
            units,
        )

    def units(self, group: Sequence[Scored]) -> list[Unit]:
        """What is counted in one group: every item by itself."""
        return [Unit(i.id, i.group, m.score, m.found.parsed, i.categories) for i, m in group]

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """The figures of all groups. Groups may repeat: that is how intervals are made."""
        return {"accuracy": 100 * average(u.score for g in groups for u in self.units(g))}

    def _interval(self, groups: Sequence[Sequence[Scored]], units: Sequence[Unit]) -> tuple[float, float]:
        if self.mean:
            low, high = bootstrap_interval([u.score for u in units], [u.group for u in units])
            return 100 * low, 100 * high
        return resampled_interval(groups, lambda g: self.figures(g)[self.headline])


def tables(units: Sequence[Unit]) -> dict[str, dict[str, Row]]:
    """A table for each axis of categories: n, score in hundredths, how many unparsed, interval."""
    parts: dict[str, dict[str, list[Unit]]] = defaultdict(lambda: defaultdict(list))
    for u in units:
        for axis, names in u.categories.items():
            for name in names:
                parts[axis][name].append(u)
    return {axis: {name: _row(part) for name, part in sorted(rows.items())} for axis, rows in parts.items()}


def average(values: Iterable[float]) -> float:
    """The mean; 0 of no values."""
    seen = [*values]
    return sum(seen) / len(seen) if seen else 0.0


def axes(**named: Any) -> dict[str, tuple[str, ...]]:
    """Categories that are there: ``axes(category="ocr", l2_category="")`` keeps the first; underscores become
    hyphens.
    """
    out = {}
    for axis, value in named.items():
        names = tuple(plain(v) for v in value) if isinstance(value, (list, tuple)) else (plain(value),)
        if any(names):
            out[axis.replace("_", "-")] = tuple(n for n in names if n)
    return out


def _row(part: Sequence[Unit]) -> Row:
    low, high = bootstrap_interval([u.score for u in part], [u.group for u in part], rounds=500)
    return Row(
        len(part), 100 * average(u.score for u in part), sum(not u.parsed for u in part), (100 * low, 100 * high)
    )


def _no_twins(found: list[tuple[str, list[Item]]]) -> None:
    """Two files with the same ids are two versions or languages of one benchmark: they are never mixed."""
    owner: dict[str, str] = {}
    for name, items in found:
        for item in items:
            if owner.setdefault(item.id, name) != name:
                raise UserError(
                    f"'{owner[item.id]}' and '{name}' both hold the item '{item.id}'",
                    allowed="one version of a benchmark",
                    todo="name one of the files with --data",
                )


def _unique(items: list[Item]) -> list[Item]:
    """Ids made unique by their place among equals; some data repeat theirs (MME's two questions of a picture)."""
    many = {k for k, n in Counter(i.id for i in items).items() if n > 1}
    seen: Counter[str] = Counter()
    out = []
    for item in items:
        if item.id in many:
            seen[item.id] += 1
            item = replace(item, id=f"{item.id}#{seen[item.id]}")
        out.append(item)
    return out
