"""Cut-out photographs of the Debian package ``tuxpaint-stamps-default``, with their names in English and Korean.

The package is used where it is installed; nothing of it is part of this one. A seventh of the names is held out: no
picture of such a thing is used in training, so that a test can ask about it.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from nunbit.errors import UserError
from nunbit.world.names import kind_of, table

FOLDER = Path(os.environ.get("NUNBIT_CUTOUTS", "/usr/share/tuxpaint/stamps"))
HELD_OUT_PERCENT = 15
LARGEST_PX = 4000
_SKIPPED = (
    "/alphabets/",
    "/math/",
    "/music/clef",
    "/music/key",
    "/music/note",
    "/music/rest",
    "/symbols/",
    "/chess/",
    "/cartoon",
    "/faces/",
    "/hanukkah/",
    "/flags/",
)
_CAPTION = re.compile(r"^(?:An?|The|Some)? ?([A-Za-z][A-Za-z' -]{1,28})[.!]?$")
_EVERYDAY = (
    "red",
    "blue",
    "green",
    "brown",
    "black",
    "white",
    "pink",
    "yellow",
    "golden",
    "little",
    "big",
    "male",
    "female",
    "baby",
    "colorful",
    "old",
    "young",
    "small",
    "large",
    "happy",
    "sleeping",
    "sitting",
    "big eared",
    "floppy-eared",
    "plate of",
    "slice of",
    "bunch of",
    "pair of",
    "US",
    "African",
    "Indian",
    "European",
    "American",
)
_NO_NAME = frozenset(
    "two pair with ahead other very at entry headed end very crossing winter some 'root' fruit".split()
)


@lru_cache(maxsize=1)
def _same() -> dict[str, str]:
    """Captions that mean an everyday thing, from `cutouts.tsv`: ``bunny`` is a rabbit."""
    lines = (Path(__file__).parent / "cutouts.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t", 1) for line in lines)


@dataclass(frozen=True, slots=True)
class Cutout:
    """One picture with transparency: ``name`` is its everyday English name, ``korean`` its Korean one."""

    file: Path
    name: str
    korean: str

    @property
    def held_out(self) -> bool:
        """Whether no training picture may show it: by its name, so that all pictures of such a thing are held out."""
        return is_held_out(self.name)


def is_held_out(name: str) -> bool:
    """Whether a name is among the seventh that training does not see."""
    return hashlib.blake2b(f"nunbit-cutout/{name}".encode(), digest_size=4).digest()[0] % 100 < HELD_OUT_PERCENT


@lru_cache(maxsize=1)
def cutouts() -> tuple[Cutout, ...]:
    """All usable cut-outs, by path.

    Raises:
        UserError: the package is not installed.
    """
    if not FOLDER.is_dir():
        raise UserError(
            f"no folder '{FOLDER}'",
            allowed="the cut-outs of the package tuxpaint-stamps-default",
            todo="apt-get install tuxpaint-stamps-default, or set NUNBIT_CUTOUTS",
        )
    found = []
    for file in sorted(FOLDER.rglob("*.png")):
        if (
            any(part in str(file) for part in _SKIPPED)
            or "_mirror" in file.name
            or not file.with_suffix(".txt").exists()
        ):
            continue
        named = _named(file.with_suffix(".txt"))
        if named:
            found.append(Cutout(file, *named))
    return tuple(found)


def _named(captions: Path) -> tuple[str, str] | None:
    """The English and Korean name of what a caption file describes; None where it has none, or is a sentence."""
    lines = captions.read_text(encoding="utf-8", errors="replace").splitlines()
    match = _CAPTION.match(lines[0].strip()) if lines else None
    if not match or len(match[1].split()) > 3 or _NO_NAME & set(match[1].lower().split()):
        return None
    name = everyday(match[1])
    if not name or kind_of(name) == "place":
        return None
    return (name, table()[name][0]) if name in table() else None


def everyday(caption: str) -> str:
    """The name a person would use: ``A Tamworth pig`` is a pig, ``a red kangaroo`` a kangaroo."""
    words = caption.strip().split(" ")
    name = " ".join(words).strip()
    same = _same()
    if name in same:
        return same[name]
    while words and (words[0] in _EVERYDAY or words[0].lower() in _EVERYDAY):
        words = words[1:]
    name = " ".join(words).lower()
    name = same.get(name, name)
    if name in table():
        return name
    last = words[-1].lower() if words else ""
    return same.get(last, last) if same.get(last, last) in table() else name


@lru_cache(maxsize=256)
def pixels_of(cutout: Cutout) -> np.ndarray:
    """``(H, W, 4)`` uint8, cropped to what is opaque."""
    from PIL import Image

    opened = Image.open(cutout.file)
    if max(opened.size) > LARGEST_PX:
        raise UserError(
            f"'{cutout.file}' is {opened.width}x{opened.height} pixels", allowed=f"sides of at most {LARGEST_PX}"
        )
    image = opened.convert("RGBA")
    ink = image.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox()
    image = image.crop(ink) if ink else image
    image.thumbnail((320, 320))
    return np.asarray(image)
