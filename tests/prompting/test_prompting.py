"""Each way to ask changes the conversation as it says, and nothing else."""

import json
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import check_turns, question, system
from nunbit.prompting import chain, show
from nunbit.prompting.chain_of_thought import (
    final_answer,
    final_only,
    language_of,
    normalise_answer,
    self_consistency,
    with_words,
    zero_shot,
)
from nunbit.prompting.pointing import PointingMark, draw, parse, point_at
from nunbit.prompting.shots import Shot, few_shot, load_shots

GREY = Image.new("RGB", (100, 60), (128, 128, 128))


@pytest.fixture
def examples(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "a.png")
    rows = [
        {"image": "a.png", "question": "What is it?", "answer": "red", "reasoning": "It is like blood, so"},
        {"question": "2?", "answers": ["two"]},
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_shots_come_before_the_question_and_after_the_system_turn(examples):
    shots = load_shots(examples / "s.jsonl")
    turns = few_shot(shots)([system("Be short."), *question("And this?", [GREY])])
    check_turns(turns)
    assert [m.role for m in turns] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [len(m.images) for m in turns] == [0, 1, 0, 0, 0, 1] and turns[2].text == "red"
    assert few_shot(shots, text_only=True)(question("x"))[0].images == []
    assert turns[1].images[0].size == (8, 8) and [p.kind for p in turns[1].parts] == ["image", "text"]
    assert (
        few_shot([])(question("x")) == question("x") and [m.role for m in few_shot(shots)([system("x")])][0] == "system"
    )
    assert show(turns).splitlines()[1:3] == ["user: [image (8, 8)] What is it?", "assistant: red"]
    assert show(turns).splitlines()[-1] == "user: [image (100, 60)] And this?"


def test_worked_solutions_end_in_an_answer_that_can_be_found_again(examples):
    shots = load_shots(examples / "s.jsonl")
    told = few_shot([*shots, Shot("몇 개?", "3", reasoning="둘과 하나이므로")], reasoning=True)(question("x"))
    assert [m.text for m in told if m.role == "assistant"] == [
        "It is like blood, so The answer is red.",
        "The answer is two.",
        "둘과 하나이므로 답: 3",
    ]
    assert [final_answer(m.text) for m in told if m.role == "assistant"] == ["red", "two", "3"]
    with pytest.raises(UserError, match="worked solutions"):
        few_shot([Shot("2?", "two")], reasoning=True)
    few_shot([], reasoning=True)


def test_pictures_may_lie_elsewhere_and_files_in_a_folder(examples, tmp_path):
    (tmp_path / "texts").mkdir()
    file = tmp_path / "texts" / "s.jsonl"
    file.write_text((examples / "s.jsonl").read_text())
    assert load_shots(file)[0].image == tmp_path / "texts" / "a.png"
    assert load_shots(file, examples)[0].picture().size == (8, 8)
    (tmp_path / "texts" / "t.jsonl").write_text('{"question": "3?", "answer": "three"}\n\n')
    assert [s.answer for s in load_shots(tmp_path / "texts")] == ["red", "two", "three"]
    with pytest.raises(UserError, match="not a file"):
        load_shots(file)[0].picture()


def test_bounds_of_examples(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="65 examples"):
        few_shot([Shot("x", "y")] * 65)
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "none").mkdir()
    (tmp_path / "two.jsonl").write_text('{"question": "x", "answer": "y"}\n' * 2)
    for name, says in (("empty.jsonl", "hold none"), ("none", "no examples"), ("absent.jsonl", "cannot be read")):
        with pytest.raises(UserError, match=says):
            load_shots(tmp_path / name)
    monkeypatch.setattr("nunbit.prompting.shots.MOST_LINES", 1)
    with pytest.raises(UserError, match="at most 1"):
        load_shots(tmp_path / "two.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question": 3, "answer": "x"}',
        '{"question": "x"}',
        '{"question": "x", "answer": " "}',
        '{"question": "x", "answer": "y", "image": 3}',
        '{"question": "x", "answer": "y", "image": "a\\u0000.png"}',
        '{"question":"x","answer":"y","image":"../../etc/passwd"}',
    ],
)
def test_bad_examples_are_named(tmp_path, line):
    (tmp_path / "s.jsonl").write_text('{"question": "x", "answer": "y"}\n' + line)
    with pytest.raises(UserError, match="line 2"):
        load_shots(tmp_path / "s.jsonl")


def test_zero_shot_chain_of_thought_asks_twice_in_the_questions_language():
    for words, think, conclude in (("How many?", "step by step", "Therefore"), ("몇 개인가요?", "차근차근", "따라서")):
        heard, prompts = [], []

        def ask(messages, prompts=prompts):
            check_turns(messages)
            prompts.append(show(messages))
            return "because 2 + 2" if len(prompts) == 1 else "4"

        assert zero_shot(ask, heard.append)(question(words, [GREY])) == "4"
        assert heard == ["because 2 + 2"] and think in prompts[0] and conclude not in prompts[0]
        assert conclude in prompts[1] and "because 2 + 2" in prompts[1] and prompts[1].count("[image") == 1


def test_the_language_is_that_of_the_script():
    said = {
        "How many?": "en",
        "几个?": "en",
        "몇 개?": "ko",
        "ㅋㅋ": "ko",
        unicodedata.normalize("NFD", "몇"): "ko",
        "": "en",
    }
    assert {t: language_of(t) for t in said} == said


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2 + 2 is 4. The answer is 4.", "4"),
        ("The answer is 3? No. So the answer is: **3.5**.\nDone.", "3.5"),
        ("Answer: .5", ".5"),
        ("둘이므로 정답은 4입니다.", "4"),
        ("답: 노란 컵", "노란 컵"),
        ("First this.\nThen: blue", "Then: blue"),
        ("blue.", "blue."),
        ("so the answer is", ""),
        ("", ""),
    ],
)
def test_answers_are_found_in_reasoned_texts(text, answer):
    heard = []
    assert final_answer(text) == answer
    assert final_only(lambda m: text, heard.append)(question("x")) == answer and heard == [text]


def test_words_are_added_after_the_others():
    turn = question("a", [GREY])[0]
    assert with_words(turn, "b").text == "a\nb" and turn.text == "a" and with_words(turn, "b").images == [GREY]


def test_answers_that_count_as_one():
    assert normalise_answer(' "Four  Cats."') == "four cats" and normalise_answer("４。") == "4"
    assert normalise_answer(".5") != normalise_answer("5")


def test_self_consistency_takes_the_commonest_and_ties_go_to_the_first():
    said = ["5.", "Four", " four ", "5"]
    assert self_consistency(lambda m, seed: said[seed], 4)(question("x")) == "5."
    assert self_consistency(lambda m, seed: said[seed], 3)(question("x")) == "Four"
    said = ["", " ", "7", "so the answer is 7.", "8"]
    assert self_consistency(lambda m, seed: said[seed], 5, final_answer)(question("x")) == "7"
    assert self_consistency(lambda m, seed: "", 3)(question("x")) == ""
    for n in (0, 65):
        with pytest.raises(UserError):
            self_consistency(lambda m, s: "", n)


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("point", (50, 30)),
        ("box", (20, 10, 60, 40)),
        ("circle", (50, 30, 15)),
        ("arrow", (10, 10, 50, 30)),
        ("box", (-50, -50, 9999, 9999)),
        ("circle", (99, 59, 900)),
        ("point", (-5, 700)),
        ("box", (60, 40, 20, 10)),
    ],
)
def test_marks_change_the_picture_and_the_words(kind, at):
    turns = point_at(PointingMark(kind, at))(question("What is it?", [GREY]))
    marked = turns[-1].images[0]
    assert marked.size == GREY.size and np.asarray(marked).std() > 0 and np.asarray(GREY).std() == 0
    assert kind in turns[-1].text and "What is it?" in turns[-1].text
    assert "가리키는" in point_at(PointingMark(kind, at))(question("무엇인가요?", [GREY]))[-1].text


def test_a_mark_stands_out_and_touches_only_its_place():
    for under, never in (((225, 29, 72), "red"), ((29, 78, 216), "blue"), ((250, 204, 21), "yellow")):
        assert draw(Image.new("RGB", (64, 64), under), PointingMark("box", (8, 8, 40, 40)))[1] != never
    changed = np.argwhere((np.asarray(draw(GREY, PointingMark("box", (20, 10, 60, 40)))[0]) != 128).any(-1))
    assert changed.min(0).tolist() == [10, 20] and (changed.max(0) <= [40, 60]).all()


def test_a_circle_stays_round_and_a_point_stays_put_at_the_edge():
    def changed(mark):
        return np.argwhere((np.asarray(draw(GREY, mark)[0]) != 128).any(-1))

    rows, columns = changed(PointingMark("circle", (5, 30, 12))).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (18, 42, 0, 17)
    assert len(changed(PointingMark("circle", (0, 0, 1e9)))) and len(changed(PointingMark("circle", (50, 30, -3))))
    rows, columns = changed(PointingMark("point", (0, 30))).T
    assert columns.min() == 0 and abs(rows.mean() - 30) < 0.6 and columns.max() <= 6
    for kind, at in (("box", (0, 0, 1, 1)), ("arrow", (0, 0, 0, 0)), ("circle", (0, 0, 0)), ("point", (0, 0))):
        assert draw(Image.new("RGB", (1, 1)), PointingMark(kind, at))[0].size == (1, 1)


def test_an_arrow_has_its_head_at_the_end():
    changed = (np.asarray(draw(GREY, PointingMark("arrow", (10, 30, 80, 30)))[0]) != 128).any(-1).sum(0)
    assert changed[70:80].max() > 1.5 * changed[15:60].max() and not changed[:8].any() and not changed[85:].any()


def test_the_second_of_two_pictures_and_words_of_both_languages():
    turns = point_at(PointingMark("box", (5, 5, 30, 30)), which=1)(question("둘째 그림에는?", [GREY, GREY]))
    first, second = turns[-1].images
    assert first is GREY and np.asarray(second).std() > 0
    assert re.fullmatch("(빨간|연두색|파란|노란) 네모가 가리키는 것에 대해: 둘째 그림에는[?]", turns[-1].text)
    english = point_at(PointingMark("box", (5, 5, 30, 30)))(question("What?", [GREY]))[-1].text
    assert re.fullmatch("About what is inside the (red|lime|blue|yellow) box: What[?]", english)


def test_marks_of_a_wrong_form_are_refused():
    for kind, text in (("box", "1,2,3"), ("point", "a,b"), ("circle", "1,2,nan")):
        with pytest.raises(UserError):
            parse(kind, text)
    with pytest.raises(UserError, match="picture"):
        point_at(PointingMark("point", (1, 1)))(question("no picture"))


def test_transforms_compose(examples):
    both = chain(few_shot(load_shots(examples / "s.jsonl")), point_at(PointingMark("circle", (50, 30, 9))))
    turns = both(question("What is it?", [GREY]))
    assert len(turns) == 5 and "circle" in turns[-1].text and "circle" not in turns[0].text
