"""The server's OpenAPI document held against the server by schemathesis: no generated request may end in a 5xx.

    python -m tests.load.openapi [--examples 60] [--seed 0]

Needs schemathesis in the same environment (`make schemathesis` installs it). Replies must also have a content type and
a form that the document names. A full queue refuses with 503 and Retry-After; one client at a time never fills it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import httpx
from benchmarks.server_process import NUNBIT, ONE_THREAD, Server

TOOL = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=60, help="for each route and phase")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not TOOL.exists():
        raise SystemExit("schemathesis is not installed: make schemathesis")
    server = Server(NUNBIT, env=ONE_THREAD)
    server.must_start()
    try:
        paths = httpx.get(server.url + "/openapi.json", timeout=60).json()["paths"]
        if not paths:
            raise SystemExit("the server's document names no route: nothing was checked")
        code = subprocess.run(
            [
                TOOL,
                "run",
                server.url + "/openapi.json",
                "--checks",
                CHECKS,
                "--phases",
                "examples,coverage,fuzzing",
                "--request-timeout",
                "120",
                "--max-examples",
                str(options.examples),
                "--seed",
                str(options.seed),
                "--continue-on-failure",
                "--suppress-health-check",
                "filter_too_much,too_slow",
            ]
        ).returncode
        alive = server.wait(30)
    finally:
        ended = server.stop()
    print(f"the server {'was alive' if alive else 'had died'} and {'ended' if ended else 'did not end'} on SIGTERM")
    sys.exit(code or int(not (alive and ended)))


if __name__ == "__main__":
    main()
