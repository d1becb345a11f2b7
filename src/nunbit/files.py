"""Files that are there whole or not at all, whatever kills the process and however full the disk is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to. What was written takes the path's place at the end; after an error nothing has changed.

    Raises:
        OSError: also where safetensors reports a failed write in an error of its own.
    """
    from safetensors import SafetensorError

    path = Path(path)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, path)
    except SafetensorError as e:
        raise OSError(f"'{path}' could not be written ({e})") from None
    finally:
        beside.unlink(missing_ok=True)
