"""nunbit serve: what is typed are the server's options."""

import os
import re
import subprocess
import sys

import httpx
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("fastapi")
from nunbit.cli.commands import app
from nunbit.cli.config_file import default_map
from nunbit.engine.options import CacheOptions
from nunbit.models.precision import Precision
from nunbit.serving import launch
from nunbit.serving.build import ServeOptions
from nunbit.serving.settings import ServerSettings


def options_of(monkeypatch, *words):
    given = []
    monkeypatch.setattr(launch, "serve", given.append)
    done = CliRunner().invoke(app, ["serve", *words])
    assert done.exit_code == 0, done.output
    return given[0]


def test_the_defaults_are_those_of_the_server(monkeypatch):
    monkeypatch.delenv("NUNBIT_API_KEYS", raising=False)
    assert options_of(monkeypatch) == ServeOptions() and ServeOptions().settings == ServerSettings()


def test_everything_that_is_typed_arrives(monkeypatch):
    words = "--model m --device cuda --host 0.0.0.0 --port 9 --key a --key b --origin https://o"
    words += " --allow-folder f --allow-host h --slots 2 --length 700 --queue 3 --rate 4 --threads 5 --int8 --no-page"
    words += " --ray 1-2 --ray-address auto --prefix-cache 64 --feature-cache 0 --no-cuda-graphs --dtype bfloat16"
    found = options_of(monkeypatch, *words.split())
    settings = found.settings
    assert (found.model, found.device, found.host, found.port) == ("m", "cuda", "0.0.0.0", 9)
    assert found.caches == CacheOptions(2, 700, 64, 0, False) and found.precision == Precision("bfloat16", int8=True)
    assert (found.max_queue, found.threads) == (3, 5)
    assert (found.replicas, found.ray_address) == ("1-2", "auto")
    assert settings.api_keys == ("a", "b") and settings.origins == ("https://o",) and not settings.page
    assert settings.fetch.folders == ("f",) and settings.fetch.hosts == ("h",) and settings.requests_per_minute == 4


def test_backends_are_read_with_their_keys_from_the_environment(monkeypatch):
    monkeypatch.setenv("BIG_KEY", "sk-1")
    words = "--backend big=https://h/v1 --backend small=http://127.0.0.1:1/v1 --backend-key big=BIG_KEY"
    words += " --backend-model big=b --backend-pictures small=replace --backend-timeout 9 --scene-prompt objects"
    words += " --verify --no-llm"
    found = options_of(monkeypatch, *words.split())
    big, small = found.backends
    assert (big.name, big.url, big.key, big.model, big.pictures) == ("big", "https://h/v1", "sk-1", "b", "keep")
    assert (small.pictures, small.scene_prompt, small.silence_s) == ("replace", "objects", 9)
    assert found.settings.verify and not found.settings.verify_llm and "sk-1" not in repr(found)
    refused = CliRunner().invoke(app, ["serve", "--backend", "http://h/v1", "--model", "m"])
    assert "a backend has its own model" in str(refused.exception)


def test_the_socket_says_that_it_is_tcp():
    """asyncio turns Nagle's algorithm off for such sockets only; with it on each reply waits for an acknowledgement."""
    import socket

    with launch.bound_socket("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_file_sets_them_too(monkeypatch, tmp_path):
    file = tmp_path / "nunbit.toml"
    shared = 'device = "cuda:1"\nint4 = true\nlength = 2048\nprefix-cache = 64\ncuda-graphs = false\n'
    file.write_text("".join(f"[{name}]\n{shared}" for name in ("serve", "ask", "chat")) + 'dtype = "float16"\n')
    found = default_map(file, typer.main.get_command(app))
    given = []
    monkeypatch.setattr(launch, "serve", given.append)
    assert CliRunner().invoke(app, ["serve", "--length", "512"], default_map=found).exit_code == 0
    assert given[0].caches == CacheOptions(0, 512, 64, None, False) and given[0].device == "cuda:1"
    assert given[0].precision == Precision(int4=True) and found["chat"]["dtype"] == "float16" and found["ask"]["int4"]


def test_it_says_where_it_listens_once_it_does_and_names_a_taken_port(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "nunbit", "serve", "--model", "nunbit-tiny", "--port"]
    with subprocess.Popen([*words, "0"], stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            line = server.stdout.readline()
            address = re.search(r"http://127[.]0[.]0[.]1:\d+", line)[0]
            assert httpx.get(address + "/ready", timeout=60).json()["ready"]
            taken = address.rpartition(":")[2]
            second = subprocess.run([*words, taken], capture_output=True, text=True, timeout=250, env=environment)
            assert second.returncode == 2 and f"cannot listen at 127.0.0.1:{taken}" in second.stderr
        finally:
            server.terminate()
