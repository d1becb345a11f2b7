"""A real server on a free port, in a thread, with the embedded model."""

import base64
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


class Running:
    """A server under test: its address, its engine, its application."""

    def __init__(self, assistant, settings, **engine):
        import uvicorn

        from nunbit.engine.scheduler import Engine
        from nunbit.serving.app import create_app
        from nunbit.serving.launch import bound_socket

        self.settings = settings
        self.engine = Engine(assistant.model, assistant.processor, aware=assistant.aware, **engine)
        self.app = create_app(self.engine, "nunbit-tiny", settings)
        listener = bound_socket("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_level="error", h11_max_incomplete_event_size=65536))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="session")
def assistant():
    from nunbit.assistant import Assistant

    return Assistant()


@pytest.fixture(scope="session")
def running(assistant):
    from nunbit.serving.settings import ServerSettings

    made = Running(
        assistant,
        ServerSettings(max_tokens=64, deadline_s=60, body_timeout_s=3.0, max_body_bytes=3_000_000, aliases=("m",)),
        slots=4,
        max_queue=64,
    )
    yield made
    made.stop()


@pytest.fixture(scope="session")
def start(assistant):
    made = []

    def start(settings, **engine):
        made.append(Running(assistant, settings, **engine))
        return made[-1]

    yield start
    for running in made:
        running.stop()


def uri(image, form="PNG"):
    out = io.BytesIO()
    image.save(out, form)
    return f"data:image/{form.lower()};base64," + base64.b64encode(out.getvalue()).decode()


@pytest.fixture(scope="session")
def pictures():
    return [Image.fromarray(np.random.default_rng(i).integers(0, 255, (80, 120, 3), dtype=np.uint8)) for i in range(6)]


@pytest.fixture(scope="session")
def uris(pictures):
    return [uri(p) for p in pictures]
