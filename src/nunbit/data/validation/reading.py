"""Files of items and Scenes for the validator.

Items: LLaVA's JSON list, or JSON lines of such items or of raw texts (``{"text", "kind", "image"}``). Scenes: JSON
lines of ``{"image", "scene"}``, a folder of Scenes by the names of their pictures, or COCO's annotations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nunbit.data.formats.json_text import read_json
from nunbit.data.formats.sample import MARK
from nunbit.data.teacher.coco_source import is_coco, read_coco
from nunbit.data.teacher.prompting import KINDS, Kind, detail_questions
from nunbit.data.teacher.reply_format import Turn
from nunbit.data.validation.items import problems_of, problems_of_text
from nunbit.data.validation.problems import Problem
from nunbit.errors import UserError
from nunbit.evidence.wording import language_of
from nunbit.scene import Scene
from nunbit.world.base import Language

MAX_SCENE_BYTES = 1 << 26
_KIND_IN_ID = re.compile(rf"-(?P<kind>{'|'.join(KINDS)})-(?P<language>en|ko)(?:-\d+)?$")
_DESCRIBE = re.compile(r"\bdescri(?:be|ption)\b|\bin detail\b|설명|묘사|서술", re.I)
SceneOf = Callable[[str], Scene | None]


@dataclass(frozen=True, slots=True)
class Checked:
    """An item and what is wrong with it.

    Attributes:
        id, image: as the file names them.
        text: its words, for the report.
        compared: whether there was a Scene to compare it with.
        row: the item as it stands in the file.
    """

    id: str
    image: str
    text: str
    problems: tuple[Problem, ...]
    compared: bool
    row: Mapping[str, Any]


def check_file(file: Path, scene_of: SceneOf) -> Iterator[Checked]:
    """Every item of a file, in order, with its problems.

    Raises:
        UserError: a file that cannot be read, or that holds no items.
    """
    for n, row in enumerate(_rows(file)):
        yield check_item(row, f"item {n + 1}", scene_of)


def check_item(row: Any, name: str, scene_of: SceneOf) -> Checked:
    """One item, in whatever form it is: a broken one has ``breaks-format``."""
    if not isinstance(row, dict):
        return Checked(name, "", str(row)[:200], (_broken("It is no JSON object.", str(row)),), False, {})
    item, image = str(row.get("id", name)), row.get("image", "")
    image = image if isinstance(image, str) else ""
    scene = scene_of(image) if image else None
    kind, language = _kind_of(item, row), _language_of(item, row)
    if isinstance(row.get("text"), str) and "conversations" not in row:
        found = problems_of_text(row["text"], kind, language, scene)
        return Checked(item, image, row["text"], tuple(found), scene is not None, row)
    turns, broken = _turns(row)
    if not turns:
        return Checked(item, image, json.dumps(row, ensure_ascii=False)[:500], tuple(broken), scene is not None, row)
    found = broken + problems_of(turns, kind, language, scene)
    text = "\n".join(f"Q: {q}\nA: {a}" for q, a in turns)
    return Checked(item, image, text, tuple(found), scene is not None, row)


def _broken(why: str, words: str) -> Problem:
    return Problem("breaks-format", 0, words[:80], why)


def _turns(row: Mapping[str, Any]) -> tuple[list[Turn], list[Problem]]:
    """Turns without the picture's mark, and what is wrong with their form."""
    said = row.get("conversations")
    if not isinstance(said, list) or not said or not all(isinstance(t, dict) for t in said):
        return [], [_broken("It has no list of conversations.", str(said))]
    values = [t.get("value") for t in said]
    speakers = [t.get("from") for t in said]
    if not all(isinstance(v, str) for v in values):
        return [], [_broken("A turn has no text.", str(values))]
    wanted = [("human", "user"), ("gpt", "assistant")]
    if len(said) % 2 or any(who not in wanted[n % 2] for n, who in enumerate(speakers)):
        return [], [_broken("Questions and answers do not take turns.", ", ".join(map(str, speakers)))]
    texts = [str(v) for v in values]
    marks = [n for n, text in enumerate(texts) for _ in range(text.count(MARK))]
    broken = []
    if marks != ([0] if row.get("image") else []):
        broken.append(_broken("The mark of the picture is not once in the first question.", f"{MARK} in {marks}"))
    plain = [re.sub(rf"\s*{MARK}\s*", "\n", t).strip() for t in texts]
    return [*zip(plain[::2], plain[1::2], strict=True)], broken


def _kind_of(item: str, row: Mapping[str, Any]) -> Kind:
    """The kind that a row names, or its id, or that its form shows."""
    named = row.get("kind") or ((m := _KIND_IN_ID.search(item)) and m["kind"])
    for kind in KINDS:
        if named == kind:
            return kind
    said = row.get("conversations")
    if isinstance(said, list) and len(said) == 2 and isinstance(said[0], dict):
        asked = str(said[0].get("value", "")).replace(MARK, "").strip()
        if any(asked in wordings for wordings in detail_questions().values()) or _DESCRIBE.search(asked):
            return "detail"
    return "conversation"


def _language_of(item: str, row: Mapping[str, Any]) -> Language:
    """The language that a row names, or its id, else that of its first question."""
    named = row.get("language") or ((m := _KIND_IN_ID.search(item)) and m["language"])
    if named in ("en", "ko"):
        return "ko" if named == "ko" else "en"
    said = row.get("conversations")
    first = str(said[0].get("value", "")) if isinstance(said, list) and said and isinstance(said[0], dict) else ""
    return language_of(first or str(row.get("text", "")))


def _rows(file: Path) -> list[Any]:
    rows = read_json(file).records
    if not rows:
        raise UserError(f"'{file}' holds no item", todo="name another file")
    return rows


def no_scenes(image: str) -> None:
    """Where there are no Scenes, none is found."""


def open_scenes(path: Path) -> SceneOf:
    """A lookup of Scenes by the name of the picture.

    Raises:
        UserError: nothing of the three forms.
    """
    if is_coco([path]):
        rows, _, _ = read_coco([path], Path())
        makers = {name: make for _, name, make in rows}
        return lambda image: makers[image]() if image in makers else None
    if path.is_dir():
        return partial(_in_folder, path.resolve())
    held: dict[str, Any] = {}
    for row in _rows(path):
        if not isinstance(row, dict) or not isinstance(row.get("image"), str) or "scene" not in row:
            raise UserError(f"'{path}' has a line without image and scene", allowed='{"image": ..., "scene": {...}}')
        held[row["image"]] = row["scene"]
    return lambda image: Scene.from_json(held[image]) if image in held else None


def _in_folder(folder: Path, image: str) -> Scene | None:
    """The Scene in ``NAME.json`` for the picture ``NAME.png``, inside the folder only."""
    for name in (f"{image}.json", str(Path(image).with_suffix(".json"))):
        file = (folder / name).resolve()
        if file.is_relative_to(folder) and file.is_file() and file.stat().st_size <= MAX_SCENE_BYTES:
            return Scene.from_json(file.read_text(encoding="utf-8"))
    return None
