"""Commands made of dataclasses: fields are options, nested ones too, and what is typed arrives as one object."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from nunbit.cli.dataclass_options import command


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, typer.Option(min=1, help="A size.")] = 3
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    words: Annotated[list[str] | None, typer.Argument(help="WORDS")] = None
    inner: Inner = Inner()
    as_json: Annotated[bool, typer.Option("--json")] = False


@dataclass(frozen=True)
class Needed:
    word: Annotated[str, typer.Argument()]


def run(*words, options=Outer):
    app, got = typer.Typer(rich_markup_mode=None), []

    @command(app, options)
    def go_now(options):
        """Say what it does."""
        got.append(options)

    command(app, Needed, "other")(print)
    return CliRunner().invoke(app, [*words]), got


def test_defaults_and_what_is_typed():
    assert run("go-now")[1] == [Outer()]
    done, got = run("go-now", "x", "y", "--size", "5", "--json")
    assert done.exit_code == 0 and got == [Outer(["x", "y"], Inner(5), True)]


def test_help_and_bounds_are_those_of_the_fields():
    text = run("go-now", "--help")[0].output
    assert "Say what it does." in text and "A size." in text and "--json" in text
    assert run("go-now", "--size", "0")[0].exit_code == 2


def test_a_field_without_a_default_must_be_given():
    assert run("go-now", options=Needed)[0].exit_code == 2
    assert run("go-now", "w", options=Needed)[1] == [Needed("w")]
