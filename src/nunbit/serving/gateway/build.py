"""The application of a gateway, made from the options of ``nunbit serve``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from nunbit.models.object_aware.recent_scenes import RecentScenes
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.serving.app import application
from nunbit.serving.gateway.backend import Backend
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.gateway.responses import GatewayResponses
from nunbit.serving.gateway.routes import GatewayServer
from nunbit.serving.perception import PerceptionService
from nunbit.serving.responses_api.schemas import ResponsesRequest
from nunbit.serving.schemas import ChatRequest, CompletionRequest, EmbeddingRequest, RequestModel
from nunbit.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

BODIES: dict[str, type[RequestModel]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/embeddings": EmbeddingRequest,
    "/v1/responses": ResponsesRequest,
    "/v1/responses/input_tokens": ResponsesRequest,
}
"""What callers may send, as the API's document shows it."""


def build_gateway(options: Sequence[BackendOptions], settings: ServerSettings) -> FastAPI:
    """Ask each backend that is not named for its model, and make the application.

    Raises:
        UserError: a backend that cannot be asked.
    """
    raise_limit_of_files()
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
    app = application(server, GatewayResponses(server), settings)
    app.openapi = partial(_documented, app.openapi)  # type: ignore[method-assign]
    return app


def _documented(document: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The API's document with the bodies of requests, which the gateway reads for itself and otherwise passes on."""
    made = document()
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for path, model in BODIES.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
        made["paths"][path]["post"]["requestBody"] = {"content": content, "required": True}
    return made


def raise_limit_of_files() -> None:
    """Let the process open as many files as the system allows: every request under way takes two connections."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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
