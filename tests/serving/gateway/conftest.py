"""A gateway in a thread, in front of the real server of the other tests or of a scripted one."""

import asyncio
import contextlib
import json
import threading
import time

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


class Gateway:
    """A gateway under test: its address, its application, and the engine of the server behind it, if it is ours."""

    def __init__(self, options, settings=None, perception=None, engine=None):
        import uvicorn

        from nunbit.serving.gateway.build import create_gateway
        from nunbit.serving.launch import bound_socket
        from nunbit.serving.settings import ServerSettings

        self.settings, self.engine = settings or ServerSettings(), engine
        self.app = create_gateway(options, self.settings, perception)
        listener = bound_socket("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_level="error", h11_max_incomplete_event_size=65536))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.loop = self.server.servers[0].get_loop()

    @property
    def backends(self):
        return self.app.state.server.backends

    def stop(self):
        self.server.should_exit = True
        self.thread.join(20)


class Upstream:
    """A scripted backend: what it does is the ``model`` of a request. It counts the connections that are open."""

    def __init__(self):
        self.asked, self.keys, self.open, self.broken, self.tries, self.accepted = [], [], 0, 0, {}, 0
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        def run():
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=512))
            self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
            started.set()
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        started.wait(10)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def serve(self, reader, writer):
        self.open += 1
        self.accepted += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.keys.append(headers.get("authorization", ""))
                if not await self.answer(lines[0].split()[1], json.loads(body or b"{}"), reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.broken += 1
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, path, body, reader, writer):
        self.asked.append(body)
        what = body.get("model", "")
        n = self.tries[what] = self.tries.get(what, 0) + 1
        if path.endswith("/responses"):
            return await self.respond(what.removeprefix("say "), body, writer)
        if path.endswith("/models"):
            return await self.whole(writer, {"data": [{"id": "scripted"}]})
        if what == "flaky" and n < 3:
            return await self.whole(writer, {"error": {"message": "busy"}}, 503)
        if what.isdigit():
            error = {"error": {"message": f"no, key was sk-secret ({what})", "type": "t", "code": "c"}}
            return await self.whole(writer, error, int(what), ["Retry-After: 30"] if what == "429" else [])
        if what == "html":
            return await self.whole(writer, "<html>", 500)
        if what == "silent":
            await reader.read()
            return False
        if not body.get("stream"):
            text = what.removeprefix("say ") if what.startswith("say ") else "hello"
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            return await self.whole(writer, {"id": "x", "model": "its own", "choices": [choice], "usage": usage})
        return await self.stream(what, reader, writer)

    async def respond(self, text, body, writer):
        """The Responses API: one message with one text, whole or as events."""
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"id": "i", "type": "message", "role": "assistant", "content": [part]}
        response = {"id": "r", "model": "its own", "status": "completed", "output": [item]}
        response["usage"] = {"output_tokens": 2}
        if not body.get("stream"):
            return await self.whole(writer, response)
        at = {"item_id": "i", "output_index": 0, "content_index": 0}
        made = [{"type": "response.created", "response": response | {"output": []}}]
        made += [{"type": "response.output_text.delta", "delta": w + " ", **at} for w in text.split()]
        made += [{"type": "response.output_text.done", "text": text, **at}]
        made += [{"type": "response.content_part.done", "part": part, **at}]
        made += [{"type": "response.output_item.done", "item": item, "output_index": 0}]
        made += [{"type": "response.completed", "response": response}]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n, one in enumerate(made):
            self.event(writer, one | {"sequence_number": n})
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def stream(self, what, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.event(writer, self.chunk({"role": "assistant", "content": ""}))
        if what == "forever":
            gone = asyncio.ensure_future(self.until_closed(reader))
            while not gone.done():
                self.event(writer, self.chunk({"content": "on "}))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                await asyncio.wait({gone}, timeout=0.5)
            return False
        for word in (what.removeprefix("say ") if what.startswith("say ") else "one two three").split(" "):
            self.event(writer, self.chunk({"content": word + " "}))
        if what == "dies":
            await writer.drain()
            return False
        if what == "errs":
            self.event(writer, {"error": {"message": "out of memory, sk-secret"}})
        else:
            self.event(writer, self.chunk({}, "stop"))
        if what != "no end":
            self.data(writer, b"data: [DONE]\n\n")
        if what == "goes on":
            await writer.drain()
            await reader.read()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    async def until_closed(reader):
        with contextlib.suppress(ConnectionError):
            await reader.read()

    @staticmethod
    def chunk(delta, finish=None):
        return {"id": "x", "model": "its own", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def event(self, writer, value):
        self.data(writer, b"data: " + json.dumps(value).encode() + b"\n\n")

    @staticmethod
    def data(writer, data):
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    @staticmethod
    async def whole(writer, value, status=200, more=()):
        data = (value if isinstance(value, str) else json.dumps(value)).encode()
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Content-Type: application/json", *more]
        writer.write("\r\n".join([*head, "", ""]).encode() + data)
        await writer.drain()
        return True


@pytest.fixture(scope="session")
def running(running):
    """A gateway in front of the real server, in its place: the tests of the API itself run through it."""
    from nunbit.serving.gateway.options import BackendOptions
    from nunbit.serving.settings import ServerSettings

    settings = ServerSettings(body_timeout_s=3.0, max_body_bytes=3_000_000, aliases=("m",))
    made = Gateway([BackendOptions("nunbit-tiny", running.url + "/v1", "nunbit-tiny")], settings, engine=running.engine)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def upstream():
    made = Upstream()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def start_gateway():
    made = []

    def start(*args, **more):
        made.append(Gateway(*args, **more))
        return made[-1]

    yield start
    for gateway in made:
        gateway.stop()
