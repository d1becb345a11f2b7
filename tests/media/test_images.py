"""Pictures are decoded as people mean them, and whatever cannot be decoded ends in a UserError."""

import base64
import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.media import Limits, content_hash, decode

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def encoded(fmt: str, image: Image.Image | None = None, **options) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, fmt, **options)
    return out.getvalue()


def png_claiming(width: int, height: int, idat: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", idat or zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def bmp_claiming(width: int, height: int) -> bytes:
    body = bytearray(encoded("BMP"))
    body[18:26] = struct.pack("<ii", width, height)
    return bytes(body)


def gif_claiming(width: int, height: int) -> bytes:
    body = bytearray(encoded("GIF"))
    body[6:10] = struct.pack("<HH", width, height)
    return bytes(body)


def malformed() -> list[tuple[str, bytes]]:
    rng, out = random.Random(7), []
    for fmt in FORMATS:
        whole = encoded(fmt)
        for i in range(24):  # cut within the first nine tenths: always something missing
            out.append((f"{fmt} cut {i}", whole[: rng.randrange(1, int(len(whole) * 0.9))]))
    for i in range(20):
        side = rng.choice([12_001, 20_000, 100_000, 2**31 - 1])
        out.append(
            (f"png bomb {i}", png_claiming(side, rng.choice([12_001, 60_000]), zlib.compress(b"\0" * 10_000_00)))
        )
        out.append((f"bmp bomb {i}", bmp_claiming(rng.randrange(12_001, 2**30), rng.randrange(10_000, 2**20))))
    out += [
        (f"gif bomb {i}", gif_claiming(rng.randrange(13_000, 65_536), rng.randrange(13_000, 65_536))) for i in range(10)
    ]
    out += [(f"noise {i}", rng.randbytes(rng.randrange(1, 4000))) for i in range(20)]
    wrong = [b"", b"\0", b"%PDF-1.7 hello", b"\x7fELF" + bytes(200), b"PK\x03\x04" + bytes(60), b"<svg xmlns='http://www.w3.org/2000/svg'/>",
             b"<html></html>", "안녕하세요".encode(), b"RIFF\x10\0\0\0WAVEfmt ", b"II*\0" + bytes(50), b"GIF89a", b"BM", b"\xff\xd8\xff\xd9"]  # fmt: skip
    return out + [(f"wrong type {i}", w) for i, w in enumerate(wrong)]


def test_two_hundred_malformed_files_each_end_in_a_user_error(tmp_path):
    cases = malformed()
    assert len(cases) >= 200
    for name, data in cases:
        path = tmp_path / "bad.png"
        path.write_bytes(data)
        with pytest.raises(UserError, match="bad.png"):
            decode(path)
            pytest.fail(f"{name} was decoded")


def test_flipped_bits_never_escape_as_another_exception():
    rng = random.Random(3)
    for _ in range(300):
        data = bytearray(encoded(rng.choice(FORMATS)))
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(min(len(data), 200))] ^= 1 << rng.randrange(8)
        try:
            assert decode(bytes(data)).mode == "RGB"
        except UserError:
            pass


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_from_path_bytes_base64_and_uri(fmt, tmp_path):
    data = encoded(fmt, picture(size=(80, 60)))
    path = tmp_path / "그림 한 장.dat"  # the content decides, not the name
    path.write_bytes(data)
    text = base64.b64encode(data).decode()
    seen = {content_hash(decode(s)) for s in (path, str(path), data, text, f"data:image/{fmt.lower()};base64,{text}")}
    assert len(seen) == 1
    assert decode(path).size == (80, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    corner = Image.new("RGB", (40, 20), "black")
    corner.paste("red", (0, 0, 10, 10))
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[
        orientation
    ]  # PIL's Transpose members that store it turned
    stored = corner if undo is None else corner.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode(encoded("PNG", stored, exif=exif))
    assert upright.size == (40, 20)
    assert upright.getpixel((2, 2)) == (255, 0, 0)


def test_transparent_parts_lie_over_white_and_first_gif_frame_counts():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert decode(encoded("PNG", clear)).getpixel((4, 4)) == (255, 255, 255)
    frames = [Image.new("RGB", (8, 8), c) for c in ("blue", "red")]
    assert decode(encoded("GIF", frames[0], save_all=True, append_images=frames[1:])).getpixel((4, 4)) == (0, 0, 255)


def test_sixteen_bit_grey_keeps_its_tones():
    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    assert abs(decode(encoded("PNG", deep)).getpixel((0, 0))[0] - 40_000 // 257) <= 1


def test_limits_name_the_file_and_the_limit(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(encoded("PNG", picture(size=(300, 10))))
    with pytest.raises(UserError, match=r"large\.png.*at most .* 200 a side"):
        decode(path, limits=Limits(max_side_px=200))
    with pytest.raises(UserError, match=r"large\.png.*at most 100"):
        decode(path, limits=Limits(max_bytes=100))
    with pytest.raises(UserError, match="folder"):
        decode(tmp_path)
    with pytest.raises(UserError, match="exists"):
        decode(tmp_path / "none.png")
    with pytest.raises(UserError):
        decode("data:text/html;base64,aGVsbG8=")
    with pytest.raises(UserError):
        decode("\0bad")
