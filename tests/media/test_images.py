"""Pictures are decoded as people mean them, and whatever cannot be decoded ends in a UserError."""

import base64
import random
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.media.pictures import FORMATS, encoded, picture

from nunbit.errors import UserError
from nunbit.media import Limits, content_hash, decode, letterbox


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


def webp_claiming(width: int, height: int) -> bytes:
    canvas = (
        b"VP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + struct.pack("<I", width - 1)[:3]
        + struct.pack("<I", height - 1)[:3]
    )
    body = b"WEBP" + canvas + encoded("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_with(blocks: bytes) -> bytes:
    whole = encoded("JPEG")
    return whole[:2] + blocks + whole[2:]


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
    out += [
        (f"webp bomb {i}", webp_claiming(rng.randrange(13_000, 2**24), rng.randrange(13_000, 2**24))) for i in range(10)
    ]
    out += [
        ("a hundred thousand a side", claim(100_000, 100_000)) for claim in (png_claiming, bmp_claiming, webp_claiming)
    ]
    out += [(f"noise {i}", rng.randbytes(rng.randrange(1, 4000))) for i in range(20)]
    wrong = [
        b"",
        b"\0",
        b"%PDF-1.7 hello",
        b"\x7fELF" + bytes(200),
        b"PK\x03\x04" + bytes(60),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html></html>",
        "안녕하세요".encode(),
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"II*\0" + bytes(50),
        b"GIF89a",
        b"BM",
        b"\xff\xd8\xff\xd9",
    ]
    return out + [(f"wrong type {i}", w) for i, w in enumerate(wrong)]


def test_two_hundred_malformed_files_each_end_in_a_user_error(tmp_path):
    cases, start = malformed(), time.perf_counter()
    assert len(cases) >= 200
    for name, data in cases:
        path = tmp_path / "bad.png"
        path.write_bytes(data)
        with pytest.raises(UserError, match="bad.png"):
            decode(path)
            pytest.fail(f"{name} was decoded")
    assert time.perf_counter() - start < 60


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
    with pytest.raises(UserError, match="address"):
        decode("https://example.org/cat.png")


@pytest.mark.parametrize("claim", [png_claiming, bmp_claiming, webp_claiming])
def test_a_bomb_is_refused_by_its_header_with_both_sizes_named(claim):
    with pytest.raises(UserError, match=r"b\.png is 13000x12500 pixels.*at most 50,000,000 pixels and 12,000 a side"):
        decode(claim(13_000, 12_500), name="b.png")


def test_a_webp_bomb_never_reaches_its_decoder(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("PIL allocates the canvas when it opens a WebP"))
    plain, lossless = bytearray(encoded("WEBP")), bytearray(encoded("WEBP", lossless=True))
    assert (plain[12:16], lossless[12:16]) == (b"VP8 ", b"VP8L")
    plain[26:30] = struct.pack("<HH", 16_383, 16_383)
    lossless[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
    for data in (webp_claiming(16_384, 16_384), bytes(plain), bytes(lossless)):
        with pytest.raises(UserError, match="1638[34]x1638[34]"):
            decode(data)


def test_headers_that_cost_quadratic_time_are_cut_off():
    gif = encoded("GIF")
    start = gif.index(b"\x2c", 13 + 3 * 2 ** ((gif[10] & 7) + 1))
    comments = gif[:start] + b"\x21\xfe\x01a\0" * 200_000 + gif[start:]
    exif = jpeg_with((b"\xff\xe1\0\x09Exif\0\0y") * 100_000)
    scans = encoded("JPEG", progressive=True)
    scan = scans.index(b"\xff\xda")
    scans = scans[:scan] + b"\xff\xda\0\x08\x01\x01\0\0\0\0" * 1000 + scans[scan:]
    for data, message in ((comments, "not a picture"), (exif, "not a picture"), (scans, "JPEG scans.*at most 100")):
        begin = time.perf_counter()
        with pytest.raises(UserError, match=message):
            decode(data)
        assert time.perf_counter() - begin < 5


def test_unreadable_exif_does_not_spoil_whole_pixels():
    block = b"Exif\0\0MM\0*\0\0\0\xff" + b"\xff" * 40
    assert decode(jpeg_with(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)).size == (64, 48)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_pictures_of_every_mode_become_rgb_and_stay_as_they_were(mode):
    given = Image.new(mode, (5, 3))
    before = given.tobytes()
    assert (decode(given).mode, decode(given).size) == ("RGB", (5, 3))
    assert (given.mode, given.tobytes()) == (mode, before)


def test_palette_and_cmyk_files_keep_their_colours():
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    assert decode(encoded("PNG", red.quantize(4))).getpixel((3, 3)) == (255, 0, 0)
    assert decode(encoded("GIF", Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).getpixel((1, 1)) == (255, 255, 255)
    r, g, b = decode(encoded("JPEG", red.convert("CMYK"))).getpixel((3, 3))
    assert r > 240 and g < 15 and b < 15


def test_pil_is_left_as_it_was():
    from PIL import ImageFile

    settings = [Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES]
    decode(encoded("PNG"))
    with pytest.raises(UserError):
        decode(png_claiming(50_000, 50_000))
    assert settings == [Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES]


def test_hash_names_pixels_and_shape():
    one = Image.frombytes("RGB", (2, 1), bytes(6))
    assert content_hash(one) == content_hash(one.copy()) != content_hash(Image.frombytes("RGB", (1, 2), bytes(6)))
    assert content_hash(picture(0)) != content_hash(picture(1))


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (30, 30), (500, 1), (3, 7)])
def test_letterbox_maps_corners_and_fills_the_rest(size):
    square, scale, dx, dy = letterbox(Image.new("RGB", size, "red"), 64, fill=(0, 0, 255))
    assert square.size == (64, 64)
    red = np.argwhere(np.asarray(square)[..., 0] > 128)
    (top, left), (bottom, right) = red.min(0), red.max(0) + 1
    assert (left, top) == (dx, dy)
    assert abs(right - (size[0] * scale + dx)) <= 1 and abs(bottom - (size[1] * scale + dy)) <= 1
    if dx or dy:
        assert square.getpixel((0, 0)) == (0, 0, 255)
    with pytest.raises(UserError):
        letterbox(square, 0)
