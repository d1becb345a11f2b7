"""The code blocks of README.md and README.ko.md run as printed; only the server's port is another."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "README.ko.md")
QUICK = ("ask examples/", "see ", "connectors", "world show", "eval list")
"""Commands that take seconds; training, the server, studies and a batch of 32 questions have tests of their own."""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with the example pictures, in which commands may write; nothing is fetched, so nunbit-tiny answers."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("page", PAGES)
def test_the_api_is_called_as_printed(running, page, capsys):
    pytest.importorskip("openai")
    [shell] = [b for b in blocks(page, "sh") if b.startswith("curl")]
    [python] = [b for b in blocks(page, "python") if "OpenAI(" in b]
    assert "127.0.0.1:8000" in shell and "127.0.0.1:8000" in python
    exec(python.replace("127.0.0.1:8000", f"127.0.0.1:{running.port}"), {})
    assert capsys.readouterr().out.strip()
    if shutil.which("curl"):
        command = shell.replace("127.0.0.1:8000", f"127.0.0.1:{running.port}")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=True)
        assert json.loads(done.stdout)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("page", PAGES)
def test_the_library_is_used_as_printed(page, capsys):
    [python] = [b for b in blocks(page, "python") if "import nunbit" in b]
    space: dict = {}
    exec(python, space)
    assert capsys.readouterr().out.strip() and space["scene"].width == 720


def test_quick_commands_run_as_printed():
    """Those of README.md; the Korean page has the same with other questions, held to flags and files by test_docs."""
    from nunbit.cli.commands import app

    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("nunbit ")]
    quick = [line for line in lines if line.removeprefix("nunbit ").startswith(QUICK) and "runs/" not in line]
    assert len(quick) >= 6
    for line in quick:
        done = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
        assert done.exit_code == 0 and done.output.strip(), (line, done.output, done.exception)
    assert Path("seen.png").stat().st_size > 1000 and Path("world.png").stat().st_size > 1000
