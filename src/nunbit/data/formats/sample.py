"""One conversation with pictures, whatever file it came from.

Text holds ``<image>`` where a picture stands, as in LLaVA's files, and keeps its white space. In layouts whose turns
are lists of parts the line break between a picture and words goes, and comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.messages import Role

MARK = "<image>"
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says; ``text`` with a `MARK` for each picture."""

    role: Role
    text: str


@dataclass(slots=True)
class Sample:
    """A conversation.

    Attributes:
        turns: in order.
        images: names of the pictures in the order of their marks.
        id: a text or a number; None where the file gave none.
        extra: further fields of the record, by name.
        form: what of the record's form no other layout holds, in words.
        raw: the record as it was read, for writing the same layout again.
        pictures: content of pictures by name, where the file itself holds them.
    """

    turns: list[Turn]
    images: list[str] = field(default_factory=list)
    id: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    form: list[str] = field(default_factory=list)
    raw: Any = None
    pictures: dict[str, bytes] = field(default_factory=dict)

    def named(self, number: int) -> str:
        """What the sample is called in messages."""
        return f"sample {number}" + ("" if self.id is None else f" (id {str(self.id)[:60]})")


@dataclass(slots=True)
class Dataset:
    """Samples of one file.

    Attributes:
        samples: in the file's order.
        format: the layout they came from.
        images: the folder that picture names are relative to.
        style: how the JSON text was spaced (`nunbit.data.formats.json_text`).
    """

    samples: list[Sample]
    format: str
    images: Path
    style: dict[str, Any] = field(default_factory=dict)


def check_marks(sample: Sample, name: str) -> None:
    """Each picture has one mark.

    Raises:
        UserError: more or fewer marks than pictures.
    """
    marks = sum(t.text.count(MARK) for t in sample.turns)
    if sample.images and marks != len(sample.images):
        raise UserError(f"{name} has {len(sample.images)} pictures and {marks} marks", allowed=f"one {MARK} a picture")


def to_parts(text: str, images: Iterable[str]) -> tuple[list[Part], list[str]]:
    """A turn's text as parts, the marks replaced by pictures.

    Args:
        images: names of the pictures; as many are taken as there are marks.

    Returns:
        ``{"type": "image", "image": name}`` and ``{"type": "text", "text": words}`` in order, and what of the text
        they do not hold.
    """
    out: list[Part] = []
    lost: list[str] = []
    pieces = text.split(MARK)
    names = iter(images)
    for i, piece in enumerate(pieces):
        if i:
            out.append({"type": "image", "image": next(names)})
        words = piece
        before, behind = i > 0, i < len(pieces) - 1
        if before and behind and piece in ("", "\n"):  # two pictures, a line break between them
            lost += [] if piece else [f"white space at {MARK}"]
            continue
        if before and words:
            lost += [] if words.startswith("\n") else [f"white space at {MARK}"]
            words = words.removeprefix("\n")
        if behind and words:
            lost += [] if words.endswith("\n") else [f"white space at {MARK}"]
            words = words.removesuffix("\n")
        if words:
            out.append({"type": "text", "text": words})
    return out, lost


def from_parts(parts: Sequence[Part], name: str) -> tuple[str, list[str]]:
    """The text with marks of a list of parts, and the names of its pictures ("" where a part names none).

    Raises:
        UserError: another kind of part, or words that hold a mark.
    """
    pieces: list[str] = []
    images: list[str] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            if MARK in part["text"]:
                raise UserError(f"{name} has the word {MARK} in a text", allowed="words without it beside pictures")
            pieces.append(part["text"])
        elif kind == "image":
            images.append(str(part.get("image") or part.get("path") or ""))
            pieces.append(MARK)
        else:
            raise UserError(f"{name} has a part of type {kind!r}", allowed="text, image")
    out = ""
    for before, piece in zip(["", *pieces], pieces, strict=False):
        joined = out and MARK in (before, piece)
        out += ("\n" if joined else "") + piece
    return out, images


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are written alike, the order of keys included."""
    return json.dumps(a, ensure_ascii=False) == json.dumps(b, ensure_ascii=False)
