"""The public API: every form of picture and question, streams, conversations, evidence, and the documented examples."""

import doctest
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nunbit
from nunbit import api
from nunbit.api import model as api_model
from nunbit.errors import UserError
from nunbit.messages import Message, Part
from nunbit.scene import Scene, SceneObject, TextLine

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "animals.png"
QUESTION = "How many animals are there?"


@pytest.fixture(scope="module")
def model():
    return nunbit.load()


@pytest.fixture(scope="module")
def answer(model):
    return model.ask(PICTURE, QUESTION)


def test_importing_nunbit_imports_no_heavy_package():
    code = """
import sys, nunbit
assert "load" in dir(nunbit)
print([m for m in ("torch", "numpy", "PIL") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_typed():
    assert {name for name in nunbit.__all__ if getattr(nunbit, name) is None} == set()
    assert (Path(nunbit.__file__).parent / "py.typed").exists()
    with pytest.raises(AttributeError, match="nothing"):
        _ = nunbit.nothing


def test_the_documented_examples_hold(monkeypatch, model):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(nunbit, "load", lambda *_: model, raising=False)
    results = [doctest.testmod(module) for module in (api, api_model)]
    assert not any(r.failed for r in results) and sum(r.attempted for r in results) >= 10


@pytest.mark.parametrize("form", ["str", "bytes", "image", "array", "list", "messages", "dictionaries", "uri"])
def test_any_form_of_picture_and_question_gets_the_same_answer(model, answer, form):
    image = Image.open(PICTURE).convert("RGB")
    content = [{"type": "image", "image": str(PICTURE)}, {"type": "text", "text": QUESTION}]
    given = {
        "str": (str(PICTURE), QUESTION),
        "bytes": (PICTURE.read_bytes(), QUESTION),
        "image": (image, QUESTION),
        "array": (np.asarray(image), QUESTION),
        "list": ([PICTURE], QUESTION),
        "messages": (None, [Message("user", (Part.image(image), Part.text(QUESTION)))]),
        "dictionaries": (None, [{"role": "user", "content": content}]),
        "uri": (PICTURE, [{"role": "user", "content": QUESTION}]),
    }[form]
    assert model.ask(*given).text == answer.text != ""


def test_an_answer_is_timed(answer):
    assert 0 < answer.timings.ttft_ms <= answer.timings.total_ms
    assert answer.timings.tokens > 0 and str(answer) == answer.text


def test_a_stream_gives_the_pieces_of_the_answer(model, answer):
    stream = model.ask(PICTURE, QUESTION, stream=True)
    assert "".join(stream) == answer.text == stream.answer.text
    assert [*stream] == []
    assert model.ask(PICTURE, QUESTION, stream=True).answer.text == answer.text  # pieces need not be read


def test_an_error_is_raised_where_a_stream_is_read(model, monkeypatch):
    def broken(*args, **more):
        raise UserError("no answer today")

    monkeypatch.setattr(model._assistant, "ask", broken)
    stream = model.ask(PICTURE, QUESTION, stream=True)
    for _ in range(2):
        with pytest.raises(UserError, match="no answer today"):
            next(stream)


def test_a_closed_stream_ends_early_and_frees_the_model(model, answer):
    stream = model.ask(PICTURE, "Describe the picture.", stream=True)
    stream.close()
    with pytest.raises(UserError, match="closed"):
        _ = stream.answer
    assert model.ask(PICTURE, QUESTION).text == answer.text


def test_a_conversation_remembers_its_turns(model):
    chat = model.chat(PICTURE)
    first = chat.ask(QUESTION)
    second = "".join(chat.ask("Is there a dog?", stream=True))
    assert [m.role for m in chat.messages] == ["user", "assistant", "user", "assistant"]
    assert [m.text for m in chat.messages[1::2]] == [first.text, second]
    assert [len(m.images) for m in chat.messages] == [1, 0, 0, 0]
    again = model.chat(history=chat.messages[:2]).ask("Is there a dog?")
    assert again.text == second == model.ask(None, chat.messages[:3]).text


def test_a_turn_that_fails_leaves_no_trace(model):
    chat = model.chat(PICTURE)
    with pytest.raises(UserError):
        chat.ask("word " * 5000)
    assert chat.messages == []
    chat.ask(QUESTION)
    assert len(chat.messages[0].images) == 1


def test_questions_of_several_threads_are_answered_one_after_another(model, answer):
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.ask(PICTURE, QUESTION).text)) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert found == [answer.text] * 3


def test_see_returns_a_scene(model):
    scene = model.see(PICTURE)
    assert isinstance(scene, Scene) and (scene.width, scene.height) == Image.open(PICTURE).size
    json.dumps(scene.to_json())


def test_evidence_is_what_the_answer_names(answer, monkeypatch):
    scene = Scene(
        90,
        60,
        objects=[
            SceneObject("dog", (1, 2, 3, 4), 0.9),
            SceneObject("hot dog", (5, 6, 7, 8)),
            SceneObject("cat", (0, 0, 1, 1)),
        ],
        text_lines=[TextLine.from_box("EXIT", (10, 10, 20, 20), 0.5), TextLine.from_box(" ", (0, 0, 1, 1))],
    )
    made = api.GroundedAnswer('A Dog beside "Exit", no cats.', answer.timings, lambda: [scene, Scene(9, 9)], "What?")
    assert made.evidence == [
        nunbit.Evidence("object", "dog", (1, 2, 3, 4), 0, 0.9, id="0.object.0"),
        nunbit.Evidence("text", "EXIT", (10, 10, 20, 20), 0, 0.5, id="0.text.0"),
        nunbit.Evidence("object", "cat", (0, 0, 1, 1), 0, 1.0, id="0.object.2"),
    ]
    verdicts = {c.text: c.verdict for c in made.claims}
    assert verdicts == {"A Dog": "supported", "Exit": "supported", "cats": "not found"}


def test_evidence_comes_from_perception(model):
    names = {o.name for o in model.see(PICTURE).objects}
    found = model.ask(PICTURE, "What animals are there?").evidence
    assert all(e.picture == 0 and e.text in names for e in found if e.kind == "object")


@pytest.mark.parametrize(
    ("pictures", "question", "words"),
    [
        (PICTURE, " ", "empty question"),
        ("absent.png", QUESTION, "absent.png"),
        (np.zeros((4, 4), np.uint8), QUESTION, r"\(4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), QUESTION, "float32"),
        (PICTURE, [{"role": "system", "content": "Be brief."}], "without a user turn"),
        (None, [{"role": "user"}], "without role or content"),
        (None, [{"role": "user", "content": 7}], "of type int"),
        (None, [{"role": "user", "content": [{"type": "video"}]}], "unknown form"),
        (None, [{"role": "nobody", "content": "Hi"}], "nobody"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(model, pictures, question, words):
    with pytest.raises(UserError, match=words):
        model.ask(pictures, question)
