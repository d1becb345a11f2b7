"""What a benchmark holds, so that training data can be compared with it."""

from __future__ import annotations

from pathlib import Path

from nunbit.data.check import Known, plain
from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.media.similar import hash_of


def known_of(spec: str) -> Known:
    """Hashes of the pictures and the questions of a benchmark.

    Args:
        spec: ``NAME=FILE``, a benchmark of `BENCHMARKS` and its file or folder.

    Raises:
        UserError: another form, an unknown name, or a file that is not that benchmark's.
    """
    name, found, path = spec.partition("=")
    if not found:
        raise UserError(f"the benchmark is {spec[:80]!r}", allowed="NAME=FILE", todo=f"one of {', '.join(BENCHMARKS)}")
    pictures: dict[str, int] = {}
    questions: dict[str, str] = {}
    for item in BENCHMARKS[name].read(Path(path)):
        where = f"{name} {item.id}"
        questions.setdefault(plain(item.question), where)
        for number, load in enumerate(item.loads):
            try:
                value = hash_of(load())
            except UserError:  # a damaged picture of a benchmark is that benchmark's matter
                continue
            if value is not None:
                pictures[where if not number else f"{where}, picture {number + 1}"] = value
    return Known(pictures, questions)
