"""What ``nunbit data make`` does: opens source and teacher, shows progress, says what failed."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.cli.output import progress, say
from nunbit.data.teacher.attempts import format_problems
from nunbit.data.teacher.base import Teacher
from nunbit.data.teacher.make import MakeOptions, Summary, make
from nunbit.data.teacher.output import DATA, FAILED
from nunbit.data.teacher.plan import Item, pictures_needed
from nunbit.data.teacher.sources import open_source
from nunbit.data.validation.items import problems_of_text
from nunbit.data.validation.problems import Problem
from nunbit.errors import UserError
from nunbit.scene import Scene

if TYPE_CHECKING:
    from nunbit.cli.commands.data_make import DataMakeArguments

LISTED = 20
"""Failed items that are printed; all of them are in a file."""
WORLD_ITEMS = 1000


def run(arguments: DataMakeArguments, options: MakeOptions) -> bool:
    """Make the data; whether every item is made."""
    many = options.many or WORLD_ITEMS
    source = open_source(
        arguments.source,
        arguments.out,
        images=arguments.images,
        pictures=pictures_needed(many, options.kinds),
        seed=options.seed,
    )
    teacher = open_teacher(arguments)
    show = progress if sys.stderr.isatty() else _in_log()
    try:
        summary = make(source, teacher, options, arguments.out, checks if arguments.check else format_problems, show)
    finally:
        teacher.close()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    _say_end(summary, arguments.out)
    return not summary.left


def checks(text: str, item: Item, scene: Scene) -> list[Problem]:
    """What is wrong with a teacher's text about a picture."""
    return problems_of_text(text, item.kind, item.language, scene)


def open_teacher(arguments: DataMakeArguments) -> Teacher:
    """The teacher that the options name.

    Raises:
        UserError: none of the three.
    """
    name = arguments.teacher
    if name == "template":
        from nunbit.data.teacher.template import template_teacher

        return template_teacher()
    if name.startswith(("http://", "https://")):
        from nunbit.data.teacher.http_teacher import http_teacher

        return http_teacher(
            name,
            model=arguments.teacher_model,
            key_variable=arguments.key_variable,
            timeout_s=arguments.timeout,
            connections=arguments.concurrency,
        )
    if Path(name).is_dir():
        from nunbit.data.teacher.local import local_teacher

        return local_teacher(Path(name), arguments.device)
    raise UserError(f"no teacher '{name}'", allowed="template, an address of a server, a folder of a language model")


def _in_log() -> Callable[[str], None]:
    """Prints one line of ten, for logs."""
    calls = itertools.count(1)

    def show(line: str) -> None:
        if next(calls) % 10 == 0:
            print(line, file=sys.stderr, flush=True)

    return show


def _say_end(summary: Summary, out: Path) -> None:
    if summary.stopped:
        say(f"stopped: {summary.stopped}")
    if summary.failed:
        for why, n in Counter(w.split(":")[0] for w in summary.failed.values()).most_common():
            say(f"{n} failed: {why}")
        for item, why in [*summary.failed.items()][:LISTED]:
            print(f"  {item}: {why}", file=sys.stderr)
        say(f"all of them are in {out / FAILED}; the same command tries them again")
    print(f"{summary.made} items in {out / DATA}" + (f", {summary.left} left" if summary.left else ""))
