"""The API over backends: a request is rewritten, sent on, and its reply passed back, whole or as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from nunbit.errors import unknown_name
from nunbit.messages import Message
from nunbit.scene import Scene
from nunbit.serving.about import about_model
from nunbit.serving.answer_checks import AnswerChecks, FindEvidence, Revise
from nunbit.serving.disconnect import until_gone
from nunbit.serving.errors import RequestError
from nunbit.serving.gateway.backend import Backend, BackendFailure
from nunbit.serving.gateway.metrics import GatewayMetrics
from nunbit.serving.gateway.rewriting import decoded, picture_parts, rewritten
from nunbit.serving.gateway.streaming import Relay, RelayResponse
from nunbit.serving.gateway.wire import choices_of, request_object
from nunbit.serving.perception import PerceptionService, data_uri
from nunbit.serving.requests import check_counts
from nunbit.serving.schemas import ChatRequest, CompletionRequest, EmbeddingRequest
from nunbit.serving.settings import ServerSettings
from nunbit.serving.shared_routes import SharedRoutes
from nunbit.serving.warned import warning_headers
from nunbit.trust.asking import MAX_NEW_TOKENS

OWN_FIELDS = ("evidence", "verify")
"""Fields of a request that are for the gateway."""
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
        self._checks = {name: self._checks_of(b) for name, b in self.backends.items()}

    def _checks_of(self, backend: Backend) -> AnswerChecks:
        sees = backend.options.pictures == "keep"  # a model without eyes is not asked what it sees
        settings = replace(self.settings, verify_llm=self.settings.verify_llm and sees)
        return AnswerChecks(self.perception, settings, self.in_thread, partial(self._short_answer, backend))

    async def chat(self, body: ChatRequest, request: Request) -> Response:
        """Answer a conversation with pictures."""
        backend, raw = self.backend(body.model), await request_object(request)
        messages = raw["messages"]
        self.check_size(messages)
        checks = self._checks[backend.name]
        forced = body.tool_choice == "required" or isinstance(body.tool_choice, dict)
        looks = backend.options.scene_prompt != "none" or checks.wanted(body)
        turns = await self.in_thread(decoded, messages, self.settings) if looks else []
        find_evidence = checks.evidence(body, turns) if turns else None
        revise = checks.corrections(body, turns, forced_call=forced) if turns else None
        if backend.options.scene_prompt != "none":
            messages = await self.in_thread(rewritten, messages, turns, backend.options, self.scene_of)
        payload = {k: v for k, v in raw.items() if k not in OWN_FIELDS}
        payload |= {"model": backend.model, "messages": messages}
        return await self.send(backend, "/chat/completions", payload, request, find_evidence, revise)

    async def complete(self, body: CompletionRequest, request: Request) -> Response:
        """Continue one or several texts."""
        backend, raw = self.backend(body.model), await request_object(request)
        return await self.send(backend, "/completions", {**raw, "model": backend.model}, request)

    async def embed(self, body: EmbeddingRequest, request: Request) -> Response:
        """Unit vectors, as the backend makes them."""
        backend, raw = self.backend(body.model), await request_object(request)
        return await self.send(backend, "/embeddings", {**raw, "model": backend.model, "stream": False}, request)

    async def send(
        self,
        backend: Backend,
        path: str,
        payload: dict[str, Any],
        request: Request,
        find_evidence: FindEvidence | None = None,
        revise: Revise | None = None,
    ) -> Response:
        """A backend's reply to a body, whole or as it comes; its refusal with its own status and words."""
        self.metrics.requests.labels(backend.name).inc()
        held = revise is not None and payload.get("logprobs")
        warnings = ["log probabilities are those of the answer before its corrections"] if held else []
        try:
            if payload.get("stream"):
                return await self._stream(backend, path, payload, request, find_evidence, revise, warnings)
            reply = await until_gone(request.receive, partial(backend.post, path, payload))
        except BackendFailure as e:
            self.metrics.failures.labels(backend.name).inc()
            headers = {"Retry-After": e.retry_after} if e.retry_after else {}
            return JSONResponse(dict(e.body), e.status, headers=headers)
        if reply is None:
            return GONE
        if isinstance(reply, dict):
            reply = {**reply, "model": backend.name} if "model" in reply else reply
            if reply.get("error") is not None:
                reply["error"] = backend.shown_error(reply["error"])
            await self._check(reply, find_evidence, revise)
            own = reply.get("nunbit_warnings")  # of a backend that is a server of ours
            warnings += [str(w)[:300] for w in own[:20]] if isinstance(own, list) else []
            if warnings:
                reply["nunbit_warnings"] = warnings
            self.metrics.count(backend.name, reply.get("usage"))
        return JSONResponse(reply, headers=warning_headers(warnings))

    async def _stream(
        self,
        backend: Backend,
        path: str,
        payload: dict[str, Any],
        request: Request,
        find_evidence: FindEvidence | None,
        revise: Revise | None,
        warnings: Sequence[str],
    ) -> Response:
        async def opened() -> tuple[AsyncExitStack, Any]:
            stack = AsyncExitStack()
            return stack, await stack.enter_async_context(backend.reply("POST", path, payload))

        found = await until_gone(request.receive, opened)
        if found is None:
            return GONE
        stack, response = found
        headers = warning_headers(warnings)
        if path == "/responses":  # events of another form: passed on as they are
            events = Relay(backend, response).untouched()
            return RelayResponse(events, stack, headers)
        relay = Relay(backend, response, warnings, find_evidence, revise)
        stack.callback(lambda: self.metrics.ended(backend.name, relay.tokens, relay.failed))
        return RelayResponse(relay.events(), stack, headers)

    async def _check(self, reply: dict[str, Any], find_evidence: FindEvidence | None, revise: Revise | None) -> None:
        """Enter evidence and corrections into the choices of a whole reply."""
        for choice in choices_of(reply):
            message = choice.get("message")
            if not isinstance(message, dict):
                continue
            text = message.get("content")
            if not isinstance(text, str) or not text.strip():
                continue
            if revise is not None:
                made = await revise(text, ())
                message["content"], choice["verification"] = made.answer, made.to_json()
            if find_evidence is not None:
                choice["evidence"] = await find_evidence(message["content"], ())

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
            "about": about | {"verify": self.settings.verify, "scene_prompt": backend.options.scene_prompt},
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
