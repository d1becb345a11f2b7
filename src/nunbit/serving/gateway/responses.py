"""The Responses API of backends that have it: requests are rewritten as in a chat, and everything else is passed on.

What a backend keeps, it keeps for the gateway's key: whoever knows the id of a response can read it here.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from nunbit.serving.gateway.backend import BackendFailure
from nunbit.serving.gateway.routes import OWN_FIELDS, GatewayServer, checked
from nunbit.serving.gateway.schemas import GatewayResponse
from nunbit.serving.gateway.wire import request_body

EARLIER = "pictures of earlier responses are not known here: the answer is checked by those of this request"
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


class GatewayResponses:
    """The routes of the Responses API over backends.

    Args:
        server: of the gateway.
    """

    def __init__(self, server: GatewayServer) -> None:
        self.server = server

    async def create(self, request: Request) -> Response:
        """Answer an input; pictures of it are rewritten as in a chat."""
        return await self._post(request, "/responses")

    async def count(self, request: Request) -> Response:
        """Count the tokens of an input."""
        return await self._post(request, "/responses/input_tokens")

    async def retrieve(self, response_id: str) -> Response:
        """Return a response that a backend holds."""
        return await self._held("GET", response_id)

    async def delete(self, response_id: str) -> Response:
        """Forget a response that a backend holds."""
        return await self._held("DELETE", response_id)

    async def _post(self, request: Request, path: str) -> Response:
        server, raw = self.server, await request_body(request)
        backend, body = server.backend(raw.fields.get("model")), checked(GatewayResponse, raw.fields)
        given = body.input if isinstance(body.input, list) else [{"role": "user", "content": body.input}]
        check, words, warnings = await server.prepared(backend, body, given, "input_text")
        changes: dict[str, Any] = {"model": backend.model}
        if words is not None and isinstance(body.input, list):
            changes["input"] = words
        if check is not None and body.previous_response_id:
            warnings = [EARLIER, *warnings]
        payload = raw.written(changes, OWN_FIELDS)
        return await server.send(backend, path, payload, request, body.stream, check, warnings)

    async def _held(self, method: str, response_id: str) -> Response:
        """Ask each backend for a response, until one has it."""
        refusal = BackendFailure(404, {"error": {"message": "no such response", "type": "invalid_request_error"}})
        for backend in self.server.backends.values() if _ID.fullmatch(response_id) else ():
            try:
                return JSONResponse(await backend.call(method, f"/responses/{response_id}"))
            except BackendFailure as e:
                refusal = e
                if e.status != 404:
                    break
        return JSONResponse(dict(refusal.body), refusal.status)
