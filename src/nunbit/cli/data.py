"""What ``nunbit data`` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nunbit.cli.output import say
from nunbit.data.formats import read, write
from nunbit.data.formats.registry import placed
from nunbit.errors import UserError

if TYPE_CHECKING:
    from nunbit.cli.commands.data import ConvertOptions


def convert_file(options: ConvertOptions) -> None:
    """Read, place the pictures, write, and say what was lost.

    Raises:
        UserError: what reading and writing raise; with ``strict`` also a field that the layout cannot hold.
    """
    dataset = read(options.source, options.from_, options.images, seed=options.seed)
    dataset = replace(dataset, samples=placed(dataset.samples, options.position, options.seed))
    lost = write(dataset, options.out, options.to)
    say(f"{len(dataset.samples)} samples, {dataset.format} to {options.to}: {options.out}")
    for field, many in sorted(lost.items()):
        say(f"{options.to} does not hold: {field} ({many} samples)")
    if lost and options.strict:
        raise UserError(f"{options.to} does not hold {', '.join(sorted(lost))}", todo="choose another layout")
