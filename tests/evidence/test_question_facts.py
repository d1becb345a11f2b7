"""What a question names in the Scenes, beside it: rows, cells, extremes, things, relations, the whole."""

import random
import time

import pytest

from nunbit.evidence.question_facts import LINES_MAX, MARK, QuestionFacts
from nunbit.scene import Scene, SceneObject, TextLine


def page(*rows, step=20):
    """A Scene of rows of cells, in columns 100 pixels apart."""
    lines = [
        TextLine.from_box(text, (100 * j, step * i, 100 * j + 80, step * i + 12), 0.9)
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
        if text
    ]
    return Scene(500, step * len(rows) + 20, text_lines=lines)


TEAMS = page(
    ("Team", "Played", "Won", "Lost", "Points"),
    ("Falcons", "14", "9", "5", "27"),
    ("Sharks", "14", "11", "3", "33"),
    ("Wolves", "13", "6", "7", "18"),
)
TRAINS = page(
    ("열차", "행선지", "출발", "승강장"),
    ("KTX 121", "부산", "10:30", "4"),
    ("KTX 407", "광주", "10:45", "9"),
    ("KTX 305", "대구", "11:05", "2"),
)
RECEIPT = page(("Sourdough bread", "3.40"), ("Olive oil", "6.50"), ("Desk lamps", "35.50"), ("TOTAL", "45.40"))
PIECES = page(("1 x Cheese bagel", "4.25"), ("2 x Latte", "8.40"))
HOURS = page(("Mon - Fri", "9:00 - 20:00"), ("Saturday: 10:00 - 16:00",), ("Sunday", "closed"))
ZOO = Scene(
    100,
    100,
    [
        SceneObject("dog", (3, 40, 20, 60), 0.9, {"colour": "brown"}),
        SceneObject("dog", (70, 40, 90, 60), 0.9, {"colour": "white"}),
        SceneObject("cat", (40, 5, 55, 20), 0.9, {"colour": "black"}),
        SceneObject("owl", (40, 80, 50, 95), 0.3),
    ],
    meta={"kind": "photograph"},
)


def lines(scene, question, language="en"):
    return QuestionFacts([scene], language).lines(question)


@pytest.mark.parametrize(
    ("scene", "question", "language", "expected"),
    [
        (TEAMS, "How many points do the Wolves have?", "en", ["Wolves | Points: 18"]),
        (TEAMS, "How often did the Falcons win?", "en", ["Falcons | Won: 9"]),
        (TEAMS, "Falcons는 몇 번 이겼나요?", "ko", ["Falcons | 승: 9"]),
        (TEAMS, "Which team has the most points?", "en", ["Points: highest Sharks (33)"]),
        (TEAMS, "Who lost the fewest games?", "en", ["Lost: lowest Sharks (3)"]),
        (TEAMS, "Tell me about the Sharks.", "en", ["Sharks | Played: 14 | Won: 11 | Lost: 3 | Points: 33"]),
        (TRAINS, "부산행 열차는 몇 시에 출발하나요?", "ko", ["KTX 121 | 행선지: 부산 | 출발: 10:30"]),
        (TRAINS, "광주행은 몇 번 승강장인가요?", "ko", ["KTX 407 | 행선지: 광주 | 승강장: 9"]),
        (TRAINS, "When does the one to Daegu go?", "en", ["KTX 305 | Destination: 대구 (Daegu) | Departure: 11:05"]),
        (TRAINS, "Which train leaves first?", "en", ["Departure: earliest KTX 121 (10:30)"]),
        (RECEIPT, "How much was the olive oil?", "en", ["Olive oil | 6.50"]),
        (RECEIPT, "What does a desk lamp cost?", "en", ["Desk lamps | 35.50"]),
        (RECEIPT, "빵은 얼마인가요?", "ko", ["Sourdough bread | 3.40"]),
        (RECEIPT, "What is the most expensive item?", "en", ["most expensive Desk lamps (35.50)"]),
        (RECEIPT, "가장 싼 것은 무엇인가요?", "ko", ["가장 싼 것 Sourdough bread (3.40)"]),
        (RECEIPT, "What does line 2 say?", "en", ["Olive oil | 6.50"]),
        (PIECES, "How much is the cheese bagel?", "en", ["Cheese bagel | 4.25"]),
        (PIECES, "How many lattes were bought?", "en", ["2 x Latte | 8.40"]),
        (HOURS, "When does it close on Tuesday?", "en", ["Mon - Fri | 9:00 - 20:00", "Mon - Fri | closes: 20:00"]),
        (HOURS, "토요일에는 몇 시에 여나요?", "ko", ["Saturday: 10:00 - 16:00", "Saturday | 여는 시각: 10:00"]),
        (HOURS, "What are the hours on Tuesday?", "en", ["Mon - Fri | 9:00 - 20:00"]),
        (TEAMS, "How many games did the Wolves lose?", "en", ["Wolves | Lost: 7"]),
        (TEAMS, "How many games have the Wolves played?", "en", ["Wolves | Played: 13"]),
        (HOURS, "Does it say \"holiday\"?", "en", ['no "holiday"']),
        (ZOO, "What is above the dog?", "en", ["above dog: cat"]),
        (ZOO, "Is the cat left of the owl?", "en", []),  # too near to tell
        (ZOO, "Is there a horse?", "en", ["no horse"]),
        (ZOO, "말이 있나요?", "ko", ["말 없음"]),
        (ZOO, "How many red dogs are there?", "en", ["no red dogs"]),
        (ZOO, "Is this a photograph or a drawing?", "en", ["photograph"]),
        (ZOO, "What is at the top?", "en", ["top: cat"]),
    ],
)  # fmt: skip
def test_what_a_question_names(scene, question, language, expected):
    found = lines(scene, question, language)
    if scene is ZOO:  # also each thing with its place
        found = [line for line in found if "[" not in line]
    assert found == expected


@pytest.mark.parametrize(
    ("question", "language", "begins"),
    [
        ("How many dogs are there?", "en", "2 dogs: brown dog 3% left [3,40,20,60], white dog 4% right [70,40,90,60]"),
        ("개가 몇 마리 있나요?", "ko", "개 2개: 갈색 개 3% 왼쪽 [3,40,20,60], 흰색 개 4% 오른쪽"),
        ("How many white dogs are there?", "en", "1 white dog: white dog 4% right"),
        ("Do you see a bird?", "en", "maybe 1 owl: maybe owl 2% bottom"),
        ("What is in [40,5,55,20]?", "en", "black cat 2% top [40,5,55,20]"),
        ("How many things are there?", "en", "3 objects: 2 dogs and a cat; maybe an owl"),
    ],
)
def test_things_with_their_places(question, language, begins):
    assert any(line.startswith(begins) for line in lines(ZOO, question, language))


def test_a_longer_name_wins_and_a_shared_value_names_nothing():
    menu = page(("Tea", "3.00"), ("Green tea", "4.00"), ("Iced tea", "5.00"))
    assert lines(menu, "How much is the green tea?") == ["Green tea | 4.00"]
    board = page(*[(f"KE {i}", "On time") for i in range(10, 16)])
    assert lines(board, "Which flight is on time?") == []


def test_names_of_things_on_a_page_are_no_things():
    assert lines(page(("Hot dog", "12.05"), ("Cola", "6.50")), "How much is a hot dog?") == ["Hot dog | 12.05"]


def test_each_line_of_several_pictures_says_which():
    found = QuestionFacts([ZOO, Scene(10, 10)], "en").lines("Is there a cat?")
    assert found == ["picture 1: 1 cat: black cat 2% top [40,5,55,20]", "picture 2: no cat"]
    assert QuestionFacts([ZOO], "en").words("Is there a horse?") == f"{MARK}no horse\n"


def test_any_question_about_any_page_takes_little_time():
    rng = random.Random(0)
    words = 'tea 1 10:30 most line 3 dog 개 얼마 가장 싼 "x" [1,2,3,4] total 월요일 ( * \\ \u2028 가'.split(" ")
    wide = page(*[[rng.choice(words) for _ in range(5)] for _ in range(100)])
    facts = QuestionFacts([wide] * 8, "en")
    started = time.process_time()
    for _ in range(5):
        assert len(facts.lines(" ".join(rng.choices(words, k=3000)))) <= LINES_MAX
    assert time.process_time() - started < 5
