"""Completion scripts: they name every command and option, and bash completes with them without starting Python."""

import shutil
import subprocess

import pytest
import typer

from nunbit.cli.commands import app
from nunbit.cli.completion import command_words, script
from nunbit.errors import UserError

COMMAND = typer.main.get_command(app)


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    if not shutil.which("bash"):
        pytest.skip("no bash")
    file = tmp_path_factory.mktemp("completion") / "nunbit.bash"
    file.write_text(script("bash", COMMAND), encoding="utf-8")
    (file.parent / "cat.png").write_bytes(b"")

    def completed(*words):
        asked = " ".join(f"'{w}'" for w in words)
        lines = f"source {file}; PATH=; COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _nunbit"
        lines += '; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run([shutil.which("bash"), "-c", lines], cwd=file.parent, capture_output=True, text=True)
        assert not done.stderr, done.stderr
        return done.stdout.split()

    return completed


def test_bash_completes_commands_options_recipes_and_files(bash):
    assert bash("nunbit", "a") == ["ask"]
    assert bash("nunbit", "recipes", "") == ["list", "show", "copy"]
    assert bash("nunbit", "serve", "--al") == ["--allow-folder", "--allow-host", "--alias"]
    assert bash("nunbit", "serve", "--no-p") == ["--no-page"]
    assert {"llava15", "llava_next"} <= {*bash("nunbit", "train", "lla")}
    assert "cat.png" in bash("nunbit", "ask", "c") and bash("nunbit", "ask", "--model", "x", "--dra") == ["--draw"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_every_command_and_option(shell):
    text = script(shell, COMMAND)
    for path, words in command_words(COMMAND):
        assert f"'{path}'" in text
        assert all((f"-l {o.removeprefix('--')} " if shell == "fish" else o) in text for o in words.options)
    found = shutil.which(shell)
    if found:
        assert subprocess.run([found, "-n"], input=text, capture_output=True, text=True).returncode == 0


def test_another_shell_is_named():
    with pytest.raises(UserError, match="bash, fish, zsh"):
        script("basch", COMMAND)
