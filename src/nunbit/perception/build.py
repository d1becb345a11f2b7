"""The one factory of perception: a `PerceptionConfig` names the parts, `build_perception` opens them.

The command line, the server, training, object-aware models, prompting and evaluation all use it, so that one
configuration finds the same in a picture everywhere. What fills each part:

=============  ===================================================================================================
part           what fills it
=============  ===================================================================================================
``panoptic``   the universal segmentation model that is named; else with ``parts="auto"`` all parts that ship with the
               package (`merge`: COCO detector, ImageNet names, the world's own encoder, lines of writing), with
               ``parts="drawings"`` the world's own encoder alone
``detection``  the zero-shot detector that is named, else nothing
``relations``  geometry of the boxes
``ocr``        tesseract where the program, its package and language data are installed, else rapidocr, else the
               world's own encoder, which reads pictures of its size
=============  ===================================================================================================

What is named in the configuration is opened at once, so a wrong name is an error before any work begins. What ships
with the package is opened when the first picture comes, or by `Perception.load`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from nunbit.errors import UserError, unknown_name
from nunbit.files import EMBEDDED
from nunbit.perception.base import Lazy, Provider, Relator
from nunbit.perception.cache import SceneCache
from nunbit.perception.detection import ZeroShotDetector
from nunbit.perception.drawings import DrawingParts
from nunbit.perception.ocr import TesseractReader, tesseract_installed
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.pipeline import MAX_FAILED, Perception
from nunbit.perception.reading import LineReader, RapidRecogniser, rapidocr_installed
from nunbit.perception.relations import GeometricRelations

Reader = Literal["tesseract", "rapidocr", "embedded", "none"]
READERS = ("auto", "tesseract", "rapidocr", "embedded", "none")
MOST_CACHE_MB = 1 << 20
SHIPPED = ("auto", "drawings")
"""Choices of ``parts``."""
OLD_READERS = {True: "auto", False: "embedded", "true": "auto", "false": "embedded", "yes": "auto", "no": "embedded"}
"""Values of ``ocr`` in configurations that earlier versions wrote, with what they mean now."""


@dataclass(frozen=True, kw_only=True)
class PerceptionConfig:
    """The parts of perception; the module's table says what fills one that is not named.

    Attributes:
        parts: which of the parts that ship with the package look at a picture where no ``panoptic`` is named: "auto"
            (those that know its kind: photograph, drawing, screenshot, document, chart) or "drawings" (the world's own
            encoder alone, for models that were trained on its Scenes, as `nunbit-tiny` was).
        panoptic: folder of a universal segmentation model; empty for what ships with the package.
        detector: folder of a zero-shot detector; empty for none.
        queries: the names that the detector looks for, separated by commas.
        ocr: what reads text: "auto" (the first that is installed), "tesseract", "rapidocr", "embedded" or "none". The
            booleans of earlier versions are accepted: see `OLD_READERS`.
        cache: a folder that keeps Scenes by picture content; empty for none.
        cache_mb: of that folder, at most.
        max_failed: a training run ends where a part fails on more than this share of the pictures.

    Raises:
        UserError: an unknown reader, unknown ``parts``, or a share outside 0 to 1.
    """

    parts: str = "auto"
    panoptic: str = ""
    detector: str = ""
    queries: str = ""
    ocr: str = "auto"
    cache: str = ""
    cache_mb: int = 512
    max_failed: float = MAX_FAILED

    def __post_init__(self) -> None:
        object.__setattr__(self, "ocr", OLD_READERS.get(self.ocr, self.ocr))
        if self.ocr not in READERS:
            raise unknown_name("reader of text", str(self.ocr), READERS)
        if self.parts not in SHIPPED:
            raise unknown_name("choice of perception parts", self.parts, SHIPPED)
        if not 1 <= self.cache_mb <= MOST_CACHE_MB:
            raise UserError(f"perception.cache_mb={self.cache_mb}", allowed=f"1 to {MOST_CACHE_MB}")
        if not 0 <= self.max_failed <= 1:
            raise UserError(f"perception.max_failed={self.max_failed}", allowed="0 to 1")

    @property
    def drawings_only(self) -> bool:
        """Whether nothing that knows photographs looks at a picture."""
        return self.parts == "drawings" and not self.panoptic and not self.detector

    @property
    def names(self) -> list[str]:
        """The queries as a list, without empty ones."""
        return [q.strip() for q in self.queries.split(",") if q.strip()]


def build_perception(config: PerceptionConfig) -> Perception:
    """The perception of a configuration, every named model opened.

    Raises:
        UserError: a named model or program that cannot be opened; a detector without queries, or queries without one.
    """
    if bool(config.detector) != bool(config.names):
        given = "a detector without names to look for" if config.detector else "names to look for without a detector"
        raise UserError(given, allowed="both detector and queries, or neither")
    reader = choose_reader(config)
    parts: dict[str, Any] = {part: build(config, reader) for part, build in PART_BUILDERS.items()}
    cache = SceneCache(Path(config.cache), config.cache_mb << 20) if config.cache else None
    return Perception(cache=cache, max_failed=config.max_failed, **parts)


def choose_reader(config: PerceptionConfig) -> Reader:
    """Which reader fills the part ``ocr``. Models of drawings keep the readers that they were trained with.

    Raises:
        UserError: a reader is asked for by name and not usable.
    """
    if config.ocr == "auto":
        if tesseract_installed():
            return "tesseract"
        return "rapidocr" if config.parts == "auto" and rapidocr_installed() else "embedded"
    if config.ocr == "tesseract":
        _ = TesseractReader().installed  # raises where it is not usable
    if config.ocr == "rapidocr":
        RapidRecogniser().check()
    return cast(Reader, config.ocr)


def class_names(config: PerceptionConfig) -> tuple[str, ...]:
    """Class names that the segmentation of a configuration may report; empty: COCO's. What ships segments drawings."""
    if config.panoptic:
        return ()
    from nunbit.perception.cells import head_class_names

    return head_class_names(EMBEDDED)


def _panoptic(config: PerceptionConfig, reader: Reader) -> Provider:
    if config.panoptic:
        return PanopticSegmenter.from_pretrained(config.panoptic)

    if config.parts == "drawings":
        # One pass of the encoder finds objects and reads.
        return Lazy(lambda: DrawingParts.from_pretrained(EMBEDDED, read=reader == "embedded"))

    def shipped() -> Provider:
        from nunbit.perception.merge import build_parts

        return build_parts(reader)

    return Lazy(shipped)


def _detection(config: PerceptionConfig, reader: Reader) -> Provider | None:
    return ZeroShotDetector.from_pretrained(config.detector, config.names) if config.detector else None


def _relations(config: PerceptionConfig, reader: Reader) -> Relator:
    return GeometricRelations()


def _ocr(config: PerceptionConfig, reader: Reader) -> Provider | None:
    if not config.panoptic and (config.parts == "auto" or reader == "embedded"):  # what ships reads in the same pass
        return None
    if reader == "tesseract":
        return TesseractReader()
    if reader == "rapidocr":
        return LineReader(RapidRecogniser())
    if reader == "none":
        return None

    def embedded() -> Provider:
        from nunbit.perception.cells import CellPerception, CellReader

        return CellReader(CellPerception.from_pretrained(EMBEDDED, read=True))

    return Lazy(embedded)


PART_BUILDERS: dict[str, Callable[[PerceptionConfig, Reader], Provider | Relator | None]] = {
    "panoptic": _panoptic,
    "detection": _detection,
    "relations": _relations,
    "ocr": _ocr,
}
"""How each part of `pipeline.PARTS` is built. A new part is a row here, a row there and a field of the config."""
