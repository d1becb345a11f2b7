"""Sheets of labels and values: settings, opening hours, road signs, tickets, posters, product labels, and receipts with
all that stands below the goods. Labels, values and wordings are in `sheets.tsv`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nunbit.world import tsv
from nunbit.world.base import Language, pick
from nunbit.world.paper_words import items
from nunbit.world.papers import Asked, Paper, tongue
from nunbit.world.tables import LANGUAGES, Phrases, sellers
from nunbit.world.values import style, translated
from nunbit.world.wordings import Word

_SPAN = re.compile(r"\s*[-–~]\s*")
KINDS = {
    "settings": "screenshot",
    "hours": "sign",
    "road": "sign",
    "ticket": "form",
    "poster": "sign",
    "label": "form",
    "receipt": "receipt",
}
"""Sheets and the kind of paper each is."""


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled value of a sheet and the wordings that ask for it. The label ``*`` is not written; ``*place`` is a
    place."""

    key: str
    labels: Phrases
    sort: str
    ask: Phrases


@lru_cache(maxsize=1)
def kinds() -> dict[str, list[Field]]:
    """Kind of sheet -> its fields."""
    out: dict[str, list[Field]] = {}
    for row in tsv.rows("sheets"):
        labels, ask = ({lang: tuple(row[p + lang].split(";")) for lang in LANGUAGES} for p in ("", "ask_"))
        out.setdefault(row["kind"], []).append(Field(row["key"], labels, row["value"], ask))
    return out


def draw(rng: np.random.Generator, hangul: bool) -> Paper:
    """A sheet with 2 to 9 fields."""
    kind = pick(rng, [k for k in KINDS if k != "receipt"])
    language = tongue(hangul)
    paper = Paper(KINDS[kind], hangul)
    fields = [f for f in kinds()[kind] if f.key != "title"]
    titles = [f for f in kinds()[kind] if f.key == "title"]
    chosen = _some(rng, fields, int(rng.integers(2, len(fields) + 1)))
    if kind in ("settings", "ticket", "hours"):
        chosen.sort(key=fields.index)
    bar = [f for f in chosen if f.labels["en"] == ("*",)]
    if bar:
        values = [style(f.sort, rng, language)()[0] for f in bar]
        paper.rows.append(values)
        paper.asked += [a for f, v in zip(bar, values, strict=True) for a in asked(f, v)]
    if titles and rng.random() < 0.8:
        paper.facts["title"] = pick(rng, titles[0].labels[language])
        paper.rows.append([paper.facts["title"]])
    used: set[str] = set()
    separator = pick(rng, ("", "", "", ":"))
    for field in (f for f in chosen if f not in bar):
        label = pick(rng, field.labels[language])
        if label == "*place":
            label = pick(rng, [p for p in items("places", language) if p not in used])
            used.add(label)
        value = style(field.sort, rng, language)()[0]
        paper.rows.append([label + separator, value])
        paper.pairs[label] = value
        paper.asked += asked(field, value, label)
    if kind == "settings" and rng.random() < 0.5:
        paper.rows.append(
            [pick(rng, ("About", "Help", "Privacy") if language == "en" else ("정보", "도움말", "개인정보"))]
        )
    return paper


def _some(rng: np.random.Generator, fields: list[Field], n: int) -> list[Field]:
    return [fields[int(i)] for i in rng.permutation(len(fields))[:n]]


def asked(field: Field, value: str, label: str = "") -> list[Asked]:
    """The questions that ask for one field: its own wordings in both languages; of a span of time also those (marked
    ``<`` and ``>`` in the file) that ask for its start and its end."""
    fields: dict[Language, dict[str, str]] = {lang: {"k": Word(label)} for lang in LANGUAGES}
    ends = _SPAN.split(value)
    answers = {"": value} | ({"<": ends[0], ">": ends[1]} if len(ends) == 2 else {})
    out = []
    for mark, answer in answers.items():
        wordings = {x: tuple(w.lstrip("<>") for w in field.ask[x] if _mark(w) == mark) for x in LANGUAGES}
        if all(wordings.values()):
            out.append(Asked("lookup", wordings, fields, dict.fromkeys(LANGUAGES, answer)))
    return out


def _mark(wording: str) -> str:
    return wording[:1] if wording[:1] in ("<", ">") else ""


def receipt(rng: np.random.Generator, hangul: bool) -> Paper:
    """Goods, often with their number, then subtotal, tax, total, cash, change: figures that fit each other."""
    language, paper = tongue(hangul), Paper("receipt", hangul)
    unit, form = (100, pick(rng, ("{:,.0f}원", "{:,.0f}", "{:.0f}원"))) if hangul else (0.05, pick(
        rng, ("${:.2f}", "{:.2f}", "£{:.2f}", "€{:.2f}")))  # fmt: skip
    goods = sellers(rng, hangul, int(rng.integers(2, 7)))
    counts = [int(rng.integers(2, 5)) if rng.random() < 0.3 else 1 for _ in goods]
    prices = [round(int(v) * unit, 2) for v in rng.permutation(np.arange(10, 260))[: len(goods)]]
    layout = pick(rng, ("plain", "times", "times", "columns"))
    shop = style("words", rng, language)()[0] + pick(
        rng, (" Cafe", " Market", " Store", "") if not hangul else (" 카페", " 마트", "")
    )
    paper.facts["shop"] = shop
    paper.rows.append([shop])
    for sort in ("date", "time"):
        if rng.random() < 0.4:
            value = style(sort, rng, language)()[0]
            if sort == "date":
                paper.facts["date"] = value
                paper.rows.append([value])
            else:
                paper.rows[-1].append(value)
    for good, n, each in zip(goods, counts, prices, strict=True):
        amount = form.format(n * each)
        if layout == "columns":
            paper.rows.append([good, str(n), amount])
        elif layout == "times" and n > 1:
            paper.rows.append([f"{n} x", good, amount] if rng.random() < 0.5 else [f"{n} x {good}", amount])
        else:
            paper.rows.append([good, amount])
        paper.pairs[good], paper.numbers[good] = amount, round(n * each, 2)
        if layout != "plain":
            paper.asked.append(_number_of(good, n, rng))
    _below(paper, rng, language, form)
    return paper


def _number_of(good: str, n: int, rng: np.random.Generator) -> Asked:
    called = {lang: Word(translated(good, lang) if rng.random() < 0.6 else good) for lang in LANGUAGES}
    wordings: Phrases = {
        "en": ("How many {k} were bought?", "How many of {k} are on it?", "How many {k} are there?"),
        "ko": ("{k:을/를} 몇 개 샀나요?", "{k:은/는} 몇 개인가요?"),
    }
    return Asked("lookup", wordings, {lang: {"k": called[lang]} for lang in LANGUAGES}, {x: str(n) for x in LANGUAGES})


def _below(paper: Paper, rng: np.random.Generator, language: Language, form: str) -> None:
    """What stands below the goods of a receipt."""
    fields = {f.key: f for f in kinds()["receipt"]}
    goods = round(sum(paper.numbers.values()), 2)
    tax = round(goods * pick(rng, (0.05, 0.08, 0.1)), 2) if rng.random() < 0.5 else 0.0
    total = goods + tax
    step = 1000 if language == "ko" else 5
    cash = float(-(-total // step) * step + step * int(rng.integers(0, 3)))
    amounts = {"subtotal": goods, "tax": tax, "total": total, "cash": cash, "change": cash - total}
    shown = [k for k in amounts if k == "total" or rng.random() < 0.55]
    if not tax:
        shown = [k for k in shown if k not in ("tax", "subtotal")]
    for key in shown:
        label, value = pick(rng, fields[key].labels[language]), form.format(amounts[key])
        paper.rows.append([label, value])
        paper.asked += asked(fields[key], value, label)
    for key in ("card", "table", "served"):
        if rng.random() < 0.15:
            label, value = pick(rng, fields[key].labels[language]), style(fields[key].sort, rng, language)()[0]
            paper.rows.append([label, value])
            paper.asked += asked(fields[key], value, label)
    if rng.random() < 0.4:
        paper.rows.append([pick(rng, ("감사합니다", "또 오세요") if language == "ko" else ("Thank you!", "Goodbye"))])
