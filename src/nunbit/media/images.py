"""Safe decoding of pictures: every size is bounded before anything of that size is allocated.

The kind of a file is decided by its content. Whatever is wrong with a file, the caller gets a `UserError` that names
it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nunbit.errors import UserError
from nunbit.media.headers import HeaderReader, check_structure, decoding_bytes, png_pixels_hold
from nunbit.media.limits import ALLOWED, FORMATS, Limits, check_size
from nunbit.media.sources import read_source

if TYPE_CHECKING:
    from PIL.Image import Image

# PIL's decoders raise all of these for a damaged file.
PIL_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError,
    ZeroDivisionError, AttributeError, RuntimeError, AssertionError, Warning, struct.error, zlib.error,
)  # fmt: skip
_EXIF_ORIENTATION = 0x0112
HELD_PIXEL_BYTES = 4
"""Bytes of a pixel in RGB in PIL's memory."""
_PIXELS_AT_ONCE = 1 << 18
"""Pixels of a picture that are worked on at a time, so that no second copy of it is made."""


def decode(
    source: str | os.PathLike[str] | bytes | Image, *, name: str | None = None, limits: Limits = Limits()
) -> Image:
    """Decode one picture to RGB, turned upright (EXIF), transparent parts over white.

    Args:
        source: a path, the file's bytes, a ``data:`` URI, base64 text, or a picture already decoded (its current
            frame).
        name: what errors call the source; a path names itself.

    Raises:
        UserError: missing, not a picture, truncated, too large in bytes, pixels or side.
    """
    from PIL import Image as pil

    if isinstance(source, pil.Image):
        check_size(source.size, name or "the picture", limits)
        return _upright(source, name or "the picture")
    image, name = _opened(source, name, limits)
    return _upright(image, name)


def picture_size_px(source: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width that `decode` will give a file, without decoding its pixels where the header is enough.

    A PNG is decoded: it may say only at its end which way is up.

    Raises:
        UserError: as `decode`.
    """
    from PIL.Image import Transpose as T

    image, name = _opened(source, None, Limits())
    if image.format == "PNG":
        return _upright(image, name).size[::-1]
    width, height = image.size
    sideways = _turn(image) in (T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90)
    return (width, height) if sideways else (height, width)


def check_picture(source: str | os.PathLike[str]) -> None:
    """Check that `decode` will give a file's picture: all of it is read, a JPEG at an eighth of its size.

    Raises:
        UserError: as `decode`.
    """
    image, name = _opened(source, None, Limits())
    image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
    _upright(image, name)


def _opened(source: str | os.PathLike[str] | bytes, name: str | None, limits: Limits) -> tuple[Image, str]:
    """The picture with its header read and its pixels not yet, and what to call it."""
    from PIL import Image as pil

    data, name = read_source(source, name, limits)
    if not data:
        raise UserError(f"{name} is empty", allowed=ALLOWED, todo="name a file with a picture in it")
    check_structure(data, name, limits)
    file = HeaderReader(data)
    # PIL may warn here of sizes that are refused below. Silencing its warnings is not safe between threads.
    try:
        image = pil.open(file, formats=FORMATS)
    except pil.DecompressionBombError:
        raise UserError(
            f"{name} would unpack to more pixels than are allowed",
            allowed=f"at most {limits.max_pixels:,} pixels",
            todo="make the picture smaller",
        ) from None
    except PIL_ERRORS:
        raise UserError(
            f"{name} is not a picture that can be opened", allowed=ALLOWED, todo="convert the file or name another"
        ) from None
    check_size(image.size, name, limits)
    _check_memory(image, name, limits)
    if not png_pixels_hold(data):
        raise _damaged(name)
    file.reads_left = len(data)  # the pixels are read in time linear in the file; only headers are not
    return image, name


def _check_memory(image: Image, name: str, limits: Limits) -> None:
    """Hold a large picture to the bytes that it may take: a JPEG above is read at half its size.

    Raises:
        UserError: any other picture above.
    """
    if _memory_share(image, limits) <= 1:
        return
    if image.format == "JPEG":
        image.draft("RGB", ((image.width + 1) // 2, (image.height + 1) // 2))
    needed = _memory_share(image, limits)
    if needed > 1:
        most = int(image.width * image.height / needed)
        raise UserError(
            f"{name} is {image.width}x{image.height} pixels",
            allowed=f"at most {most:,} pixels of this kind ({image.format}, {image.mode})",
            todo="make the picture smaller",
        )


def _memory_share(image: Image, limits: Limits) -> float:
    """What a picture takes, while it is decoded or afterwards, as a share of what it may take."""
    held = image.width * image.height * HELD_PIXEL_BYTES
    decoding = decoding_bytes(image, _turn(image) is not None)
    return max(held / limits.max_held_bytes, decoding / limits.max_decoding_bytes)


def content_hash(image: Image) -> str:
    """A name for the picture's pixels: equal pictures have equal hashes whatever file they came from."""
    digest = hashlib.blake2b(f"{image.mode}:{image.width}x{image.height}:".encode(), digest_size=16)
    for rows in strips(image):
        digest.update(rows.tobytes())
    return digest.hexdigest()


def letterbox(
    image: Image, size_px: int, fill: tuple[int, int, int] = (255, 255, 255)
) -> tuple[Image, float, int, int]:
    """Fit a picture into a square of ``size_px`` without stretching it.

    Returns:
        the square, then ``scale, dx, dy``: the point ``(x, y)`` of the picture lies at
        ``(x * scale + dx, y * scale + dy)`` of the square, to half a pixel.

    Raises:
        UserError: a square without a pixel.
    """
    from PIL import Image as pil

    if size_px < 1:
        raise UserError(f"a square of {size_px} pixels", allowed="at least 1", todo="give a larger size")
    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    dx, dy = (size_px - width) // 2, (size_px - height) // 2
    square = pil.new("RGB", (size_px, size_px), fill)
    square.paste(as_rgb(image).resize((width, height), pil.Resampling.BICUBIC), (dx, dy))
    return square, scale, dx, dy


def _upright(image: Image, name: str) -> Image:
    from PIL import Image as pil

    try:
        image.load()
        turn = _turn(image)
        image = as_rgb(image)
        return image if turn is None else image.transpose(turn)
    except (*PIL_ERRORS, pil.DecompressionBombError):
        raise _damaged(name) from None


def _damaged(name: str) -> UserError:
    return UserError(f"{name} is damaged or cut short", allowed="whole " + ALLOWED, todo="get the file again")


def as_rgb(image: Image) -> Image:
    """A decoded picture of any mode in RGB, transparent parts over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey; 65535 / 257 = 255
        image = image.convert("I").point(lambda v: v / 257).convert("L")
        image.info.pop("transparency", None)  # one grey of 65536: nothing of it is left among 256
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        return _over_white(image)
    return image.convert("RGB")


def _over_white(image: Image) -> Image:
    """A picture with transparent parts as RGB, some rows at a time."""
    from PIL import Image as pil

    out = pil.new("RGB", image.size, "white")
    top = 0
    for strip in strips(image):
        rows = strip.convert("RGBA")
        out.paste(pil.alpha_composite(pil.new("RGBA", rows.size, "white"), rows).convert("RGB"), (0, top))
        top += rows.height
    return out


def strips(image: Image) -> Iterator[Image]:
    """The picture in strips of a few rows, from top to bottom."""
    rows = max(1, _PIXELS_AT_ONCE // max(1, image.width))
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(image.height, top + rows)))


def _turn(image: Image) -> Any:
    """The PIL transposition that sets the picture upright, or None, also for unreadable EXIF data."""
    from PIL.Image import Transpose as T

    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
    except PIL_ERRORS:
        return None
    turns = {
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_270,
        7: T.TRANSVERSE,
        8: T.ROTATE_90,
    }
    return turns.get(orientation) if isinstance(orientation, int) else None
