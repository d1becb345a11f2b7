"""A caller's body: read once, and sent on as it was written but for what changes."""

import json

import pytest

from nunbit.serving.gateway.wire import RequestBody, json_object

BODIES = [
    '{}', '{"model": "a"}', ' {"a" : [1, {"b": "}\\""}] ,\n"model":null, "z": 1e5}\r\n',
    '{"a": "\\u00e9\\ud83d\\ude00"}',
    '{"a": 1, "a": 2}', '{"한글": "값", "a\\"b": [[], {}]}', '{"a": "line\nbreak\t"}', '\ufeff{"a": true}',
]  # fmt: skip


@pytest.mark.parametrize("text", BODIES)
def test_a_body_keeps_its_fields_and_changes_those_that_are_named(text):
    given = json.loads(text.removeprefix("\ufeff"), strict=False)
    body = RequestBody(text.encode())
    assert body.fields == given
    assert json.loads(body.written({"model": "m"}, ["z"])) == {k: v for k, v in given.items() if k != "z"} | {
        "model": "m"
    }


def test_what_does_not_change_is_not_written_anew():
    body = RequestBody(b'{"x": [1.50,  "\\u00e9"], "model": 1}')
    assert body.written({"model": "m"}) == b'{"x": [1.50,  "\\u00e9"], "model": "m"}'


def test_half_a_surrogate_pair_becomes_a_character():
    body = RequestBody(b'{"x": "a\\ud800b", "y": "\\ud83d\\ude00"}')
    assert body.fields == {"x": "a\ufffdb", "y": "😀"} == json.loads(body.written({}))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'"a"', b"null", b"{", b'{"a": 1,}', b'{"a" 1}', b"{1: 2}", b'{"a": 1} x', b'{"a": 1}{', b"\xff"],
)  # fmt: skip
def test_what_is_no_object_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 (the message is the caller's matter)
        RequestBody(data)
    assert json_object(data) is None


def test_depth_is_bounded():
    deep = b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(RecursionError):
        RequestBody(deep)
    assert json_object(deep) is None
