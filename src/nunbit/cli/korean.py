"""The command line in Korean: help texts by ``korean_help.tsv``, and typer's own words and errors. It is imported only
where the user's language is Korean."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nunbit.errors import as_sentence
from nunbit.translation import korean

CATALOGUE = Path(__file__).parent / "korean_help.tsv"
MOST_COLUMNS, NAME_COLUMNS = 100, 32
WORDS = (
    (re.compile(r"\benv var: "), "환경 변수: "),
    (re.compile(r"\bdefault: "), "기본값: "),
    (re.compile(r"\brequired\b"), "필수"),
)
"""What typer adds to a help text in brackets."""
PLACES = {"[OPTIONS]": "[옵션]", "COMMAND [ARGS]...": "명령 [인수]..."}
"""Parts of typer's usage line."""


def run(app: Any, **settings: Any) -> None:
    """Run the command line with help and errors in Korean; it ends the process where there is an error.

    Args:
        app: a typer application.
        settings: of `typer.core.TyperGroup.main`.
    """
    import typer

    command = typer.main.get_command(app)
    translate(command)
    try:
        code = command(**settings, standalone_mode=False)
    except typer.Abort:
        print("중단했습니다.", file=sys.stderr)
        sys.exit(1)
    except Exception as e:
        if not hasattr(e, "format_message"):  # all errors of typer have it, and no others
            raise
        print(usage_error(e), file=sys.stderr)
        sys.exit(getattr(e, "exit_code", 1))
    sys.exit(code if isinstance(code, int) else 0)


def translate(command: Any) -> None:
    """Give a command and those below it their Korean help, in place."""
    command.format_help = partial(_write_help, command)
    for part in getattr(command, "commands", {}).values():
        translate(part)


def usage_error(error: Any) -> str:
    """An error of typer in Korean, with the usage line and where help is."""
    context = getattr(error, "ctx", None)
    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
        return str(text)
    lines = [f"오류: {as_sentence(korean(text.rstrip('.')))}"]
    if context is not None:
        lines = [usage(context), f"도움말: {context.command_path} --help", "", *lines]
    return "\n".join(lines)


def usage(context: Any) -> str:
    """The usage line of a command."""
    places = [PLACES.get(p, p) for p in context.command.collect_usage_pieces(context)]
    return " ".join(["사용법:", context.command_path, *places])


@lru_cache(maxsize=1)
def catalogue() -> dict[str, str]:
    """Korean help texts by the English ones."""
    lines = CATALOGUE.read_text(encoding="utf-8").split("\n")
    return dict(line.split("\t") for line in lines if line and not line.startswith("# "))


def help_text(text: str) -> list[str]:
    """The paragraphs of a help text; those that the catalogue does not have stay English."""
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return [catalogue().get(p, p) for p in paragraphs if p]


def _write_help(command: Any, context: Any, formatter: Any) -> None:
    """What ``--help`` prints."""
    columns = min(MOST_COLUMNS, shutil.get_terminal_size().columns) - 1
    out = [usage(context), ""]
    for paragraph in help_text(command.help or ""):
        out += [*(f"  {line}" for line in wrapped(paragraph, columns - 2)), ""]
    rows: dict[str, list[tuple[str, str]]] = {"인수": [], "옵션": [], "명령": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            own = getattr(parameter, "help", None) or ""
            title = "인수" if parameter.param_type_name == "argument" else "옵션"
            rows[title].append((record[0], _filled(own, record[1])))
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        part = command.get_command(context, name)
        rows["명령"].append((name, (help_text(part.help or "") or [""])[0]))
    for title, found in rows.items():
        out += [f"{title}:", *_table(found, columns), ""] if found else []
    formatter.write("\n".join(out[:-1]) + "\n")


def _filled(own: str, shown: str) -> str:
    """A help text in Korean with what typer adds to it."""
    extra = shown[len(own) :] if own and shown.startswith(own) else "" if own else shown
    for pattern, word in WORDS:
        extra = pattern.sub(word, extra)
    return " ".join([*help_text(own), extra.strip()]).strip()


def _table(rows: list[tuple[str, str]], columns: int) -> Iterator[str]:
    """Names and texts beside each other; a name that is too long has a line of its own."""
    left = min(NAME_COLUMNS, max(width(name) for name, _ in rows)) + 4
    for name, text in rows:
        lines = wrapped(text, max(20, columns - left))
        first = f"  {name}" + " " * (left - 2 - width(name))
        if width(name) > left - 4:
            yield f"  {name}"
            first = " " * left
        yield (first + (lines[0] if lines else "")).rstrip()
        yield from (" " * left + line for line in lines[1:])


def width(text: str) -> int:
    """Columns of a terminal that a text takes: a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, columns: int) -> list[str]:
    """A text in lines of at most so many columns, broken at spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
