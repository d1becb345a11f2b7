"""What a recogniser of lines gets wrong, mended: lone letters and short words, times cut at the colon, rules and leader
dots read as signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nunbit.perception.line_pictures import line_picture
from nunbit.perception.text_regions import Region

COPIES, LONE, SHORT = 3, 1.1, 3.6
"""A lone letter or digit is shown so many times beside itself, and the readings must agree; widths in
letter heights of a lone letter, and of short words that were not read at once."""
TIME_GAP, _TIME = 1.6, re.compile(r"^\d{1,2}:\d\d$")
_WON = re.compile(r"^(\d{1,3}(?:,\d{3})+)[^\s\d,.원]?[\dA-Za-z&%$@][!\]|}lIi1]?$")
_LEADERS = re.compile(r"\s*[.…·‥]{2,}$|\s*…$|\s+\.$|(?<=[가-힣])(?<![다요까죠음함])\.$")
_RULES = re.compile(r"^[|¦_~\s]+(?=\S)|(?<=\S)\s+[|¦_~\s]+$")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a recogniser says of one line: text, and how sure it is, 0 to 1."""

    text: str
    score: float


def without_rules(text: str) -> str:
    """A line without the strokes at its ends (the frame of a sign or the rule of a table is read as ``|``) and without
    dots that lead to a price."""
    return _LEADERS.sub("", _RULES.sub("", text)).strip()


def join_times(regions: Sequence[Region], read: Sequence[Reading]) -> tuple[list[Region], list[Reading]]:
    """Times whose colon stands far from the digits, as in typewriter fonts: ``06`` and ``:00`` become one line."""
    held, texts = [*regions], [*read]
    for j, after in enumerate(regions):
        for i, before in enumerate(held):
            (_, top, right, bottom), (left, high, _, low) = before.box, after.box
            near = -0.5 * before.height_px <= left - right <= TIME_GAP * before.height_px
            level = min(bottom, low) - max(top, high) > 0.6 * (bottom - top)
            joined = texts[i].text.rstrip(": ") + ":" + texts[j].text.lstrip(": ")
            colon = texts[i].text.endswith(":") or texts[j].text.startswith(":")
            if i != j and near and level and colon and _TIME.match(joined):
                box = (before.box[0], min(top, high), after.box[2], max(bottom, low))
                held[i] = replace(before, box=box, letters=before.letters + after.letters)
                texts[i] = Reading(joined, min(texts[i].score, texts[j].score))
                texts[j] = Reading("", 0.0)
    return held, texts


def mend_won(read: Sequence[Reading]) -> list[Reading]:
    """Prices whose 원 was read as Latin signs (``4,5002!``), on a page where others end in 원."""
    if not any(r.text.endswith("원") for r in read):
        return [*read]
    return [replace(r, text=_WON.sub(r"\1원", r.text)) for r in read]


def is_short(region: Region, heights: float) -> bool:
    """Whether a region is narrower than so many letter heights: a recogniser of lines reads a letter or two badly."""
    return region.box[2] - region.box[0] < heights * region.height_px


def shown(values: np.ndarray, region: Region, height_px: int, lone: bool) -> np.ndarray:
    """A line's picture ``(h, w)``; a lone letter stands in it `COPIES` times, as a word."""
    line = line_picture(values, region, height_px)
    return np.concatenate([line[:, : -max(1, line.shape[1] // 8)]] * (COPIES - 1) + [line], 1) if lone else line


def of_copies(reading: Reading) -> Reading:
    """What stands in a word of `COPIES` equal parts; "" where most of the parts differ."""
    text = "".join(reading.text.split())
    n = len(text) // COPIES
    parts = [text[i * n : (i + 1) * n] for i in range(COPIES)]
    best = max(parts, key=parts.count)
    agree = parts.count(best)
    if not n or len(text) % COPIES or agree * 2 <= COPIES:
        return Reading("", 0.0)
    # Three equal readings are more than one; two of three are less.
    return Reading(best, (1 + reading.score) / 2 if agree == COPIES else reading.score * agree / COPIES)
