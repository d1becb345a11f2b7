"""Data files that passed through a spreadsheet, a data frame or a cut download, and replies without words."""

import json

import pytest
from tests.evaluation.data_files import b64, png, write_json
from tests.evaluation.stubs import stub_target

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.compare import load
from nunbit.evaluation.reading import golds
from nunbit.evaluation.runner import run

HEAD = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\tsplit\n"


def row(index="1", question="Q", image=None, answer="A"):
    return f"{index}\t{question}\t\tred\tblue\tgreen\tyellow\t{answer}\tcat\t{image or b64(1)}\tdev\n"


def mmbench(folder, *rows, encoding="utf-8"):
    (folder / "dev.tsv").write_bytes((HEAD + "".join(rows)).encode(encoding))
    return BENCHMARKS["mmbench"].read(folder / "dev.tsv")


@pytest.mark.parametrize("question", ['"open «A»', '"he" said', '"a" "b'])
def test_a_quote_that_never_closes_names_its_row(tmp_path, question):
    with pytest.raises(UserError, match="begins in line 3"):
        mmbench(tmp_path, row(), row("2", question), row("3"))


def test_quotes_inside_a_cell_are_words(tmp_path):
    assert [i.question for i in mmbench(tmp_path, row("1", 'a 5" screen'), row("2", '"a ""b"""'))] == [
        'a 5" screen',
        'a "b"',
    ]
    with pytest.raises(UserError, match="begins in line 3: 3 cells for 11 columns"):
        mmbench(tmp_path, row(), "2\tcut\toff")


@pytest.mark.parametrize("first, second", [("1", "1000001"), ("1.0", "1000001.0"), ("1.00", "1000001")])
def test_whole_floats_are_whole(tmp_path, first, second):
    one, other = mmbench(tmp_path, row(first), row(second, image="1.0" if "." in first else "1"))
    assert (one.id, other.id) == ("1", "1000001") and one.group == other.group and one.pictures == other.pictures


@pytest.mark.parametrize("form", ["{}", '"{}\n"', "data:image/png;base64,{}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_base64_as_people_write_it(tmp_path, form, encoding):
    text = b64(1)
    forms = (text, text.rstrip("="), text.replace("+", "-").replace("/", "_"))
    for changed in (*forms, f"{text[:40]}\n{text[40:]}") if form[0] == '"' else forms:
        (item,) = mmbench(tmp_path, row(image=form.format(changed)), encoding=encoding)
        assert item.pictures == (png(1),)


def test_what_is_no_base64_is_said_before_anything_is_asked(tmp_path):
    with pytest.raises(UserError, match="row 2 of 'dev.tsv'.*is not base64"):
        mmbench(tmp_path, row(), row("2", image="§" * 80))


@pytest.mark.parametrize(
    "value, right",
    [
        ("[10, 20, 60, 80]", ["[10, 20, 60, 80]"]), ("(3, 4)", ["(3, 4)"]), ("[1]", ["[1]"]), ([3, 4], ["[3, 4]"]),
        ("['24/7', '3.43']", ["24/7", "3.43"]), ('["a"]', ["a"]), (["a", "b"], ["a", "b"]), ([5], ["5"]), (None, []),
        ("[see figure]", ["[see figure]"]), ("[[1, 2], [3, 4]]", ["[[1, 2], [3, 4]]"]),
    ],
)  # fmt: skip
def test_a_gold_that_looks_like_a_list(tmp_path, value, right):
    assert golds(value) == right
    write_json(tmp_path / "q.jsonl", [{"image": b64(1), "question": "?", "answer": value}], lines=True)
    benchmark = BENCHMARKS["jsonl"]
    (item,) = benchmark.read(tmp_path / "q.jsonl")
    assert item.gold == tuple([value] if isinstance(value, str) else right)
    if isinstance(value, str):
        protocol = benchmark.protocol("official")
        assert [m.score for m in benchmark.score_answers([item, item], [value, "10"], protocol)] == [1, 0]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1c", "\ud83d", "\ufeff"])
def test_own_files_are_read_again_whatever_a_reply_holds(tmp_path, mark):
    rows = [{"id": "1", "question": f"Q{mark}?", "image": b64(1), "answer": "red"}]
    (tmp_path / "q.jsonl").write_bytes(json.dumps(rows[0], ensure_ascii=mark == "\ud83d").encode())
    benchmark = BENCHMARKS["jsonl"]
    items, protocol = benchmark.read(tmp_path / "q.jsonl"), benchmark.protocol("official")
    run(benchmark, protocol, items, stub_target(f"re{mark}d")[0], tmp_path / "run", wait_s=0)
    again, asked = stub_target("never")
    run(benchmark, protocol, items, again, tmp_path / "run", wait_s=0)
    (sample,) = load(tmp_path / "run").samples
    assert not asked and sample["answer"] == f"re{mark}d".replace("\ud83d", "\ufffd")
