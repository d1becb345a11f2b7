"""What README and docs/status.md count and claim is what the code has and what a named test or command shows."""

import json
import re
from pathlib import Path

import pytest
from tests.families import LANGUAGE, VISION

from nunbit.connectors import CONNECTORS
from nunbit.engine.supported import NATIVE
from nunbit.evaluation.abilities.suites import SUITES
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.models.build import connector_names
from nunbit.perception.build import PerceptionConfig
from nunbit.world import DOMAINS

ROOT = Path(__file__).parents[1]
README, STATUS = (ROOT / name for name in ("README.md", "docs/status.md"))
NUMBERS = {6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
EVIDENCE = re.compile(r"tests/[\w/]+|make [\w-]+|nunbit [\w-]+")


def said(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").split())


def rows(page: Path) -> list[list[str]]:
    """Rows of a page's tables, without their headings."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return [c for c, before in zip(cells[1:], cells, strict=False) if "---" not in c[0] and "---" not in before[0]]


def test_counts_are_those_of_the_code():
    questions = [
        json.loads(t) for t in (ROOT / "examples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    shown = {n.removesuffix("-no-mask").removesuffix("-mask") for n in BENCHMARKS} - {"jsonl"}  # your own questions
    assert f"{len(shown)} benchmarks, {len(SUITES)} ability suites" in said(README)
    assert f"{len(SUITES)} ability suites, {len(shown)} benchmarks" in said(STATUS)
    assert f"{NUMBERS[len(connector_names())]} connectors" in said(README)
    assert f"answers {len(questions)} questions about example pictures" in said(README)
    assert f"{NUMBERS[len(DOMAINS)]} domains" in said(STATUS)
    assert f"{len(LANGUAGE) * len(VISION)} pairs of families" in said(STATUS)
    assert f"more than {PerceptionConfig().max_failed:.0%}".replace("%", " %") in said(ROOT / "docs/object_aware.md")


def test_every_connector_is_in_the_table():
    row = next(r for r in rows(STATUS) if r[0].startswith("connectors:"))
    assert set(row[0].removeprefix("connectors: ").split(", ")) == set(connector_names())
    assert {"crayon", "moai"} == set(CONNECTORS) - set(connector_names())


def test_every_type_that_the_engine_runs_is_in_the_table_of_types():
    page = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert [kind for kind in NATIVE if f"`{kind}`" not in page] == []


@pytest.mark.parametrize("row", rows(STATUS), ids=lambda r: r[0][:40])
def test_each_row_of_the_status_names_what_shows_it(row):
    assert len(row) == 3 and (row[1] == "not yet" or EVIDENCE.search(row[2])), row


def test_each_section_of_figures_has_a_command():
    sections = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split("\n## ")[1:]
    without = [s.partition("\n")[0] for s in sections if not re.search(r"`[^`]*(nunbit |make |python -m |pytest )", s)]
    assert without == []


def test_percentages_of_the_readme_are_among_the_figures():
    known = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for page in (README, ROOT / "README.ko.md"):
        for whole in re.findall(r"(\d+) ?%", page.read_text(encoding="utf-8")):
            assert re.search(rf"\b{whole}(\.\d)? ?%", known), f"{whole} % of {page.name}"
        shown = re.search(r"(\d+)(?: %|%)[^|]*(?:unseen photographs)", page.read_text(encoding="utf-8"))
        row = next(r for r in rows(ROOT / "docs" / "results.md") if r[0] == "photographs")
        assert shown is None or round(float(row[3].removesuffix(" %"))) == int(shown[1])
