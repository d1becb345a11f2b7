"""Reading: lines of letters are found first, cleaned, laid out on one white page, and recognised there in one run.

A recogniser that is given a whole picture misses light ink on dark paper, coloured signs and whatever stands in ruled
cells. Given the
same lines as dark letters of one height on white, with rulings removed, it reads them; and one run for all lines
costs less than one each.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nunbit.errors import UserError
from nunbit.perception.layout import structure
from nunbit.perception.ocr import TesseractReader, limit_threads, lines_of, tesseract_installed
from nunbit.perception.short_lines import (
    LONE,
    SHORT,
    Reading,
    is_short,
    join_times,
    mend_won,
    of_copies,
    shown,
    without_rules,
)
from nunbit.perception.text_regions import NARROW, Region, find_regions
from nunbit.perception.underscores import join_at, without_underscores
from nunbit.scene import Scene, TextLine, as_box

if TYPE_CHECKING:
    from PIL.Image import Image

LETTER_PX = 30
"""Height of a letter on the laid-out page; tesseract reads 20 to 40 best."""
WEAK, AGAIN_PX, MOST_AGAIN = 0.7, 22, 24
"""Readings below this are tried again at another letter height, so many at most."""
GAP_PX, MARGIN_PX, MAX_WIDTH_PX = 26, 24, 2400
LANGUAGES = ("kor", "eng")
MIN_SCORE, MIN_REGULAR, LONE_SCORE = 0.5, 0.15, 0.75
"""A single character must be read more surely than a line: specks and corners are read as one."""
REGULAR, REGULAR_SCORE = 0.75, 0.42
"""Letters of one height on one line are writing even where a recogniser is not quite sure."""
PHOTO_MIN_SCORE, PHOTO_MIN_REGULAR, PHOTO_MAX_REGIONS = 0.7, 0.2, 16
"""In a photograph edges of things look like letters: fewer regions are tried, and only sure readings are kept."""
MAX_BETWEEN, MAX_BETWEEN_SMALL, SMALL_PX = 0.28, 0.4, 12
"""Letters are ink on paper with little between; of edges of things in photographs half lies between. The largest share
of pixels between, for letters of 12 pixels and for smaller ones, whose edges are a larger part of them."""


class Recogniser(Protocol):
    """Reads pictures of single lines: dark on white, ``(h, w)`` uint8 each, letters 30 pixels high. One reading a
    line, in order."""

    @property
    def name(self) -> str:
        """Identifies weights and settings."""
        ...

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]: ...


class TesseractRecogniser:
    """All lines on one page, read in one run of the tesseract program.

    Args:
        languages: tesseract's names; those not installed are left out.
    """

    def __init__(self, languages: Sequence[str] = LANGUAGES, timeout_s: float = 60.0) -> None:
        self.reader = TesseractReader(languages)
        self.timeout_s = timeout_s

    @property
    def missing(self) -> str:
        """What cannot be read for want of language data; "" if nothing."""
        lacking = [n for n in self.reader.languages if n not in self.reader.installed]
        return f"tesseract has no data for {', '.join(lacking)}: such text is not read" if lacking else ""

    @cached_property
    def name(self) -> str:
        """The program and its languages; a UserError where it is missing."""
        return f"tesseract-{'+'.join(self.reader.installed)}"

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        import pytesseract
        from PIL import Image as images

        if not lines:
            return []
        plain = [without_underscores(line[:, :MAX_WIDTH_PX], LETTER_PX) for line in lines]
        page, tops = lay_out([line for line, _ in plain])
        limit_threads()
        data = pytesseract.image_to_data(
            images.fromarray(page),
            lang="+".join(self.reader.installed),
            config="--psm 6 -c preserve_interword_spaces=1",
            output_type=pytesseract.Output.DICT,
            timeout=self.timeout_s,
        )
        for top, (line, underscores) in zip(tops, plain, strict=True):
            for left, right in underscores:
                join_at(data, left + MARGIN_PX, right + MARGIN_PX, top, top + line.shape[0])
        return _by_line(lines_of(data), tops, [line.shape[0] for line in lines])


def lay_out(lines: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Lines under each other on a white page: ``(H, W)`` uint8, and the first row of each."""
    lines = [line[:, :MAX_WIDTH_PX] for line in lines]
    tops, y = [], MARGIN_PX
    for line in lines:
        tops.append(y)
        y += line.shape[0] + GAP_PX
    page = np.full((y + MARGIN_PX, max(line.shape[1] for line in lines) + 2 * MARGIN_PX), 255, np.uint8)
    for top, line in zip(tops, lines, strict=True):
        page[top : top + line.shape[0], MARGIN_PX : MARGIN_PX + line.shape[1]] = line
    return page, tops


def _by_line(read: Sequence[TextLine], tops: Sequence[int], heights: Sequence[int]) -> list[Reading]:
    """Lines that were read on the page, given back to the lines that were laid out there; what was not read is
    ``""``."""
    parts: list[list[TextLine]] = [[] for _ in tops]
    for line in read:
        middle = (line.box[1] + line.box[3]) / 2
        place = min(range(len(tops)), key=lambda i: abs(tops[i] + heights[i] / 2 - middle))
        if abs(tops[place] + heights[place] / 2 - middle) <= heights[place] / 2 + GAP_PX / 2:
            parts[place].append(line)
    out = []
    for found in parts:
        found.sort(key=lambda line: line.box[0])
        text = " ".join(line.text for line in found).strip()
        out.append(Reading(text, float(np.mean([line.score for line in found])) if found else 0.0))
    return out


class RapidRecogniser:
    """The recognition network of rapidocr (Latin script and Chinese, no Korean), for machines without tesseract:
    ``pip install nunbit[ocr-pip]``."""

    name = "rapidocr"
    missing = "Korean is not read without tesseract"

    def check(self) -> None:
        """See that the package is there.

        Raises:
            UserError: it is not.
        """
        if not rapidocr_installed():
            raise UserError(
                "reading without tesseract needs the packages 'rapidocr' and 'onnxruntime'",
                todo="install nunbit[ocr-pip]",
            )

    @cached_property
    def engine(self) -> Any:
        """The package's engine, its detection switched off."""
        self.check()
        from rapidocr import RapidOCR

        return RapidOCR(params={"Global.use_det": False, "Global.use_cls": False, "Global.log_level": "critical"})

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        out = []
        for line in lines:
            found = self.engine(np.repeat(line[..., None], 3, 2), use_det=False, use_cls=False)
            texts, scores = getattr(found, "txts", None) or ("",), getattr(found, "scores", None) or (0.0,)
            out.append(Reading(str(texts[0]).strip(), float(scores[0])))
        return out


def rapidocr_installed() -> bool:
    """Whether rapidocr and what runs its network are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def recogniser(reader: str = "auto") -> Recogniser | None:
    """What recognises lines.

    Args:
        reader: "tesseract", "rapidocr", "auto" for the first of these that is usable, or another name for None.
    """
    if reader == "auto":
        reader = "tesseract" if tesseract_installed() else "rapidocr" if rapidocr_installed() else ""
    return {"tesseract": TesseractRecogniser, "rapidocr": RapidRecogniser}.get(reader, lambda: None)()


class LineReader:
    """A provider of text lines with their structure in ``meta`` (rows, tables, pairs; see `layout.structure`).

    Args:
        photograph: expect few lines among many edges, and keep only sure readings.
    """

    def __init__(self, recognise: Recogniser, *, photograph: bool = False) -> None:
        self.recognise, self.photograph = recognise, photograph

    @property
    def missing(self) -> str:
        """What the recogniser cannot read, in a sentence; "" if nothing."""
        return str(getattr(self.recognise, "missing", ""))

    @property
    def name(self) -> str:
        """Identifies the recogniser and how it is used."""
        return f"reading-4-{self.recognise.name}-{self.photograph}"

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        return [self.read(image, photograph=self.photograph) for image in images]

    def read(self, image: Image, *, photograph: bool = False) -> Scene:
        """The text lines of one picture, in reading order."""
        return self.read_regions(image, *find_regions(image), photograph=photograph)

    def read_regions(
        self, image: Image, regions: list[Region], values: np.ndarray, *, photograph: bool = False
    ) -> Scene:
        """The same where `find_regions` has already run."""
        regions = _plausible(regions, photograph)
        lone = [not photograph and is_short(r, LONE) for r in regions]
        pictures = [shown(values, r, LETTER_PX, one) for r, one in zip(regions, lone, strict=True)]
        if photograph:
            crisp = [i for i, r in enumerate(regions) if is_crisp(pictures[i], r.height_px)][:PHOTO_MAX_REGIONS]
            regions, pictures = [regions[i] for i in crisp], [pictures[i] for i in crisp]
        read = self.recognise(pictures) if pictures else []
        if not photograph:
            read = [of_copies(r) if one else r for r, one in zip(read, lone, strict=True)]
            self._again(values, regions, read)
        read = [Reading(without_rules(r.text), r.score) for r in read]
        regions, read = join_times(regions, mend_won(read))
        least = PHOTO_MIN_SCORE if photograph else MIN_SCORE
        lines = [
            TextLine.from_box(reading.text, as_box(r.box), round(reading.score, 3))
            for r, reading in zip(regions, read, strict=True)
            if reading.score >= max(least if photograph or r.regular < REGULAR else REGULAR_SCORE, _lone_score(reading))
            and _is_text(reading.text, photograph)
            and not _is_switch(r, reading.text)
        ]
        scene = Scene(image.width, image.height, text_lines=lines)
        structure(scene)
        return scene

    def _again(self, values: np.ndarray, regions: Sequence[Region], read: list[Reading]) -> None:
        """Lines that were not read, or not surely, once more: short ones as copies of themselves, others at another
        size. The surer reading stays, in place."""
        weak = [i for i, reading in enumerate(read) if reading.score < WEAK][:MOST_AGAIN]
        if weak:
            short = [is_short(regions[i], SHORT) for i in weak]
            pictures = [
                shown(values, regions[i], LETTER_PX if s else AGAIN_PX, s) for i, s in zip(weak, short, strict=True)
            ]
            for i, s, reading in zip(weak, short, self.recognise(pictures), strict=True):
                again = of_copies(reading) if s else reading
                if again.score > read[i].score:
                    read[i] = again


def _plausible(regions: list[Region], photograph: bool) -> list[Region]:
    """Regions worth reading, in their order."""
    if not photograph:
        return [r for r in regions if (r.regular >= MIN_REGULAR or r.letters >= 4) and not _stray(r, regions)]
    good = [
        r
        for r in regions
        if r.regular >= PHOTO_MIN_REGULAR and r.letters >= 3 and r.box[2] - r.box[0] >= 1.3 * r.height_px
    ]
    best = sorted(good, key=lambda r: -r.regular * min(r.letters, 12) * r.height_px)[: 2 * PHOTO_MAX_REGIONS]
    return [r for r in regions if any(r is b for b in best)]


def _stray(narrow: Region, regions: Sequence[Region]) -> bool:
    """Whether a narrow stroke is no letter: a 1 or an I stands at the height of other writing."""
    x1, y1, x2, y2 = narrow.box
    if narrow.letters > 1 or x2 - x1 >= NARROW * (y2 - y1):
        return False
    return not any(
        r.letters > 1
        and min(y2, r.box[3]) - max(y1, r.box[1]) > 0.7 * (y2 - y1)
        and 0.7 < (y2 - y1) / r.height_px < 1.4
        for r in regions
    )


def is_crisp(line: np.ndarray, height_px: float) -> bool:
    """Whether a line's picture ``(h, w)`` is ink and paper with little between, as writing of this height is."""
    inner = line[8:-8, 16:-16] if line.shape[0] > 24 and line.shape[1] > 40 else line
    between = float(((inner > 64) & (inner < 192)).mean())
    return between < (MAX_BETWEEN if height_px >= SMALL_PX else MAX_BETWEEN_SMALL)


def _lone_score(reading: Reading) -> float:
    return 0.0 if len(reading.text) > 1 else LONE_SCORE


def _is_switch(region: Region, text: str) -> bool:
    """Whether one part, wider than high, was read as letters and other signs: a switch or an icon."""
    wide = 1.3 < (region.box[2] - region.box[0]) / max(1, region.box[3] - region.box[1]) < 2.3
    return region.letters == 1 and wide and not text.replace(" ", "").isalnum() and not text.isalnum()


def _is_text(text: str, photograph: bool) -> bool:
    """Whether a reading has letters or digits, and in a photograph mostly those, at least three."""
    marks = sum(c.isalnum() for c in text)
    solid = len("".join(text.split()))
    return marks >= 3 and marks >= 0.75 * solid if photograph else marks >= 1 and marks >= 0.3 * solid
