"""MathVista: mathematics in pictures; multiple choice, whole numbers, decimals, lists and words.

Source: arXiv 2310.02255.

The released extraction asks an LLM, and then takes the option that is nearest in letters, so that any noise becomes
an answer. Here rules extract, and what no rule reads is unparsed. Rounding follows ``int(precision)``: a harness that
passes 1.0 marks every decimal wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nunbit.evaluation import extraction, harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, axes
from nunbit.evaluation.items import UNPARSED, Item, ParsedAnswer, Protocol, letters
from nunbit.evaluation.protocols import lettered, named
from nunbit.evaluation.reading import Pictures, listed, plain

_PLACES = {
    1: "one decimal place and provide the final value, e.g., 1.2, 1.3, 1.4, at the end",
    2: "two decimal places and provide the final value, e.g., 1.23, 1.34, 1.45, at the end",
}


class MathVista(Benchmark):
    """MathVista, scored by rules without an LLM."""

    name, title, source = "mathvista", "MathVista", "arXiv 2310.02255"
    columns = (frozenset({"question", "answer", "question_type", "answer_type"}),)
    splits = ("testmini", "test")

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("decoded_image") or row.get("image"))
        if not loads:
            return None
        choices = listed(row.get("choices"))
        answer = plain(row.get("answer"))
        inner = row.get("metadata")
        meta: Mapping[str, Any] = inner if isinstance(inner, Mapping) else row
        precision = plain(row.get("precision"))
        facts = {
            "type": "choice" if choices else plain(row["answer_type"]),
            "unit": plain(row.get("unit")),
            "query": plain(row.get("query")),
            "precision": int(float(precision)) if precision else None,
        }
        axes_ = axes(
            task=meta.get("task"),
            skill=listed(meta.get("skills")),
            source=meta.get("source"),
            category=meta.get("category"),
            context=meta.get("context"),
            grade=meta.get("grade"),
            language=meta.get("language"),
            question_type=row["question_type"],
            answer_type=row["answer_type"],
        )
        id_ = next((plain(row[c]) for c in ("pid", "index", "id") if plain(row.get(c))), place)
        image = row.get("image")
        group = image if isinstance(image, str) and len(image) < 200 else id_
        return Item(
            id_, group, loads, plain(row["question"]), (answer,) if answer else (), letters(choices), "", axes_, facts
        )

    protocols: ClassVar[Mapping[str, Protocol]] = {}


def hint(item: Item) -> str:
    """The sentence that says which form of answer is wanted."""
    kind = item.facts["type"]
    if kind == "choice":
        return "Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end."
    if kind == "integer":
        return (
            "Please answer the question requiring an integer answer and provide the final value, "
            "e.g., 1, 2, 3, at the end."
        )
    if kind == "float":
        places = _PLACES[2 if item.facts["precision"] == 2 else 1]
        return f"Please answer the question requiring a floating-point number with {places}."
    if kind == "list":
        return (
            "Please answer the question requiring a Python list as an answer and provide the final list, "
            "e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end."
        )
    return "Please answer the question and provide the final answer at the end."


def _question(item: Item) -> str:
    return item.question + (f" (Unit: {item.facts['unit']})" if item.facts["unit"] else "")


def official_prompt(item: Item) -> str:
    """The query of the data where it is there, else the same made anew."""
    if item.facts["query"]:
        return str(item.facts["query"])
    if item.question.startswith("Hint:"):  # VLMEvalKit's table keeps the whole query in the question
        return item.question
    choices = f"\nChoices:\n{lettered(item, '({}) {}')}" if item.options else ""
    return f"Hint: {hint(item)}\nQuestion: {_question(item)}{choices}"


def lmms_prompt(item: Item) -> str:
    """The prompt of lmms-eval: the hint after the choices."""
    choices = f"\nChoices:\n{lettered(item, '({}) {}')}" if item.options else ""
    return f"Question: {_question(item)}{choices}\nHint: {hint(item)}\nSolution:"


def parse(reply: str, item: Item) -> ParsedAnswer:
    """The answer in the form of the gold: an option's text, a number rounded to its places, a list, or words."""
    kind = item.facts["type"]
    if kind == "choice":
        found = extraction.choice(reply, item.options)
        return ParsedAnswer(item.options[found.value], found.rule, found.span) if found.value else found
    if kind in ("integer", "float"):
        found = extraction.number(reply)
        return (
            ParsedAnswer(normal_number(found.value, kind, item.facts["precision"]), found.rule, found.span)
            if found.value
            else found
        )
    return extraction.number_list(reply) if kind == "list" else extraction.words(reply)


def normal_number(text: str, kind: str, precision: int | None) -> str:
    """Source: the released calculate_score: ``int(float(x))``, or rounding to ``int(precision)`` places."""
    try:
        return str(int(float(text))) if kind == "integer" else str(round(float(text), precision or 0))
    except (ValueError, OverflowError):
        return text


def _vlmevalkit_parse(reply: str, item: Item) -> ParsedAnswer:
    """The letter by VLMEvalKit's matcher; numbers only where the whole reply is one; no rounding."""
    kind = item.facts["type"]
    if kind == "choice":
        found = harness.vlmevalkit_choice(reply, item.options)
        return ParsedAnswer(item.options[found.value], found.rule) if found.value else found
    try:
        return (
            ParsedAnswer(str(int(reply)) if kind == "integer" else str(float(reply)), "whole reply")
            if kind in ("integer", "float")
            else UNPARSED
        )
    except ValueError:
        return UNPARSED


def _credit(found: ParsedAnswer, item: Item) -> float:
    """String equality, as published; words without case."""
    same = found.value is not None and (found.value == item.gold[0] or found.value.lower() == item.gold[0].lower())
    return float(same)


def _vlmevalkit_credit(found: ParsedAnswer, item: Item) -> float:
    if found.value is not None and item.facts["type"] in ("integer", "float"):
        try:
            return float(float(found.value) == float(item.gold[0]))
        except ValueError:
            return 0.0
    return _credit(found, item)


MathVista.protocols = named(
    Protocol(
        "official",
        official_prompt,
        parse,
        _credit,
        "the released query and normalisation; rules in place of the LLM and of the nearest option",
        version=2,
    ),
    Protocol(
        "vlmevalkit",
        official_prompt,
        _vlmevalkit_parse,
        _vlmevalkit_credit,
        "VLMEvalKit's prefetch rules, without its LLM",
        version=2,
    ),
    Protocol(
        "lmms",
        lmms_prompt,
        parse,
        _credit,
        "lmms-eval's order (hint after the choices); decimals are rounded as published, "
        "where lmms-eval 0.7.3 loses them all",
        version=2,
    ),
)
BENCHMARKS.register(MathVista.name)(MathVista())
