"""MMBench in English, Chinese and Korean: multiple choice under CircularEval.

A question is asked once per rotation of its options and is right only if every copy is. Copy k of question q is row
``q + k * 1000000``, or rows share ``g_index``. Source: arXiv 2307.06281, sec. 4; K-MMBench arXiv 2411.19103.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, Protocol, Unit
from nunbit.evaluation.protocols import (
    CHOICE,
    LETTER_EN,
    LETTER_KO,
    LETTER_ZH,
    by_options,
    equal,
    lettered,
    named,
    vlmevalkit_choice_prompt,
)
from nunbit.evaluation.reading import Pictures, plain, whole_number

_ROTATION = 1_000_000


def _lmms_prompt(post: str) -> Any:
    """The sentence before the options is English in its Chinese and Korean tasks too."""

    def prompt(item: Item) -> str:
        hint = f"{item.hint} " if item.hint else ""
        return f"{hint}{item.question} There are several options:\n{lettered(item)}\n\n{post}"

    return prompt


def _protocols(post: str) -> dict[str, Protocol]:
    return named(
        Protocol(
            "official",
            vlmevalkit_choice_prompt,
            CHOICE,
            equal,
            "CircularEval; the authors' prompt; nunbit's rules in place of their LLM, unparsed counts as wrong",
            version=2,
        ),
        Protocol(
            "vlmevalkit",
            vlmevalkit_choice_prompt,
            by_options(harness.vlmevalkit_choice),
            equal,
            "CircularEval; VLMEvalKit's rule matcher as under --judge exact_matching",
            version=2,
        ),
        Protocol(
            "lmms",
            _lmms_prompt(post),
            by_options(harness.lmms_mmbench_choice),
            equal,
            "CircularEval; lmms-eval's prompt and its matcher without key (mmbench_en_dev_static); no answer is random",
            version=2,
        ),
    )


class MMBench(Benchmark):
    """MMBench in English, with circular evaluation."""

    name, title, source = "mmbench", "MMBench", "arXiv 2307.06281"
    columns = (frozenset({"index", "question", "a", "b", "image"}),)
    splits = ("dev", "validation", "test")
    protocols = _protocols(LETTER_EN)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("image"))
        if not loads:
            return None
        index = whole_number(row["index"])
        options = {k.upper(): plain(row[k]) for k in "abcdefgh" if plain(row.get(k)) not in ("", "nan")}
        answer = plain(row.get("answer")).upper()
        return Item(
            index,
            _base(row, index),
            loads,
            plain(row["question"]),
            (answer,) if answer in options else (),
            options,
            "" if plain(row.get("hint")) == "nan" else plain(row.get("hint")),
            axes(category=row.get("category"), l2_category=row.get("l2-category"), split=row.get("split")),
        )

    def units(self, group: Sequence[Scored]) -> list[Unit]:
        """One unit a question: right when every rotation is."""
        first = min(group, key=lambda s: _number(s[0].id))[0]
        right = all(m.score == 1 for _, m in group)
        return [Unit(first.group, first.group, float(right), all(m.found.parsed for _, m in group), first.categories)]

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """CircularEval; beside it the plain accuracy of the first copies and of all copies."""
        firsts = [min(g, key=lambda s: _number(s[0].id))[1].score for g in groups]
        return {
            "accuracy": 100 * average(u.score for g in groups for u in self.units(g)),
            "vanilla, first copies": 100 * average(firsts),
            "vanilla, all copies": 100 * average(m.score for g in groups for _, m in g),
        }


class MMBenchCN(MMBench):
    """MMBench in Chinese."""

    name, title = "mmbench-cn", "MMBench-CN"
    protocols = _protocols(LETTER_ZH)


class KMMBench(MMBench):
    """K-MMBench, the Korean translation."""

    name, title, source = "k-mmbench", "K-MMBench", "arXiv 2411.19103"
    protocols = _protocols(LETTER_KO)


def _base(row: Mapping[str, Any], index: str) -> str:
    if plain(row.get("g_index")):
        return whole_number(row["g_index"])
    return str(int(index) % _ROTATION) if index.isdigit() else index


def _number(id_: str) -> int:
    return int(id_) if id_.isdigit() else 0


for _benchmark in (MMBench, MMBenchCN, KMMBench):
    BENCHMARKS.register(_benchmark.name)(_benchmark())
