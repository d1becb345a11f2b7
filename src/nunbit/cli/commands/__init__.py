"""The commands, one file a group. A file holds options and help texts; what does the work is imported when a command
runs."""

from __future__ import annotations

import typer

from nunbit.cli.commands import ask, data, evaluate, inspect, mcp, models, perceive, redteam, robust, serve, train

app = typer.Typer(
    name="nunbit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # the tables of `rich` would take a third of the time of --help
    help="Ask questions about pictures. Nunbit answers, and shows what in the picture the answer rests on.",
)
for group in (ask, perceive, train, data, serve, mcp, evaluate, redteam, robust, inspect, models):
    group.register(app)
