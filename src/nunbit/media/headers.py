"""What is checked in a file's first bytes before PIL may allocate anything for it."""

from __future__ import annotations

import io
import zlib
from typing import Any

from nunbit.errors import UserError
from nunbit.media.limits import Limits, check_size

MAX_HEADER_READS = 5_000
MAX_JPEG_SCANS = 100


class HeaderReader(io.BytesIO):
    """A file in memory that may be read a limited number of times.

    Some of PIL's header loops append comment to comment and EXIF block to EXIF block, which is quadratic in a hostile
    file.
    """

    reads_left = MAX_HEADER_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO` does; an OSError after too many reads."""
        self.reads_left -= 1
        if self.reads_left < 0:
            raise OSError("too many blocks before the pixels")
        return super().read(size)


def check_structure(data: bytes, name: str, limits: Limits) -> None:
    """Check what PIL spends before any limit can be applied: a WebP's canvas, and every scan of a JPEG.

    Raises:
        UserError: too many pixels or scans.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = webp_size(data)
        if size is not None:
            check_size(size, name, limits)
    # Inside the coded pixels a 0xFF byte is always escaped, so this pair only begins scans.
    if data[:2] == b"\xff\xd8" and (scans := data.count(b"\xff\xda")) > MAX_JPEG_SCANS:
        raise UserError(
            f"{name} has {scans} JPEG scans", allowed=f"at most {MAX_JPEG_SCANS}", todo="save the picture again"
        )


MAX_CHUNKS = 100_000
"""Chunks of a PNG whose checksums are compared, at most."""


def png_pixels_hold(data: bytes) -> bool:
    """Whether the checksums of a PNG's pixels are right, which PIL does not look at: a changed byte would give another
    picture. True for other files. Source: the PNG specification, third edition, sec. 5.3."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return True
    at, view = 8, memoryview(data)
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 8 + length
        if kind == b"IEND" or end + 4 > len(data):  # what is cut short is named when it is decoded
            break
        if kind == b"IDAT" and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        at = end + 4
    return True


def webp_size(data: bytes) -> tuple[int, int] | None:
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


_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes of a pixel in PIL's memory; 4 in any other mode, RGB included."""


def decoding_bytes(image: Any, turned: bool) -> int:
    """Bytes that decoding a PIL picture to upright RGB takes at its peak, from its header.

    A WebP's decoder holds two canvases and a copy, a progressive JPEG's all coefficients.
    """
    own = _PIXEL_BYTES.get(image.mode, 4)
    decoder = {"WEBP": 12, "GIF": 1}.get(image.format, 6 if image.info.get("progressive") else 0)
    copies = 0 if image.mode == "RGB" and "transparency" not in image.info else 4
    if image.mode.startswith("I"):
        copies = 9  # through 32 bits to grey
    area = int(image.width) * int(image.height)
    return area * (own + max(decoder, copies, 4 if turned else 0))
