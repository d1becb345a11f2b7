"""Safe decoding of pictures: every size is bounded before anything of that size is allocated.

The kind of a file is decided by its content. Whatever is wrong with a file, the caller gets a `UserError` that names it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
ALLOWED = "PNG, JPEG, WebP, GIF (first frame) and BMP pictures"
_BAD = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError, ZeroDivisionError,
        AttributeError, RuntimeError, struct.error, zlib.error)  # fmt: skip
_DATA_URI = re.compile(r"^data:(?P<mime>[\w.+/-]*)(?P<options>(;[\w=.+-]*)*),", re.IGNORECASE)


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
        source: a path, the file's bytes, a ``data:`` URI, base64 text, or a picture already decoded.
        name: what errors call the source; a path names itself.

    Raises:
        UserError: missing, not a picture, truncated, too large in bytes, pixels or side.
    """
    from PIL import Image as pil

    if isinstance(source, pil.Image):
        _check_size(source.size, name or "the picture", limits)
        return _upright(source, name or "the picture")
    data, name = _read(source, name, limits)
    if not data:
        raise UserError(f"{name} is empty", allowed=ALLOWED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is below PIL's warning
            image = pil.open(io.BytesIO(data), formats=FORMATS)
    except pil.DecompressionBombError:
        raise _too_large(name, limits) from None
    except _BAD:
        raise UserError(
            f"{name} is not a picture that can be opened", allowed=ALLOWED, todo="convert the file or name another"
        ) from None
    _check_size(image.size, name, limits)
    return _upright(image, name)


def content_hash(image: Image) -> str:
    """A name for the picture's pixels: equal pictures have equal hashes whatever file they came from."""
    digest = hashlib.blake2b(f"{image.mode}:{image.width}x{image.height}:".encode(), digest_size=16)
    digest.update(image.tobytes())
    return digest.hexdigest()


def _upright(image: Image, name: str) -> Image:
    from PIL import Image as pil
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.seek(0) if getattr(image, "is_animated", False) else None
            image.load()
            image = ImageOps.exif_transpose(image)
            if image.mode in ("I;16", "I;16B", "I;16L", "I"):
                image = image.convert("I").point(lambda v: v / 257).convert("L")
            if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
                rgba = image.convert("RGBA")
                paper = pil.new("RGBA", rgba.size, "white")
                return pil.alpha_composite(paper, rgba).convert("RGB")
            return image.convert("RGB")
    except _BAD:
        raise UserError(
            f"{name} is damaged or cut short", allowed="whole " + ALLOWED, todo="get the file again"
        ) from None


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    w, h = size
    if w < 1 or h < 1:
        raise UserError(f"{name} is {w}x{h} pixels", allowed="at least 1x1")
    if w * h > limits.max_pixels or max(w, h) > limits.max_side_px:
        raise UserError(f"{name} is {w}x{h} pixels", allowed=f"at most {limits.max_pixels:,} pixels and {limits.max_side_px:,} a side",
                        todo="make the picture smaller")  # fmt: skip


def _too_large(name: str, limits: Limits) -> UserError:
    return UserError(
        f"{name} would unpack to more pixels than are allowed",
        allowed=f"at most {limits.max_pixels:,} pixels",
        todo="make the picture smaller",
    )


def _read(source: str | os.PathLike[str] | bytes, name: str | None, limits: Limits) -> tuple[bytes, str]:
    """The bytes of a source, and what to call it."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        _check_bytes(len(data), name or "the picture", limits)
        return data, name or "the picture"
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _from_uri(source, name or "the data: URI", limits), name or "the data: URI"
    if isinstance(source, str) and len(source) > 260 and re.fullmatch(r"[A-Za-z0-9+/=\s_-]+", source[:4096]):
        return _from_base64(source, name or "the base64 text", limits), name or "the base64 text"
    if not isinstance(source, (str, os.PathLike)):
        raise UserError(
            f"a picture of type {type(source).__name__}", allowed="a path, bytes, base64 text or a data: URI"
        )
    path, name = Path(source), name or f"'{os.fspath(source)[:200]}'"
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file that exists"
            raise UserError(f"{name} {what}", allowed=ALLOWED, todo="check the path")
        _check_bytes(path.stat().st_size, name, limits)
        with path.open("rb") as f:
            return f.read(limits.max_bytes + 1), name
    except (OSError, ValueError) as e:
        if isinstance(e, UserError):
            raise
        raise UserError(
            f"{name} cannot be read ({e.__class__.__name__})", allowed=ALLOWED, todo="check the path"
        ) from None


def _from_uri(source: str, name: str, limits: Limits) -> bytes:
    head = _DATA_URI.match(source[:300])
    if not head or not head["mime"].lower().startswith("image/") or ";base64" not in head["options"].lower():
        raise UserError(
            f"{name} is not a base64 picture", allowed="data:image/png;base64,... (or jpeg, webp, gif, bmp)"
        )
    return _from_base64(source[head.end() :], name, limits)


def _from_base64(text: str, name: str, limits: Limits) -> bytes:
    _check_bytes(len(text) * 3 // 4, name, limits)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"{name} is not base64", allowed="the base64 form of a picture file") from None


def _check_bytes(count: int, name: str, limits: Limits) -> None:
    if count > limits.max_bytes:
        raise UserError(
            f"{name} has {count:,} bytes", allowed=f"at most {limits.max_bytes:,}", todo="make the file smaller"
        )
