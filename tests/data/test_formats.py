"""Layouts of instruction data: what goes in comes out byte for byte, or is named as lost."""

import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nunbit.data.conversations import read_conversations
from nunbit.data.formats import FORMATS, format_of, read, write
from nunbit.data.formats.registry import placed
from nunbit.data.formats.sample import from_parts, to_parts
from nunbit.errors import UserError

RECORDS = [
    {"id": "a1", "image": "coco/one.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"},
     {"from": "gpt", "value": "개 두 마리"}, {"from": "human", "value": "And now?"}, {"from": "gpt", "value": "Yes."}]},
    {"id": 7, "image": ["coco/one.png", "two.png"], "conversations": [
     {"from": "human", "value": "<image>\n<image>\nWhich is red?"}, {"from": "gpt", "value": "The second."}],
     "data_source": "vqa", "weight": 0.5},
    {"id": "t", "conversations": [{"from": "human", "value": "<b>\u2028 \"now\""}, {"from": "gpt", "value": "hi"}]},
    {"id": "b", "image": "two.png", "conversations": [{"from": "human", "value": "What is this?\n<image>"},
     {"from": "gpt", "value": "A cat."}]},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "coco").mkdir()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "coco/one.png")
    Image.new("RGB", (6, 8), "blue").save(tmp_path / "two.png")
    (tmp_path / "in.json").write_text(json.dumps(RECORDS, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return tmp_path


NAMES = {"webdataset": "shards", "parquet": "out.parquet", "llava": "out.json", "llamafactory": "out.json"}


@pytest.mark.parametrize("to", [f for f in FORMATS if f != "onevision"])
def test_there_and_back_is_the_same_file_or_says_what_is_lost(folder, to):
    away, back = folder / "away" / NAMES.get(to, "out.jsonl"), folder / "back"
    away.parent.mkdir()
    back.mkdir()
    source = read(folder / "in.json")
    lost = write(source, away, to)
    assert format_of(away) == to
    returned = read(away, images=folder)
    lost += write(returned, back / "in.json", "llava")
    same = (back / "in.json").read_bytes() == (folder / "in.json").read_bytes()
    if to == "openai":
        assert lost == {"id": 4, "names of pictures": 3, "data_source": 1, "weight": 1}
        texts = [[t.text for t in s.turns] for s in returned.samples]
        assert texts == [[t.text for t in s.turns] for s in source.samples]
        held = [data for s in returned.samples for data in s.pictures.values()]
        assert {*held} == {(folder / n).read_bytes() for n in ("coco/one.png", "two.png")}
    else:
        assert same and not lost
    if to in ("webdataset", "parquet"):
        assert (back / "coco/one.png").read_bytes() == (folder / "coco/one.png").read_bytes()


@pytest.mark.parametrize("to", ["messages", "llamafactory", "swift", "openai"])
def test_own_layouts_come_back_byte_for_byte(folder, to):
    first, second = folder / "a.json", folder / "b.json"
    write(read(folder / "in.json"), first, to)
    assert not write(read(first, to, images=folder), second, to)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("how", [
    {"indent": 4}, {"indent": None, "separators": (",", ":")}, {"ensure_ascii": True}, {"indent": "\t"},
])  # fmt: skip
def test_spacing_of_the_json_text_stays(folder, how):
    text = json.dumps(RECORDS, **{"ensure_ascii": False} | how)
    (folder / "x.json").write_text(text, encoding="utf-8")
    assert not write(read(folder / "x.json"), folder / "y.json", "llava")
    assert (folder / "y.json").read_text(encoding="utf-8") == text
    assert write(read(folder / "x.json"), folder / "y.jsonl", "swift") == {"spacing of the JSON text": 4}


def test_odd_spaces_and_forms_are_named(folder):
    records = [
        {
            "conversations": [{"from": "human", "value": "<image> What?"}, {"from": "gpt", "value": "x"}],
            "image": "two.png",
        },
        {
            "id": 1,
            "image": None,
            "conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}],
        },
    ]
    (folder / "x.json").write_text(json.dumps(records, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    lost = write(read(folder / "x.json"), folder / "y.jsonl", "messages")
    assert lost["white space at <image>"] == 1
    assert sum("form of the record" in field for field in lost) == 1
    assert write(read(folder / "x.json"), folder / "z.json", "llava") == {}
    assert (folder / "z.json").read_bytes() == (folder / "x.json").read_bytes()


def test_a_mix_takes_what_its_rules_say(folder):
    many = [
        {"id": i, "conversations": [{"from": "human", "value": str(i)}, {"from": "gpt", "value": "x"}]}
        for i in range(10)
    ]
    (folder / "many.json").write_text(json.dumps(many))
    rules = {"all": 10, "first:3": 3, "end:2": 2, "random:25%": 3, "first:100": 10, "random:0": 0}
    for rule, number in rules.items():
        (folder / "m.yaml").write_text(f"datasets:\n - json_path: many.json\n   sampling_strategy: {rule}\n")
        taken = [s.id for s in read(folder / "m.yaml").samples]
        assert len(taken) == number and taken == [s.id for s in read(folder / "m.yaml").samples]
        assert rule != "end:2" or taken == [8, 9]
    (folder / "m.yaml").write_text("datasets: [{json_path: many.json, sampling_strategy: most}]")
    with pytest.raises(UserError, match="most"):
        read(folder / "m.yaml")


def test_registries_are_those_of_the_peers(folder):
    write(read(folder / "in.json"), folder / "lf.json", "llamafactory")
    entry = json.loads((folder / "dataset_info.json").read_text())["lf"]
    assert entry["formatting"] == "sharegpt" and entry["columns"] == {"messages": "messages", "images": "images"}
    (folder / "dataset_info.json").unlink()
    for name in ("a", "b", "a"):
        write(read(folder / "in.json"), folder / f"{name}.jsonl", "swift")
    held = json.loads((folder / "dataset_info.json").read_text())
    assert [e["dataset_path"] for e in held] == ["b.jsonl", "a.jsonl"]


def test_what_is_written_can_be_learnt_from(folder):
    for to in ("llava", "messages", "llamafactory", "swift"):
        write(read(folder / "in.json"), folder / "learn.json", to, registry=False)
        assert [len(c.images) for c in read_conversations(folder / "learn.json")] == [1, 2, 0, 1]


def test_the_paper_s_order_of_picture_and_words(folder):
    samples = read(folder / "in.json").samples * 50
    texts = [s.turns[0].text for s in placed(samples, "random", 3)[::4]]
    behind = sum(t == "What is it?\n<image>" for t in texts)
    assert {*texts} == {"What is it?\n<image>", "<image>\nWhat is it?"} and 15 <= behind <= 35
    assert {s.turns[0].text for s in placed(samples, "front")[3::4]} == {"<image>\nWhat is this?"}
    assert placed(samples, "random", 3) == placed(samples, "random", 3)
    with pytest.raises(UserError, match="frnt"):
        placed(samples, "frnt")


def test_shards_are_the_same_bytes_and_other_tools_read_them(folder):
    for name in ("one", "two"):
        write(read(folder / "in.json"), folder / name, "webdataset")
    tar = (folder / "one/00000.tar").read_bytes()
    assert tar == (folder / "two/00000.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        names = opened.getnames()
    assert names[:2] == ["000000000.json", "000000000.png"] and names[2:5] == [
        "000000001.json", "000000001.0.png", "000000001.1.png",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.png", ""])
def test_pictures_outside_the_folder_are_neither_read_nor_written(folder, name):
    record = RECORDS[0] | {"image": name}
    (folder / "x.json").write_text(json.dumps([record]))
    with pytest.raises(UserError):
        write(read(folder / "x.json"), folder / "x.jsonl", "openai")
    with tarfile.open(folder / "x.tar", "w") as tar:
        for file, data in (("0.json", json.dumps(record).encode()), ("0.png", b"\x89PNG")):
            info = tarfile.TarInfo(file)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(UserError):
        write(read(folder / "x.tar"), folder / "y.json", "llava")


@pytest.mark.parametrize(
    "text",
    [
        "[]x", "{", "[1]", '[{"conversations": 1}]', '[{"id": 1}]', '{"messages": [{"role": "x", "content": "y"}]}',
        '[{"conversations": [{"from": "human", "value": "<image>"}], "image": ["a", "b"]}]',
        '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/a.png"}}]}]}',
        '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,*"}]}]}',
        '{"messages": [{"role": "user", "content": [{"type": "video"}]}]}', "[" * 100_000,
    ],
)  # fmt: skip
def test_other_shapes_are_errors_that_name_the_sample(folder, text):
    (folder / "x.json").write_text(text)
    with pytest.raises(UserError):
        read(folder / "x.json")


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda t: "<image>" not in t)


@given(st.lists(st.one_of(st.none(), words), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_parts_come_back(pieces):
    parts = []
    for piece in pieces:  # two texts never stand side by side in what `to_parts` writes
        if piece is None:
            parts.append({"type": "image", "image": f"{len(parts)}.png"})
        elif not parts or parts[-1]["type"] == "image":
            parts.append({"type": "text", "text": piece})
    text, images = from_parts(parts, "sample")
    assert to_parts(text, images) == (parts, [])
