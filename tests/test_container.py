"""The container: what its files name exists, and, where docker runs, it builds and answers."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import typer

from nunbit.cli.commands import app
from nunbit.cli.config_file import ENVIRONMENT

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_what_the_files_name_exists():
    for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists() and f"!{name}" in (ROOT / ".dockerignore").read_text()
    extras = re.search(r"'\.\[(.+?)\]'", DOCKERFILE)[1].split(",")
    assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras)
    pinned = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0]
    assert DOCKERFILE.count(pinned) == 2


def test_its_variables_are_options_of_the_server():
    options = {p.name for p in typer.main.get_command(app).commands["serve"].params}
    named = set(re.findall(rf"{ENVIRONMENT}_SERVE_(\w+)", DOCKERFILE + COMPOSE))
    assert named and {n.lower() for n in named} <= options


def test_the_port_is_published_to_this_machine_only():
    assert '"127.0.0.1:8000:8000"' in COMPOSE


def docker(*words, **how):
    return subprocess.run(["docker", *words], cwd=ROOT, capture_output=True, text=True, **how)


@pytest.fixture(scope="module")
def image():
    if not shutil.which("docker") or docker("info", timeout=60).returncode:
        pytest.skip("docker does not run here")
    built = docker("build", "-q", "-t", "nunbit-test", ".", timeout=1800)
    assert built.returncode == 0, built.stderr[-2000:]
    return "nunbit-test"


@pytest.mark.timeout(2400)
def test_it_builds_and_answers(image):
    import httpx

    options = ["-e", "NUNBIT_SERVE_MODEL=nunbit-tiny", "-p", "127.0.0.1::8000"]
    started = docker("run", "-d", "--rm", *options, image, timeout=120).stdout.strip()
    try:
        url = "http://" + docker("port", started, "8000", timeout=60).stdout.split()[0]
        until = time.monotonic() + 300
        while time.monotonic() < until:
            try:
                if httpx.get(url + "/ready").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(1)
        body = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 4}
        assert httpx.post(url + "/v1/chat/completions", json=body, timeout=60).status_code == 200
    finally:
        docker("kill", started, timeout=60)
