"""One process a folder: two processes that write into one run would spoil it for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nunbit.errors import UserError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder while it is written into.

    The lock ends with the process, however that ends: no stale lock is left to clear.

    Raises:
        UserError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows: not guarded there
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process writes into '{folder}'",
                allowed="one at a time",
                todo="wait for it, or name another folder with -o",
            ) from None
        yield
