"""Domain *documents*: receipts, tables and forms, with every figure known."""

from __future__ import annotations

from typing import Any

import numpy as np

from nunbit.scene import Scene, TextLine
from nunbit.world import lexicon
from nunbit.world.base import DOMAINS, QA, SIZE_PX, Domain, Glyph, Language, Picture, Split, pick
from nunbit.world.canvas import rect, shade
from nunbit.world.text import font_for, line_height, paint, text_line, width
from nunbit.world.wording import yes_no


class _Page:
    """A sheet of paper with the lines of text written on it."""

    def __init__(self, rng: np.random.Generator, hangul: bool) -> None:
        self.pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
        self.pixels[:] = rng.integers(232, 256, 3)
        self.latin = pick(rng, ("sans", "serif", "mono", "sans-bold"))
        self.hangul = pick(rng, ("gothic", "gothic-bold", "round"))
        self.size = int(rng.integers(14, 17)) if hangul else int(rng.integers(12, 15))
        self.ink = shade(rng, 0, 70)
        self.glyphs: list[Glyph] = []
        self.lines: list[TextLine] = []

    def write(self, x: float, y: float, text: str, *, right: bool = False) -> None:
        font = font_for(text, self.latin, self.hangul)
        x = x - width(text, font, self.size) if right else x
        new = paint(self.pixels, x, y, text, font=font, size_px=self.size, colour=self.ink)
        self.glyphs += new
        self.lines.append(text_line(text, new))

    def picture(self, meta: dict[str, Any]) -> Picture:
        scene = Scene(SIZE_PX, SIZE_PX, text_lines=self.lines, meta={"doc": meta})
        return Picture(self.pixels, scene, "documents", self.glyphs)


def _choose(rng: np.random.Generator, items: list[str], n: int) -> list[str]:
    return [items[int(i)] for i in rng.permutation(len(items))[:n]]


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """A receipt, a table or a form; its facts are in ``scene.meta["doc"]``."""
    return pick(rng, (_receipt, _table, _form))(rng, bool(rng.random() < 0.5))


def money(amount: int, hangul: bool) -> str:
    """A price: won, or dollars of an amount in cents."""
    return f"{amount:,}원" if hangul else f"${amount / 100:.2f}"


def _receipt(rng: np.random.Generator, hangul: bool) -> Picture:
    page = _Page(rng, hangul)
    x0, x1, y = int(rng.integers(6, 20)), int(rng.integers(165, 186)), int(rng.integers(4, 18))
    if hangul:
        shop = lexicon.random_hangul(rng) + pick(rng, ("마트", "상회", "카페"))
    else:
        shop = pick(rng, lexicon.ENGLISH).capitalize() + pick(rng, (" Mart", " Cafe", " Shop"))
    goods = _choose(rng, lexicon.GOODS_KO if hangul else lexicon.GOODS_EN, int(rng.integers(2, 6)))
    # Two prices are never equal, so that "the cheapest" has one answer.
    prices = [int(p) * (100 if hangul else 5) for p in rng.permutation(np.arange(5, 100))[: len(goods)]]
    step = line_height(page.size) + int(rng.integers(1, 6))
    page.write(x0, y, shop)
    for i, (name, price) in enumerate(zip(goods, prices, strict=True), start=1):
        page.write(x0, y + i * step, name)
        page.write(x1, y + i * step, money(price, hangul), right=True)
    bottom = y + (len(goods) + 1) * step
    rect(page.pixels, (x0, bottom, x1, bottom + 1), (120, 120, 120))
    page.write(x0, bottom + 3, "합계" if hangul else "Total")
    page.write(x1, bottom + 3, money(sum(prices), hangul), right=True)
    rows = [[n, p] for n, p in zip(goods, prices, strict=True)]
    return page.picture({"type": "receipt", "shop": shop, "rows": rows, "total": sum(prices), "hangul": hangul})


def _table(rng: np.random.Generator, hangul: bool) -> Picture:
    page = _Page(rng, hangul)
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(1, 3))
    people = _choose(rng, lexicon.PEOPLE_KO if hangul else lexicon.PEOPLE_EN, rows)
    heads = _choose(rng, ["나이", "점수", "키", "순위"] if hangul else ["Age", "Score", "Goals", "Rank"], columns)
    values = [[int(v) for v in column] for column in (rng.permutation(np.arange(1, 100))[:rows] for _ in heads)]
    x0, y0, step = int(rng.integers(6, 20)), int(rng.integers(6, 24)), line_height(page.size) + int(rng.integers(2, 9))
    xs = [x0 + 64 + int(56 * i) for i in range(columns)]
    page.write(x0 + 3, y0, "이름" if hangul else "Name")
    for x, head in zip(xs, heads, strict=True):
        page.write(x, y0, head)
    for r, person in enumerate(people, start=1):
        page.write(x0 + 3, y0 + r * step, person)
        for x, column in zip(xs, values, strict=True):
            page.write(x, y0 + r * step, str(column[r - 1]))
    if rng.random() < 0.7:
        for r in range(rows + 2):
            rect(page.pixels, (x0, y0 + r * step - 2, xs[-1] + 46, y0 + r * step - 1), (150, 150, 150))
    table = {p: {h: column[r] for h, column in zip(heads, values, strict=True)} for r, p in enumerate(people)}
    return page.picture({"type": "table", "rows": table, "heads": heads, "hangul": hangul})


def _form(rng: np.random.Generator, hangul: bool) -> Picture:
    page = _Page(rng, hangul)
    fields = {
        "이름" if hangul else "Name": pick(rng, lexicon.PEOPLE_KO if hangul else lexicon.PEOPLE_EN),
        "도시" if hangul else "City": pick(rng, lexicon.CITIES_KO if hangul else lexicon.CITIES_EN),
        "날짜"
        if hangul
        else "Date": f"{int(rng.integers(2015, 2030))}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 29)):02d}",
        "전화" if hangul else "Phone": f"010-{int(rng.integers(1000, 10000))}",
        "코드" if hangul else "Code": lexicon.random_latin(rng).upper(),
    }
    labels = _choose(rng, list(fields), int(rng.integers(3, 6)))
    x0, y0, step = int(rng.integers(6, 16)), int(rng.integers(6, 30)), line_height(page.size) + int(rng.integers(3, 12))
    for i, label in enumerate(labels):
        page.write(x0, y0 + i * step, f"{label}:")
        page.write(x0 + 62, y0 + i * step, fields[label])
        if rng.random() < 0.5:
            rect(page.pixels, (x0 + 58, y0 + (i + 1) * step - 3, 186, y0 + (i + 1) * step - 2), (170, 170, 170))
    return page.picture({"type": "form", "rows": {k: fields[k] for k in labels}, "hangul": hangul})


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """Questions about a document: its type, entries, totals, comparisons and whether an entry is there."""
    doc = picture.scene.meta["doc"]
    out: list[QA] = []

    def add(kind: str, en: str, ko: str, answer: str) -> None:
        out.append(QA(ko if language == "ko" else en, answer, kind, language))

    kinds = {"receipt": ("receipt", "영수증"), "table": ("table", "표"), "form": ("form", "양식")}
    add("describe", "What kind of document is this?", "이것은 어떤 문서인가요?", kinds[doc["type"]][language == "ko"])
    {"receipt": _ask_receipt, "table": _ask_table, "form": _ask_form}[doc["type"]](doc, rng, add, language)
    return out


def _ask_receipt(doc: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    hangul, rows = doc["hangul"], doc["rows"]
    for i in rng.permutation(len(rows))[:3]:
        name, price = rows[int(i)]
        add("lookup", f"What is the price of {name}?", f"{name} 가격은 얼마인가요?", money(price, hangul))
    add("lookup", "What is the total?", "합계는 얼마인가요?", money(doc["total"], hangul))
    add("read", "What is the name of the shop?", "가게 이름은 무엇인가요?", doc["shop"])
    add("count", "How many items are on the receipt?", "영수증에 물건이 몇 가지 있나요?", str(len(rows)))
    goods = [n for n, _ in rows]
    name = pick(rng, goods) if rng.random() < 0.5 else pick(rng, lexicon.GOODS_KO if hangul else lexicon.GOODS_EN)
    add("exists", f"Is {name} on the receipt?", f"영수증에 {name} 항목이 있나요?", yes_no(name in goods, language))
    (a, pa), (b, pb) = (rows[int(i)] for i in rng.permutation(len(rows))[:2])
    add("compare", f"Which costs more, {a} or {b}?", f"{a}, {b} 중 어느 것이 더 비싼가요?", a if pa > pb else b)
    add("order", "Which item is the cheapest?", "가장 싼 물건은 무엇인가요?", min(rows, key=lambda r: r[1])[0])


def _ask_table(doc: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    people = list(doc["rows"])
    for _ in range(3):
        p, h = pick(rng, people), pick(rng, doc["heads"])
        add("lookup", f"What is the {h} of {p}?", f"{p}의 {h}: 얼마인가요?", str(doc["rows"][p][h]))
    h = pick(rng, doc["heads"])
    a, b = (people[int(i)] for i in rng.permutation(len(people))[:2])
    larger = a if doc["rows"][a][h] > doc["rows"][b][h] else b
    add("compare", f"Who has the larger {h}, {a} or {b}?", f"{a}, {b} 중 {h} 값이 더 큰 쪽은 누구인가요?", larger)
    add("count", "How many people are in the table?", "표에 몇 명이 있나요?", str(len(people)))
    others = lexicon.PEOPLE_KO if doc["hangul"] else lexicon.PEOPLE_EN
    name = pick(rng, people) if rng.random() < 0.5 else pick(rng, others)
    add("exists", f"Is {name} in the table?", f"표에 {name} 이름이 있나요?", yes_no(name in people, language))
    highest = max(people, key=lambda p: doc["rows"][p][h])
    add("order", f"Who has the highest {h}?", f"{h} 값이 가장 큰 사람은 누구인가요?", highest)


def _ask_form(doc: dict[str, Any], rng: np.random.Generator, add: Any, language: Language) -> None:
    for label in (pick(rng, list(doc["rows"])) for _ in range(4)):
        add("lookup", f"What is the {label}?", f"{label} 칸에는 뭐라고 쓰여 있나요?", doc["rows"][label])
    add("count", "How many fields does the form have?", "양식에 칸이 몇 개 있나요?", str(len(doc["rows"])))
    labels = ["이름", "도시", "날짜", "전화", "코드"] if doc["hangul"] else ["Name", "City", "Date", "Phone", "Code"]
    label = pick(rng, labels)
    truth = yes_no(label in doc["rows"], language)
    add("exists", f"Does the form have a {label} field?", f"양식에 {label} 칸이 있나요?", truth)


DOMAINS.register("documents")(Domain(draw, make_questions))
