"""The API over backends: a request is rewritten, sent on, and its reply passed back, whole or as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.from_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from nunbit.errors import unknown_name
from nunbit.messages import Message
from nunbit.scene import Scene
from nunbit.serving.about import about_model
from nunbit.serving.answer_checks import AnswerCheck, AnswerChecks
from nunbit.serving.disconnect import CallerGone, until_gone
from nunbit.serving.errors import RequestError
from nunbit.serving.gateway.backend import Backend, BackendFailure, Body
from nunbit.serving.gateway.metrics import GatewayMetrics
from nunbit.serving.gateway.response_events import ResponseRelay, texts_of
from nunbit.serving.gateway.rewriting import decoded, picture_parts, rewritten
from nunbit.serving.gateway.schemas import GatewayChat, GatewayResponse
from nunbit.serving.gateway.streaming import Held, Relay, RelayResponse
from nunbit.serving.gateway.wire import choices_of, request_body
from nunbit.serving.perception import PerceptionService, data_uri
from nunbit.serving.requests import check_counts
from nunbit.serving.schemas import RequestModel
from nunbit.serving.settings import ServerSettings
from nunbit.serving.shared_routes import SharedRoutes
from nunbit.serving.warned import warning_headers
from nunbit.trust.asking import MAX_NEW_TOKENS
from nunbit.trust.guard.conversation import GuardedConversation

OWN_FIELDS = ("evidence", "verify", "guard")
"""Fields of a request that are for the gateway."""
Read = TypeVar("Read", bound=RequestModel)
GONE = Response(status_code=499)
"""What nobody reads: the caller hung up."""


class GatewayServer(SharedRoutes):
    """The routes of the API over backends.

    Args:
        backends: the first answers requests that name no model.
        settings: bounds and permissions. The lengths of answers are the backends' own matter.
        perception: finds what is in pictures.
    """

    def __init__(self, backends: Sequence[Backend], settings: ServerSettings, perception: PerceptionService) -> None:
        super().__init__(settings, perception)
        self.backends = {b.name: b for b in backends}
        self.metrics = GatewayMetrics(backends)
        self.checks = {name: self._checks_of(b) for name, b in self.backends.items()}

    def _checks_of(self, backend: Backend) -> AnswerChecks:
        sees = backend.options.pictures == "keep"  # a model without eyes is not asked what it sees
        settings = replace(self.settings, verify_llm=self.settings.verify_llm and sees)
        return AnswerChecks(self.perception, settings, self.in_thread, partial(self._short_answer, backend))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation with pictures."""
        raw = await request_body(request)
        backend, body = self.backend(raw.fields.get("model")), checked(GatewayChat, raw.fields)
        check, words, warnings = await self.prepared(backend, body, body.messages)
        changes = {"model": backend.model} | ({} if words is None else {"messages": words})
        if check is not None and check.corrects and body.logprobs:
            warnings = ["log probabilities are those of the answer before its corrections", *warnings]
        payload = raw.written(changes, OWN_FIELDS)
        return await self.send(backend, "/chat/completions", payload, request, body.stream, check, warnings)

    async def prepared(
        self, backend: Backend, body: GatewayChat | GatewayResponse, messages: list[Any], text_type: str = "text"
    ) -> tuple[AnswerCheck | None, list[Any] | None, list[str]]:
        """Look at the pictures of a conversation where the request, the operator or the backend wants it.

        Args:
            text_type: as for `rewritten`.

        Returns:
            The check of the answer; the conversation as the backend is sent it, None for as it is; the guard's
            warnings.
        """
        self.check_size(messages)
        checks, shown = self.checks[backend.name], backend.options.scene_prompt != "none"
        policy = self.guarding.policy_of(body.guard)
        looks = shown or checks.wanted(body) or policy != "off"
        turns = await self.in_thread(decoded, messages, self.settings) if looks else []
        guarded = await self.in_thread(self.guarding.judged, turns, policy) if looks else GuardedConversation([])
        turns, verdict = guarded.messages, guarded.verdict
        check = checks.of(body, turns, forced_call=body.forces_call, verdict=verdict) if turns else None
        words = None
        if shown or (verdict is not None and verdict.found):
            rewrite = partial(rewritten, verdict=verdict, text_type=text_type)
            words = await self.in_thread(rewrite, messages, turns, backend.options, self.scene_of)
        return check, words, self.guarding.warnings(body.guard, guarded)

    async def complete(self, request: Request) -> Response:
        """Continue one or several texts."""
        raw = await request_body(request)
        backend, stream = self.backend(raw.fields.get("model")), raw.fields.get("stream") is True
        return await self.send(backend, "/completions", raw.written({"model": backend.model}), request, stream)

    async def embed(self, request: Request) -> Response:
        """Unit vectors, as the backend makes them."""
        raw = await request_body(request)
        backend = self.backend(raw.fields.get("model"))
        return await self.send(backend, "/embeddings", raw.written({"model": backend.model}, ["stream"]), request)

    async def send(
        self,
        backend: Backend,
        path: str,
        payload: Body,
        request: Request,
        stream: bool = False,
        check: AnswerCheck | None = None,
        warnings: Sequence[str] = (),
    ) -> Response:
        """A backend's reply to a body, whole or as it comes; its refusal with its own status and words."""
        self.metrics.requests.labels(backend.name).inc()
        try:
            if stream:
                return await self._stream(backend, path, payload, request, check, warnings)
            reply = await until_gone(request.receive, partial(backend.post, path, payload))
            if check is not None:
                await _check(reply, check)
        except CallerGone:
            return GONE
        except BackendFailure as e:
            self.metrics.failures.labels(backend.name).inc()
            headers = {"Retry-After": e.retry_after} if e.retry_after else {}
            return JSONResponse(dict(e.body), e.status, headers=headers)
        if "model" in reply:
            reply["model"] = backend.name
        if reply.get("error") is not None:
            reply["error"] = backend.shown_error(reply["error"])
        own = reply.get("nunbit_warnings")  # of a backend that is a server of ours
        said = [*warnings, *(str(w)[:300] for w in (own[:20] if isinstance(own, list) else ()))]
        if said:
            reply["nunbit_warnings"] = said
        self.metrics.count(backend.name, reply.get("usage"))
        return JSONResponse(reply, headers=warning_headers(said))

    async def _stream(
        self,
        backend: Backend,
        path: str,
        payload: Body,
        request: Request,
        check: AnswerCheck | None,
        warnings: Sequence[str],
    ) -> Response:
        async def opened() -> tuple[AsyncExitStack, Any]:
            stack = AsyncExitStack()
            return stack, await stack.enter_async_context(backend.reply("POST", path, payload))

        stack, response = await until_gone(request.receive, opened)
        made = ResponseRelay if path == "/responses" else Relay
        relay = made(backend, response, warnings, check)
        stack.push_async_callback(relay.close)
        stack.callback(lambda: self.metrics.ended(backend.name, relay.tokens, relay.failed))
        return RelayResponse(relay.events(), stack, warning_headers(warnings))

    def _short_answer(self, backend: Backend, messages: list[Message]) -> str:
        """The backend's own short answer, for a worker thread; empty where it gives none."""
        turns = [{"role": m.role, "content": [_part_json(p) for p in m.parts]} for m in messages]
        payload = {"model": backend.model, "messages": turns, "max_tokens": MAX_NEW_TOKENS, "temperature": 0}
        try:
            reply = anyio.from_thread.run(backend.post, "/chat/completions", payload)
            return str(reply["choices"][0]["message"]["content"] or "")
        except (BackendFailure, KeyError, IndexError, TypeError):  # the claim stays unknown
            return ""

    def check_size(self, messages: Sequence[Any]) -> None:
        """Refuse more messages or pictures than a request may have."""
        check_counts(len(messages), sum(1 for _ in picture_parts(messages)), self.settings)

    def backend(self, model: Any) -> Backend:
        """The backend of a model's name; the first for no name, and for every other where ``*`` is an alias.

        Raises:
            RequestError: there is none.
        """
        first = next(iter(self.backends.values()))
        if not isinstance(model, str | None):
            raise RequestError("a model that is no text", allowed=", ".join(self.backends), param="model")
        if not model or (model not in self.backends and "*" in self.settings.aliases):
            return first
        if model in self.backends:
            return self.backends[model]
        if model in self.settings.aliases:
            return first
        unknown = unknown_name("model", str(model)[:100], list(self.backends))
        raise RequestError(
            unknown.given, allowed=unknown.allowed, todo=unknown.todo, param="model", code="model_not_found", status=404
        )

    def scene_of(self, picture: Any) -> Scene:
        """The Scene of a decoded picture."""
        return self.perception.scenes_of([picture], ())[0]

    async def models(self) -> dict[str, Any]:
        """List the backends' models."""
        return {"object": "list", "data": [self._card(b) for b in self.backends.values()]}

    async def model(self, model: str) -> Response:
        """Describe a backend's model."""
        return JSONResponse(self._card(self.backend(model)))

    def _card(self, backend: Backend) -> dict[str, Any]:
        about = about_model(backend.name) | {"max_pictures": self.settings.max_pictures, "max_tokens": 4096}
        return {
            "id": backend.name,
            "object": "model",
            "created": 0,
            "owned_by": "backend",
            "modalities": ["text", "image"],
            "about": about
            | {"verify": self.settings.verify, "guard": self.settings.guard.policy}
            | {"scene_prompt": backend.options.scene_prompt},
        }

    async def health(self) -> Response:
        """Say that the gateway runs. Whether a backend does, its answers say."""
        return JSONResponse({"status": "ok"})

    async def ready(self) -> Response:
        """Say whether requests are taken, and how many are under way."""
        waiting = sum(b.open_replies for b in self.backends.values())
        return JSONResponse({"ready": self.open, "waiting": waiting}, 200 if self.open else 503)

    async def prometheus(self) -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(self.metrics.render(), media_type="text/plain; version=0.0.4")

    async def close(self) -> None:
        """Close the connections to all backends."""
        self.open = False
        for backend in self.backends.values():
            await backend.close()


def _part_json(part: Any) -> dict[str, Any]:
    if part.kind == "text":
        return {"type": "text", "text": part.content}
    return {"type": "image_url", "image_url": {"url": data_uri(part.content)}}


async def _check(reply: dict[str, Any], check: AnswerCheck) -> None:
    """Check the answers of a whole reply: those of a chat choice by choice, those of a response text by text.

    Raises:
        BackendFailure: they are too long to be checked.
    """
    held = Held()
    for choice in choices_of(reply):
        message = choice.get("message")
        text = message.get("content") if isinstance(message, dict) else None
        if isinstance(message, dict) and isinstance(text, str) and text.strip():
            made = await check(held.add(text))
            message["content"] = made.text
            choice.update(made.added)
    for part in texts_of(reply):
        made = await check(held.add(part["text"]))
        part["text"] = made.text
        reply.update(made.added)


def checked(model: type[Read], fields: Mapping[str, Any]) -> Read:
    """The fields of a request that the gateway itself reads.

    Raises:
        RequestValidationError: one of them is not valid.
    """
    try:
        return model.model_validate({k: v for k, v in fields.items() if k in model.model_fields})
    except ValidationError as e:
        found = [{**error, "loc": ("body", *error["loc"])} for error in e.errors(include_url=False)]
        raise RequestValidationError(found) from None
