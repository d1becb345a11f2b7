"""Where a picture comes from: folders, base64 text and data: URIs."""

from __future__ import annotations

import base64

import pytest
from PIL import Image
from tests.media.pictures import encoded

from nunbit.errors import UserError
from nunbit.media import decode, sources_in


@pytest.mark.parametrize(
    "text",
    [
        "data:",
        "data:image/png,raw",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,!!!",
        "data:image/png;base64x,AAAA",
        "data:text/plain;base64,iVBORw0KGgo=",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;charset=utf-8,abc",
        "data:;base64,AAAA",
        "A" * 301,
        "A" * 301 + "!",
        "iVBORw0KGgo" + "A" * 60,
        "=" * 400,
        "",
    ],
)
def test_rubbish_text_is_refused(text):
    with pytest.raises(UserError):
        decode(text)


def test_base64_in_every_common_spelling():
    data = encoded("PNG", Image.new("RGB", (2, 2), (255, 251, 0)))
    text = base64.b64encode(data).decode()
    assert len(text) < 260  # short enough to be mistaken for a path
    wrapped = "\n".join(text[i : i + 20] for i in range(0, len(text), 20))
    for spelling in (
        text,
        text.rstrip("="),
        wrapped,
        base64.urlsafe_b64encode(data).decode(),
        f"DATA:image/png;name=a.png;base64,{text}",
    ):
        assert decode(spelling).getpixel((1, 1)) == (255, 251, 0)


def test_sources_in_a_folder_are_found_by_content(tmp_path):
    for name, data in {
        "b.png": encoded("JPEG"),
        "가.dat": encoded("WEBP"),
        "a.gif": encoded("GIF")[:20],
        "c.png": b"text",
        "d": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in sources_in(tmp_path)] == ["a.gif", "b.png", "가.dat"]
    with pytest.raises(UserError, match="missing"):
        sources_in(tmp_path / "missing")
