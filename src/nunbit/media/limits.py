"""The limits of a picture that is opened, and the files that are taken."""

from __future__ import annotations

from dataclasses import dataclass

from nunbit.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
ALLOWED = "PNG, JPEG, WebP, GIF (first frame) and BMP pictures"


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is opened: file size in bytes, area and longest side in pixels, the bytes that decoding
    it takes, and those that it takes once it is decoded, while models and perception look at it."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side_px: int = 12_000
    max_decoding_bytes: int = 250_000_000
    max_held_bytes: int = 160_000_000


def check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    """Check width and height in pixels.

    Raises:
        UserError: no pixel, or more than the limits allow.
    """
    w, h = size
    if w < 1 or h < 1:
        raise UserError(f"{name} is {w}x{h} pixels", allowed="at least 1x1", todo="name another picture")
    if w * h > limits.max_pixels or max(w, h) > limits.max_side_px:
        raise UserError(
            f"{name} is {w}x{h} pixels",
            allowed=f"at most {limits.max_pixels:,} pixels and {limits.max_side_px:,} a side",
            todo="make the picture smaller",
        )


def check_bytes(count: int, name: str, limits: Limits) -> None:
    """Check the size of a file in bytes.

    Raises:
        UserError: more than the limits allow.
    """
    if count > limits.max_bytes:
        raise UserError(
            f"{name} has {count:,} bytes", allowed=f"at most {limits.max_bytes:,}", todo="make the file smaller"
        )
