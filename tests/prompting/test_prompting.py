"""Each way to ask changes the conversation as it says, and nothing else."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import check, question, system
from nunbit.prompting import compose, show
from nunbit.prompting.chain_of_thought import self_consistency, zero_shot
from nunbit.prompting.pointing import Mark, draw, parse, point_at, set_of_marks
from nunbit.prompting.rices import Rices
from nunbit.prompting.shots import Shot, few_shot, load_shots
from nunbit.scene import Scene, SceneObject, Segment

GREY = Image.new("RGB", (100, 60), (128, 128, 128))


def colour(*rgb):
    return Image.new("RGB", (8, 8), rgb)


@pytest.fixture
def examples(tmp_path):
    colour(255, 0, 0).save(tmp_path / "a.png")
    rows = [
        {"image": "a.png", "question": "What is it?", "answer": "red", "reasoning": "It is like blood, so"},
        {"question": "2?", "answers": ["two"]},
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_shots_come_before_the_question_and_after_the_system_turn(examples):
    shots = load_shots(examples / "s.jsonl")
    turns = few_shot(shots)([system("Be short."), *question("And this?", [GREY])])
    check(turns)
    assert [m.role for m in turns] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [len(m.images) for m in turns] == [0, 1, 0, 0, 0, 1] and turns[2].text == "red"
    assert few_shot(shots, text_only=True)(question("x"))[0].images == []
    assert few_shot(shots, reasoning=True)(question("x"))[1].text == "It is like blood, so red"
    assert "[image (100, 60)] And this?" in show(turns)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question": 3, "answer": "x"}',
        '{"question": "x"}',
        '{"question":"x","answer":"y","image":"../../etc/passwd"}',
    ],
)
def test_bad_examples_are_named(tmp_path, line):
    (tmp_path / "s.jsonl").write_text('{"question": "x", "answer": "y"}\n' + line)
    with pytest.raises(UserError, match="line 2"):
        load_shots(tmp_path / "s.jsonl")


def mean_colour(pictures):
    rows = torch.stack([torch.tensor(np.asarray(p, np.float32).reshape(-1, 3).mean(0)) for p in pictures])
    return torch.nn.functional.normalize(rows + 1, dim=-1)


def test_rices_finds_the_likest_and_puts_it_last(tmp_path):
    shots = [
        Shot(n, n, colour(*c))
        for n, c in {"red": (255, 0, 0), "green": (0, 255, 0), "dark red": (120, 10, 0), "blue": (0, 0, 255)}.items()
    ]
    calls = []

    def embed(pictures):
        calls.append(len(pictures))
        return mean_colour(pictures)

    index = Rices(shots, embed, encoder="mean", file=tmp_path / "i.safetensors")
    assert [s.answer for s in index.nearest(colour(250, 5, 5), 2)] == ["dark red", "red"] or [
        s.answer for s in index.nearest(colour(250, 5, 5), 2)
    ][-1] == "red"
    assert "red" not in [s.answer for s in index.nearest(colour(255, 0, 0), 3)], (
        "the query's own picture must not be shown"
    )
    calls.clear()
    again = Rices(shots, embed, encoder="mean", file=tmp_path / "i.safetensors")
    assert not calls and torch.equal(again.vectors, index.vectors)
    Rices(shots, embed, encoder="another", file=tmp_path / "i.safetensors")
    assert calls == [4]
    (tmp_path / "i.safetensors").write_bytes(b"torn")
    assert torch.equal(Rices(shots, embed, encoder="mean", file=tmp_path / "i.safetensors").vectors, index.vectors)
    with pytest.raises(UserError, match="pictures"):
        Rices([Shot("a", "b")], embed, encoder="mean")


def test_zero_shot_chain_of_thought_asks_twice_in_the_questions_language():
    for words, think, conclude in (("How many?", "step by step", "Therefore"), ("몇 개인가요?", "차근차근", "따라서")):
        heard, prompts = [], []

        def ask(messages, prompts=prompts):
            check(messages)
            prompts.append(show(messages))
            return "because 2 + 2" if len(prompts) == 1 else "4"

        assert zero_shot(ask, heard.append)(question(words, [GREY])) == "4"
        assert heard == ["because 2 + 2"] and think in prompts[0] and conclude not in prompts[0]
        assert conclude in prompts[1] and "because 2 + 2" in prompts[1] and prompts[1].count("[image") == 1


def test_self_consistency_takes_the_commonest_and_ties_go_to_the_first():
    said = ["5.", "Four", " four ", "5"]
    assert self_consistency(lambda m, seed: said[seed], 4)(question("x")) == "5."
    assert self_consistency(lambda m, seed: said[seed], 3)(question("x")) == "Four"
    with pytest.raises(UserError):
        self_consistency(lambda m, s: "", 0)


@pytest.mark.parametrize(("kind", "at"), [("point", (50, 30)), ("box", (20, 10, 60, 40)), ("circle", (50, 30, 15)), ("arrow", (10, 10, 50, 30)),
                                          ("box", (-50, -50, 9999, 9999)), ("circle", (99, 59, 900)), ("point", (-5, 700)), ("box", (60, 40, 20, 10))])  # fmt: skip
def test_marks_change_the_picture_and_the_words(kind, at):
    turns = point_at(Mark(kind, at))(question("What is it?", [GREY]))
    marked = turns[-1].images[0]
    assert marked.size == GREY.size and np.asarray(marked).std() > 0 and np.asarray(GREY).std() == 0
    assert kind in turns[-1].text and "What is it?" in turns[-1].text
    assert "가리키는" in point_at(Mark(kind, at))(question("무엇인가요?", [GREY]))[-1].text


def test_a_mark_stands_out_and_touches_only_its_place():
    for under, never in (((225, 29, 72), "red"), ((29, 78, 216), "blue"), ((250, 204, 21), "yellow")):
        assert draw(Image.new("RGB", (64, 64), under), Mark("box", (8, 8, 40, 40)))[1] != never
    changed = np.argwhere((np.asarray(draw(GREY, Mark("box", (20, 10, 60, 40)))[0]) != 128).any(-1))
    assert changed.min(0).tolist() == [10, 20] and (changed.max(0) <= [40, 60]).all()


def test_marks_of_a_wrong_form_are_refused():
    for kind, text in (("box", "1,2,3"), ("point", "a,b"), ("circle", "1,2,nan")):
        with pytest.raises(UserError):
            parse(kind, text)
    with pytest.raises(UserError, match="picture"):
        point_at(Mark("point", (1, 1)))(question("no picture"))


def test_numbers_lie_on_their_things_and_never_on_each_other():
    ids = np.zeros((200, 200), np.int32)
    ids[20:80, 20:80], ids[100:190, 100:190] = 1, 2
    scene = Scene(200, 200, [SceneObject("a", (20, 20, 80, 80), segment=1), SceneObject("b", (100, 100, 190, 190), segment=2), SceneObject("c", (20, 20, 82, 82))],
                  segments=[Segment(1, "a"), Segment(2, "b")], segment_map=ids)  # fmt: skip
    marked, table = set_of_marks(Image.new("RGB", (200, 200), (200, 200, 200)), scene)
    assert table == {1: 0, 2: 2, 3: 1}
    black = (np.asarray(marked) == 0).all(-1)
    assert black[30:70, 30:70].any() and black[110:180, 110:180].any() and not black[:, 192:].any()


def test_transforms_compose(examples):
    both = compose(few_shot(load_shots(examples / "s.jsonl")), point_at(Mark("circle", (50, 30, 9))))
    turns = both(question("What is it?", [GREY]))
    assert len(turns) == 5 and "circle" in turns[-1].text and "circle" not in turns[0].text
