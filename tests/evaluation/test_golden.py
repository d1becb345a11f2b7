"""Our protocols score as the harnesses do: golden/ holds what the real code of each made of recorded replies
(tools/golden/make.py).
"""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.evaluation.tables import TABLES

from nunbit.evaluation.benchmarks import BENCHMARKS

FILES = {
    p.stem: p for p in sorted((Path(__file__).parent / "golden").glob("*.json")) if not p.stem.endswith("-defects")
}
OWN_TESTS = ("lmms-mathvista",)
"""Wrong on every item: what it scores is compared by a test of its own below."""
SETS = [
    (name, title)
    for name, p in FILES.items()
    if name not in OWN_TESTS
    for title in json.loads(p.read_text(encoding="utf-8"))["sets"]
]
PROTOCOLS = {"lmms-pope": "lmms-literal"}
"""Where the protocol that follows the harness to the letter is not the one of its name."""


KNOWN = {"lmms-mmmu": lambda item: not item.options}
"""Items on which a harness is wrong in a way that has a test of its own below; their totals are not compared."""
OTHER_TOTALS = {
    ("lmms-pope", "yes ratio"),
    ("vlmevalkit-hallusionbench", "fAcc"),
    ("vlmevalkit-hallusionbench", "qAcc"),
}


@cache
def golden(name):
    return json.loads(FILES[name].read_text(encoding="utf-8"))


def protocol_of(name):
    benchmark = BENCHMARKS[golden(name)["benchmark"]]
    return benchmark, benchmark.protocol(PROTOCOLS.get(name, golden(name)["harness"]))


def scored(name, title, folder):
    """The fixture's items, and our result for the recorded replies."""
    benchmark, protocol = protocol_of(name)
    items = benchmark.read(TABLES[benchmark.name](folder))
    held = golden(name)
    if "verdicts" in held:
        answers = ["x"] * len(items)
        marks = benchmark.score_with_judge(items, answers, [held["verdicts"][i.id] for i in items], protocol)
        return items, benchmark.summarise(items, marks, protocol)
    return items, benchmark.score(items, [held["sets"][title]["replies"][i.id] for i in items], protocol)


def test_every_benchmark_has_golden_scores():
    """A user's own lines are the exception."""
    assert {golden(n)["benchmark"] for n in FILES} == {*BENCHMARKS} - {"jsonl"}
    assert all(len(golden(n)["prompts"]) >= 12 and len(golden(n)["commit"]) == 40 for n in FILES)


@pytest.mark.parametrize("name", FILES)
def test_prompts_are_theirs_word_for_word(name, tmp_path):
    benchmark, protocol = protocol_of(name)
    items = benchmark.read(TABLES[benchmark.name](tmp_path))
    ours = {i.id: "".join(m.text for m in benchmark.ask(i, protocol)) for i in items}
    theirs = {
        k: re.sub(r"<image \d>", "", p) for k, p in golden(name)["prompts"].items()
    }  # MMMU: pictures stand there in ours
    assert ours == theirs


@pytest.mark.parametrize(("name", "title"), SETS)
def test_scores_are_theirs(name, title, tmp_path):
    items, result = scored(name, title, tmp_path)
    held = golden(name)["sets"][title]
    mine = {u.id: u.score for u in result.units}
    excused = KNOWN.get(name, lambda item: False)
    marked = [i for i in items if i.id in held["scores"]]
    compared = [i for i in marked if not excused(i)]
    wrong = {
        i.id: (held["replies"].get(i.id), held["scores"][i.id], mine[i.id])
        for i in compared
        if mine[i.id] != pytest.approx(held["scores"][i.id])
    }
    assert not wrong and len(marked) == len(held["scores"])
    assert compared or held["totals"], "nothing of this set is compared"
    if name not in KNOWN:
        totals = {k: v for k, v in held["totals"].items() if (name, k) not in OTHER_TOTALS}
        assert {k: result.figures[k] for k in totals} == pytest.approx(totals, abs=1e-3)


# Where a harness is wrong.


def test_two_parts_of_hallusionbench_are_one_there(tmp_path):
    """VLMEvalKit tells figures apart by subcategory, set and number: VD/ocr and VS/ocr, which both exist, fall
    together.
    """
    name = "vlmevalkit-hallusionbench"
    differ = 0
    for title in golden(name)["sets"]:
        items, result = scored(name, title, tmp_path / title)
        held = golden(name)["sets"][title]
        benchmark, protocol = protocol_of(name)
        together = [replace(i, group=i.group.partition("_")[2]) for i in items]
        merged = benchmark.score(together, [held["replies"][i.id] for i in items], protocol)
        assert {k: merged.figures[k] for k in held["totals"]} == pytest.approx(held["totals"])
        differ += result.figures["fAcc"] != pytest.approx(held["totals"]["fAcc"])
    assert differ


def test_the_yes_ratio_of_pope_is_that_of_the_truth_there(tmp_path):
    name = "lmms-pope"
    for title, held in golden(name)["sets"].items():
        _, result = scored(name, title, tmp_path / title)
        assert held["totals"]["yes ratio"] == 50
        bare = sum(r.strip().lower() == "yes" for r in held["replies"].values())
        assert result.figures["yes ratio"] == pytest.approx(100 * bare / len(held["replies"]))


def test_a_word_with_a_full_stop_is_a_word_under_our_protocol(tmp_path):
    """lmms-eval's POPE takes "Yes." for wrong; ``pope@lmms`` asks as it does and reads such replies."""
    benchmark, items = BENCHMARKS["pope"], BENCHMARKS["pope"].read(TABLES["pope"](tmp_path))
    replies = [i.gold[0].capitalize() + "." for i in items]
    assert benchmark.score(items, replies, benchmark.protocol("lmms-literal")).figures["accuracy"] == 0
    assert benchmark.score(items, replies, benchmark.protocol("lmms")).figures["accuracy"] == 100
    held = json.loads((FILES["lmms-pope"].parent / "lmms-defects.json").read_text())["defects"]
    assert held["pope: a yes with a full stop is no missed yes"]["recall"] == 1.0


def test_open_answers_of_mmmu_are_lost_there(tmp_path):
    """lmms-eval at that commit compares an open answer letter by letter: even the gold answer scores nothing.

    Ours scores it.
    """
    items, result = scored("lmms-mmmu", "gold", tmp_path)
    opened = [i.id for i in items if not i.options]
    mine = {u.id: u.score for u in result.units}
    assert opened and all(golden("lmms-mmmu")["sets"]["gold"]["scores"][k] == 0 and mine[k] == 1 for k in opened)


def test_mathvista_rounds_as_published_and_noise_is_no_option(tmp_path):
    """lmms-eval passes a precision of 1.0, which loses every decimal, and takes any noise for the option nearest in
    letters.
    """
    items, result = scored("lmms-mathvista", "gold", tmp_path / "gold")
    mine, theirs = {u.id: u.score for u in result.units}, golden("lmms-mathvista")["sets"]["gold"]["scores"]
    kinds = {i.id: i.facts["type"] for i in items}
    assert all(theirs[k] == (kind != "float") and mine[k] == 1 for k, kind in kinds.items())
    held = json.loads((FILES["lmms-mathvista"].parent / "lmms-defects.json").read_text())["defects"]
    assert held["mathvista: any noise is the nearest option"] == {"I do not know": "red"}
    _, result = scored("lmms-mathvista", "no answer", tmp_path / "none")
    assert result.value == 0 and result.unparsed == result.items


def test_men_and_vases_are_lost_there_and_silence_has_no_chair(tmp_path):
    """lmms-eval's CHAIR takes "men" for a word of its own and "vases" for more than one "vas", misspells some words
    of its list, and divides by zero where nothing is named: ``chair@lmms`` loses the same words, ``chair@official``
    none, and where nothing is named CHAIRi is 0.
    """
    from nunbit.evaluation.benchmarks.chair import built_in, lmms_words, mentioned

    held = json.loads((FILES["lmms-chair"].parent / "lmms-defects.json").read_text())["defects"]
    lost = held["chair: men, vases and some words of its own list are lost"]
    assert lost == {said: mentioned(said, lmms_words()) for said in lost} and not any(lost.values())
    assert [mentioned(said, built_in()) for said in lost] == [
        ["person"],
        ["vase"],
        ["cell phone"],
        ["motorcycle"],
        ["cake"],
        ["cell phone"],
    ]
    assert held["chair: where nothing is named there is no figure"] == "ZeroDivisionError"
    assert "CHAIRi" not in golden("lmms-chair")["sets"]["nothing named"]["totals"]
    items, result = scored("lmms-chair", "nothing named", tmp_path)
    assert result.figures["CHAIRi"] == 0 and result.figures["recall"] == 0 and {u.score for u in result.units} == {1.0}


def test_objects_are_read_as_the_authors_read_them():
    from nunbit.evaluation.benchmarks.chair import built_in, mentioned

    for said, objects in (
        ("Mice, knives and wine glasses.", "mouse knife wine_glass"),
        ("A hot dog; a hot, old dog.", "hot_dog dog"),
        ("The train tracks and a baby bear.", "bear"),
        ("The seat of the toilet", "toilet"),
        ("A seat at the sink", "chair sink"),
        ("A man-made lake, a dog's bed.", "dog bed"),
        ("A stove top oven.", "oven"),
    ):
        assert [o.replace(" ", "_") for o in mentioned(said, built_in())] == objects.split()


def test_korean_answers_are_lost_by_the_rules_and_read_by_ours():
    from nunbit.evaluation.extraction import choice
    from nunbit.evaluation.harness import vlmevalkit_choice

    held = json.loads((FILES["lmms-pope"].parent / "vlmevalkit-defects.json").read_text(encoding="utf-8"))["defects"]
    options = {"A": "blue", "B": "red"}
    for said, theirs in {k: v for part in held.values() for k, v in part.items()}.items():
        said = "The answer is a red car, there beside the road" if said == "The answer is a red car" else said
        assert (vlmevalkit_choice(said, options).value or False) == theirs
    for said in held["korean letters"]:
        assert choice(said, options).value == "B"
    assert held["korean letters"]["정답은 B입니다."] is False and held["a small letter"]["b"] is False
    assert choice("b", options).value == "B"
