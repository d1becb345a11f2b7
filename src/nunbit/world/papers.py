"""Papers without pixels: receipts, menus, price lists, tables, forms, timetables, cards, notices and screens as lines
of text with boxes, and questions whose answers are known. They teach a language model to look up in rows that
somebody else has read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nunbit.world import lexicon
from nunbit.world.base import Language, pick
from nunbit.world.paper_words import SHOPS, field_sorts, items

MAX_ROWS = 9


@dataclass(slots=True)
class Asked:
    """A question that a paper brings with it, in both languages: wordings, what fills them, and the answer; ``then`` is
    asked after it."""

    sort: str
    wordings: Mapping[Language, tuple[str, ...]]
    fields: Mapping[Language, Mapping[str, str]]
    answer: Mapping[Language, str]
    then: Asked | None = None


@dataclass(slots=True)
class Paper:
    """Rows of cells, top to bottom, and what they say: ``pairs`` of key and value, ``numbers`` where the values can
    be compared."""

    kind: str
    hangul: bool
    rows: list[list[str]] = field(default_factory=list)
    pairs: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)

    def say(self, label: str, figure: str) -> None:
        """Let a chart's figure be the one that was read off it: that is what an answer can say."""
        self.pairs[label] = figure
        for asked in self.asked:
            if asked.sort == "lookup" and asked.fields["en"].get("k") == label:
                asked.answer = {"en": figure, "ko": figure.replace("about", "약")}


# ---- kinds of paper


def tongue(hangul: bool) -> Language:
    """The language that a paper is written in."""
    return "ko" if hangul else "en"


def some(rng: np.random.Generator, given: Sequence[str], n: int) -> list[str]:
    """``n`` of the given, in any order."""
    return [given[int(i)] for i in rng.permutation(len(given))[:n]]


def _amount(rng: np.random.Generator, hangul: bool) -> tuple[str, float]:
    """A price as it is written, and its number."""
    if hangul:
        won = int(rng.integers(5, 400)) * 100
        return pick(rng, (f"{won:,}원", f"{won:,}", f"{won}원")), float(won)
    n = int(rng.integers(50, 4000)) / 100
    text = pick(rng, (f"${n:.2f}", f"{n:.2f}", f"{n:.2f}", f"£{n:.2f}", f"€{n:.2f}"))
    return text, n


def _style(rng: np.random.Generator, hangul: bool) -> Callable[[float], str]:
    """One way of writing prices for a whole paper."""
    if hangul:
        return pick(rng, (lambda n: f"{n:,.0f}원", lambda n: f"{n:,.0f}", lambda n: f"{n:.0f}원"))
    return pick(
        rng,
        (
            lambda n: f"${n:.2f}",
            lambda n: f"{n:.2f}",
            lambda n: f"£{n:.2f}",
            lambda n: f"€{n:.2f}",
            lambda n: f"{n:.2f} USD",
        ),
    )


def _shop(rng: np.random.Generator, hangul: bool) -> str:
    word = (
        lexicon.random_hangul(rng)
        if hangul
        else pick(rng, (pick(rng, lexicon.ENGLISH).capitalize(), lexicon.random_latin(rng).capitalize()))
    )
    return word + pick(rng, SHOPS[tongue(hangul)])


def _priced(
    rng: np.random.Generator, hangul: bool, goods: list[str]
) -> tuple[dict[str, float], Callable[[float], str]]:
    """Goods with prices of which no two are equal."""
    unit = 100 if hangul else 0.05
    values = rng.permutation(np.arange(10, 400))[: len(goods)]
    return {g: round(float(v) * unit, 2) for g, v in zip(goods, values, strict=True)}, _style(rng, hangul)


def _menu(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("menu", hangul)
    paper.numbers, write = _priced(
        rng, hangul, some(rng, items("dishes", tongue(hangul)), int(rng.integers(3, MAX_ROWS - 1)))
    )
    paper.pairs = {k: write(v) for k, v in paper.numbers.items()}
    title = pick(
        rng, ("메뉴", "차림표", _shop(rng, True)) if hangul else ("MENU", "Menu", "Today's menu", _shop(rng, False))
    )
    paper.facts = {"title": title}
    joined = rng.random() < 0.25
    paper.rows = [[title], *([f"{k} {v}"] if joined else [k, v] for k, v in paper.pairs.items())]
    return paper


def _prices(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = _menu(rng, hangul)
    paper.kind = "price list"
    title = pick(rng, ("가격표", "요금표") if hangul else ("Price list", "Prices", "Fees"))
    paper.facts, paper.rows = {"title": title}, [[title], *paper.rows[1:]]
    return paper


def _table(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("table", hangul)
    people = some(
        rng,
        items("places", tongue(hangul)) if rng.random() < 0.3 else (lexicon.PEOPLE_KO if hangul else lexicon.PEOPLE_EN),
        int(rng.integers(2, 6)),
    )
    heads = some(rng, items("heads", tongue(hangul)), int(rng.integers(1, 4)))
    top = float(pick(rng, (20, 100, 1000)))
    columns = {h: [float(v) for v in rng.permutation(np.arange(1, top))[: len(people)]] for h in heads}
    paper.rows = [["이름" if hangul else pick(rng, ("Name", "Team", "Item", "")), *heads]]
    if not paper.rows[0][0]:
        paper.rows[0] = heads
    for i, person in enumerate(people):
        paper.rows.append([person, *(f"{columns[h][i]:.0f}" for h in heads)])
        paper.cells |= {(person, h): f"{columns[h][i]:.0f}" for h in heads}
    return paper


def _form(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("form", hangul)
    fields = field_sorts(tongue(hangul))
    for key in some(rng, list(fields), int(rng.integers(3, 7))):
        paper.pairs[key] = _value(rng, fields[key], hangul)
    colon = pick(rng, (":", ":", ""))
    together = rng.random() < 0.35
    paper.rows = [[f"{k}: {v}"] if together else [k + colon, v] for k, v in paper.pairs.items()]
    if rng.random() < 0.4:
        title = pick(rng, items("titles", tongue(hangul)))
        paper.facts["title"] = title
        paper.rows.insert(0, [title])
    return paper


def _value(rng: np.random.Generator, sort: str, hangul: bool) -> str:
    if sort == "person":
        return pick(rng, lexicon.PEOPLE_KO if hangul else lexicon.PEOPLE_EN)
    if sort == "date":
        return f"{int(rng.integers(2015, 2030))}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 29)):02d}"
    if sort == "time":
        return f"{int(rng.integers(24)):02d}:{5 * int(rng.integers(12)):02d}"
    if sort == "phone":
        return (
            f"{pick(rng, ('010', '02', '031', '555'))}-{int(rng.integers(100, 10000))}-{int(rng.integers(1000, 10000))}"
        )
    if sort == "place":
        return pick(rng, items("places", tongue(hangul)))
    if sort == "code":
        return lexicon.random_latin(rng).upper() + str(int(rng.integers(10, 1000)))
    if sort == "mail":
        return f"{pick(rng, lexicon.PEOPLE_EN).lower()}@{pick(rng, lexicon.ENGLISH)}.com"
    if sort == "price":
        return _amount(rng, hangul)[0]
    return str(int(rng.integers(1, 200)))


def _timetable(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("timetable", hangul)
    minutes = np.sort(rng.permutation(np.arange(70, 280))[: int(rng.integers(3, 7))]) * 5
    for place, m in zip(some(rng, items("places", tongue(hangul)), len(minutes)), minutes, strict=True):
        paper.pairs[place] = f"{int(m) // 60:02d}:{int(m) % 60:02d}"
    title = pick(
        rng,
        ("출발", "기차 시간표", "버스 시간표") if hangul else ("Departures", "Train times", "Bus timetable", "Flights"),
    )
    first = rng.random() < 0.4
    paper.facts = {"title": title}
    paper.rows = [[title], *([v, k] if first else [k, v] for k, v in paper.pairs.items())]
    return paper


def _card(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("business card", hangul)
    name, shop = _value(rng, "person", hangul), _shop(rng, hangul)
    phone, mail = _value(rng, "phone", hangul), _value(rng, "mail", hangul)
    paper.facts = {"name": name, "company": shop, "phone": phone, "mail": mail}
    paper.rows = [[shop], [name], [pick(rng, (phone, f"Tel {phone}"))], [mail]]
    return paper


def _notice(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("sign", hangul)
    paper.rows = [[pick(rng, lexicon.KOREAN_SIGNS if hangul else lexicon.SIGNS)]]
    for _ in range(int(rng.integers(0, 3))):
        paper.rows.append([" ".join(lexicon.word(rng, hangul) for _ in range(int(rng.integers(1, 4))))])
    if rng.random() < 0.4:
        hours = f"{int(rng.integers(6, 12))}:00 - {int(rng.integers(15, 23))}:00"
        paper.rows.append([hours])
        paper.facts["hours"] = hours
    return paper


def _screen(rng: np.random.Generator, hangul: bool) -> Paper:
    paper = Paper("screenshot", hangul)
    labels = some(rng, items("buttons", tongue(hangul)), int(rng.integers(3, 7)))
    wide = int(rng.integers(1, 4))
    paper.rows = [labels[i : i + wide] for i in range(0, len(labels), wide)]
    paper.facts = {"button": pick(rng, labels)}
    return paper


PLAIN = (_menu, _menu, _prices, _table, _form, _timetable, _card, _notice, _screen)
"""The makers of this file, each as often as it is drawn."""
