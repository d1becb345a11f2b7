"""nunbit ask, nunbit chat."""

from __future__ import annotations

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.prompt_options import AskOptions, ChatOptions
from nunbit.cli.start_up import quick_imports
from nunbit.errors import UserError

ARGUMENTS = "one or more pictures, then the question in quotes"
EXAMPLE = 'write for example: nunbit ask picture.png "What is in the picture?"'


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(app, AskOptions)(ask)
    command(app, ChatOptions)(chat)


def ask(options: AskOptions) -> None:
    """Answer a question about pictures, or a file of questions."""
    if options.batch is not None and options.words:
        raise UserError("both --batch and a picture", allowed="one of the two")
    if options.batch is None and len(options.words or []) < 2:
        raise UserError(f"{len(options.words or [])} arguments", allowed=ARGUMENTS, todo=EXAMPLE)
    with quick_imports():
        from nunbit.cli.ask import ask_batch, ask_once  # after the checks, because it loads torch

    (ask_once if options.batch is None else ask_batch)(options)


def chat(options: ChatOptions) -> None:
    """Talk about pictures, turn by turn. An empty line or Ctrl-D ends the conversation."""
    with quick_imports():
        from nunbit.cli.ask import chat_loop

    chat_loop(options)
