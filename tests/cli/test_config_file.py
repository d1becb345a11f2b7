"""nunbit.toml: a flag wins over the environment, that over the file; what is unknown is named."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from nunbit.cli.config_file import config_path, default_map
from nunbit.errors import UserError


@pytest.fixture
def app():
    made = typer.Typer()
    inner = typer.Typer()

    @made.command()
    def ask(
        max_new_tokens: int = 96,
        key: list[str] = typer.Option([]),
        page: bool = True,
        as_json: bool = typer.Option(False, "--json"),
    ):
        print(max_new_tokens, list(key), page, as_json)

    @inner.command("run")
    def run(limit: int = 1):
        print(limit)

    @inner.command("list")
    def list_all():
        pass

    made.add_typer(inner, name="eval")
    return made


def said(app, tmp_path, text, *words, env=None):
    file = tmp_path / "nunbit.toml"
    file.write_text(text, encoding="utf-8")
    found = {"auto_envvar_prefix": "NUNBIT", "default_map": default_map(file, typer.main.get_command(app))}
    done = CliRunner().invoke(app, [*words], env=env, **found)
    assert done.exit_code == 0, done.output
    return done.output.strip()


FILE = '[ask]\nmax-new-tokens = 5\nkey = ["a", "b"]\npage = false\njson = true\n[eval.run]\nlimit = 7\n'


def test_flags_win_over_the_environment_that_over_the_file_that_over_the_default(app, tmp_path):
    assert said(app, tmp_path, "", "ask") == "96 [] True False"
    assert said(app, tmp_path, FILE, "ask") == "5 ['a', 'b'] False True"
    assert said(app, tmp_path, FILE, "ask", env={"NUNBIT_ASK_MAX_NEW_TOKENS": "6"}) == "6 ['a', 'b'] False True"
    words = ["ask", "--max-new-tokens", "8", "--key", "c", "--page"]
    assert said(app, tmp_path, FILE, *words, env={"NUNBIT_ASK_MAX_NEW_TOKENS": "6"}) == "8 ['c'] True True"
    assert said(app, tmp_path, FILE, "eval", "run") == "7"
    assert said(app, tmp_path, FILE.replace("max-new-tokens", "max_new_tokens"), "ask").startswith("5")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[aks]\n", "Did you mean 'ask'"),
        ("[ask]\nmax_new_token = 3\n", "Did you mean 'max-new-tokens'"),
        ("[eval.rnu]\nlimit = 3\n", "Did you mean 'eval run'"),
        ("[ask.run]\nlimit = 3\n", "unknown option of [ask]"),
        ("ask = 3\n", "a section [ask]"),
        ("[ask]\nkey = 'a'\n", "a list"),
        ("[ask]\npage = 'no'\n", "true or false"),
        ("[ask]\nmax-new-tokens = [3]\n", "one value"),
        ("x = " + "[" * 3000 + "]" * 3000, "cannot be read"),
        ("x = " + "9" * 5000, "cannot be read"),
        ("[ask\n", "TOML"),
    ],
)
def test_what_is_wrong_is_a_sentence(app, tmp_path, text, says):
    file = tmp_path / "nunbit.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as found:
        default_map(file, typer.main.get_command(app))
    assert says in str(found.value)


def test_a_named_file_must_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_path() is None
    monkeypatch.setenv("NUNBIT_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="is no file"):
        config_path()


def test_the_command_line_reads_the_file_of_its_folder(tmp_path):
    (tmp_path / "nunbit.toml").write_text("[srve]\nport = 1\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "nunbit", "recipes", "list"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "Did you mean 'serve'" in done.stderr and "Traceback" not in done.stderr


def test_a_number_is_no_text(tmp_path):
    made = typer.Typer()

    @made.command()
    def serve(model: str = "", port: int = 1):
        print(model, port)

    @made.command()
    def other():
        pass

    assert said(made, tmp_path, '[serve]\nmodel = "5"\nport = 9\n', "serve") == "5 9"
    file = tmp_path / "nunbit.toml"
    for wrong in ("5", "1.5", "2020-01-01"):
        file.write_text(f"[serve]\nmodel = {wrong}\n", encoding="utf-8")
        with pytest.raises(UserError, match="a text"):
            default_map(file, typer.main.get_command(made))
