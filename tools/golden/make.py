"""Scores of the fixtures in tests/evaluation by VLMEvalKit's and lmms-eval's own code, for tests/evaluation/golden.

    python -m benchmarks.harness_clients --setup-only          makes .cache/harness with both harnesses' packages
    git clone https://github.com/open-compass/VLMEvalKit
    git clone https://github.com/EvolvingLMMs-Lab/lmms-eval
    .cache/harness/bin/python -m tools.golden.make vlmevalkit --source VLMEvalKit
    export NLTK_DATA=$PWD/.cache/nltk
    .cache/harness/bin/python -m tools.golden.make lmms --source lmms-eval
    .cache/harness/bin/python -m tools.golden.make lmms --source lmms-eval --only chair    one benchmark alone

lmms-eval's CHAIR reads NLTK data from the folder that NLTK_DATA names; `tools.golden.nltk_data` makes it from packages.
Its COCO captions need Java. Each file holds, for one harness and one benchmark: version and commit, the harness's own
prompt for each item, and for each set of recorded replies (tests/evaluation/replies.py) the score of every item and the
totals, under the names and in the units that nunbit uses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

Scores = tuple[dict[str, float], dict[str, float]]
"""Scores by item or unit, and totals by the name of the figure."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", choices=["vlmevalkit", "lmms"])
    parser.add_argument("--source", type=Path, required=True, help="a checkout of the harness")
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "evaluation" / "golden")
    parser.add_argument("--only", nargs="*", default=[], help="benchmarks; all if none is named")
    options = parser.parse_args()
    source = options.source.resolve()
    commit = subprocess.run(["git", "-C", source, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    sys.path.insert(0, str(source))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(LMUData=scratch)
        os.chdir(scratch)
        if options.harness == "vlmevalkit":
            from tools.golden import vlmevalkit as side
        else:
            from tools.golden import lmms as side
        head = {"harness": options.harness, "version": side.version(source), "commit": commit.stdout.strip()}
        for name in options.only or side.BENCHMARKS:
            written = {**head, **golden(name, side, Path(scratch) / name)}
            write(options.out / f"{options.harness}-{name}.json", written)
        if not options.only:
            write(options.out / f"{options.harness}-defects.json", {**head, "defects": side.defects(Path(scratch))})


def golden(name: str, side: Any, folder: Path) -> dict[str, Any]:
    """What the harness makes of every set of replies to one benchmark."""
    from tests.evaluation.replies import recorded, verdicts
    from tests.evaluation.tables import TABLES

    from nunbit.evaluation.benchmarks import BENCHMARKS

    table = TABLES[name](folder)
    items = BENCHMARKS[name].read(table)
    bench = side.BENCHMARKS[name](table, items)
    if BENCHMARKS[name].needs_judge:
        said = verdicts(items)
        scores, totals = bench.judged({i.id: "x" for i in items}, said)
        return {
            "benchmark": name,
            "verdicts": said,
            "prompts": bench.prompts(),
            "sets": {"judged": as_set({}, scores, totals)},
        }
    sets = {}
    for title, replies in recorded(name, items).items():
        scores, totals = bench.score(replies)
        sets[title] = as_set(replies, scores, totals)
    return {"benchmark": name, "prompts": bench.prompts(), "sets": sets}


def as_set(replies: dict[str, str], scores: dict[str, float], totals: dict[str, float]) -> dict[str, Any]:
    return {
        "replies": replies,
        "scores": {k: round(float(v), 9) for k, v in scores.items()},
        "totals": {k: round(float(v), 6) for k, v in totals.items()},
    }


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(path, flush=True)


if __name__ == "__main__":
    main()
