"""MMMU: college questions in thirty subjects, with up to seven pictures inside the text; choice and open.

Source: arXiv 2311.16502.

The released parser draws an option by lot when it reads none: here such a reply is unparsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from nunbit.evaluation import extraction, harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol, letters
from nunbit.evaluation.protocols import LETTER_EN, SHORT, lettered, named, vlmevalkit_choice_prompt
from nunbit.evaluation.reading import Pictures, golds, listed, plain
from nunbit.messages import EncodedImage, Message, Part

_IMAGES = re.compile(r"<image (\d)>")
_DOMAINS = {
    "Art and Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health and Medicine": "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy "
    "Public_Health",
    "Humanities and Social Science": "History Literature Sociology Psychology",
    "Tech and Engineering": "Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power "
    "Materials "
    "Mechanical_Engineering",
}
_DOMAIN_OF = {s: d for d, subjects in _DOMAINS.items() for s in subjects.split()}
_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")


def prompt(item: Item) -> str:
    """The released prompt: question, options by letter, and the sentence that asks for the answer's form."""
    if item.options:
        return f"{item.question}\n{lettered(item)}\n\n{LETTER_EN}"
    return f"{item.question}\n\n{SHORT}"


class MMMU(Benchmark):
    """MMMU, multiple choice and open questions."""

    name, title, source = "mmmu", "MMMU", "arXiv 2311.16502"
    columns = (
        frozenset({"id", "question", "options", "answer", "question_type"}),
        frozenset({"index", "question", "image", "a", "b"}),
    )
    splits = ("validation", "val", "dev", "test")
    protocols: ClassVar[Mapping[str, Protocol]] = {}

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of([row[f"image_{k}"] for k in range(1, 8) if row.get(f"image_{k}")] or row.get("image"))
        if not loads:
            return None
        id_ = plain(row.get("id") or row.get("index")) or place
        texts = listed(row.get("options")) or [plain(row[k]) for k in "abcdefgh" if plain(row.get(k))]
        choices = letters(texts) if plain(row.get("question_type")) != "open" else {}
        answers = tuple(a for a in golds(row.get("answer")) if a not in ("", "?"))
        subject = (
            re.sub(r"^(?:dev|validation|test)_|_\d+$", "", id_)
            if not plain(row.get("category"))
            else plain(row["category"])
        )
        return Item(
            id_,
            id_,
            loads,
            plain(row["question"]),
            answers,
            choices,
            categories=axes(
                subject=subject,
                domain=_DOMAIN_OF.get(subject.replace(" ", "_"), ""),
                subfield=row.get("subfield"),
                difficulty=row.get("topic_difficulty"),
                question_type="open" if not choices else "multiple-choice",
            ),
        )

    def ask(self, item: Item, protocol: Protocol) -> list[Message]:
        """Pictures stand where the text names them; those it does not name come first."""
        text, pictures = protocol.prompt(item), item.pictures
        named_ = {int(n) for n in _IMAGES.findall(text)}
        parts = [Part.image(EncodedImage(p)) for k, p in enumerate(pictures, start=1) if k not in named_]
        for k, piece in enumerate(_IMAGES.split(text)):
            if k % 2 == 0:
                parts += [Part.text(piece)] if piece else []
            elif int(piece) <= len(pictures):
                parts.append(Part.image(EncodedImage(pictures[int(piece) - 1])))
        return [Message("user", tuple(parts))]


def open_candidates(reply: str) -> list[str]:
    """Where the released parser looks for an open answer: after the last "answer", "is", "=" ... of each sentence,
    and every number.
    """
    out = []
    sentences = [s for s in re.split(r"\.\s(?=[A-Z])|\n", reply.strip().strip(".").lower()) if s]
    for at, sentence in enumerate(sentences):
        keys = (*_KEYS, "=") if at == len(sentences) - 1 else _KEYS
        tails = [sentence.split(k)[-1].strip() for k in keys if k in sentence]
        short = min((t for t in tails if t not in ("", ":", ",", ".", "!", "?", ";", "'")), key=len, default=None)
        if short:
            out.append(short)
    out = out or [reply]
    for text in [*out]:
        out += re.findall(r"-?\b\d{1,3}(?:,\d{3})+\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text)
    return [*dict.fromkeys(out)]


def _as_number(text: str) -> float | None:
    try:
        return round(float(text.replace(",", "")), 2)
    except ValueError:
        return None


def open_right(reply: str, golds: tuple[str, ...]) -> bool:
    """A number equal to two places, or gold words inside a candidate. Words of one letter must stand alone."""
    for said in open_candidates(reply):
        for gold in golds:
            a, b = _as_number(said), _as_number(gold)
            if a is not None and b is not None:
                if a == b:
                    return True
            elif b is None and a is None:
                wanted = gold.strip().lower()
                if (f" {wanted} " if len(wanted) == 1 else wanted) in f" {said.lower()} ":
                    return True
    return False


def _official_parse(reply: str, item: Item) -> ParsedAnswer:
    return harness.mmmu_choice(reply, item.options) if item.options else extraction.raw(reply)


def _nunbit_parse(reply: str, item: Item) -> ParsedAnswer:
    return extraction.choice(reply, item.options) if item.options else extraction.words(reply)


def _credit(found: ParsedAnswer, item: Item) -> float:
    if found.value is None:
        return 0.0
    return float(found.value in item.gold if item.options else open_right(found.value, item.gold))


def _with_other(item: Item) -> dict[str, str]:
    return dict(item.options) or {"A": item.gold[0] if item.gold else "", "B": "Other Answers"}


def _vlmevalkit_parse(reply: str, item: Item) -> ParsedAnswer:
    """An open question becomes the choice between its answer and "Other Answers"."""
    return harness.vlmevalkit_choice(reply, _with_other(item))


def _vlmevalkit_credit(found: ParsedAnswer, item: Item) -> float:
    return float(found.value is not None and found.value in (item.gold if item.options else ("A",)))


MMMU.protocols = named(
    Protocol("official", prompt, _official_parse, _credit, "the released parser; unparsed where it draws lots"),
    Protocol("nunbit", prompt, _nunbit_parse, _credit, "the same prompt and metric; nunbit's rules"),
    Protocol(
        "vlmevalkit",
        vlmevalkit_choice_prompt,
        _vlmevalkit_parse,
        _vlmevalkit_credit,
        'VLMEvalKit\'s rule matcher; an open answer is chosen against "Other Answers"',
        version=2,
    ),
    Protocol(
        "lmms",
        prompt,
        _official_parse,
        _credit,
        "as lmms-eval 0.7.3, less the lots (its snapshot of August 2026 loses every open answer)",
    ),
)
BENCHMARKS.register(MMMU.name)(MMMU())
