"""Papers: their tables, sheets and charts answer what is asked of them, in both languages, and can be painted."""

import re

import numpy as np
import pytest

from nunbit.scene_prompt import scene_words
from nunbit.world import bar_charts, pages, paper_kinds, paper_questions, sheets, tables, values
from nunbit.world.base import generator
from nunbit.world.names import broader, korean, table
from nunbit.world.values import ORDERED, goods, style, translated

LANGUAGES = ("en", "ko")


def filled(asked, language):
    """All wordings of a question with their fields filled in."""
    return [w.format(**asked.fields[language]) for w in asked.wordings[language]]


@pytest.mark.parametrize("kind", tables.kinds())
def test_every_table_has_a_key_and_columns_with_wordings_in_both_languages(kind):
    name, key, *columns = tables.kinds()[kind]
    assert (name.role, key.role) == ("name", "key") and columns
    for column in columns:
        for language in LANGUAGES:
            assert all(w and "{p" in w for w in column.ask[language]), column
            assert all("{v" in p for p in column.phrases[language]), column
            assert column.heads[language][0]
    for column in (key, *columns):
        for language in LANGUAGES:
            text, number = style(column.sort, generator(0, 0, "train"), language)()
            assert text and isinstance(number, float)


@pytest.mark.parametrize("kind", sheets.kinds())
def test_every_sheet_has_wordings_in_both_languages(kind):
    for field in sheets.kinds()[kind]:
        if field.key == "title":
            continue
        for language in LANGUAGES:
            assert all(field.ask[language]) and all(field.labels[language]), field
            if field.labels["en"] != ("*place",):
                assert style(field.sort, generator(0, 0, "train"), language)()[0]


@pytest.mark.parametrize("draw", [tables.draw, sheets.draw, sheets.receipt, bar_charts.draw])
def test_a_papers_own_questions_are_whole_and_their_look_ups_stand_on_it(draw):
    for number in range(60):
        rng = generator(3, number, "train")
        paper = draw(rng, bool(number % 2))
        cells = {c for row in paper.rows for c in row} | set(paper.pairs.values())
        cells |= {end for c in cells for end in re.split(r"\s*[-~]\s*", c)}  # when it opens, when it closes
        assert paper.rows and all(cell for row in paper.rows for cell in row)
        for asked in paper.asked:
            for language in LANGUAGES:
                texts = filled(asked, language)
                assert texts and not any("{" in t or not t for t in texts), asked
                if asked.sort == "lookup" and not re.fullmatch(r"\d", asked.answer[language]):
                    assert asked.answer[language] in cells, (asked, paper.rows)


def test_a_span_of_time_is_asked_for_its_start_and_its_end():
    saturday = next(f for f in sheets.kinds()["hours"] if f.key == "saturday")
    said = {w: a.answer["en"] for a in sheets.asked(saturday, "10:00 - 16:30") for w in a.wordings["en"]}
    assert said["When is it open on Saturday?"] == "10:00 - 16:30"
    assert said["When does it open on Saturday?"] == "10:00"
    assert said["When does it close on Saturday?"] == "16:30"
    assert len(sheets.asked(saturday, "closed")) == 1


def test_a_tables_answers_are_those_of_its_rows():
    """The row and the column that a look-up names give its answer: checked by hand on one table."""
    key, price = tables.kinds()["stock"][1], next(c for c in tables.kinds()["stock"] if c.key == "price")
    drawn = [
        tables._Drawn(key, "Item", ["pen", "cap", "map"], [0.0, 0.0, 0.0]),
        tables._Drawn(price, "Price", ["$2.00", "$9.50", "$4.00"], [2.0, 9.5, 4.0]),
    ]
    held = {"pen": "$2.00", "cap": "$9.50", "map": "$4.00"}
    seen = set()
    for number in range(40):
        made = tables._Questions(drawn, key, {"en": "item", "ko": "품목"}, generator(1, number, "train"))
        assert made.extreme(drawn[1], True).answer["en"] == "cap"
        assert made.extreme(drawn[1], False).answer["ko"] == "pen"
        assert made.rows_in_all().answer == {"en": "3", "ko": "3"}
        asked = made.lookup()
        if asked is None:
            continue
        phrase = asked.fields["en"]["p"]
        known = held | {v: k for k, v in held.items()}
        assert asked.answer["en"] == next(v for k, v in known.items() if k in phrase), asked
        seen.add(asked.answer["en"])
        [holder] = made.holder(drawn[1])
        assert held[holder.answer["en"]] == holder.fields["en"]["v"]
    assert len(seen) >= 3


def test_a_receipts_figures_fit_each_other():
    amount = re.compile(r"[\d,.]+")
    checked = 0
    for number in range(80):
        paper = sheets.receipt(generator(4, number, "train"), False)
        labels = {f.key: f.labels["en"] for f in sheets.kinds()["receipt"]}
        found = {}
        for row in paper.rows:
            for key, names in labels.items():
                if row[0] in names:
                    found[key] = float(amount.search(row[-1])[0].replace(",", "")) if amount.search(row[-1]) else None
        goods_sum = round(sum(paper.numbers.values()), 2)
        if "tax" in found:
            assert found["total"] == pytest.approx(goods_sum + found["tax"], abs=0.011)
            checked += 1
        if "cash" in found and "change" in found:
            assert found["change"] == pytest.approx(found["cash"] - found["total"], abs=0.011)
            checked += 1
    assert checked > 20


def test_a_chart_says_what_was_read_off_it():
    paper = bar_charts.draw(generator(5, 1, "train"), False)
    label = next(iter(paper.pairs))
    paper.say(label, "about 7")
    assert paper.pairs[label] == "about 7"
    named = [a for a in paper.asked if a.sort == "lookup" and a.fields["en"].get("k") == label]
    assert all(a.answer == {"en": "about 7", "ko": "약 7"} for a in named)
    words = scene_words(paper_kinds.scene_of(paper, generator(5, 2, "train")))
    assert all(f'bar "{k}"' in words for k in paper.numbers)
    best = max(paper.numbers, key=lambda k: paper.numbers[k])
    compared = [a.answer["en"] for a in paper.asked if a.sort == "compare"]
    assert best in compared


def test_painting_is_repeatable_and_shows_ink():
    shapes = set()
    for number in range(24):
        paper = paper_kinds.draw(generator(6, number, "train"), "en" if number % 2 else "ko")
        if not pages.paintable(paper):
            continue
        one, again = (pages.render(paper, generator(7, number, "train")) for _ in range(2))
        assert one.dtype == np.uint8 and np.array_equal(one, again)
        assert max(one.shape) <= pages.SIDE_MAX_PX and one.std() > 5
        shapes.add(one.shape)
    assert len(shapes) > 10


def test_goods_are_named_in_both_languages():
    assert translated("Cheese bagel", "ko") == "치즈 베이글" and translated("우유", "en") == "milk"
    assert translated("Zorblax", "ko") == "Zorblax"
    assert len(set(goods().values())) == len(goods())
    assert {*values._NUMBERS, "price", "time"} >= ORDERED


def test_broader_names_are_no_names_of_their_own_kind():
    assert broader("daisy") == ("flower",) and broader("cup of coffee") == ("cup", "coffee")
    for name in table():
        for wide in broader(name):
            assert name not in broader(wide) and korean(wide) != wide, (name, wide)


def test_every_question_of_a_paper_has_an_answer():
    for number in range(80):
        rng = generator(8, number, "train")
        language = LANGUAGES[number % 2]
        paper = paper_kinds.draw(rng, language)
        scene = paper_kinds.scene_of(paper, rng).validate()
        for conversation in paper_questions.ask(paper, scene, rng, language, 40):
            assert all(q and a and "{" not in q for q, a in conversation.turns), conversation
