"""The command line in Korean: every help text has a Korean one, and typer's own words and errors are Korean, too."""

import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from nunbit.cli import korean
from nunbit.cli.commands import app

HANGUL = re.compile("[가-힣]")
KEPT = re.compile(r"[a-z]+(, [a-z]+)* (or|또는) [a-z]+\.|things, writing, .*")
"""Texts that are names of values."""


def commands(command, path="nunbit"):
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app)))


def texts():
    for path, command in ALL.items():
        for text in [command.help, *(getattr(p, "help", None) for p in command.params)]:
            for paragraph in re.split(r"\n\s*\n", text or ""):
                if paragraph.strip():
                    yield path, " ".join(paragraph.split())


def test_every_help_text_has_a_korean_one():
    missing = sorted({text for _, text in texts() if text not in korean.catalogue()})
    assert not missing, "add to src/nunbit/cli/korean_help.tsv:\n" + "\n".join(missing)
    assert all(HANGUL.search(v) or KEPT.fullmatch(k) for k, v in korean.catalogue().items())


def test_no_korean_help_text_is_left_over():
    known = {text for _, text in texts()} | {"Show this message and exit."}
    assert not sorted(set(korean.catalogue()) - known)


def test_help_texts_are_no_docstrings_of_code():
    assert not [path for path, text in texts() if re.search(r"\b(Args|Raises|Returns):", text)]


def main_with(*words):
    """What ``nunbit WORDS`` prints for a Korean user, and its exit code, without a process of its own."""
    with pytest.raises(SystemExit) as end:
        korean.run(app, args=list(words), prog_name="nunbit")
    return end.value.code


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ask", "--nope"], "없는 옵션입니다: --nope"),
        (["askk"], "없는 명령입니다: 'askk'. 혹시 'ask'인가요?\n"),
        (["recipes", "show"], "인수 'recipe'이(가) 빠졌습니다."),
        (["recipes", "show", "a", "b"], "필요 없는 인수가 있습니다(b)."),
        (["ask", "--k"], "옵션 '--k'에는 값이 필요합니다."),
        (["ask", "--json=1"], "옵션 '--json'에는 값을 쓸 수 없습니다."),
        (["ask", "--k", "x", "a", "b"], "'--k' 값이 올바르지 않습니다: 정수여야 합니다."),
        (["serve", "--port", "99999"], "'--port' 값이 올바르지 않습니다: 65535 이하여야 합니다."),
        (["classify", "a.png", "--temperature", "x"], "'--temperature' 값이 올바르지 않습니다: 숫자여야 합니다."),
    ],
)
def test_mistakes_are_named_in_korean(words, says, capsys):
    assert main_with(*words) == 2
    error = capsys.readouterr().err
    assert says in error and not re.search(r"Usage|Try |Error|Invalid|Input should|Missing|No such", error)


@pytest.mark.parametrize("path", ALL)
def test_help_is_korean_and_fits_the_terminal(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code = main_with(*path.split()[1:], "--help")
    out = capsys.readouterr().out
    assert code == 0 and "사용법:" in out and "옵션:" in out
    assert not re.search(r"Usage:|Options:|Commands:|Arguments:|env var|default:|Show this|\brequired\b", out)
    assert max(korean.width(line) for line in out.splitlines()) <= 80 or "--no-object-aware" in out


def test_every_option_and_value_of_the_english_help_is_in_the_korean_one(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    english = CliRunner().invoke(app, ["ask", "--help"]).output
    main_with("ask", "--help")
    ours = capsys.readouterr().out
    words = re.compile(r"--[a-z-]+|NUNBIT_\w+|<[a-z ]+>")
    assert {*words.findall(english)} <= {*words.findall(ours)}


def test_no_arguments_show_the_help(capsys):
    assert main_with("recipes") == 2 and "레시피 목록을 보여 줍니다." in capsys.readouterr().err


def test_lines_are_broken_by_what_they_take_on_the_screen():
    assert korean.width("가나 ab") == 7
    assert korean.wrapped("가나다 라마 ab", 9) == ["가나다", "라마 ab"]
    assert korean.wrapped("", 10) == [] and korean.wrapped("abcdef", 5) == ["abcdef"]


def test_the_language_of_a_process_is_that_of_its_environment():
    code = "import sys; from nunbit.cli import main; sys.argv = ['nunbit', 'recipes', 'show']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"LANG": "ko_KR.UTF-8", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "오류: 인수 'recipe'이(가) 빠졌습니다." in done.stderr.decode()
