"""Safe decoding of pictures: every size is bounded before anything of that size is allocated.

The kind of a file is decided by its content. Whatever is wrong with a file, the caller gets a `UserError` that names it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nunbit.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
ALLOWED = "PNG, JPEG, WebP, GIF (first frame) and BMP pictures"
Kind = Literal["inline", "address", "path"]

_BAD = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError, ZeroDivisionError,
        AttributeError, RuntimeError, AssertionError, Warning, struct.error, zlib.error)  # fmt: skip
_DATA_URI = re.compile(r"data:image/[\w.+-]+(;[\w=.+-]*)*;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+=*\s*")
_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGODlh", "R0lGODdh", "Qk")
_MAX_HEADER_READS = 5_000
_MAX_JPEG_SCANS = 100
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is opened: file size in bytes, area and longest side in pixels."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side_px: int = 12_000


def decode(
    source: str | os.PathLike[str] | bytes | Image, *, name: str | None = None, limits: Limits = Limits()
) -> Image:
    """Decode one picture to RGB, turned upright (EXIF), transparent parts over white.

    Args:
        source: a path, the file's bytes, a ``data:`` URI, base64 text, or a picture already decoded (its current frame).
        name: what errors call the source; a path names itself.

    Raises:
        UserError: missing, not a picture, truncated, too large in bytes, pixels or side.
    """
    from PIL import Image as pil

    if isinstance(source, pil.Image):
        _check_size(source.size, name or "the picture", limits)
        return _upright(source, name or "the picture")
    image, name = _opened(source, name, limits)
    return _upright(image, name)


def picture_size_px(source: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width that `decode` will give a file, from its header where that tells: a PNG may say only at its end which way is up."""
    from PIL.Image import Transpose as T

    image, name = _opened(source, None, Limits())
    if image.format == "PNG":
        return _upright(image, name).size[::-1]
    width, height = image.size
    sideways = _turn(image) in (T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90)
    return (width, height) if sideways else (height, width)


def _opened(source: str | os.PathLike[str] | bytes, name: str | None, limits: Limits) -> tuple[Image, str]:
    """The picture with its header read and its pixels not yet, and what to call it."""
    from PIL import Image as pil

    data, name = _read(source, name, limits)
    if not data:
        raise UserError(f"{name} is empty", allowed=ALLOWED, todo="name a file with a picture in it")
    _check_structure(data, name, limits)
    file = _HeaderReader(data)
    # PIL may warn here of sizes that are refused below. Its warnings are left alone: silencing them is not safe between threads.
    try:
        image = pil.open(file, formats=FORMATS)
    except pil.DecompressionBombError:
        raise UserError(
            f"{name} would unpack to more pixels than are allowed",
            allowed=f"at most {limits.max_pixels:,} pixels",
            todo="make the picture smaller",
        ) from None
    except _BAD:
        raise UserError(
            f"{name} is not a picture that can be opened", allowed=ALLOWED, todo="convert the file or name another"
        ) from None
    _check_size(image.size, name, limits)
    file.reads_left = len(data)  # the pixels are read in time linear in the file; only headers are not
    return image, name


def content_hash(image: Image) -> str:
    """A name for the picture's pixels: equal pictures have equal hashes whatever file they came from."""
    digest = hashlib.blake2b(f"{image.mode}:{image.width}x{image.height}:".encode(), digest_size=16)
    digest.update(image.tobytes())
    return digest.hexdigest()


def letterbox(
    image: Image, size_px: int, fill: tuple[int, int, int] = (255, 255, 255)
) -> tuple[Image, float, int, int]:
    """Fit a picture into a square of ``size_px`` without stretching it.

    Returns:
        the square, then ``scale, dx, dy``: the point ``(x, y)`` of the picture lies at ``(x * scale + dx, y * scale + dy)``
        of the square, to half a pixel.
    """
    from PIL import Image as pil

    if size_px < 1:
        raise UserError(f"a square of {size_px} pixels", allowed="at least 1", todo="give a larger size")
    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    dx, dy = (size_px - width) // 2, (size_px - height) // 2
    square = pil.new("RGB", (size_px, size_px), fill)
    square.paste(image.convert("RGB").resize((width, height), pil.Resampling.BICUBIC), (dx, dy))
    return square, scale, dx, dy


def sources_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The picture files directly in a folder, by name. The first bytes decide, so damaged pictures are listed and `decode` names them."""
    path = Path(folder)
    try:
        return [p for p in sorted(path.iterdir()) if p.is_file() and _looks_like_picture(p)]
    except (OSError, ValueError) as e:
        raise UserError(
            f"'{path}' cannot be listed ({type(e).__name__})", allowed="a folder of pictures", todo="check the path"
        ) from None


def kind_of(source: object) -> Kind:
    """Whether a source carries its own bytes, is a web address, or is a path.

    Decided from the text alone, never by looking whether such a file exists: `decode` and the fetch policy must always agree.
    """
    if isinstance(source, os.PathLike):
        return "path"
    if not isinstance(source, str):
        return "inline"
    if source[:5].lower() == "data:":
        return "inline"
    if re.match(r"\s*[a-z][a-z0-9+.-]+:/", source, re.IGNORECASE):
        return "address"
    long_enough = len(source) > 260 or (len(source) >= 40 and source.startswith(_BASE64_STARTS))
    return "inline" if long_enough and _BASE64.fullmatch(source) else "path"


class _HeaderReader(io.BytesIO):
    """A file in memory that may be read a limited number of times.

    Some of PIL's header loops append comment to comment and EXIF block to EXIF block, which is quadratic in a hostile file.
    """

    reads_left = _MAX_HEADER_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise OSError("too many blocks before the pixels")
        return super().read(size)


def _check_structure(data: bytes, name: str, limits: Limits) -> None:
    """What must be known before PIL opens the file: it allocates a WebP's canvas at once, and decodes every scan of a JPEG."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = _webp_size(data)
        if size is not None:
            _check_size(size, name, limits)
    # Inside the coded pixels a 0xFF byte is always escaped, so this pair only begins scans.
    if data[:2] == b"\xff\xd8" and (scans := data.count(b"\xff\xda")) > _MAX_JPEG_SCANS:
        raise UserError(
            f"{name} has {scans} JPEG scans", allowed=f"at most {_MAX_JPEG_SCANS}", todo="save the picture again"
        )


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a WebP header claims, None if it is no such header. Source: RFC 9649, sec. 2.5 to 2.7."""
    head = data[12:30]
    if len(head) < 18:
        return None
    if head[:4] == b"VP8X":
        return 1 + int.from_bytes(head[12:15], "little"), 1 + int.from_bytes(head[15:18], "little")
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if head[:4] == b"VP8 ":
        return int.from_bytes(head[14:16], "little") & 0x3FFF, int.from_bytes(head[16:18], "little") & 0x3FFF
    return None


def _upright(image: Image, name: str) -> Image:
    from PIL import Image as pil

    try:
        image.load()
        turn = _turn(image)
        if image.mode.startswith("I"):  # 16-bit grey; 65535 / 257 = 255
            image = image.convert("I").point(lambda v: v / 257).convert("L")
            image.info.pop("transparency", None)  # one grey of 65536: nothing of it is left among 256
        if image.mode == "La":
            image = image.convert("LA")
        if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            image = pil.alpha_composite(pil.new("RGBA", rgba.size, "white"), rgba)
        image = image.convert("RGB")
        return image if turn is None else image.transpose(turn)
    except (*_BAD, pil.DecompressionBombError):
        raise UserError(
            f"{name} is damaged or cut short", allowed="whole " + ALLOWED, todo="get the file again"
        ) from None


def _turn(image: Image) -> Any:
    """The PIL transposition that sets the picture upright, or None. Unreadable EXIF data turns nothing: the pixels are whole."""
    from PIL.Image import Transpose as T

    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except _BAD:
        return None
    turns = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_270, 7: T.TRANSVERSE,
             8: T.ROTATE_90}  # fmt: skip
    return turns.get(orientation) if isinstance(orientation, int) else None


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    w, h = size
    if w < 1 or h < 1:
        raise UserError(f"{name} is {w}x{h} pixels", allowed="at least 1x1", todo="name another picture")
    if w * h > limits.max_pixels or max(w, h) > limits.max_side_px:
        raise UserError(f"{name} is {w}x{h} pixels", allowed=f"at most {limits.max_pixels:,} pixels and {limits.max_side_px:,} a side",
                        todo="make the picture smaller")  # fmt: skip


def _read(source: object, name: str | None, limits: Limits) -> tuple[bytes, str]:
    """The bytes of a source, and what to call it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        size = source.nbytes if isinstance(source, memoryview) else len(source)
        _check_bytes(size, name or "the picture", limits)
        return bytes(source), name or "the picture"
    if not isinstance(source, (str, os.PathLike)):
        raise UserError(
            f"a picture of type {type(source).__name__}", allowed="a path, bytes, base64 text or a data: URI"
        )
    kind = kind_of(source)
    if kind == "inline":
        assert isinstance(source, str)
        if source[:5].lower() == "data:":
            return _from_uri(source, name or "the data: URI", limits), name or "the data: URI"
        return _from_base64(source, name or "the base64 text", limits), name or "the base64 text"
    name = name or f"'{os.fsdecode(source)[:200]}'"
    if kind == "address":
        raise UserError(f"{name} is an address", allowed="a file on this machine", todo="download the picture first")
    return _from_path(source, name, limits), name


def _from_path(source: str | os.PathLike[str], name: str, limits: Limits) -> bytes:
    try:
        path = Path(os.fsdecode(source))
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file that exists"
            raise UserError(f"{name} {what}", allowed=ALLOWED, todo="check the path")
        _check_bytes(path.stat().st_size, name, limits)
        with path.open("rb") as f:
            data = f.read(limits.max_bytes + 1)  # the file may have grown, or hide its size
        _check_bytes(len(data), name, limits)
        return data
    except UserError:
        raise
    except (OSError, ValueError) as e:
        raise UserError(f"{name} cannot be read ({type(e).__name__})", allowed=ALLOWED, todo="check the path") from None


def _from_uri(source: str, name: str, limits: Limits) -> bytes:
    head = _DATA_URI.match(source[:300])
    if not head:
        raise UserError(
            f"{name} is not a base64 picture", allowed="data:image/png;base64,... (or jpeg, webp, gif, bmp)"
        )
    return _from_base64(source[head.end() :], name, limits)


def _from_base64(text: str, name: str, limits: Limits) -> bytes:
    """Bytes of base64 text; line breaks, a missing ``=`` and the URL-safe alphabet are all in common use."""
    _check_bytes(len(text) * 3 // 4, name, limits)
    try:
        plain = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise UserError(f"{name} is not base64", allowed="the base64 form of a picture file") from None


def _check_bytes(count: int, name: str, limits: Limits) -> None:
    if count > limits.max_bytes:
        raise UserError(
            f"{name} has {count:,} bytes", allowed=f"at most {limits.max_bytes:,}", todo="make the file smaller"
        )


def _looks_like_picture(path: Path) -> bool:
    try:
        with path.open("rb") as f:
            head = f.read(12)
    except OSError:
        return path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return webp or head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM"))
