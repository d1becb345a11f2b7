"""Targets and a benchmark for tests."""

from tests.evaluation.choice_layouts import mmbench

from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.target import Target


def small_benchmark(tmp_path):
    """A benchmark, its official protocol and a few items."""
    benchmark = BENCHMARKS["mmbench"]
    return benchmark, benchmark.protocol("official"), benchmark.read(mmbench(tmp_path))


def stub_target(answer, name="stub", batch=4, **settings):
    """A target that answers by ``answer`` (an answer, or a function of the conversation), and the list of what it was
    asked.
    """
    asked = []

    def many(conversations):
        asked.extend(conversations)
        return [answer(c) if callable(answer) else answer for c in conversations]

    return Target(name, many, settings, batch), asked


def stub(reply="A", name="stub", asked=None):
    """A target that answers by ``reply`` and notes what it was asked in ``asked``."""

    def answer(batch):
        if asked is not None:
            asked.extend(batch)
        return [reply(m) if callable(reply) else reply for m in batch]

    return Target(name, answer, {}, 4)
