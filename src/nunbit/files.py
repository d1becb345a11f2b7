"""Files and folders that appear whole or not at all, whatever kills the process and however full the disk is."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EMBEDDED = Path(__file__).parent / "models" / "weights" / "nunbit-tiny"
"""The model that ships with the package, with the weights of its perception."""


def cache_folder() -> Path:
    """Where nunbit keeps what can be made again: ``$NUNBIT_CACHE``, else ``$XDG_CACHE_HOME/nunbit``, else
    ``~/.cache/nunbit``."""
    if named := os.environ.get("NUNBIT_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nunbit"


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; at the end the new file takes the path's place in one step.

    After an error nothing has changed. The name is unique among threads, processes and machines.

    Raises:
        OSError: what `disk_errors` raises.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with disk_errors(path):
            yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """The text in UTF-8, as in `whole`."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder beside ``path`` to write into; it takes the path's place at the end, as in `whole`."""
    path = Path(path)
    beside, old = (path.with_name(path.name + end) for end in (".part", ".old"))
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with disk_errors(path):
        yield beside
    if path.exists():
        path.rename(old)
    beside.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """An OSError where safetensors reports a failed write in an error of its own."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as e:
        raise OSError(f"'{path}' could not be written ({e})") from None
