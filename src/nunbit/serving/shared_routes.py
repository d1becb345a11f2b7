"""What the API over an engine and that over backends have in common: perception, and threads to work in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
from fastapi.responses import JSONResponse, Response

from nunbit.serving.guarding import GuardService
from nunbit.serving.perception import PerceptionService
from nunbit.serving.requests import decode_picture
from nunbit.serving.schemas import PerceiveRequest
from nunbit.serving.settings import ServerSettings


class SharedRoutes:
    """Perception over HTTP, and worker threads.

    Args:
        settings: bounds and permissions.
        perception: answers /v1/perceive.

    Attributes:
        open: whether requests are taken.
    """

    def __init__(self, settings: ServerSettings, perception: PerceptionService) -> None:
        self.settings, self.perception, self.open = settings, perception, True
        self.guarding = GuardService(settings, perception)
        self._threads: anyio.CapacityLimiter | None = None

    async def perceive(self, body: PerceiveRequest) -> Response:
        """Show what perception finds in a picture: the Scene, in words, and drawn over the picture."""
        read = partial(decode_picture, body.image, "the picture", self.settings)
        return JSONResponse(await self.in_thread(self.perception.describe, read, body.overlays))

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run what decodes, fetches or computes in a worker thread, a bounded number at a time."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(self.settings.decode_threads)
        return await anyio.to_thread.run_sync(function, *args, limiter=self._threads)
