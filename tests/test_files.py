"""What is written is there whole or not at all, and text of any origin is read line by line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from nunbit.files import decoded_text, parse_json, text_lines, whole, whole_characters, write_text


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "kept.json"
    with whole(path) as beside:
        beside.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(ZeroDivisionError), whole(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_two_who_write_at_once_do_not_meet(tmp_path):
    path = tmp_path / "kept.json"
    with whole(path) as mine, whole(path) as theirs:
        mine.write_text("mine")
        theirs.write_text("theirs, longer")
    assert path.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["kept.json"]
    write_text(path, "눈빛")
    assert path.read_bytes().decode() == "눈빛"


def test_a_full_disk_is_one_kind_of_error_whoever_writes(tmp_path):
    with pytest.raises(OSError, match=r"x\.safetensors"), whole(tmp_path / "x.safetensors"):
        raise SafetensorError("No space left on device")
    assert not list(tmp_path.iterdir())


INSIDE = "\u2028\u2029\u0085\u000b\u000c\u001c\u001d\u001e\ufeff"
"""Characters at which `str.splitlines` cuts, or which editors put before lines: they may stand in a JSON string."""
WORDS = st.text(st.sampled_from('a가 "\\é' + INSIDE), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=6, max_size=6))
def test_lines_end_where_json_lines_do_and_nowhere_else(values, ends):
    r"""Rows of any text come back whole from a file whose lines end in \n, \r\n or \r, also mixed."""
    text = "".join(json.dumps({"a": v}, ensure_ascii=False) + end for v, end in zip(values, ends, strict=False))
    rows = [parse_json(line) for line in text_lines(text) if line.strip()]
    assert [r["a"] for r in rows] == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_says_how_to_read(encoding):
    marked = encoding in ("utf-16-le", "utf-16-be")
    data = ("\ufeff" if marked else "").encode(encoding) + '{"a": "가"}\n{"a": "b"}'.encode(encoding)
    assert [parse_json(line)["a"] for line in text_lines(decoded_text(data))] == ["가", "b"]


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=8))
def test_half_a_surrogate_pair_never_reaches_a_file(text):
    assert whole_characters(text).encode("utf-8") is not None
    assert parse_json(json.dumps({"a": text}))["a"].encode("utf-8") is not None
