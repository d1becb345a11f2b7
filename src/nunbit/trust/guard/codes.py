"""Texts of QR codes in a picture, where OpenCV is installed, which ``pip install nunbit[ocr-pip]`` brings."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb
from nunbit.trust.guard.words import ReadLine

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX, MOST_CHARS = 1024, 2000
"""Longest side in which codes are looked for, and characters of a code that count."""
PAIRS_LEAST = 12
"""Steps between black and white in a row of a code, at least: pictures without them hold no code."""


@cache
def decoder_installed() -> bool:
    """Whether QR codes can be read."""
    return importlib.util.find_spec("cv2") is not None


def read_codes(picture: int, image: Image) -> list[ReadLine]:
    """The texts of the QR codes in a picture, one line each; none without a decoder."""
    if not decoder_installed():
        return []
    import cv2

    small = as_rgb(image).convert("L")
    factor = min(1.0, SIDE_PX / max(small.size))
    if factor < 1:
        small = small.resize((max(1, round(small.width * factor)), max(1, round(small.height * factor))))
    values = np.asarray(small)
    if min(values.shape) < 21 or not _may_hold(values):
        return []
    try:
        found, texts, corners, _ = cv2.QRCodeDetector().detectAndDecodeMulti(values)
    except cv2.error:
        return []
    out = []
    for text, quad in zip(texts, corners, strict=False) if found else ():
        if text:
            x, y = quad[:, 0] / factor, quad[:, 1] / factor
            box = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
            out.append(ReadLine(picture, text[:MOST_CHARS], box, box, "code"))
    return out


def _may_hold(values: np.ndarray) -> bool:
    """Whether some row has as many sharp steps between dark and light as a code has."""
    rows = values[:: max(1, len(values) // 64)].astype(np.int16)
    dark = rows < 100
    steps = (dark[:, 1:] != dark[:, :-1]) & (np.abs(np.diff(rows, axis=1)) > 60)
    return int(np.sort(steps.sum(1))[-min(8, len(rows)) :].min()) >= PAIRS_LEAST
