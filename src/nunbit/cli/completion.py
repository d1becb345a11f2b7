"""``nunbit completion``: scripts that complete commands, options and recipes in bash, zsh and fish.

The words stand in the script: pressing Tab starts no Python, which would take half a second each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nunbit.errors import unknown_name
from nunbit.recipes import names as recipe_names

TAKE_RECIPES = ("train", "recipes show", "recipes copy")
"""Commands whose first argument is a recipe."""


@dataclass(slots=True)
class Words:
    """What may follow a command: words that are no options, and options with their help."""

    words: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    files: bool = True


def command_words(command: Any, path: str = "") -> Iterator[tuple[str, Words]]:
    """Every command of a click command by its path (``recipes show``), with what may follow it."""
    made = Words()
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.param_type_name != "option":
            continue
        for name in (*parameter.opts, *parameter.secondary_opts):
            if name.startswith("--"):
                made.options[name] = str(parameter.help or "")
    made.options["--help"] = "Show this message and exit."
    inner = {n: c for n, c in getattr(command, "commands", {}).items() if not c.hidden}
    if inner:
        made.words, made.files = {n: c.get_short_help_str(80) for n, c in inner.items()}, False
    if path in TAKE_RECIPES:
        made.words = dict.fromkeys(recipe_names(), "recipe")
    yield path, made
    for name, child in inner.items():
        yield from command_words(child, f"{path} {name}".strip())


def script(shell: str, command: Any) -> str:
    """The script of a shell for a click command.

    Raises:
        UserError: another shell.
    """
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in writers:
        raise unknown_name("shell", shell, writers)
    return writers[shell](dict(command_words(command)))


def _steps(table: dict[str, Words]) -> str:
    """The lines of a ``case`` that go from one command to the next word's."""
    paths = [path for path in table if path]
    return "\n".join(f"      '{p.rpartition(' ')[0]}|{p.rpartition(' ')[2]}') at='{p}';;" for p in paths)


def _bash(table: dict[str, Words]) -> str:
    cases = "\n".join(
        f"    '{path}') words='{' '.join(w.words)}' options='{' '.join(w.options)}' files={int(w.files)};;"
        for path, w in table.items()
    )
    return f"""# nunbit: completion for bash. In ~/.bashrc: source <(nunbit completion bash)
_nunbit() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" at='' word words options files
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$at|$word" in
{_steps(table)}
    esac
  done
  case "$at" in
{cases}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ $files == 1 ]]; then
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}}
complete -F _nunbit nunbit
"""


def _zsh(table: dict[str, Words]) -> str:
    cases = "\n".join(
        f"    '{path}') words_=({' '.join(w.words)}); options=({' '.join(w.options)}); files={int(w.files)};;"
        for path, w in table.items()
    )
    return f"""#compdef nunbit
# nunbit: completion for zsh. In ~/.zshrc, after compinit: source <(nunbit completion zsh)
_nunbit() {{
  local at='' word files=0
  local -a words_ options
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "$at|$word" in
{_steps(table)}
    esac
  done
  case "$at" in
{cases}
  esac
  if [[ $PREFIX == -* ]]; then
    compadd -- $options
    return
  fi
  (( $#words_ )) && compadd -- $words_
  (( files )) && _files
}}
compdef _nunbit nunbit
"""


def _fish(table: dict[str, Words]) -> str:
    lines = [
        "# nunbit: completion for fish. nunbit completion fish > ~/.config/fish/completions/nunbit.fish",
        "function __nunbit_at",
        "  set -l at ''",
        "  for word in (commandline -opc)[2..]",
        '    switch "$at|$word"',
        *(f"      case '{p.rpartition(' ')[0]}|{p.rpartition(' ')[2]}'\n        set at '{p}'" for p in table if p),
        "    end",
        "  end",
        '  test "$at" = "$argv[1]"',
        "end",
    ]
    for path, w in table.items():
        at = f"complete -c nunbit -n \"__nunbit_at '{path}'\""
        lines += [] if w.files else [f"{at} -f"]
        lines += [f"{at} -a {name} -d {_quoted(text)}" for name, text in w.words.items()]
        lines += [f"{at} -l {name.removeprefix('--')} -d {_quoted(text)}" for name, text in w.options.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    short = text.partition(". ")[0].rstrip(".")[:80]
    return "'" + short.replace("\\", "\\\\").replace("'", "\\'") + "'"
