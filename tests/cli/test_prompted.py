"""How a question is prompted from the command line: what is sent, in which order, and what comes back as the answer."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from nunbit.assistant import Answer
from nunbit.cli import ask
from nunbit.cli.engine_options import EngineArguments
from nunbit.cli.prompt_options import AskOptions, PromptOptions
from nunbit.cli.prompted import PromptedAssistant
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.prompting import show
from nunbit.prompting.rices import index_file
from nunbit.scene import Scene, SceneObject

GREY = Image.new("RGB", (90, 60), (128, 128, 128))


class Helper:
    """Answers with the given texts in turn, and remembers what it was asked."""

    def __init__(self, *says):
        self.says, self.asked, self.seeds, self.name = says or ("red",), [], [], "helper"

    def ask(self, messages, *, max_new_tokens, on_text=None, seed=None):
        self.asked.append(list(messages))
        self.seeds.append(seed)
        text = self.says[(len(self.asked) - 1) % len(self.says)]
        if on_text:
            on_text(text)
        return Answer(text, 10.0 * len(self.asked), 3)

    def stream_many(self, conversations, *, max_new_tokens):
        return (self.ask(c, max_new_tokens=max_new_tokens) for c in conversations)


@pytest.fixture
def asker(monkeypatch):
    def make(options, *says):
        helper = Helper(*says)
        monkeypatch.setattr(EngineArguments, "assistant", lambda *a: helper)
        return PromptedAssistant(options)

    return make


@pytest.fixture
def shots(tmp_path):
    rows = []
    for n, (name, c) in enumerate({"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}.items()):
        Image.new("RGB", (32, 32), c).save(tmp_path / f"{n}.png")
        rows.append({"image": f"{n}.png", "question": f"Colour {n}?", "answer": name, "reasoning": f"I see {name}."})
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "s.jsonl"


def test_a_plain_question_is_sent_as_it_is_and_streamed(asker):
    said = []
    a = asker(PromptOptions())
    turns = question("What?", [GREY])
    assert a.ask(turns, 9, said.append) == Answer("red", 10.0, 3) and said == ["red"]
    assert a.assistant.asked == [turns] and a.assistant.seeds == [None]


def test_k_examples_in_the_order_of_the_file_with_or_without_pictures(asker, shots):
    a = asker(PromptOptions(shots=shots, k=2))
    a.ask(question("What?", [GREY]), 9)
    sent = a.assistant.asked[0]
    assert [m.text for m in sent] == ["Colour 0?", "red", "Colour 1?", "green", "What?"]
    assert [len(m.images) for m in sent] == [1, 0, 1, 0, 1]
    a = asker(PromptOptions(shots=shots, k=1, text_only=True))
    a.ask(question("What?", [GREY]), 9)
    assert [len(m.images) for m in a.assistant.asked[0]] == [0, 0, 1]


def test_chain_of_thought_shows_solutions_and_keeps_the_answer(asker, shots, capsys):
    said = []
    a = asker(PromptOptions(shots=shots, k=1, cot=True), "I see blue. The answer is blue.")
    assert a.ask(question("What?", [GREY]), 9, said.append).text == "blue" and said == ["blue"]
    assert a.assistant.asked[0][1].text == "I see red. The answer is red."
    assert "thinking: I see blue." in capsys.readouterr().err


def test_zero_shot_chain_of_thought_asks_twice_and_shows_both_prompts(asker, capsys):
    a = asker(PromptOptions(zero_shot_cot=True, show_prompt=True), "둘이 있다", "2")
    assert a.ask(question("몇 개?", [GREY]), 9) == Answer("2", 10.0, 6)
    err = capsys.readouterr().err
    assert err.count("차근차근") == 2 and err.count("따라서") == 1 and "thinking: 둘이 있다" in err
    assert [len(t) for t in a.assistant.asked] == [1, 3]


def test_a_vote_samples_with_seeds_and_counts_answers_not_texts(asker, shots, capsys):
    a = asker(PromptOptions(self_consistency=3, show_prompt=True), "a", "B", "b.")
    assert a.ask(question("?", [GREY]), 9).text == "B" and a.assistant.seeds == [0, 1, 2]
    assert capsys.readouterr().err.count("user:") == 1, "the same prompt is shown once"
    a = asker(
        PromptOptions(shots=shots, k=1, cot=True, self_consistency=3),
        "x. The answer is 4.",
        "y. The answer is 5.",
        "z. The answer is 5.",
    )
    assert a.ask(question("?", [GREY]), 9).text == "5"
    a = asker(PromptOptions(zero_shot_cot=True, self_consistency=3), "r1", "4", "r2", "The answer is 5.", "r3", "5")
    assert a.ask(question("?", [GREY]), 9).text == "5" and a.assistant.seeds == [0, 0, 1, 1, 2, 2]


def test_similar_examples_are_found_with_the_picture_before_it_is_drawn_on(asker, shots, monkeypatch):
    import torch
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    size = {"height": 32, "width": 32}
    helper = Helper()
    helper.model = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        )
    ).eval()
    helper.processor = type("P", (), {"image_processor": CLIPImageProcessor(size=size, crop_size=size)})()
    monkeypatch.setattr(EngineArguments, "assistant", lambda *a: helper)
    a = PromptedAssistant(PromptOptions(shots=shots, k=3, rices=True, box="2,2,20,20"))
    a.ask(question("Now?", [Image.new("RGB", (32, 32), (255, 0, 0))]), 9)
    texts = [m.text for m in helper.asked[0]]
    assert "red" not in texts and len(texts) == 5 and "box" in texts[-1], "its own picture is not an example"
    assert index_file(shots).exists() and not shots.with_suffix(".rices.safetensors").exists()
    with pytest.raises(UserError, match="without a picture"):
        a.ask(question("no picture"), 9)


def test_numbers_and_pointers_are_drawn_and_named(asker, capsys):
    a = asker(PromptOptions(marks=True, point="70,40", arrow="5,50,30,50"))
    a._perceive = lambda images: [
        Scene(i.width, i.height, [SceneObject("cup", (0.0, 0.0, 40.0, 40.0))]) for i in images
    ]
    a.ask(question("What?", [GREY]), 9)
    (sent,) = a.assistant.asked[0]
    assert "numbers" in sent.text and " point " in sent.text and " arrow " in sent.text and sent.text.endswith("What?")
    assert "1: cup" in capsys.readouterr().err
    drawn = sent.images[0]
    assert (
        drawn.getpixel((70, 40)) != (128,) * 3
        and drawn.getpixel((20, 50)) != (128,) * 3
        and GREY.getpixel((70, 40)) == (128,) * 3
    )


def batch_of(shots, *rows, **options):
    file = shots.parent / "q.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return AskOptions(batch=file, max_new_tokens=9, **options)


ROW = {"image": "0.png", "question": "Which?", "answers": ["red"]}


def test_a_batch_is_prompted_the_same_way(asker, shots, capsys):
    asker(PromptOptions())
    ask.ask_batch(batch_of(shots, ROW, ROW, prompt=PromptOptions(shots=shots, k=1)))
    helper = EngineArguments().assistant(None)
    assert [len(t) for t in helper.asked] == [3, 3]
    out, err = capsys.readouterr()
    assert [json.loads(line)["right"] for line in out.splitlines()] == [True, True] and "2 of 2 right" in err
    with pytest.raises(UserError, match="--batch"):
        ask.ask_batch(batch_of(shots, ROW, prompt=PromptOptions(point="1,1")))


def test_a_row_that_names_a_kind_is_marked_by_its_rule(asker, shots, capsys):
    asker(PromptOptions(), "It is red.")
    ask.ask_batch(batch_of(shots, ROW, ROW | {"kind": "colour"}, ROW | {"kind": "unanswerable"}))
    assert [json.loads(line)["right"] for line in capsys.readouterr().out.splitlines()] == [False, True, False]


@pytest.mark.parametrize("options", [PromptOptions(), PromptOptions(zero_shot_cot=True)])
def test_a_batch_decodes_pictures_as_they_are_needed_and_prints_at_once(asker, shots, monkeypatch, capsys, options):
    """Never more pictures than the engine takes: here one, so the picture of a question is decoded after the answer
    before it."""
    asker(PromptOptions())
    events = []
    monkeypatch.setattr(ask, "decode", lambda path: events.append("decode") or GREY)
    monkeypatch.setattr("builtins.print", lambda *a, **k: events.append("print") if "file" not in k else None)
    ask.ask_batch(batch_of(shots, *[ROW] * 4, prompt=options))
    assert events == ["decode", "print"] * 4


def test_a_picture_that_is_not_there_is_named_before_the_model_loads(shots, monkeypatch):
    monkeypatch.setattr(EngineArguments, "assistant", lambda *a: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match="none.png"):
        ask.ask_batch(batch_of(shots, ROW, ROW | {"image": "none.png"}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (PromptOptions(rices=True), "--rices without examples"),
        (PromptOptions(text_only=True), "--text-only without examples"),
        (PromptOptions(cot=True), "--cot without examples"),
        (PromptOptions(zero_shot_cot=True, cot=True, shots="SHOTS"), "both --cot"),
        (PromptOptions(box="1,2"), "2 numbers"),
        (PromptOptions(point="a,b"), "--point a,b"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_the_model_loads(options, says, monkeypatch):
    monkeypatch.setattr(EngineArguments, "assistant", lambda *a: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match=says):
        PromptedAssistant(options)


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "nunbit", *map(str, words)], capture_output=True, text=True, timeout=250
    )


def test_the_embedded_model_is_asked_with_everything(shots):
    done = run(
        "ask",
        shots.parent / "0.png",
        "What is it?",
        "--shots",
        shots.parent,
        "--k",
        "2",
        "--rices",
        "--marks",
        "--circle",
        "9,9,6",
        "--show-prompt",
        "--self-consistency",
        "2",
        "--max-new-tokens",
        "4",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["question"] == "What is it?"
    assert done.stderr.count("user: [image") == 3 and "circle" in done.stderr and "assistant: green" in done.stderr
    assert index_file(shots.parent).exists() and "is kept in" in done.stderr
    assert show(question("a")) == "user: a"


def test_connectors_are_listed_with_their_papers():
    rows = json.loads(run("connectors", "--json").stdout)
    kinds = {r["name"]: r["kind"] for r in rows}
    assert {
        "linear": "token",
        "mlp": "token",
        "qformer": "token",
        "gated_cross_attention": "layer",
        "moai": "layer",
    }.items() <= kinds.items()
    assert all("arXiv" in r["paper"] and len(r["what"]) > 15 and "\n" not in r["what"] for r in rows)
    table = run("connectors").stdout
    assert all(r["name"] in table and r["what"] in table for r in rows)
