"""Underscores in lines of writing: a recogniser of words takes them for a gap, or for a rule, and loses them. They are
taken out of the line's picture, and put back between the words that were read beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

THICK, NARROWEST, WIDEST = 0.22, 0.35, 1.6
"""An underscore's height at most, and its width, in heights of a letter."""
LETTER_PARTS, BELOW = 0.4, 0.1
"""Parts of a picture that are letters, not dots, are so high at least; an underscore begins at most so far above their
feet (both in heights of a letter)."""
Data = dict[str, list[Any]]


def without_underscores(line: np.ndarray, letter_px: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A line's picture ``(h, w)`` uint8, dark on white, without its underscores, and the columns ``(from, to)`` of
    each."""
    from scipy import ndimage  # here: it takes a quarter of a second, and most pictures have no line to read

    labels, _ = ndimage.label(line < 128)
    places = ndimage.find_objects(labels)
    feet = [rows.stop for rows, _ in places if rows.stop - rows.start >= LETTER_PARTS * letter_px]
    if not feet:
        return line, []
    foot = float(np.median(feet))
    sides = [columns for rows, columns in places if rows.stop - rows.start >= LETTER_PARTS * letter_px]
    out, found = line, list[tuple[int, int]]()
    for rows, columns in places:
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if high > THICK * letter_px or not NARROWEST * letter_px <= wide <= WIDEST * letter_px:
            continue
        between = any(0 < columns.start - c.stop < letter_px for c in sides) and any(
            0 < c.start - columns.stop < letter_px for c in sides
        )
        if between and rows.start >= foot - BELOW * letter_px:
            out = out.copy() if out is line else out
            out[max(0, rows.start - 2) : rows.stop + 2, max(0, columns.start - 2) : columns.stop + 2] = 255
            found.append((columns.start, columns.stop))
    return out, sorted(found)


def join_at(data: Data, left: float, right: float, top: float, bottom: float) -> None:
    """Join the words of tesseract's ``image_to_data`` on either side of an underscore.

    Args:
        left, right: its columns on the page; top, bottom: the rows of its line.
    """
    words = [
        i
        for i, text in enumerate(data["text"])
        if str(text).strip() and top <= data["top"][i] + data["height"][i] / 2 <= bottom
    ]
    middle = (left + right) / 2
    before = max((i for i in words if _middle(data, i) < middle), key=lambda i: _middle(data, i), default=None)
    after = min((i for i in words if _middle(data, i) > middle), key=lambda i: _middle(data, i), default=None)
    room = 0.6 * (right - left)
    if before is None or after is None:
        return
    end, start = data["left"][before] + data["width"][before], data["left"][after]
    if end > middle or start < middle or left - end > room or start - right > room:
        return
    one, other = (str(data["text"][i]).strip() for i in (before, after))
    if not (_latin(one[-1]) and _latin(other[0])):
        return
    data["text"][before] = f"{one}_{other}"
    data["width"][before] = start + data["width"][after] - data["left"][before]
    data["conf"][before] = min(float(data["conf"][before]), float(data["conf"][after]))
    data["text"][after] = ""


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _middle(data: Data, i: int) -> float:
    return float(data["left"][i] + data["width"][i] / 2)
