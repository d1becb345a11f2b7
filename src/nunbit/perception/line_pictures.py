"""One line of writing as dark ink on white paper, level, at a given letter height, without rulings and frames."""

from __future__ import annotations

import numpy as np

from nunbit.perception.text_regions import Region, without_rulings


def line_picture(values: np.ndarray, region: Region, height_px: int) -> np.ndarray:
    """A line as dark ink on white paper with letters of a given height, rulings removed: ``(h, w)`` uint8."""
    from PIL import Image as images
    from scipy import ndimage

    pad = max(2, round(0.3 * region.height_px))
    x1, y1, x2, y2 = region.box
    # More room at the sides: a colon or a full stop there is too small to be grouped with the letters.
    crop = values[max(0, y1 - pad) : y2 + pad, max(0, x1 - 2 * pad) : x2 + 2 * pad]
    crop = crop if region.dark else 255 - crop
    crop = _level(crop, region.slope) if region.slope else crop
    paper = float(np.percentile(crop, 85))
    ink = float(np.percentile(crop, 3))
    middle = (paper + ink) / 2
    mask = crop < middle
    ruled = mask & ~without_rulings(
        mask, length=max(24, int(2.2 * region.height_px)), thick=max(3, int(0.2 * region.height_px))
    )
    ruled |= _through(mask & ~ruled, max(2, round(0.25 * region.height_px)))
    clean = np.where(ndimage.binary_dilation(ruled, iterations=1), paper, crop)
    flat = np.clip((clean - ink) / max(paper - ink, 8) * 255, 0, 255).astype(np.uint8)
    factor = height_px / region.height_px
    size = (max(4, round(flat.shape[1] * factor)), max(4, round(flat.shape[0] * factor)))
    return np.asarray(
        images.fromarray(flat).resize(size, images.Resampling.LANCZOS if factor > 1 else images.Resampling.BOX)
    )


def _through(mask: np.ndarray, thick: int) -> np.ndarray:
    """The thin upright strokes that run from the top to the bottom of a line's mask ``(h, w)``: the sides of a frame or
    a cell, longer than any letter."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3)))
    out = [0]
    for i, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = place
        if rows.start == 0 and rows.stop == mask.shape[0] and columns.stop - columns.start <= thick:
            out.append(i)
    return np.isin(labels, out[1:])


def _level(crop: np.ndarray, slope: float) -> np.ndarray:
    """A crop turned so that its line lies level, filled with paper."""
    from PIL import Image as images

    picture = images.fromarray(np.clip(crop, 0, 255).astype(np.uint8))
    paper = int(np.percentile(crop, 85))
    turned = picture.rotate(
        float(np.degrees(np.arctan(slope))), images.Resampling.BICUBIC, expand=False, fillcolor=paper
    )
    return np.asarray(turned, np.float32)
