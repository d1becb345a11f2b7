"""Errors in the form of the OpenAI API: the message a user may read, and nothing about the server's inside."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from nunbit.engine.scheduler import Busy, RequestOutput
from nunbit.errors import ContextLengthError, UserError
from nunbit.serving.validation import is_json, sentences
from nunbit.translation import Language, accepted_language, message, translated
from nunbit.trust.guard.policy import BlockedPicture

log = logging.getLogger("nunbit.serving")


class RequestError(UserError):
    """A request that is refused, with the fields that OpenAI's errors have.

    Args:
        given: what the request holds.
        allowed: what is allowed.
        todo: what to do now.
        param: the request's field that is at fault.
        code: OpenAI's code of the error, where there is one.
        status: HTTP status.
    """

    def __init__(
        self,
        given: str,
        *,
        allowed: str = "",
        todo: str = "",
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(given, allowed=allowed, todo=todo)
        self.param, self.code, self.status = param, code, status


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def context_length_exceeded(message: str, path: str) -> dict[str, Any]:
    """The JSON of the error for a prompt, or a prompt and its answer, that the model's context does not hold.

    Args:
        path: of the request; the prompt's field depends on it.
    """
    fields = {"/v1/completions": "prompt", "/v1/embeddings": "input", "/v1/responses": "input"}
    param = next((field for start, field in fields.items() if path.startswith(start)), "messages")
    return error_body(message, "invalid_request_error", "context_length_exceeded", param)


def describe_failure(output: RequestOutput) -> tuple[str, str, int]:
    """Message, error type and status for an answer that failed. What a user cannot change is logged, not sent."""
    if output.finish.startswith("refused: "):
        return output.finish.removeprefix("refused: "), "invalid_request_error", 400
    log.error("an answer failed: %s", output.finish)
    return "the model failed on this request", "server_error", 500


def add_error_handlers(app: FastAPI) -> None:
    """Answer every exception with `error_body`."""
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)


def language_of(request: Request) -> Language:
    """The language in which a request wants to read."""
    return accepted_language(request.headers.get("accept-language", ""))


async def _user_error(request: Request, error: Exception) -> Response:
    text = message(error, language_of(request)) if isinstance(error, UserError) else str(error)
    if isinstance(error, Busy):
        return JSONResponse(error_body(text, "overloaded_error", "queue_full"), 503, headers={"Retry-After": "1"})
    if isinstance(error, ContextLengthError):
        return JSONResponse(context_length_exceeded(text, request.url.path), 400)
    if isinstance(error, BlockedPicture):
        body = error_body(text, "invalid_request_error", "picture_blocked", "messages")
        body["error"]["guard"] = error.verdict.to_json()
        return JSONResponse(body, 400)
    if isinstance(error, RequestError):
        return JSONResponse(error_body(text, "invalid_request_error", error.code, error.param), error.status)
    return JSONResponse(error_body(text, "invalid_request_error"), 400)


async def _validation_error(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if not is_json(request.headers.get("content-type", "")):
        refused = RequestError(
            "a body that is not declared as JSON",
            allowed="the header Content-Type: application/json",
            todo="add the header to the request",
        )
        return JSONResponse(error_body(message(refused, language_of(request)), "invalid_request_error"), 400)
    text, param = sentences(found, language_of(request))
    return JSONResponse(error_body(text, "invalid_request_error", param=param), 400)


FRAMEWORK_WORDS = {"There was an error parsing the body": "the body is no JSON in UTF-8, or nested too deeply"}
"""Sentences of the framework that say too little, and ours."""


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(getattr(error, "detail", error))[:200]
    text = translated(FRAMEWORK_WORDS.get(detail, detail), language_of(request))
    return JSONResponse(error_body(text, "invalid_request_error"), status)


async def _internal_error(request: Request, error: Exception) -> Response:
    log.exception("a request failed", exc_info=error)
    text = translated("something failed inside the server", language_of(request))
    return JSONResponse(error_body(text, "server_error"), 500)
