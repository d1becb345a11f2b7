"""nunbit ask, nunbit chat."""

from __future__ import annotations

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.prompt_options import AskOptions, ChatOptions
from nunbit.errors import UserError

ARGUMENTS = "one or more pictures, then the question in quotes"
EXAMPLE = 'write for example: nunbit ask picture.png "What is in the picture?"'


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(app, AskOptions)(ask)
    command(app, ChatOptions)(chat)


def ask(options: AskOptions) -> None:
    """Answer a question about pictures, or a file of questions."""
    from nunbit.cli.ask import ask_batch, ask_once

    if options.batch is not None:
        if options.words:
            raise UserError("both --batch and a picture", allowed="one of the two")
        ask_batch(options)
        return
    if not options.words or len(options.words) < 2:
        raise UserError(f"{len(options.words or [])} arguments", allowed=ARGUMENTS, todo=EXAMPLE)
    ask_once(options)


def chat(options: ChatOptions) -> None:
    """Talk about pictures, turn by turn. An empty line or Ctrl-D ends the conversation."""
    from nunbit.cli.ask import chat_loop

    chat_loop(options)
