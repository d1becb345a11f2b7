"""The one factory of perception: a `PerceptionConfig` names the parts, `build_perception` opens them.

The command line, the server, training, object-aware models, prompting and evaluation all use it, so that one
configuration finds the same in a picture everywhere. The order of fall-backs, part by part:

=============  ===================================================================================================
part           what fills it
=============  ===================================================================================================
``panoptic``   the universal segmentation model that is named, else the embedded one
``detection``  the zero-shot detector that is named, else nothing
``relations``  geometry of the boxes
``ocr``        tesseract where the program, its package and language data are installed, else the embedded reader
=============  ===================================================================================================

What is named in the configuration is opened at once, so a wrong name is an error before any work begins. The embedded
models ship with the package; they are opened when the first picture comes.
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
from nunbit.perception.ocr import TesseractReader, tesseract_installed
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.pipeline import Perception
from nunbit.perception.relations import GeometricRelations

Reader = Literal["tesseract", "embedded", "none"]
READERS = ("auto", "tesseract", "embedded", "none")
OLD_READERS = {True: "auto", False: "embedded", "true": "auto", "false": "embedded", "yes": "auto", "no": "embedded"}
"""Values of ``ocr`` in configurations that earlier versions wrote, with what they mean now."""


@dataclass(frozen=True, kw_only=True)
class PerceptionConfig:
    """The parts of perception; the module's table says what fills one that is not named.

    Attributes:
        panoptic: folder of a universal segmentation model; empty for the embedded one.
        detector: folder of a zero-shot detector; empty for none.
        queries: the names that the detector looks for, separated by commas.
        ocr: what reads text: "auto" (tesseract where it is installed, else the embedded reader), "tesseract",
            "embedded" or "none". The booleans of earlier versions are accepted: see `OLD_READERS`.
        cache: a folder that keeps Scenes by picture content; empty for none.

    Raises:
        UserError: an unknown reader.
    """

    panoptic: str = ""
    detector: str = ""
    queries: str = ""
    ocr: str = "auto"
    cache: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ocr", OLD_READERS.get(self.ocr, self.ocr))
        if self.ocr not in READERS:
            raise unknown_name("reader of text", str(self.ocr), READERS)

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
    return Perception(cache=SceneCache(Path(config.cache)) if config.cache else None, **parts)


def choose_reader(config: PerceptionConfig) -> Reader:
    """Which reader fills the part ``ocr``.

    Raises:
        UserError: tesseract is asked for by name and not usable.
    """
    if config.ocr == "auto":
        return "tesseract" if tesseract_installed() else "embedded"
    if config.ocr == "tesseract":
        _ = TesseractReader().installed  # raises where it is not usable
    return cast(Reader, config.ocr)


def class_names(config: PerceptionConfig) -> tuple[str, ...]:
    """Class names that the segmentation of a configuration may report; empty: COCO's."""
    if config.panoptic:
        return ()
    from nunbit.perception.cells import head_class_names

    return head_class_names(EMBEDDED)


def _panoptic(config: PerceptionConfig, reader: Reader) -> Provider:
    if config.panoptic:
        return PanopticSegmenter.from_pretrained(config.panoptic)

    def embedded() -> Provider:
        from nunbit.perception.cells import CellPerception

        # One pass of the encoder finds objects and reads.
        return CellPerception.from_pretrained(EMBEDDED, read=reader == "embedded")

    return Lazy(embedded)


def _detection(config: PerceptionConfig, reader: Reader) -> Provider | None:
    return ZeroShotDetector.from_pretrained(config.detector, config.names) if config.detector else None


def _relations(config: PerceptionConfig, reader: Reader) -> Relator:
    return GeometricRelations()


def _ocr(config: PerceptionConfig, reader: Reader) -> Provider | None:
    if reader == "tesseract":
        return TesseractReader()
    if reader == "none" or not config.panoptic:  # the embedded segmenter reads in the same pass
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
