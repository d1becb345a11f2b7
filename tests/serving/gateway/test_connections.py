"""Connections that are used again: bounded, closed when they are old, and never shared."""

import asyncio

import httpx
import pytest

from nunbit.serving.gateway import connections
from nunbit.serving.gateway.connections import Connections


async def serve(reader, writer, seen):
    seen.append(writer.get_extra_info("peername")[1])
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
            await asyncio.sleep(0.02)
            writer.write(b"llo")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def with_server(work):
    async def run():
        seen = []
        server = await asyncio.start_server(lambda r, w: serve(r, w, seen), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        made = Connections(3)
        async with httpx.AsyncClient(transport=made, timeout=httpx.Timeout(5, pool=0.3)) as client:
            await work(client, url, seen, made)
        assert not made._idle
        server.close()

    asyncio.run(run())


def test_one_after_the_other_takes_one_connection():
    async def work(client, url, seen, made):
        for _ in range(5):
            assert (await client.get(url)).text == "hello"
        assert len(seen) == 1 and len(made._idle) == 1

    with_server(work)


def test_a_reply_that_was_left_is_not_read_by_the_next_request():
    async def work(client, url, seen, made):
        for _ in range(3):
            async with client.stream("GET", url) as got:
                async for _ in got.aiter_raw():
                    break
        assert (await client.get(url)).text == "hello" and len(seen) == 4

    with_server(work)


def test_more_than_may_be_wait_and_are_refused():
    async def work(client, url, seen, made):
        async with client.stream("GET", url), client.stream("GET", url), client.stream("GET", url):
            with pytest.raises(httpx.PoolTimeout):
                await client.get(url)
        assert (await client.get(url)).text == "hello"
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:9/")
        replies = await asyncio.gather(*(client.get(url) for _ in range(6)))
        assert {r.text for r in replies} == {"hello"} and len(made._idle) <= 3

    with_server(work)


def test_a_cancelled_request_gives_its_place_back():
    async def work(client, url, seen, made):
        for _ in range(5):
            task = asyncio.ensure_future(client.get(url))
            await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await client.get(url)).text == "hello"
        assert made._free._value == 3

    with_server(work)


def test_idle_connections_are_few_and_not_old(monkeypatch):
    monkeypatch.setattr(connections, "MOST_KEPT", 2)

    async def work(client, url, seen, made):
        await asyncio.gather(*(client.get(url) for _ in range(3)))
        assert len(made._idle) == 2
        monkeypatch.setattr(connections, "KEPT_S", -1.0)
        await client.get(url)
        assert not made._idle

    with_server(work)
