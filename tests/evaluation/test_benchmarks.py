"""Every benchmark in every layout and protocol: gold answers score all, noise is unparsed, the wrong data are named."""

import pytest
from tests.evaluation.choice_layouts import mmbench
from tests.evaluation.data_files import png, tsv, write_json, zipped
from tests.evaluation.layouts import LAYOUTS, own
from tests.evaluation.tables import TABLES

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.reading import documents
from nunbit.evaluation.runner import limited

ALL = [
    (n, layout)
    for n, some in LAYOUTS.items()
    for layout in dict.fromkeys([*some, *([TABLES[n]] if n in TABLES else [])])
]


PROTOCOLS = [(name, layout, p) for name, layout in ALL for p in BENCHMARKS[name].protocols]


BEST = {"CHAIRi": 0.0, "CIDEr-D": 1000.0}


def gold_reply(name, item, protocol):
    if name == "coco-captions":
        return item.gold[0]
    if name == "chair":
        return "There is a " + " and a ".join(item.gold) + "."
    if name == "mathvista" and item.options and protocol == "vlmevalkit":
        return next(k for k, v in item.options.items() if v == item.gold[0])
    return item.gold[0]


def test_every_benchmark_has_a_layout():
    assert {*LAYOUTS} == {*BENCHMARKS} and len(BENCHMARKS) >= 18


@pytest.mark.parametrize(("name", "layout", "protocol"), PROTOCOLS)
def test_gold_answers_score_all(name, layout, protocol, tmp_path):
    benchmark = BENCHMARKS[name]
    items = benchmark.read(layout(tmp_path))
    assert len(items) >= 12 and len({i.id for i in items}) == len(items) and all(i.gold for i in items)
    how = benchmark.protocol(protocol)
    if benchmark.needs_judge:
        marks = benchmark.score_with_judge(items, ["x"] * len(items), ["1.0"] * len(items), how)
        assert benchmark.summarise(items, marks, how).value == 100
        return
    result = benchmark.score(items, [gold_reply(name, i, protocol) for i in items], how)
    full = BEST.get(
        benchmark.headline, {"mme": {"mme": 400.0, "mme_table": 2000.0}.get(layout.__name__)}.get(name, 100.0)
    )
    if (name, protocol) == ("mathvista", "vlmevalkit"):  # lists are lost there
        assert result.value == pytest.approx(100 * 10 / 12) and result.unparsed == 2
        return
    if layout.__name__ == "coco_table":  # references that differ: a CIDEr has no fixed height
        assert result.figures["BLEU-4"] == pytest.approx(100)
    elif not (name == "coco-captions" and protocol == "vlmevalkit"):
        assert result.value == pytest.approx(full), result.figures
    assert result.unparsed == 0 and result.unscored == 0
    assert result.interval[0] <= result.value <= result.interval[1] or name == "mme"


@pytest.mark.parametrize(("name", "layout", "protocol"), PROTOCOLS)
def test_what_is_no_answer_is_unparsed(name, layout, protocol, tmp_path):
    benchmark = BENCHMARKS[name]
    items = benchmark.read(layout(tmp_path))
    how = benchmark.protocol(protocol)
    noise = (
        "" if how.total or how.parse("qwxz ~~", items[0]).parsed or name == "mmmu" or name == "mathvista" else "qwxz ~~"
    )
    if benchmark.needs_judge:
        return
    result = benchmark.score(items, [noise] * len(items), how)
    assert result.unparsed == len(items)
    if benchmark.headline != "CHAIRi":
        assert result.value == 0
    if benchmark.columns and all(i.options for i in items):
        closed = benchmark.score(items, ["Lorem ipsum dolor."] * len(items), how)
        assert closed.unparsed == len(items) and closed.value == 0


@pytest.mark.parametrize(("name", "layout"), ALL)
def test_items_are_the_same_every_time_and_are_asked_with_their_pictures(name, layout, tmp_path):
    benchmark, path = BENCHMARKS[name], layout(tmp_path)
    once, twice = benchmark.read(path), benchmark.read(path)
    assert [i.id for i in once] == [i.id for i in twice]
    for protocol in benchmark.protocols.values():
        for item in once:
            messages = benchmark.ask(item, protocol)
            assert [p.data for p in messages[0].images] == [*item.pictures] and messages[0].text.strip()
            assert all(isinstance(p, bytes) for p in item.pictures)
    assert any(i.pictures for i in once)


@pytest.mark.parametrize("name", ["mathvista", "pope", "seed-bench", "textvqa", "docvqa", "chartqa"])
def test_a_zip_is_read_like_its_folder(name, tmp_path):
    folder = tmp_path / "unpacked"
    path = LAYOUTS[name][0](folder)
    a, b = BENCHMARKS[name].read(path), BENCHMARKS[name].read(zipped(folder))
    assert [(i.question, i.gold, i.pictures) for i in a] == [(i.question, i.gold, i.pictures) for i in b]


def test_ids_do_not_depend_on_where_the_data_lie(tmp_path):
    a, b = (BENCHMARKS["jsonl"].read(own(tmp_path / d)) for d in ("here", "there"))
    assert [i.id for i in a] == [i.id for i in b]


def test_the_wrong_data_are_named(tmp_path):
    write_json(tmp_path / "x.json", [{"colour": 1}])
    with pytest.raises(UserError, match="colour"):
        BENCHMARKS["mmbench"].read(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        BENCHMARKS["mmbench"].read(tmp_path / "none")
    (tmp_path / "bad.tsv").write_bytes(b"\xff\xfe\x00index")
    with pytest.raises(UserError, match=r"bad\.tsv"):
        BENCHMARKS["mmbench"].read(tmp_path / "bad.tsv")
    with pytest.raises(UserError, match="Did you mean 'mmbench'"):
        BENCHMARKS["mmbnch"]
    with pytest.raises(UserError, match="official"):
        BENCHMARKS["mmbench"].protocol("oficial")


def test_the_two_forms_of_ai2d_are_never_confused(tmp_path):
    bare = LAYOUTS["ai2d-no-mask"][0](tmp_path)
    with pytest.raises(UserError, match="other form"):
        BENCHMARKS["ai2d-mask"].read(bare)
    assert BENCHMARKS["ai2d-no-mask"].read(bare)


def test_two_languages_are_never_mixed(tmp_path):
    mmbench(tmp_path, "MMBench_DEV_EN.tsv")
    mmbench(tmp_path, "MMBench_DEV_CN.tsv")
    with pytest.raises(UserError, match="both hold"):
        BENCHMARKS["mmbench"].read(tmp_path)


def test_a_limit_keeps_groups_whole(tmp_path):
    items = BENCHMARKS["mmbench"].read(mmbench(tmp_path))
    assert len(limited(items, 1)) == 4 and len(limited(items, 5)) == 7 and len(limited(items, None)) == len(items)


def test_parquet_rows_with_pictures_inside(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"question": "Which?", "options": ["x", "y"], "answer": str(n % 2), "image": {"bytes": png(n), "path": None}}
        for n in range(12)
    ]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "test-00000-of-00001.parquet")
    items = BENCHMARKS["ai2d-mask"].read(tmp_path)
    assert len(items) == 12 and items[1].gold == ("B",) and items[3].pictures == (png(3),)


def test_a_split_without_answers_is_asked_and_not_scored(tmp_path):
    path = mmbench(tmp_path, "MMBench_TEST_EN.tsv")
    rows = [r | {"answer": ""} for r in next(documents(path)).content]
    benchmark = BENCHMARKS["mmbench"]
    items = benchmark.read(tsv(tmp_path / "t" / "MMBench_TEST_EN.tsv", rows))
    result = benchmark.score(items, ["A"] * len(items), benchmark.protocol("official"))
    assert result.value is None and result.interval is None and result.unscored == len(items)
