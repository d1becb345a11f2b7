"""What needs a key, without an engine behind it."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from nunbit.serving.middleware import AccessMiddleware
from nunbit.serving.settings import ServerSettings


def application(**settings):
    app = FastAPI()
    for path in ("/", "/health", "/ready", "/metrics", "/v1/models", "/page/app.js", "/later"):
        app.get(path)(lambda: "here")
    app.add_middleware(AccessMiddleware, settings=ServerSettings(**settings))
    return app


def status(app, path, key=""):
    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            return (await client.get(path, headers=headers)).status_code

    return asyncio.run(get())


@pytest.mark.parametrize(
    "path", ["/v1/models", "/metrics", "/docs", "/openapi.json", "/docs/oauth2-redirect", "/later", "/page"]
)
def test_everything_needs_the_key_when_one_is_set(path):
    app = application(api_keys=("secret",))
    assert status(app, path) == 401 and status(app, path, "wrong") == 401
    assert status(app, path, "secret") in (200, 404)


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/page/app.js"])
def test_health_and_the_page_need_none(path):
    assert status(application(api_keys=("secret",)), path) == 200


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/models"])
def test_without_keys_everything_is_open(path):
    assert status(application(), path) == 200
