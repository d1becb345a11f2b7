"""The tools through the protocol's own client: over stdin and stdout, and in memory."""

import base64
import contextlib
import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

pytest.importorskip("mcp")
from mcp.client.stdio import StdioServerParameters
from PIL import Image
from tests.evidence.scenes import scene

from mcp import Client
from nunbit.errors import UserError
from nunbit.mcp.server import TOOLS, McpOptions, build_server
from nunbit.mcp.tools import Tools

EXAMPLES = Path(__file__).parents[2] / "examples"


def call(server, *calls):
    """Results of tools, in order."""

    async def run():
        async with Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(run)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server whose perception sees two dogs, a red cat and two lines of text in every picture of one size."""
    found = scene()
    found.meta["perception"] = {"panoptic": {"status": "ok", "provider": "other"}}

    def perceive(images):
        return [found if i.size == (300, 200) else type(found)(*i.size) for i in images]

    monkeypatch.setattr(Tools, "perceive", property(lambda self: perceive))
    monkeypatch.setattr("nunbit.trust.woodpecker._faint", lambda image: frozenset())
    Image.new("RGB", (300, 200), "white").save(tmp_path / "a.png")
    Image.new("RGB", (100, 80), "white").save(tmp_path / "b.png")
    (tmp_path / "inside").mkdir()
    return build_server(McpOptions(roots=(str(tmp_path),)))


def picture_of(result):
    [image] = [c for c in result.content if c.type == "image"]
    return Image.open(io.BytesIO(base64.b64decode(image.data)))


def test_see_and_read_are_typed_and_drawn(server, tmp_path):
    seen, plain, read = call(
        server,
        ("see", {"picture": str(tmp_path / "a.png")}),
        ("see", {"picture": str(tmp_path / "a.png"), "overlay": False}),
        ("read", {"picture": str(tmp_path / "a.png")}),
    )
    made = seen.structured_content
    assert [o["name"] for o in made["objects"]] == ["dog", "dog", "cat", "elephant", "person"]
    assert made["objects"][2]["colours"] == "red" and made["objects"][2]["box"] == [200, 120, 290, 190]
    assert "2 dogs" in made["words"] and picture_of(seen).size == (300, 200)
    assert [c.type for c in plain.content] == ["text"]
    assert read.structured_content["text"].split("\n") == ["NO SMOKING", "Coffee $3.25"]


def test_verify_corrects_and_compare_says_what_differs(server, tmp_path):
    a, b = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    checked, differ, same = call(
        server,
        ("verify", {"pictures": [a], "question": "What is there?", "answer": "Three dogs and a blue cat."}),
        ("compare", {"first": a, "second": b}),
        ("compare", {"first": a, "second": a, "overlay": False}),
    )
    made = checked.structured_content
    assert made["answer"] == "Two dogs and a red cat." and made["original"] == "Three dogs and a blue cat."
    assert [(c["before"], c["after"]) for c in made["corrections"]] == [("Three dogs", "Two dogs"), ("a blue", "a red")]
    assert made["claims"][0]["verdict"] == "supported" and len(made["claims"][0]["boxes"]) == 2
    assert picture_of(checked).width >= 300
    counts = {c["name"]: (c["first"], c["second"]) for c in differ.structured_content["counts"]}
    assert counts["dog"] == (2, 0) and differ.structured_content["text_only_first"] == ["NO SMOKING", "Coffee $3.25"]
    assert not differ.structured_content["same"] and same.structured_content["same"]
    assert len([c for c in differ.content if c.type == "image"]) == 2


def test_pictures_come_from_shared_folders_or_in_the_request_only(server, tmp_path):
    data = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    (tmp_path / "inside" / "link.png").symlink_to(EXAMPLES / "cat.jpg")
    good, *bad = call(
        server,
        ("see", {"picture": "data:image/png;base64," + data}),
        ("see", {"picture": str(EXAMPLES / "cat.jpg")}),
        ("see", {"picture": str(tmp_path / "inside" / "link.png")}),
        ("see", {"picture": str(tmp_path / "inside" / ".." / ".." / "x.png")}),
        ("see", {"picture": "https://example.org/a.png"}),
        ("see", {"picture": "data:image/png;base64,AAAA"}),
        ("verify", {"pictures": [], "question": "a", "answer": "b"}),
        ("verify", {"pictures": [str(tmp_path / "a.png")] * 9, "question": "a", "answer": "b"}),
    )
    assert not good.is_error and len(good.structured_content["objects"]) == 5
    assert [r.is_error for r in bad] == [True] * 7
    assert "Traceback" not in str(bad) and "Allowed" in bad[0].content[0].text
    with pytest.raises(UserError, match="folder that exists"):
        build_server(McpOptions(roots=("/no/such/folder",)))


def test_words_are_bounded_and_special_files_are_not_read(server, tmp_path):
    a, long = str(tmp_path / "a.png"), "x" * 20_001
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    results = call(
        server,
        ("verify", {"pictures": [a], "question": "a", "answer": long}),
        ("verify", {"pictures": [a], "question": long, "answer": "b"}),
        ("ask", {"pictures": [a], "question": long}),
        ("see", {"picture": str(tmp_path / "pipe.png")}),
        ("see", {"picture": str(tmp_path / "zero.png")}),
    )
    assert [r.is_error for r in results] == [True] * 5
    assert all("20001 characters. Allowed: at most 20000" in r.content[0].text for r in results[:3])


def over_stdio(*calls):
    """The tools of a server in a process of its own, and the results of calls."""
    words = ["-m", "nunbit", "mcp", "--root", str(EXAMPLES), "--model", "nunbit-tiny"]
    env = {"OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    parameters = StdioServerParameters(command=sys.executable, args=words, env=env)

    async def run():
        async with Client(parameters) as client:
            return (await client.list_tools()).tools, [await client.call_tool(*c) for c in calls]

    return anyio.run(run)


def test_the_sdk_starts_it_over_stdin_and_stdout():
    tools, [refused] = over_stdio(("see", {"picture": "/etc/passwd"}))
    assert [t.name for t in tools] == [*TOOLS] and all(t.output_schema and t.description for t in tools)
    assert refused.is_error and "local file" in refused.content[0].text


def test_the_sdk_reaches_it_over_http():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    words = ["-m", "nunbit", "mcp", "--root", str(EXAMPLES), "--model", "nunbit-tiny", "--http", "--port", str(port)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    server = subprocess.Popen([sys.executable, *words], env=env, stdout=subprocess.PIPE)

    async def run():
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            tools = (await client.list_tools()).tools
            return tools, await client.call_tool("see", {"picture": "/etc/passwd"})

    try:
        assert b"/mcp" in server.stdout.readline()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.1)
        tools, refused = anyio.run(run)
    finally:
        server.terminate()
        server.wait(20)
    assert [t.name for t in tools] == [*TOOLS] and refused.is_error and "local file" in refused.content[0].text


@pytest.mark.slow  # loads perception and a model: make mcp
def test_a_question_over_stdin_and_stdout():
    question = {"pictures": [str(EXAMPLES / "animals.png")], "question": "Is there an elephant?"}
    _, [answer] = over_stdio(("ask", question))
    assert answer.structured_content["answer"] in ("yes", "no") and not answer.is_error
    assert answer.structured_content["claims"][0]["text"] and any(c.type == "image" for c in answer.content)
