"""nunbit serve: what is typed are the server's options."""

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi")
from nunbit.cli.commands import app
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
    words += " --ray 1-2 --ray-address auto"
    found = options_of(monkeypatch, *words.split())
    settings = found.settings
    assert (found.model, found.device, found.host, found.port) == ("m", "cuda", "0.0.0.0", 9)
    assert found.length == 700
    assert (found.slots, found.max_queue, found.threads, found.int8) == (2, 3, 5, True)
    assert (found.replicas, found.ray_address) == ("1-2", "auto")
    assert settings.api_keys == ("a", "b") and settings.origins == ("https://o",) and not settings.page
    assert settings.fetch.folders == ("f",) and settings.fetch.hosts == ("h",) and settings.requests_per_minute == 4
