"""Conversations of a stage, encoded by all processes together: each its share, once, into files that all read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from nunbit.data.encoded import Encoded, complete_parts, part_name, read_parts, write_part
from nunbit.errors import UserError
from nunbit.training.distributed import Group

Make = Callable[[int, int], Mapping[str, Encoded]]
"""Streams by name of the conversations from the first number up to the second."""


def encoded_together(
    folder: Path, key: str, count: int, streams: tuple[str, ...], make: Make, group: Group, reuse: bool = True
) -> dict[str, Encoded]:
    """The streams of a data file, from the disk if they are there. All processes call it and must see the same folder.

    Args:
        folder: of the data file's encoded parts; parts of other keys in it are removed.
        key: of all that decides what is encoded.
        count: conversations of the file.
        reuse: whether what an earlier run left may be taken.

    Raises:
        UserError: what ``make`` raised in some process.
    """
    root = folder / key
    if group.rank == 0:
        for old in folder.glob("*"):
            if old.is_file():
                old.unlink()
            elif old != root or not reuse:
                shutil.rmtree(old, ignore_errors=True)
    parts = group.every(complete_parts(root))[0]
    if not parts:
        first, last = (count * (group.rank + i) // group.size for i in (0, 1))
        with agreed(group):
            write_part(root / part_name(group.rank, group.size), make(first, last))
        with agreed(group):
            parts = complete_parts(root)
            if not parts:
                raise UserError(
                    f"'{folder}' is another folder for some of the {group.size} processes",
                    allowed="a folder that all machines see",
                    todo="name one with -o",
                )
    return {name: read_parts(root, parts, name) for name in streams}


class agreed:
    """A block that ends with a UserError in every process if it ends with one in some: nobody waits for ever."""

    def __init__(self, group: Group) -> None:
        self.group = group

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell the others."""
        if error is not None and not isinstance(error, UserError):
            return
        own = (error.given, error.allowed, error.todo) if error is not None else None
        for found in self.group.every(own):
            if error is None and found:
                raise UserError(found[0], allowed=found[1], todo=found[2])
