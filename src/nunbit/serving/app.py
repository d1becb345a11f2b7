"""The application: routes of the OpenAI API over one engine, perception, health, metrics, and the web page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from nunbit.engine.scheduler import Engine
from nunbit.serving import docs
from nunbit.serving.about import SAMPLES, names_of_things, samples_folder
from nunbit.serving.errors import add_error_handlers
from nunbit.serving.middleware import AccessMiddleware
from nunbit.serving.perception import PerceptionService
from nunbit.serving.responses_api.routes import ResponsesApi
from nunbit.serving.routes import ApiServer
from nunbit.serving.schemas import ERROR_RESPONSES
from nunbit.serving.settings import ServerSettings

PAGE = Path(__file__).parent / "page"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'"
)


def create_app(
    engine: Engine, name: str, settings: ServerSettings = ServerSettings(), perception: PerceptionService | None = None
) -> FastAPI:
    """Make the application over a running engine. The engine finishes its answers and closes when the application ends.

    Args:
        engine: generates the answers.
        name: the model's name in responses.
        settings: bounds and permissions.
        perception: answers /v1/perceive; the served model's own if None.
    """
    server = ApiServer(engine, name, settings, perception or PerceptionService.of_engine(engine))
    return application(server, ResponsesApi(server), settings)


def application(server: Any, responses: Any, settings: ServerSettings) -> FastAPI:
    """The application over the routes of a server, with its page, keys and bounds.

    Args:
        server: `ApiServer`, or another object with the same routes.
        responses: `ResponsesApi`, or another object with the same routes.
        settings: bounds and permissions.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await server.close()

    app = FastAPI(
        title="Nunbit",
        summary="Ask about pictures, over the OpenAI API.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=ERROR_RESPONSES,
    )
    app.state.server = server
    _add_routes(app, server, responses)
    add_error_handlers(app)
    if settings.page and (PAGE / "index.html").exists():
        _add_page(app)
    app.add_middleware(AccessMiddleware, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],  # SDKs for browsers send their own (x-stainless-os ...); none of them is trusted
            expose_headers=["X-Nunbit-Warnings", "Retry-After"],
        )
    return app


def _add_routes(app: FastAPI, server: Any, responses: Any) -> None:
    app.post("/v1/chat/completions")(server.chat)
    app.post("/v1/completions")(server.complete)
    app.post("/v1/embeddings")(server.embed)
    app.post("/v1/perceive")(server.perceive)
    app.get("/v1/models")(server.models)
    app.get("/v1/models/{model:path}")(server.model)
    app.get("/docs", include_in_schema=False)(partial(_docs, app))
    app.get("/health")(server.health)
    app.get("/ready")(server.ready)
    app.get("/metrics", response_class=PlainTextResponse)(server.prometheus)
    app.post("/v1/responses")(responses.create)
    app.post("/v1/responses/input_tokens")(responses.count)
    app.get("/v1/responses/{response_id}")(responses.retrieve)
    app.delete("/v1/responses/{response_id}")(responses.delete)


def _docs(app: FastAPI) -> Response:
    headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(docs.docs_page(app.openapi()), media_type="text/html", headers=headers)


def _add_page(app: FastAPI) -> None:
    """Serve the page's own files and nothing else, under a policy that lets no script from elsewhere in."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        headers = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers=headers)

    @app.get("/page/names.json", include_in_schema=False)
    async def names() -> Response:
        return JSONResponse(names_of_things())

    samples = samples_folder()
    if samples is not None:  # only the listed ones: the folder of a repository holds more

        @app.get("/page/samples/{name}", include_in_schema=False)
        async def sample(name: str) -> Response:
            return FileResponse(samples / name) if name in SAMPLES else Response(status_code=404)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
