"""Where a picture comes from: folders, base64 text and data: URIs."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


TYPES = st.sampled_from(["", "image/png", "IMAGE/PNG", "application/octet-stream", "image/jpeg", "text/plain", "x"])
MORE = st.sampled_from(["", ";charset=utf-8", ';name="a b.png"', ";name=a.png"])


@settings(max_examples=150, deadline=None)
@given(
    TYPES,
    MORE,
    st.sampled_from(["base64", "url-safe", "wrapped", "unpadded", "percent"]),
    st.sampled_from(["", " ", "\n\t "]),
    st.sampled_from(["data:", "DATA:", "Data:"]),
    st.sampled_from(["PNG", "BMP", "GIF"]),
)
def test_a_data_url_of_any_form_is_the_picture_in_it(kind, more, coding, space, scheme, form):
    """RFC 2397, as clients write it: the type may be wrong or missing, the content decides."""
    data = encoded(form, Image.new("RGB", (3, 2), (255, 0, 0)))
    text = base64.b64encode(data).decode()
    held = {
        "base64": text,
        "url-safe": base64.urlsafe_b64encode(data).decode(),
        "wrapped": "\r\n".join(text[i : i + 16] for i in range(0, len(text), 16)),
        "unpadded": text.rstrip("="),
        "percent": "".join(f"%{byte:02X}" for byte in data),
    }[coding]
    mark = "" if coding == "percent" else ";base64"
    assert decode(f"{space}{scheme}{kind}{more}{mark},{held}{space}").size == (3, 2)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.booleans())
def test_any_text_after_data_is_a_picture_or_a_sentence(text, coded):
    try:
        decode(f"data:image/png{';base64' if coded else ''},{text}")
    except UserError as e:
        assert str(e)
