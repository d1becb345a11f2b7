"""LLaVA's JSON list: ``{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}]}``; LLaVA-OneVision's
files add ``data_source`` and lists of pictures.

Source: LLaVA, docs/Finetune_Custom_Data.md; LLaVA-NeXT, scripts/train.
"""

from __future__ import annotations

from typing import Any

from nunbit.data.formats.sample import Sample, Turn, same
from nunbit.errors import UserError
from nunbit.messages import Role

SPEAKERS: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_WORDS = {"user": "human", "assistant": "gpt", "system": "system"}


def from_record(record: Any, name: str) -> Sample:
    """A sample of one record.

    Raises:
        UserError: another shape.
    """
    turns = record.get("conversations") if isinstance(record, dict) else None
    if not isinstance(turns, list):
        raise UserError(f"{name} has no list of turns", allowed="a list under 'conversations'")
    image = record.get("image")
    images = [] if image is None else image if isinstance(image, list) else [image]
    if not all(isinstance(i, str) for i in images):
        raise UserError(f"{name} has a picture that is no path", allowed="a path, or a list of paths")
    sample = Sample(
        [_turn(t, name) for t in turns],
        list(images),
        record.get("id"),
        {k: v for k, v in record.items() if k not in ("id", "image", "conversations")},
        raw=record,
    )
    if not same(to_record(sample)[0], record):
        sample.form = ["form of the record (order of keys, empty fields, names of speakers)"]
    return sample


def _turn(turn: Any, name: str) -> Turn:
    said = turn.get("from") if isinstance(turn, dict) else None
    role = SPEAKERS.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None or not isinstance(turn.get("value"), str):
        raise UserError(f"{name} has a turn of {said!r}", allowed=", ".join(SPEAKERS))
    return Turn(role, turn["value"])


def to_record(sample: Sample) -> tuple[dict[str, Any], list[str]]:
    """The record, and what it does not hold: nothing."""
    out: dict[str, Any] = {} if sample.id is None else {"id": sample.id}
    if sample.images:
        out["image"] = sample.images[0] if len(sample.images) == 1 else list(sample.images)
    out["conversations"] = [{"from": _WORDS[t.role], "value": t.text} for t in sample.turns]
    return out | sample.extra, []
