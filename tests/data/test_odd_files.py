"""Conversation files as exports, spreadsheets and cut texts leave them: nothing is lost without a word."""

import json

import pytest
from PIL import Image

from nunbit.data.conversations import read_conversations
from nunbit.errors import UserError

ANSWER = {"from": "gpt", "value": "red"}
ASKED = [{"from": "human", "value": "<image>\nWhat is it?"}, ANSWER]


def read(folder, *records, text=None, name="data.json"):
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    data = json.dumps(records).encode() if text is None else text
    (folder / name).write_bytes(data)
    return read_conversations(folder / name)


@pytest.mark.parametrize("nothing", [None, [], "", " ", [None], [""], float("nan")])
@pytest.mark.parametrize("other, given", [("images", "image"), ("image", "images")])
def test_an_empty_cell_hides_nothing(tmp_path, nothing, other, given):
    value = "a.png" if given == "image" else ["a.png"]
    (found,) = read(tmp_path, {given: value, other: nothing, "conversations": ASKED, "messages": nothing})
    assert [p.name for p in found.images] == ["a.png"] and found.messages[0].text == "What is it?"
    turns = [{"role": "user", "content": "hi", "from": None, "value": None}, {"role": "assistant", "content": "ok"}]
    (found,) = read(tmp_path, {other: nothing, given: nothing, "messages": turns, "conversations": nothing})
    assert not found.images and [m.text for m in found.messages] == ["hi", "ok"]


def test_two_filled_cells_must_agree(tmp_path):
    assert len(read(tmp_path, {"image": "a.png", "images": ["a.png"], "conversations": ASKED})[0].images) == 1
    with pytest.raises(UserError, match=r"\(id 7\) has 'images' and 'image', which differ"):
        read(tmp_path, {"id": 7, "image": "a.png", "images": ["b.png"], "conversations": ASKED})


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_at_line_ends_only(tmp_path, mark, end):
    record = {"messages": [{"role": "user", "content": f"a{mark}b"}, {"role": "assistant", "content": "ok"}]}
    line = json.dumps(record, ensure_ascii=False).replace(json.dumps(mark)[1:-1], mark)
    found = read(tmp_path, text=(line + end + "\ufeff" + line + end).encode(), name="data.jsonl")
    assert [c.messages[0].text for c in found] == [f"a{mark}b"] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(tmp_path, encoding):
    turns = [{"from": "human", "value": "눈빛"}, ANSWER]
    text = json.dumps([{"conversations": turns}], ensure_ascii=False).encode(encoding)
    (found,) = read(tmp_path, text=text)
    assert found.messages[0].text == "눈빛"


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\uD83D x", "\\ude00\\ud83d"])
def test_half_a_pair_becomes_a_sign_that_can_be_written(tmp_path, half):
    text = f'[{{"conversations": [{{"from": "human", "value": "hi {half}"}}, {{"from": "gpt", "value": "x{half}"}}]}}]'
    (found,) = read(tmp_path, text=text.encode())
    assert all("\ufffd" in m.text and m.text.encode() for m in found.messages)
    (whole,) = read(tmp_path, text=text.replace(half, "\\ud83d\\ude00").encode())
    assert whole.messages[0].text == "hi 😀"


@pytest.mark.parametrize("answer", ["<image>\nhere", [{"type": "image"}, {"type": "text", "text": "here"}]])
def test_a_picture_in_an_answer_is_refused_by_its_own_name(tmp_path, answer):
    bad = [{"from": "human", "value": "draw"}, {"from": "gpt", "value": answer}]
    with pytest.raises(UserError, match=r"sample 0 \(id bad\) has a picture in an answer"):
        read(
            tmp_path, {"id": "bad", "image": "a.png", "conversations": bad}, {"image": "a.png", "conversations": ASKED}
        )


@pytest.mark.parametrize(
    "said, texts",
    [
        ("Compare <image> and <image> now", ["Compare ", " and ", " now"]),
        ("<image>\n<image>\nWhich? ", ["Which?"]),
        ("a\n<image>\nb\n<image>\nc", ["a\n", "b\n", "c"]),
        ([{"type": "text", "text": "What colour "}, {"type": "image"}, {"type": "text", "text": "is it?"},
          {"type": "image"}], ["What colour ", "is it?"]),
    ],
)  # fmt: skip
def test_words_are_not_glued(tmp_path, said, texts):
    turns = [{"from": "human", "value": said}, ANSWER]
    (found,) = read(tmp_path, {"images": ["a.png", "a.png"], "conversations": turns})
    assert [p.content for p in found.messages[0].parts if p.kind == "text"] == texts


@pytest.mark.parametrize(
    "cells",
    [
        {"image": "dir\\a.png"}, {"image": "./dir/a.png "}, {"image": "dir/a.png\n"}, {"images": "dir/a.png"},
        {"images": '["dir/a.png"]'}, {"image": {"path": "dir/a.png", "bytes": None}},
        {"images": [{"path": "dir/a.png"}]},
        {"images": '[ "dir/a.png" ]', "image": None}, {"image": ["dir/a.png", None]},
    ],
)  # fmt: skip
def test_a_path_as_exports_write_it(tmp_path, cells):
    (found,) = read(tmp_path, {**cells, "conversations": ASKED})
    assert [p.relative_to(tmp_path.resolve()).as_posix() for p in found.images] == ["dir/a.png"]


def test_turns_as_text_and_roles_in_capitals(tmp_path):
    turns = [{"from": "Human", "value": "<image>\nWhat is it?"}, {"from": "GPT", "value": "red"}]
    for given in (turns, json.dumps(turns)):
        (found,) = read(tmp_path, {"image": "a.png", "conversations": given})
        assert [(m.role, m.text) for m in found.messages] == [("user", "What is it?"), ("assistant", "red")]


@pytest.mark.parametrize(
    "value", [5, True, {"bytes": "iVBOR"}, [["a.png"]], "a\x00.png", "../a.png", "[not json", '["../a.png"]']
)
def test_what_is_no_path_inside_the_folder_is_refused_or_missing(tmp_path, value):
    try:
        (found,) = read(tmp_path, {"image": value, "conversations": ASKED})
    except UserError as e:
        assert "sample 0" in str(e)
    else:
        assert not found.images[0].exists()
