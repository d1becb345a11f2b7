"""The views in which the guard looks at a picture, each a plane of grey values and where it lies in the picture.

=============  ===================================================================================================
view           what it shows
=============  ===================================================================================================
``given``      what perception has read already; no plane
``ink``        the full-size picture: ink and paper, in every direction and both polarities, letters from 4 pixels on
``contrast``   what differs a little from its surroundings: luma stretched
``blue``,      the same of the two colour differences: writing of its paper's brightness
``red``
``small``      the picture averaged to the size in which models see it
``thinned``    one pixel of many, as models without smoothing see it, where many pixels stand alone
``model``      the tensor that the model is given, where it is known
=============  ===================================================================================================

Letters: h and w sides of a plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

WORK_SIDE_PX, FAINT_SIDE_PX, COLOUR_SIDE_PX = 1280, 800, 640
"""Longest side of the planes of the full-size picture: of ink, of faint writing, and of colour differences. The letters
of a scanned page are 10 pixels high in the first."""
BLUR_PX = 9
"""Half a side of the neighbourhood that a pixel is compared with."""
INK, FAINT_MOST = 28, 44
"""Grey levels (of 255) between ink and its surroundings, at least; what differs less is faint, up to the second."""
FAINT_LEAST, NOISE = 1.6, 2.6
"""Least difference of faint writing in grey levels, and in multiples of the noise."""
FEW, TEXTURE = 40, 0.35
"""Pixels of a mask below which nothing can be written, and the share above which differences are texture."""
MODEL_SIDES_PX = (224, 336, 384, 448, 512, 768)
"""Sides to which models scale pictures."""
SMALL_SIDE_PX = 448
THINNED_RATIO = 1.9
"""Only a picture that is so many times as large as what models see can look different there."""
ALONE, ON_KEPT = 24, 1.7
"""A pixel stands alone if it differs by so many grey levels from each of its four neighbours. A thinned copy is looked
at where such pixels lie on the rows and columns that it keeps so many times as often as by chance."""
THINNED_OFFSETS = (0.0, 0.5)
"""Which pixel of a block stays, as a share of its side: the first or the middle one, as libraries differ."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Grey values ``(h, w)`` uint8 of a view, with masks ``(h, w)`` of what is darker and lighter than around it.

    Attributes:
        scale: pixels of the picture for one of the plane, across and down.
        lifted: the values without what is around them, for small letters on uneven ground; None where they are so.
    """

    view: str
    values: np.ndarray
    masks: tuple[tuple[bool, np.ndarray], ...]
    scale: tuple[float, float]
    lifted: np.ndarray | None = None


def planes(image: Image, tensor: np.ndarray | None = None) -> Iterator[Plane]:
    """The planes of a picture, the cheapest to read first.

    Args:
        tensor: the picture as the model sees it, ``(h, w, 3)`` uint8, where it is known.
    """
    from PIL import Image as images

    rgb = as_rgb(image)
    work = _fitted(rgb, WORK_SIDE_PX)
    grey = work.convert("L")
    yield from _ink("ink", grey, _scale(rgb, grey))
    faint = _fitted(grey, FAINT_SIDE_PX)
    yield from _faint("contrast", faint, _scale(rgb, faint))
    _, *colours = _fitted(work, COLOUR_SIDE_PX).convert("YCbCr").split()
    for name, channel in zip(("blue", "red"), colours, strict=True):
        yield from _faint(name, channel, _scale(rgb, channel))
    if tensor is not None:
        seen = images.fromarray(tensor).convert("L")
        yield from _ink("model", seen, _scale(rgb, seen))
    yield from _thinned(rgb)


def _scale(whole: Image, plane: Image) -> tuple[float, float]:
    """Pixels of a picture for one of its plane, across and down."""
    return whole.width / plane.width, whole.height / plane.height


def _fitted(image: Image, side_px: int) -> Image:
    """The picture, or an averaged copy whose longer side is no longer than this."""
    from PIL import Image as images

    if max(image.size) <= side_px:
        return image
    factor = side_px / max(image.size)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, images.Resampling.BOX, reducing_gap=2.0)


def _ink(view: str, channel: Image, scale: tuple[float, float]) -> Iterator[Plane]:
    """The plane of what differs clearly from its surroundings, if anything does. Noise is smoothed away first."""
    from PIL import ImageFilter

    for shown in (channel, channel.filter(ImageFilter.BoxBlur(1))):
        values = np.asarray(shown)
        around = np.asarray(shown.filter(ImageFilter.BoxBlur(BLUR_PX))).astype(np.int16)
        darker, lighter = (values + np.int16(INK) <= around), (values >= around + INK)
        differing = np.count_nonzero(darker) + np.count_nonzero(lighter)
        if differing < FEW or min(values.shape) < 8:
            return
        if differing <= TEXTURE * values.size:
            lifted = np.clip(values - around + 128, 0, 255).astype(np.uint8)
            yield Plane(view, values, ((True, darker), (False, lighter)), scale, lifted)
            return


def _faint(view: str, channel: Image, scale: tuple[float, float]) -> Iterator[Plane]:
    """The plane of what differs a little from its surroundings, but more than noise does, stretched."""
    from PIL import ImageFilter

    values = np.asarray(channel)
    if min(values.shape) < 8 or values.min() == values.max():
        return
    wide = channel.filter(ImageFilter.BoxBlur(2 * BLUR_PX))
    smooth = np.asarray(channel.filter(ImageFilter.BoxBlur(1)), np.float32) - np.asarray(wide, np.float32)
    steps = np.abs(np.diff(values[::3, ::2].astype(np.int16), axis=1))
    least = max(FAINT_LEAST, NOISE * 0.35 * float(np.median(steps)))
    loud = np.abs(smooth) > FAINT_MOST
    if loud.any():
        loud = np.asarray(_as_image(loud).filter(ImageFilter.BoxBlur(3))) > 0
    darker, lighter = (smooth <= -least) & ~loud, (smooth >= least) & ~loud
    if np.count_nonzero(darker) + np.count_nonzero(lighter) > TEXTURE * values.size:
        return
    if np.count_nonzero(darker) + np.count_nonzero(lighter) >= FEW:
        reach = 3 * least + 12
        shown = np.clip((smooth + reach) * (127.5 / reach), 0, 255).astype(np.uint8)
        yield Plane(view, shown, ((True, darker), (False, lighter)), scale)


def _as_image(mask: np.ndarray) -> Image:
    from PIL import Image as images

    return images.fromarray(mask.astype(np.uint8) * 255)


def _thinned(rgb: Image) -> Iterator[Plane]:
    """The averaged picture and, where many pixels stand alone, copies of one pixel of many at `MODEL_SIDES_PX`."""
    from PIL import Image as images

    if min(rgb.size) < THINNED_RATIO * MODEL_SIDES_PX[0]:
        return
    grey = rgb.convert("L")
    rows, columns = _alone(np.asarray(grey))
    for side in MODEL_SIDES_PX:
        factor = side / min(rgb.size)
        size = max(8, round(rgb.width * factor)), max(8, round(rgb.height * factor))
        if factor * THINNED_RATIO > 1 or size[0] * size[1] > 1 << 20:
            break
        scale = (rgb.width / size[0], rgb.height / size[1])
        if side == SMALL_SIDE_PX:
            average = grey.resize(size, images.Resampling.BOX, reducing_gap=3.0)
            yield from _ink("small", average, scale)
        for offset in THINNED_OFFSETS:
            kept = _kept(size[1], grey.height, offset), _kept(size[0], grey.width, offset)
            if _stand_on(rows, kept[0], grey.height) and _stand_on(columns, kept[1], grey.width):
                thin = np.ascontiguousarray(np.asarray(grey)[kept[0]][:, kept[1]])
                yield from _ink("thinned", images.fromarray(thin), scale)


def _alone(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels that differ from all four neighbours, in one direction, by `ALONE` grey levels:
    hardly any in what cameras and renderers make, one of k * k in what is meant to show at another size."""
    middle = values[1:-1, 1:-1].astype(np.int16)
    around = (values[1:-1, :-2], values[1:-1, 2:], values[:-2, 1:-1], values[2:, 1:-1])
    high, low = np.maximum.reduce(around), np.minimum.reduce(around)
    rows, columns = np.nonzero((middle > high.astype(np.int16) + ALONE) | (middle < low.astype(np.int16) - ALONE))
    return rows + 1, columns + 1


def _kept(count: int, side_px: int, offset: float) -> np.ndarray:
    """The pixels of a side that stay where one of many is taken, ``(count,)``."""
    return np.minimum(side_px - 1, ((np.arange(count) + offset) * side_px / count).astype(int))


def _stand_on(found: np.ndarray, kept: np.ndarray, side_px: int) -> bool:
    """Whether pixels that stand alone lie on the rows or columns that are kept much more often than by chance."""
    return len(found) >= FEW and float(np.isin(found, kept).mean()) >= min(0.9, ON_KEPT * len(kept) / side_px)
