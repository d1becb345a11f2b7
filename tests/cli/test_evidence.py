"""``nunbit ask --evidence --draw``: a list, JSON, files; contradictions on stderr."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image
from tests.evidence.scenes import scene

from nunbit.assistant import Answer
from nunbit.cli import ask as command
from nunbit.cli.evidence import AnswerEvidence
from nunbit.cli.prompt_options import AskOptions
from nunbit.errors import UserError

PICTURE = Image.new("RGB", (300, 200), "white")


def found(question, answer, pictures=1, scenes=()):
    perceive = SimpleNamespace(perceive=lambda images: [scene() for _ in images])
    made = Answer(answer, 1.0, 1, scenes=tuple(scenes))
    return AnswerEvidence(SimpleNamespace(aware=perceive), [PICTURE] * pictures, question, made)


def test_list_note_and_json(capsys):
    evidence = found("개가 있나요?", "아니요")
    evidence.print()
    evidence.warn()
    said = capsys.readouterr()
    assert "근거" in said.out and '1. "아니요": 서로 다름: 개 90 %' in said.out
    assert said.err.count("\n") == 1 and said.err.startswith("note: 답변과")
    data = json.loads(json.dumps(evidence.json()))
    assert (
        data["claims"][0]["verdict"] == "contradicted" and "perception finds a dog" in data["contradictions"][0]["en"]
    )


def test_nothing_to_say(capsys):
    found("Why?", "Because.").print()
    assert "names nothing" in capsys.readouterr().out


def test_scenes_of_examples_before_the_question_are_left_out():
    other = scene()
    other.objects = []
    assert found("Is there a dog?", "No", scenes=[other, scene()]).claims[0].verdict == "contradicted"
    assert found("Is there a dog?", "No", scenes=[scene(), other]).claims[0].verdict == "not found"


def test_pictures_are_drawn_into_numbered_files(tmp_path):
    files = found("What is there?", "a dog", pictures=2).draw(tmp_path / "out.png")
    assert [f.name for f in files] == ["out.png", "out-2.png"]
    assert all(Image.open(f).height > 200 for f in files)
    with pytest.raises(UserError, match="there is no '.*none'"):
        found("What is there?", "a dog").draw(tmp_path / "none" / "out.png")


def test_the_command_prints_draws_and_warns(tmp_path, monkeypatch, capsys):
    class Prompted:
        def __init__(self, *_):
            self.assistant = SimpleNamespace(aware=SimpleNamespace(perceive=lambda images: [scene() for _ in images]))

        def ask(self, turns, most, on_text=None):
            if on_text:
                on_text("No")
            return Answer("No", 1.0, 1)

    monkeypatch.setattr(command, "PromptedAssistant", Prompted)
    PICTURE.save(tmp_path / "p.png")
    words = [str(tmp_path / "p.png"), "Is there a dog?"]
    command.ask_once(AskOptions(words, evidence=True, draw=tmp_path / "out.png"))
    said = capsys.readouterr()
    assert said.out.startswith("No\nEvidence") and "note: The answer" in said.err and (tmp_path / "out.png").is_file()
    command.ask_once(AskOptions(words))
    said = capsys.readouterr()
    assert said.out == "No" and "note" not in said.err, "perception ran unasked"
    command.ask_once(AskOptions(words, evidence=True, as_json=True))
    assert json.loads(capsys.readouterr().out)["evidence"]["claims"]
    batch = tmp_path / "b.jsonl"
    batch.write_text('{"image": "p.png", "question": "What?"}')
    with pytest.raises(UserError, match="--draw"):
        command.ask_batch(AskOptions(batch=batch, draw=tmp_path / "x.png"))
