"""Callers who hang up: work that nobody waits for is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    """Return when the caller is gone.

    Args:
        receive: gives the next ASGI message of a request whose body was read.
    """
    while (await receive())["type"] != "http.disconnect":
        pass


class CallerGone(Exception):
    """The caller of a request hung up: nobody reads what is answered."""


async def until_gone(receive: Callable[[], Awaitable[Any]], work: Callable[[], Awaitable[T]]) -> T:
    """The result of some work.

    Args:
        receive: as for `disconnected`.

    Raises:
        CallerGone: the caller was gone before; the work was cancelled.
    """
    made: list[T] = []
    failure: list[BaseException] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await disconnected(receive)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            made.append(await work())
        except Exception as e:  # raised below as itself: a task group would wrap it
            failure.append(e)
        group.cancel_scope.cancel()
    if failure:
        raise failure[0]
    if not made:
        raise CallerGone
    return made[0]
