"""Which picture files of a data set cannot be used, found before the first step: one damaged file among thousands must
not end a run in its middle."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from nunbit.errors import UserError
from nunbit.media.images import check_picture

MISSING = "a picture is missing"
UNREADABLE = "a picture cannot be read"
REMEMBERED = 1_000_000
"""Files whose check is remembered, so that the stages of a run check each once."""


def unusable(paths: Iterable[Path]) -> dict[Path, str]:
    """Path -> reason, for the pictures that are missing, empty, damaged, too large or of a kind that is not read.

    Every file is decoded, a JPEG at an eighth of its size, several at a time.
    """
    every = sorted(set(paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return {path: why for path, why in zip(every, pool.map(_reason, every), strict=True) if why}


def _reason(path: Path) -> str:
    try:
        if not path.is_file():
            return MISSING
        facts = path.stat()
    except OSError:
        return MISSING
    return "" if _readable(path, facts.st_size, facts.st_mtime_ns) else UNREADABLE


@lru_cache(REMEMBERED)
def _readable(path: Path, size: int, changed_ns: int) -> bool:
    try:
        check_picture(path)
    except UserError:
        return False
    return True
