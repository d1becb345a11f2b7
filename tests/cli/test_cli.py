"""The commands as a person types them: bad input gets a sentence and exit code 2, never a traceback."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from nunbit import recipes
from nunbit.cli.ask import read_questions
from nunbit.errors import UserError


def nunbit(*words: str, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "nunbit", *words], input=stdin, capture_output=True, text=True, timeout=250
    )


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "p.png"
    Image.new("RGB", (64, 48), "red").save(path)
    return str(path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ask"], "0 arguments"),
        (["ask", "none.png", "What?"], "none.png"),
        (["ask", "https://example.org/a.png", "What?"], "'https://example.org/a.png' is an address"),
        (["ask", "PICTURE", " "], "empty question"),
        (["ask", "--batch", "none.jsonl"], "none.jsonl"),
        (["see", "PICTURE", "--queries", "dog"], "without a detector"),
        (["train", "tinny"], "Did you mean 'tiny'"),
        (["train", "tiny", "language.stpes=3"], "Did you mean 'language.steps'"),
        (["train", "tiny", "steps=many"], "a number"),
        (["world", "show", "--split", "tests"], "unknown split"),
        (["world", "show", "--domain", "thing"], "Did you mean 'things'"),
        (["doctor", "--layout", "moai"], "unknown layout"),
    ],
)
def test_bad_input_is_a_sentence(words, says, picture):
    done = nunbit(*[picture if w == "PICTURE" else w for w in words])
    assert done.returncode == 2, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr and done.stderr.startswith("nunbit: ")


def test_errors_are_in_the_users_language(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    done = nunbit("ask", "none.png", "무엇인가요?")
    assert done.returncode == 2 and "'none.png': 그런 파일이 없습니다. 허용: PNG, JPEG" in done.stderr


HELP = """
import sys, time
sys.argv = ["nunbit", *sys.argv[1:], "--help"]
try:
    from nunbit.cli import main; main()
except SystemExit:
    pass
assert not {"torch", "transformers", "numpy", "PIL", "rich"} & set(sys.modules)
print(time.process_time())
"""


@pytest.mark.parametrize("words", [[], ["ask"], ["serve"], ["eval"], ["models"]])
def test_help_is_light(words):
    def run():
        done = subprocess.run([sys.executable, "-c", HELP, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        *lines, seconds = done.stdout.splitlines()
        assert "Options:" in lines
        return float(seconds)

    assert any(run() < 0.5 for _ in range(3))


def test_recipes_show_says_what_a_recipe_needs():
    shown = nunbit("recipes", "show", "llava15").stdout
    assert "# needed: model.llm=DIR and model.vision=DIR, or model.base=DIR" in shown
    assert "# needed: data=FILE for all stages, or connect.data=FILE and tune.data=FILE" in shown
    assert "# needed" not in nunbit("recipes", "show", "clip").stdout


def test_the_folder_of_a_run_names_the_model_in_it(tmp_path):
    from nunbit.models.checkpoint import open_model

    for inner in ("model", "adapter"):
        (tmp_path / inner).mkdir()
        (tmp_path / inner / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no model itself") as found:
        open_model(tmp_path)
    assert f"Name '{tmp_path / 'model'}'" in str(found.value)


def test_ask_prints_json(picture):
    done = nunbit("ask", picture, "무엇이 있나요?", "--json")
    out = json.loads(done.stdout)
    assert out["question"] == "무엇이 있나요?" and out["ttft_ms"] > 0 and isinstance(out["answer"], str)


def test_batch_paths_are_relative_to_the_file(picture, tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text(
        '{"image": "p.png", "question": "Is there a dog?", "answers": ["no"]}\n\n'
        '{"image": "p.png", "question": "개가 있나요?"}\n'
    )
    rows = [json.loads(line) for line in nunbit("ask", "--batch", str(file)).stdout.splitlines()]
    assert [set(r) for r in rows] == [
        {"image", "question", "answer", "ttft_ms", "answers", "right"},
        {"image", "question", "answer", "ttft_ms"},
    ]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"image": 1, "question": "x"}',
        '{"image": "a.png"}',
        '{"image": "a", "question": "?", "answers": "yes"}',
    ],
)
def test_a_bad_line_is_named(line, tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text('{"image": "a.png", "question": "ok?"}\n' + line + "\n")
    with pytest.raises(UserError, match="line 2"):
        read_questions(file)


def test_changes_have_types():
    config = recipes.load("tiny").configure(["language.steps=5", "language.lr=1e-3", "stages=encoder,language"])
    assert (config.language.steps, config.language.lr, config.stages) == (5, 1e-3, "encoder,language")
    with pytest.raises(UserError):
        recipes.load("tiny").configure(["language.lr=-1"])


def test_a_contact_sheet_is_a_picture(tmp_path):
    out = tmp_path / "sheet.png"
    assert nunbit("world", "show", "-o", str(out), "--count", "4").returncode == 0
    assert Image.open(out).size[0] > 1000


def test_doctor_reports_the_embedded_model():
    report = json.loads(nunbit("doctor", "--json").stdout)
    assert report["ok"] and report["embedded_model"]["whole"] and report["packages"]["torch"]


@pytest.mark.parametrize(("given", "kept"), [(None, "passive"), ("active", "active")])
def test_idle_threads_sleep_unless_the_user_says_otherwise(given, kept, monkeypatch):
    """OpenMP's threads spin while they wait; beside other work on two cores that made everything ten times slower."""
    import os

    from nunbit import cli
    from nunbit.cli import commands

    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    monkeypatch.setattr(commands, "app", lambda **_: None)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    cli.main()
    assert os.environ["OMP_WAIT_POLICY"] == kept
