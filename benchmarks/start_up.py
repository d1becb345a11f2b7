"""Seconds from `nunbit ask` to the first word of the answer, each time in a new process, files in the system's memory.

    python -m benchmarks.start_up [--model nunbit-tiny] [--times 5]

The wall clock tells what a user waits on this machine as it is; processor seconds (both kinds) are nearly the same on a
busy one. Modules that asking should not import are named if they were.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "examples" / "cat.jpg"
NEEDLESS = ("torch._dynamo", "torch.distributed.tensor", "sympy", "torch.onnx", "scipy.optimize")


def ask(model: str) -> tuple[float, float]:
    """Ask once: seconds to the first byte of the answer, and processor seconds of the whole process."""
    command = [sys.executable, "-m", "nunbit", "ask", str(PICTURE), "What animal is this?", "--model", model]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        waited = time.perf_counter() - began
        process.stdout.read()
    if process.returncode or not first:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return waited, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(model: str) -> list[str]:
    """Which of `NEEDLESS` one question imports."""
    code = (
        "import sys; from nunbit.cli import main; import atexit; "
        f"atexit.register(lambda: print(*[m for m in {NEEDLESS} if m in sys.modules], file=sys.stderr)); main()"
    )
    command = [sys.executable, "-c", code, "ask", str(PICTURE), "What animal is this?", "--model", model]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return made.stderr.splitlines()[-1].split()


def main() -> None:
    """Print the figures of each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a model; repeatable")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} of other processes")
    for model in options.model or ["nunbit-tiny"]:
        ask(model)  # reads the files
        waited, worked = zip(*(ask(model) for _ in range(options.times)), strict=True)
        needless = imported(model)
        print(
            f"{model}: first word after {statistics.median(waited):.2f} s ({min(waited):.2f} to {max(waited):.2f}), "
            f"{statistics.median(worked):.2f} s of processor; imports without use: {', '.join(needless) or 'none'}"
        )


if __name__ == "__main__":
    main()
