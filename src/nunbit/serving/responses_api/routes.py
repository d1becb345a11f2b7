"""The routes of the Responses API over the engine of the chat routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from nunbit.engine.request import TokenChunk
from nunbit.serving.choices import ChoiceStream
from nunbit.serving.errors import RequestError, describe_failure, error_body, language_of
from nunbit.serving.requests import refuse_pictures_aside
from nunbit.serving.responses_api.events import ResponseWriter
from nunbit.serving.responses_api.items import chat_request_of, check_supported, turns_of
from nunbit.serving.responses_api.schemas import ResponsesRequest
from nunbit.serving.responses_api.store import ResponseStore
from nunbit.serving.routes import ApiServer, PreparedChat
from nunbit.serving.schemas import ChatMessage
from nunbit.serving.warned import ignored_fields, warning_headers
from nunbit.translation import translated


class ResponsesApi:
    """``/v1/responses``: create, retrieve, delete, and count the tokens of an input.

    Args:
        server: the chat routes, whose model, engine and bounds these use.
    """

    def __init__(self, server: ApiServer) -> None:
        self.server, self.store = server, ResponseStore(server.settings.max_stored_bytes)
        server.metrics.stored_responses = self.store.held

    async def create(self, body: ResponsesRequest, request: Request) -> Response:
        """Answer text and pictures, in a conversation that may go back to earlier responses."""
        chat, turns = await self._read(body, request)
        warnings = ignored_fields(body) + chat.warnings
        if body.truncation != "disabled":
            warnings.append("'truncation' has no effect: an input that does not fit is refused")
        writer = ResponseWriter(body, self.server.name, self.server.engine.runner.tokenizer, chat.tool_choice, warnings)
        jobs = self.server.jobs(chat.prompt, chat.body, chat.tool_choice.schema)
        check = self.server.check_of(chat)
        choices = ChoiceStream(self.server.engine, jobs, self.server.metrics.observe, check)
        await self.server.in_thread(choices.submit)
        headers = warning_headers(warnings)
        owner = self._owner(request)
        if body.stream:
            events = self._events(choices, writer, owner, turns)
            headers |= {"Cache-Control": "no-store"}
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        [output] = await choices.wait(request)
        if output.failed:
            message, kind, status = describe_failure(output)
            return JSONResponse(error_body(translated(message, language_of(request)), kind), status)
        response = writer.finish(output, choices.added.get(0, {}))
        self._keep(owner, response, turns)
        return JSONResponse(response, headers=headers)

    async def retrieve(self, response_id: str, request: Request) -> Response:
        """Return a response that is still held, whole: the events of its stream are not kept."""
        if request.query_params.get("stream", "").lower() == "true":
            raise RequestError("stream=true", allowed="a response that is held, whole", param="stream")
        found = self.store.get(response_id, self._owner(request))
        if found is None:
            raise _not_found(response_id)
        return JSONResponse(found.response)

    async def delete(self, response_id: str, request: Request) -> Response:
        """Forget a response."""
        if self.store.get(response_id, self._owner(request)) is None:
            raise _not_found(response_id)
        self.store.held.drop(response_id)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    async def count(self, body: ResponsesRequest, request: Request) -> Response:
        """Count the tokens that a request's input takes."""
        chat, _ = await self._read(body, request)
        return JSONResponse({"object": "response.input_tokens", "input_tokens": len(chat.prompt.ids)})

    async def _read(self, body: ResponsesRequest, request: Request) -> tuple[PreparedChat, list[ChatMessage]]:
        """The prompt of a request, and its turns with those of the responses that it continues."""
        check_supported(body)
        owner = self._owner(request)
        before = self.store.previous(body.previous_response_id, owner).turns if body.previous_response_id else ()
        if isinstance(body.input, list):
            refuse_pictures_aside(body.input, "input")
        turns = [*before, *turns_of(body, lambda item_id: self.store.item(item_id, owner))]
        try:
            return await self.server.prepare_chat(chat_request_of(body, turns)), turns
        except RequestError as e:
            e.param = "input" if str(e.param).startswith("messages") else e.param
            raise

    def _owner(self, request: Request) -> str:
        """Who may name a response: the caller with the same key, where the server has keys."""
        return request.headers.get("authorization", "") if self.server.settings.api_keys else ""

    def _keep(self, owner: str, response: dict[str, Any], turns: list[ChatMessage]) -> None:
        if response["store"] and response["status"] != "failed":
            self.store.keep(owner, response, turns)

    async def _events(
        self, choices: ChoiceStream, writer: ResponseWriter, owner: str, turns: list[ChatMessage]
    ) -> AsyncIterator[str]:
        """The events of a streamed response. A caller who disconnects ends the work."""
        try:
            for opening in writer.opening():
                yield opening
            while not choices.complete:
                _, item = await choices.next()
                if isinstance(item, TokenChunk):
                    made = [] if choices.holds_back else [*writer.chunk(item)]
                else:
                    held = choices.holds_back and not item.failed
                    made = [*writer.chunk(TokenChunk(item.text, item.tokens))] if held else []
                    made += writer.closing(item, choices.added.get(0, {}))
                    self._keep(owner, writer.response, turns)  # before the last event: the next request may name it
                for event in made:
                    yield event
        finally:
            choices.cancel()


def _not_found(response_id: str) -> RequestError:
    return RequestError(
        f"response with id '{response_id[:80]}' not found",
        allowed="responses that this server still holds in memory",
        param="response_id",
        code="response_not_found",
        status=404,
    )
