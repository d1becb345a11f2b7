"""Bounds on what an image processor may allocate: one place for the command line, the server, training and evaluation.

A processor that pads to a square makes 12,000 x 12,000 pixels of a picture of 1 x 12,000, one that scales the short
edge more still. The picture is made smaller, or cut to the part that the processor keeps, before it is handed over;
where neither gives what the processor would have made, it is refused with a sentence. Pictures of ordinary sizes and
shapes are handed over as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nunbit.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 12_500_000
"""A larger picture is reduced by a whole factor, to `MOST_MADE_PIXELS` at most, before a processor reads it."""
MOST_MADE_PIXELS = 6_000_000
"""Pixels of a picture that a processor makes on its way, at most."""
PADDED_SHARE = 3
"""A square that a processor pads a picture to, before it scales it, has this part of them: it is made of numbers of 64
bits, more than once."""
SMALL_SIDE_PX = 1024
"""Long side in which a very large picture is handed to a processor that makes a smaller one."""


def reduced_size_px(size: tuple[int, int]) -> tuple[int, int]:
    """The size, of width and height in either order, in which a picture is handed to a processor."""
    factor = _factor(size)
    return math.ceil(size[0] / factor), math.ceil(size[1] / factor)


def reduced(picture: Image) -> Image:
    """The picture in the size of `reduced_size_px`."""
    factor = _factor(picture.size)
    return picture if factor == 1 else picture.reduce(factor)


def _factor(size: tuple[int, int]) -> int:
    area = size[0] * size[1]
    return 1 if area <= MOST_PIXELS else math.ceil(math.sqrt(area / MOST_MADE_PIXELS))


def bounded(picture: Image, image_processor: Any) -> Image:
    """The picture as it may be handed to a processor: what that makes of it is no larger than `MOST_MADE_PIXELS`.

    Raises:
        UserError: a shape of which the processor would make more, and needs all of it.
    """
    very_large = picture.width * picture.height > MOST_PIXELS
    picture = reduced(picture)
    size = _sides(getattr(image_processor, "size", None))
    if getattr(image_processor, "image_grid_pinpoints", None) or not getattr(image_processor, "do_resize", True):
        return picture
    if getattr(image_processor, "do_pad", False) and "longest_edge" not in size:
        padded = math.isqrt(MOST_MADE_PIXELS // PADDED_SHARE)
        picture = _scaled(picture, max(max(size.values(), default=0), padded))
    if very_large and {"height", "width"} <= set(size):  # made smaller already: what the processor makes has less
        picture = _scaled(picture, max(2 * max(size.values()), SMALL_SIDE_PX))
    short = size.get("shortest_edge")
    if not short or "longest_edge" in size or getattr(image_processor, "do_pad", False):
        return picture
    scale = short / min(picture.size)
    if picture.width * picture.height * scale**2 <= MOST_MADE_PIXELS:
        return picture
    crop = _sides(getattr(image_processor, "crop_size", None))
    if getattr(image_processor, "do_center_crop", False) and crop:
        return _middle(picture, max(crop.values()), scale)
    most = MOST_MADE_PIXELS // short**2
    raise UserError(
        f"a picture of {picture.width}x{picture.height} pixels, which this model scales by its short side",
        allowed=f"a long side of at most {most} times the short one",
        todo="cut the picture into parts",
    )


def processed(image_processor: Any, pictures: Sequence[Image], **options: Any) -> Any:
    """What an image processor makes of pictures, each `bounded`: ``pixel_values`` and what else it gives, as tensors.

    Raises:
        UserError: a picture that the processor refuses.
    """
    handed = [bounded(p, image_processor) for p in pictures]
    try:
        return image_processor(images=handed, return_tensors="pt", **options)
    except (ValueError, RuntimeError, MemoryError, ZeroDivisionError, OverflowError) as e:
        sizes = ", ".join(f"{p.width}x{p.height}" for p in pictures[:4])
        raise UserError(
            f"this model's image processor refuses a picture of {sizes} pixels ({str(e)[:160]})",
            allowed="pictures of more common shapes",
            todo="cut or scale the picture",
        ) from None


def _scaled(picture: Image, most_px: int) -> Image:
    """The picture with a long side of at most ``most_px``."""
    from PIL.Image import Resampling

    longest = max(picture.size)
    if longest <= most_px:
        return picture
    width, height = (max(1, round(side * most_px / longest)) for side in picture.size)
    return picture.resize((width, height), Resampling.BICUBIC, reducing_gap=3.0)


def _middle(picture: Image, kept_px: int, scale: float) -> Image:
    """The middle of a long picture: what a crop of ``kept_px`` leaves after the picture is scaled, and a margin."""
    longest = max(picture.size)
    part = math.ceil(kept_px / scale) + 2 * math.ceil(4 / min(scale, 1.0))
    part = min(longest, part + (longest - part) % 2)  # as much is cut off at either end
    start = (longest - part) // 2
    if picture.width == longest:
        return picture.crop((start, 0, start + part, picture.height))
    return picture.crop((0, start, picture.width, start + part))


def _sides(size: Any) -> dict[str, int]:
    """The sides that a processor's ``size`` or ``crop_size`` names, in pixels."""
    if isinstance(size, int):
        return {"shortest_edge": size}
    if size is None:
        return {}
    items = size.items() if isinstance(size, Mapping) else vars(size).items()
    return {str(k): int(v) for k, v in items if isinstance(v, (int, float)) and v}
