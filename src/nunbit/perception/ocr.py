"""Reading with the tesseract program: lines of text with their place and confidence.

Needs the ``tesseract`` binary with its language data, and ``pytesseract``; a `UserError` says which is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nunbit.errors import UserError
from nunbit.media.images import as_rgb
from nunbit.scene import Box, Scene, TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

LANGUAGES = ("kor", "eng", "chi_sim")
BLOCK, SPARSE = 6, 11
"""Page segmentation modes: one block of text; as much text as possible in no order."""


def limit_threads() -> None:
    """Keep tesseract to one thread. Its threads wait for each other in a loop: where other work takes the processor,
    a page that needs a second took more than a minute with two."""
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")


class TesseractReader:
    """A provider of text lines.

    Args:
        languages: tesseract's names, the first preferred; those not installed are left out and noted.
        threshold: lines of a mean word confidence below it (0 to 1) are dropped.
        psm: page segmentation mode tried first; where it reads nothing, sparse text is tried.
        timeout_s: for one run of the program on one picture.
    """

    def __init__(
        self,
        languages: Sequence[str] = LANGUAGES,
        *,
        threshold: float = 0.5,
        psm: int = BLOCK,
        timeout_s: float = 30.0,
    ) -> None:
        self.languages, self.threshold, self.psm, self.timeout_s = tuple(languages), threshold, psm, timeout_s

    @cached_property
    def installed(self) -> tuple[str, ...]:
        """The languages that are installed.

        Raises:
            UserError: the program, its package or every language is missing.
        """
        try:
            import pytesseract
        except ImportError:
            raise UserError("reading needs the package 'pytesseract'", todo="install nunbit[ocr]") from None
        try:
            have = set(pytesseract.get_languages())
        except (pytesseract.TesseractNotFoundError, OSError):
            todo = "install Tesseract OCR and its language data, and put it on the PATH"
            raise UserError("the program 'tesseract' was not found", todo=todo) from None
        found = tuple(n for n in self.languages if n in have)
        if not found:
            given = f"no tesseract data for {', '.join(self.languages) or 'any language'}"
            raise UserError(given, allowed=", ".join(sorted(have)) or "none is installed", todo="install one of them")
        return found

    @cached_property
    def name(self) -> str:
        """The program's version, the languages and the settings.

        Raises:
            UserError: as `installed`.
        """
        found = "+".join(self.installed)
        import pytesseract

        return f"ocr-tesseract-{pytesseract.get_tesseract_version()}-{found}-{self.psm}-{self.threshold}"

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes with the lines read; ``meta`` names the languages used and missing."""
        missing = [n for n in self.languages if n not in self.installed]
        meta: dict[str, Any] = {"languages": list(self.installed)} | ({"missing": missing} if missing else {})
        return [Scene(i.width, i.height, text_lines=self.read(i), meta=dict(meta)) for i in images]

    def read(self, image: Image) -> list[TextLine]:
        """The lines of one picture, in the program's order."""
        lines = self._run(image, self.psm)
        return lines or (self._run(image, SPARSE) if self.psm != SPARSE else [])

    def _run(self, image: Image, psm: int) -> list[TextLine]:
        import pytesseract
        from PIL import Image as images

        factor = enlargement(*image.size)
        size = (image.width * factor, image.height * factor)
        large = as_rgb(image).resize(size, images.Resampling.LANCZOS) if factor > 1 else as_rgb(image)
        limit_threads()
        data = pytesseract.image_to_data(
            large,
            lang="+".join(self.installed),
            config=f"--psm {psm}",
            output_type=pytesseract.Output.DICT,
            timeout=self.timeout_s,
        )
        return [t for t in lines_of(data, factor) if t.score >= self.threshold]


def tesseract_installed() -> bool:
    """Whether the program, its Python package and data of at least one of `LANGUAGES` are usable."""
    if shutil.which("tesseract") is None:  # the package takes half a second to import: look for the program first
        return False
    try:
        return bool(TesseractReader().installed)
    except UserError:
        return False


def enlargement(width: int, height: int) -> int:
    """The factor by which to enlarge a picture: tesseract misreads the letters under 20 pixels of small pictures."""
    side = max(width, height)
    return 3 if side < 500 else 2 if side < 1000 else 1


def lines_of(data: dict[str, list[Any]], factor: float = 1.0) -> list[TextLine]:
    """Word rows of ``image_to_data`` -> lines: words joined, their common box, their mean confidence as 0 to 1."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for i, (text, level) in enumerate(zip(data["text"], data["conf"], strict=True)):
        if str(text).strip() and float(level) >= 0:
            key = (int(data["block_num"][i]), int(data["par_num"][i]), int(data["line_num"][i]))
            groups.setdefault(key, []).append(i)
    lines = []
    for rows in groups.values():
        left, top = min(data["left"][i] for i in rows), min(data["top"][i] for i in rows)
        right = max(data["left"][i] + data["width"][i] for i in rows)
        bottom = max(data["top"][i] + data["height"][i] for i in rows)
        box: Box = (left / factor, top / factor, right / factor, bottom / factor)
        score = sum(float(data["conf"][i]) for i in rows) / len(rows) / 100
        words = [(str(data["text"][i]).strip(), data["left"][i], data["left"][i] + data["width"][i]) for i in rows]
        lines.append(TextLine.from_box(join_words(words, bottom - top), box, score))
    return lines


def join_words(words: Sequence[tuple[str, float, float]], height: float) -> str:
    """Words given as (text, left, right) with a space between them, unless both are Han or hardly any room is between.

    Tesseract cuts Chinese into characters and Korean at digits ("2 번"): beside a character of either script, a gap
    under a quarter of the line's height is no space.
    """
    text, end = "", 0.0
    for word, left, right in words:
        if text:
            pair = (text[-1], word[0])
            close = left - end < 0.25 * height and any(map(_east, pair))
            text += "" if close or all(map(_han, pair)) else " "
        text += word
        end = right
    return text


def _han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf"


def _east(char: str) -> bool:
    return _han(char) or "\uac00" <= char <= "\ud7a3"
