"""data: URIs and base64 text as they arrive after copying, quoting and decoding twice; pictures with a changed byte."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.media import decode, kind_of

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "PNG")
    return out.getvalue()


B = base64.b64encode(png()).decode()
HEAD = "data:image/png;base64,"
WRAPPED = " ".join(B[i : i + 64] for i in range(0, len(B), 64))
FORMS = {
    "comma in a quoted parameter": f'data:image/png;name="a,b.png";base64,{B}',
    "long parameter": f"data:image/png;name={'x' * 600};base64,{B}",
    "byte order mark": "\ufeff" + HEAD + B,
    "marks without a width": "\u200b\u2060" + HEAD + B + "\u200b",
    "no-break space": "\u00a0" + HEAD + B,
    "quotes": f'"{HEAD}{B}"',
    "single quotes and a bracket": f"<'{HEAD}{B}'>",
    "base64 before another parameter": f"data:image/png;base64;charset=utf-8,{B}",
    "base64 alone": f"data:base64,{B}",
    "no base64 mark": f"data:image/png,{B}",
    "escaped as a whole": f"data:image/png%3Bbase64%2C{B.replace('+', '%2B').replace('/', '%2F')}",
    "escaped line ends": HEAD + "%0D%0A".join(B[i : i + 76] for i in range(0, len(B), 76)),
    "fragment": HEAD + B + "#name",
    "plus signs that became spaces": HEAD + B.replace("+", " "),
    "lines that became spaces": HEAD + WRAPPED,
    "too much padding": HEAD + B.rstrip("=") + "=====",
    "no padding": HEAD + B.rstrip("="),
    "the alphabet for addresses": HEAD + B.replace("+", "-").replace("/", "_"),
    "bare text after a byte order mark": "\ufeff" + B,
    "bare text in quotes": f'"{B}"',
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_picture_comes_out(form):
    assert "+" in B and kind_of(FORMS[form]) == "inline"
    assert (np.asarray(decode(FORMS[form])) == PIXELS).all()


@pytest.mark.parametrize(
    "text",
    [HEAD, "data:", "data:,", HEAD + "가나다", HEAD + HEAD + B, HEAD + base64.b64encode(B.encode()).decode(), ""],
)
def test_what_is_no_picture_is_refused_with_a_sentence(text):
    with pytest.raises(UserError):
        decode(text)


@pytest.mark.parametrize("at", [60, 500, 1500, -30])
def test_a_changed_byte_does_not_give_another_picture(at):
    data = bytearray(png())
    data[at] ^= 0x10
    with pytest.raises(UserError, match="damaged"):
        decode(bytes(data))
