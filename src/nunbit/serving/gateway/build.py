"""The application of a gateway, made from the options of ``nunbit serve``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from nunbit.models.object_aware.recent_scenes import RecentScenes
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.serving.app import application
from nunbit.serving.gateway.backend import Backend
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.gateway.responses import GatewayResponses
from nunbit.serving.gateway.routes import GatewayServer
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


def build_gateway(options: Sequence[BackendOptions], settings: ServerSettings) -> FastAPI:
    """Ask each backend that is not named for its model, and make the application.

    Raises:
        UserError: a backend that cannot be asked.
    """
    return create_gateway([named(o) for o in options], settings)


def create_gateway(
    options: Sequence[BackendOptions],
    settings: ServerSettings = ServerSettings(),
    perception: PerceptionService | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Make the application over named backends.

    Args:
        perception: finds what is in pictures; the default perception if None.
        transport: of httpx, for tests.
    """
    backends = [Backend(o, transport) for o in options]
    shown = perception or PerceptionService(RecentScenes(build_perception(PerceptionConfig())))
    server = GatewayServer(backends, settings, shown)
    return application(server, GatewayResponses(server), settings)


def named(options: BackendOptions) -> BackendOptions:
    """The options with the name and the model that the backend itself gives, where they are missing."""
    if options.model:
        return options

    async def ask() -> Backend:
        backend = Backend(options)
        try:
            await backend.find_model()
        finally:
            await backend.close()
        return backend

    found = asyncio.run(ask())
    return replace(options, name=found.name, model=found.model)
