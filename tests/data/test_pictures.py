"""A damaged picture among good ones is found before anything is trained, whatever is wrong with it."""

import io

import numpy as np
import pytest
from PIL import Image

from nunbit.data.pictures import MISSING, UNREADABLE, unusable


def encoded(kind, size=(64, 48), **options):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8))
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


JPEG, PNG = encoded("JPEG"), encoded("PNG")
DAMAGED = {
    "empty.jpg": b"",
    "page.jpg": b"<!doctype html><html><body>404 Not Found</body></html>",
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "cut.png": PNG[: len(PNG) // 2],
    "head.jpg": JPEG[:20],
    "cut.gif": encoded("GIF")[:60],
    "cut.bmp": encoded("BMP")[:900],
    "cut.webp": encoded("WEBP")[:80],
    "scan.tiff": encoded("TIFF"),
    "as.png": encoded("TIFF"),
    "photo.avif": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf" + b"\0" * 40,
    "zeros.png": bytes(5000),
    "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
    "wide.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x3e\x80\0\0\x3e\x80\x08\x02\0\0\0" + b"\0" * 30,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_read_is_found(tmp_path, name):
    (tmp_path / name).write_bytes(DAMAGED[name])
    (tmp_path / "good.jpg").write_bytes(JPEG)
    found = unusable([tmp_path / name, tmp_path / "good.jpg", tmp_path / "none.png", tmp_path])
    assert found == {tmp_path / name: UNREADABLE, tmp_path / "none.png": MISSING, tmp_path: MISSING}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_good_pictures_are_used_and_a_mended_one_again(tmp_path, kind):
    path = tmp_path / "a.img"
    path.write_bytes(encoded(kind)[:40])
    assert unusable([path]) == {path: UNREADABLE}
    path.write_bytes(encoded(kind))
    assert not unusable([path])
