"""Scenes of many picture files, made ahead and kept in a cache: in batches, and not again for pictures that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.media.images import decode
from nunbit.perception.pipeline import Perception, failed_parts

PICTURES, PIXELS = 32, 64_000_000
"""Pictures that are perceived together, and their pixels, at most; one is taken however large."""


def perceive_files(paths: Iterable[Path], perception: Perception) -> dict[str, int]:
    """Perceive picture files, so that the perception's cache holds their Scenes.

    Returns:
        How many ``pictures`` were perceived, on how many of them a part ``failed``, and how many files are
        ``unusable``.

    Raises:
        UserError: a part fails on too many pictures (`Perception.check_failures`).
    """
    counts = {"pictures": 0, "failed": 0, "unusable": 0}
    waiting: list[Any] = []

    def flush() -> None:
        scenes = perception(waiting) if waiting else []
        counts["pictures"] += len(scenes)
        counts["failed"] += sum(bool(failed_parts(s)) for s in scenes)
        waiting.clear()
        perception.check_failures()

    for path in paths:
        try:
            picture = decode(path)
        except UserError:
            counts["unusable"] += 1
            continue
        if is_full(waiting, [picture]):
            flush()
        waiting.append(picture)
    flush()
    perception.check_failures(all_seen=True)
    return counts


def is_full(waiting: Sequence[Any], more: Sequence[Any]) -> bool:
    """Whether PIL pictures that wait are to be perceived before more join them."""
    pixels = sum(p.width * p.height for p in (*waiting, *more))
    return bool(waiting) and (len(waiting) + len(more) > PICTURES or pixels > PIXELS)
