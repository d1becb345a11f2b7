"""What a run leaves: LLaVA's JSON, the Scenes, the manifest, the list of what failed. Each appears whole or not at
all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nunbit.data.formats.sample import MARK
from nunbit.data.teacher.plan import mixed
from nunbit.data.teacher.reply_format import Turn
from nunbit.errors import UserError
from nunbit.files import whole, write_text

ImagePosition = Literal["random", "front"]
IMAGE_POSITIONS: tuple[ImagePosition, ...] = ("random", "front")
DATA, MANIFEST, FAILED, SCENES = "instruct.json", "manifest.json", "failed.jsonl", "scenes.jsonl"


def check_position(name: str) -> ImagePosition:
    """Where the picture stands, as a user names it.

    Raises:
        UserError: another word.
    """
    for position in IMAGE_POSITIONS:
        if name == position:
            return position
    raise UserError(f"--image-position {name}", allowed=", ".join(IMAGE_POSITIONS))


def llava_item(item: str, image: str, turns: Sequence[Turn], position: ImagePosition, seed: int) -> dict[str, Any]:
    """One item of LLaVA's JSON. The picture stands before or after the first question, by chance as in the paper
    (arXiv 2304.08485, eq. 2) or always before it as in the code that was released; never in a later turn."""
    rows = []
    for n, (question, answer) in enumerate(turns):
        if n == 0:
            front = position == "front" or mixed(seed, "image", item) % 2 == 0
            question = f"{MARK}\n{question}" if front else f"{question}\n{MARK}"
        rows += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {"id": item, "image": image, "conversations": rows}


def write_list(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """A JSON list, one row a line, written without holding it in memory; how many rows."""
    many = 0
    with whole(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.write("[")
        for row in rows:
            file.write(("," if many else "") + "\n" + json.dumps(row, ensure_ascii=False))
            many += 1
        file.write("\n]\n")
    return many


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """JSON lines; how many."""
    many = 0
    with whole(path) as beside, beside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            many += 1
    return many


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """The manifest, readable."""
    write_text(path, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def reasons(failed: Mapping[str, str], order: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of the list of failures, in the order of the items."""
    for item in order:
        if item in failed:
            yield {"item": item, "why": failed[item]}
