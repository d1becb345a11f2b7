"""The other end of a server: asks any OpenAI-compatible address, for evaluations. No redirects; failures are returned, never answers."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.target import Failure, Target
from nunbit.messages import Message, Part

_FINAL = {400, 401, 403, 404, 405, 413, 415, 422}
"""Answers of a server that asking again does not change."""
_LOCAL = {"localhost", "127.0.0.1", "::1"}
MOST_BYTES = 1 << 26
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"RIFF", "webp"))


def endpoint(
    url: str, *, model: str = "", key: str = "", max_tokens: int = 64, concurrent: int = 8, seconds: float = 120.0
) -> Target:
    """A Target at an address such as ``http://127.0.0.1:8000/v1``.

    Args:
        model: its id there; the first that the server lists if not named.
    """
    client = _Client(url.rstrip("/").removesuffix("/chat/completions"), key, seconds)
    model = model or client.first_model()
    settings = {"max_tokens": max_tokens, "temperature": 0}

    def one(messages: Sequence[Message]) -> str | Failure:
        return client.ask({"model": model, "messages": [_turn(m) for m in messages], **settings})

    def answer(batch: Sequence[Sequence[Message]]) -> list[str | Failure]:
        with ThreadPoolExecutor(concurrent) as pool:
            return [*pool.map(one, batch)]

    return Target(f"{model} at {client.url}", answer, settings, batch=4 * concurrent)


class _Client:
    def __init__(self, url: str, key: str, seconds: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"'{url}' is no address of a server", allowed="http://HOST:PORT/v1 or https://HOST/v1")
        self.url, self.key, self.seconds = url, key, seconds
        proxies = [urllib.request.ProxyHandler({})] if parts.hostname in _LOCAL else []
        self._open = urllib.request.build_opener(_NoRedirect, *proxies).open

    def first_model(self) -> str:
        said = self._call("/models", None)
        try:
            if not isinstance(said, Failure):
                return str(said["data"][0]["id"])
            why = said.why
        except (KeyError, IndexError, TypeError):
            why = "it lists no model"
        raise UserError(f"the server at {self.url} cannot be asked ({why})", allowed="an OpenAI-compatible server that is running",
                        todo="start it, check the address, or name the model with --model-id")  # fmt: skip

    def ask(self, body: Mapping[str, Any]) -> str | Failure:
        said = self._call("/chat/completions", body)
        if isinstance(said, Failure):
            return said
        try:
            content = said["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            return Failure("the reply holds no message")
        return content if isinstance(content, str) else Failure("the reply's message has no text")

    def _call(self, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with self._open(request, timeout=self.seconds) as reply:
                said = reply.read(MOST_BYTES + 1)
                return json.loads(said) if len(said) <= MOST_BYTES else Failure(f"a reply of over {MOST_BYTES} bytes")
        except urllib.error.HTTPError as e:
            said = e.read(500).decode("utf-8", "replace")
            if e.code in _FINAL:
                raise UserError(
                    f"the server at {self.url} answers {e.code}: {said}", todo="mend the request or the key"
                ) from None
            return Failure(f"{e.code}: {said[:200]}")
        except (OSError, ValueError, RecursionError) as e:
            return Failure(f"{type(e).__name__}: {e}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the pictures elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [_part(p) for p in message.parts]}


def _part(part: Part) -> dict[str, Any]:
    if part.kind == "text":
        return {"type": "text", "text": part.content}
    kind = next((k for head, k in _KINDS if part.content.startswith(head)), "png")
    data = base64.b64encode(part.content).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
