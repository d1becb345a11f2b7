"""The application: routes of the OpenAI API over one engine, perception, health, figures, and the page.

Read with `reading` (request -> engine) and `replies` (engine -> response); `gate` stands before both.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import torch
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from nunbit.engine.runner import Prompt
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Busy, Engine, Event, RequestOutput, TokenChunk
from nunbit.engine.scheduler import Request as Job
from nunbit.errors import UserError
from nunbit.serving.metrics import Metrics
from nunbit.serving.middleware import Gate, error_body
from nunbit.serving.perception import Eyes
from nunbit.serving.requests import messages_of, picture_of, sampling_of
from nunbit.serving.responses import DONE, Replies, failure
from nunbit.serving.schemas import (
    REFUSALS,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    GenerationRequest,
    PerceiveRequest,
)
from nunbit.serving.settings import Settings

PAGE = Path(__file__).parent / "page"
POLICY = "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'"
NOT_PLAIN = re.compile(r"[^ -~]")
"""What may not stand in a header: a line's end in a field's name would begin a header of its own."""
log = logging.getLogger("nunbit.serving")


def create_app(engine: Engine, name: str, settings: Settings = Settings(), eyes: Eyes | None = None) -> FastAPI:
    """The application over a running engine. The engine is closed (its answers finished) when the application ends."""
    server = Server(engine, name, settings, eyes or Eyes())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        server.open = False
        await anyio.to_thread.run_sync(engine.close)

    app = FastAPI(title="Nunbit", summary="Ask pictures, over the OpenAI API.", version="1", lifespan=life, redoc_url=None,
                  responses=REFUSALS)  # fmt: skip
    app.state.server = server
    app.post("/v1/chat/completions")(server.chat)
    app.post("/v1/completions")(server.complete)
    app.post("/v1/embeddings")(server.embed)
    app.post("/v1/perceive")(server.perceive)
    app.get("/v1/models")(server.models)
    app.get("/v1/models/{model:path}")(server.model)
    app.get("/health")(server.health)
    app.get("/ready")(server.ready)
    app.get("/metrics", response_class=PlainTextResponse)(server.figures)
    _errors(app)
    if settings.page and (PAGE / "index.html").exists():
        _page(app)
    app.add_middleware(Gate, settings=settings)
    if settings.origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["GET", "POST"],
                           allow_headers=["authorization", "content-type"])  # fmt: skip
    return app


class Server:
    """The routes."""

    def __init__(self, engine: Engine, name: str, settings: Settings, eyes: Eyes) -> None:
        self.engine, self.name, self.settings, self.eyes = engine, name, settings, eyes
        self.metrics, self.open = Metrics(engine), True
        self._room: anyio.CapacityLimiter | None = None

    async def chat(self, body: ChatRequest, request: Request) -> Response:
        """An answer to a conversation with pictures."""
        messages = await self._work(messages_of, body, self.settings)
        prompt = await self._work(partial(self.engine.runner.prompt, messages, tools=body.tools))
        warnings = self._warnings(body)
        replies = Replies(self.name, self.engine.runner.tokenizer, chat=True, warnings=warnings)
        return await self._answer([prompt], body, request, replies, logprobs=bool(body.logprobs))

    async def complete(self, body: CompletionRequest, request: Request) -> Response:
        """The continuation of a text."""
        texts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        prompts = [await self._work(self.engine.runner.raw, t) for t in texts]
        replies = Replies(self.name, self.engine.runner.tokenizer, chat=False, warnings=self._warnings(body))
        return await self._answer(prompts, body, request, replies, logprobs=body.logprobs is not None)

    async def _answer(self, prompts: Sequence[Prompt], body: GenerationRequest, request: Request, replies: Replies, *,
                      logprobs: bool) -> Response:  # fmt: skip
        if body.n * len(prompts) > self.settings.choices:
            raise UserError(
                f"{body.n * len(prompts)} answers wished for", allowed=f"at most {self.settings.choices} in one request"
            )
        wishes = [(p, sampling_of(body, self.settings, index=i)) for p in prompts for i in range(body.n)]
        answers = Answers(self.engine, wishes, self.metrics.note)
        headers = {"X-Nunbit-Warnings": "; ".join(replies.warnings)} if replies.warnings else {}
        await self._work(answers.submit)
        if body.stream:
            with_usage = bool(body.stream_options and body.stream_options.include_usage)
            stream = _stream(answers, replies, logprobs=logprobs, with_usage=with_usage)
            return StreamingResponse(
                stream, media_type="text/event-stream", headers=headers | {"Cache-Control": "no-store"}
            )
        results = await answers.all(request)
        broken = next((r for r in results if r.broken), None)
        if broken:
            said, kind, status = _why(broken)
            return JSONResponse(error_body(said, kind), status)
        return JSONResponse(replies.whole(results, logprobs=logprobs), headers=headers)

    async def embed(self, body: EmbeddingRequest) -> Response:
        """Unit vectors of texts (the decoder's states, averaged) and of pictures given as data: URIs (the connector's tokens)."""
        inputs = [body.input] if isinstance(body.input, str) else body.input
        if sum(i.startswith("data:") for i in inputs) > self.settings.pictures:
            raise UserError("too many pictures", allowed=f"at most {self.settings.pictures} in one request")
        rows = [await self._work(self._vector, text, i) for i, text in enumerate(inputs)]
        data = [
            {"object": "embedding", "index": i, "embedding": _form(v, body.encoding_format)}
            for i, (v, _) in enumerate(rows)
        ]
        tokens = sum(n for _, n in rows)
        return JSONResponse({"object": "list", "data": data, "model": self.name,
                             "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})  # fmt: skip

    def _vector(self, text: str, at: int) -> tuple[torch.Tensor, int]:
        if text.startswith("data:"):
            return self.engine.runner.picture_vector(picture_of(text, f"picture {at}", self.settings))
        return self.engine.runner.text_vector(text)

    async def perceive(self, body: PerceiveRequest) -> Response:
        """What perception finds in a picture: the Scene, in words, and drawn over it."""
        image = await self._work(picture_of, body.image, "the picture", self.settings)
        return JSONResponse(await self._work(self.eyes.see, image))

    async def models(self) -> dict[str, Any]:
        return {"object": "list", "data": [self._card()]}

    async def model(self, model: str) -> Response:
        if model != self.name:
            return JSONResponse(
                error_body(f"there is no model '{model[:100]}'", "invalid_request_error", "model_not_found"), 404
            )
        return JSONResponse(self._card())

    def _card(self) -> dict[str, Any]:
        sees = ["text", "image"] if self.engine.runner.image_id >= 0 else ["text"]
        return {"id": self.name, "object": "model", "created": 0, "owned_by": "nunbit", "modalities": sees,
                "max_tokens": self.engine.runner.length}  # fmt: skip

    async def health(self) -> Response:
        return JSONResponse({"status": "ok" if self.engine.alive else "dead"}, 200 if self.engine.alive else 503)

    async def ready(self) -> Response:
        ready = self.open and self.engine.alive
        return JSONResponse({"ready": ready, "waiting": self.engine.waiting}, 200 if ready else 503)

    async def figures(self) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    def _warnings(self, body: GenerationRequest) -> list[str]:
        out = [f"unknown field '{NOT_PLAIN.sub('?', f)}' was ignored" for f in body.unknown()]
        if (
            isinstance(body, ChatRequest)
            and body.tools
            and "tools" not in (self.engine.runner.tokenizer.chat_template or "")
        ):
            out.append("this model's template knows no tools: they were ignored")
        if body.model not in (None, "", self.name):
            out.append("another model was named than the one that answers")
        return out

    async def _work(self, function: Callable[..., Any], *args: Any) -> Any:
        if self._room is None:
            self._room = anyio.CapacityLimiter(self.settings.decoders)
        return await anyio.to_thread.run_sync(function, *args, limiter=self._room)


class Answers:
    """The answers to one request: engine events brought to the event loop, and cancelled together when the caller is gone."""

    def __init__(
        self, engine: Engine, wishes: Sequence[tuple[Prompt, SamplingParams]], note: Callable[[RequestOutput], None]
    ) -> None:
        self.engine, self.wishes, self.note = engine, wishes, note
        self.events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self.results: dict[int, RequestOutput] = {}
        self._jobs: list[Job] = []
        self._loop = asyncio.get_running_loop()

    def submit(self) -> None:
        """Queue every answer; when one is refused the others are cancelled and the refusal is told."""
        try:
            for i, (prompt, sampling) in enumerate(self.wishes):
                self._jobs.append(self.engine.send(prompt, sampling, partial(self._hear, i)))
        except UserError:
            self.cancel()
            raise

    def _hear(self, index: int, event: Event) -> None:
        if isinstance(event, RequestOutput):
            self.note(event)
        self._loop.call_soon_threadsafe(self.events.put_nowait, (index, event))

    async def next(self) -> tuple[int, Event]:
        index, event = await self.events.get()
        if isinstance(event, RequestOutput):
            self.results[index] = event
        return index, event

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.wishes)

    @property
    def ordered(self) -> list[RequestOutput]:
        return [self.results[i] for i in sorted(self.results)]

    async def all(self, request: Request) -> list[RequestOutput]:
        """Wait for every answer, and stop working when the caller hangs up."""
        gone = asyncio.create_task(_gone(request))
        try:
            while not self.complete:
                event = asyncio.create_task(self.next())
                await asyncio.wait({event, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not event.done():
                    self.cancel()
                    await event
            return self.ordered
        finally:
            gone.cancel()
            self.cancel()

    def cancel(self) -> None:
        for job in self._jobs:
            job.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(answers: Answers, replies: Replies, *, logprobs: bool, with_usage: bool) -> AsyncIterator[str]:
    try:
        for i in range(len(answers.wishes)):
            yield replies.opening(i)
        while not answers.complete:
            i, event = await answers.next()
            if isinstance(event, TokenChunk):
                yield replies.piece(i, event.text, event.tokens, logprobs=logprobs)
            elif event.broken:
                yield failure(*_why(event)[:2])
            else:
                yield replies.closing(i, event)
        if with_usage:
            yield replies.figures(answers.ordered)
        yield DONE
    finally:
        answers.cancel()


def _why(broken: RequestOutput) -> tuple[str, str, int]:
    """What is said of an answer that is none: words, type of error, status."""
    if broken.finish.startswith("refused: "):
        return broken.finish.removeprefix("refused: "), "invalid_request_error", 400
    log.error("an answer failed: %s", broken.finish)
    return "the model failed on this request", "server_error", 500


def _form(vector: torch.Tensor, encoding: str) -> list[float] | str:
    values = vector.float().numpy()
    return values.tolist() if encoding == "float" else base64.b64encode(values.astype("<f4").tobytes()).decode()


def _errors(app: FastAPI) -> None:
    """Every error in the form of the OpenAI API; what a user may know, and nothing of our inside."""

    async def user(request: Request, e: Exception) -> Response:
        if isinstance(e, Busy):
            return JSONResponse(error_body(str(e), "overloaded_error", "queue_full"), 503, headers={"Retry-After": "1"})
        return JSONResponse(error_body(str(e), "invalid_request_error"), 400)

    async def invalid(request: Request, e: Exception) -> Response:
        found = e.errors()[:3] if isinstance(e, RequestValidationError) else []
        said = "; ".join(f"{'.'.join(str(p) for p in f['loc'][1:])[:120]}: {f['msg'][:200]}" for f in found)
        return JSONResponse(error_body(said or "a request that cannot be read", "invalid_request_error"), 400)

    async def http(request: Request, e: Exception) -> Response:
        status = e.status_code if isinstance(e, HTTPException) else 500
        return JSONResponse(error_body(str(getattr(e, "detail", e))[:200], "invalid_request_error"), status)

    async def inside(request: Request, e: Exception) -> Response:
        log.exception("a request failed", exc_info=e)
        return JSONResponse(error_body("something failed inside the server", "server_error"), 500)

    app.add_exception_handler(UserError, user)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, inside)


def _page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        headers = {
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers=headers)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
