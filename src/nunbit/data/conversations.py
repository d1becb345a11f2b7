"""Conversation files -> conversations -> prompts with their targets marked.

Two layouts are read: LLaVA's JSON list (``{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}]}``, the
picture's place marked by ``<image>``) and JSON lines of ``{"id", "messages": [{"role", "content"}], "images": [...]}``
whose content is a string or a list of ``{"type": "text", "text"}`` and ``{"type": "image", "image"}``. Pictures lie
under one folder, which no path may leave.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.data.formats.json_text import read_json
from nunbit.data.formats.llava import SPEAKERS
from nunbit.data.pictures import unusable
from nunbit.errors import UserError
from nunbit.files import parse_json
from nunbit.messages import Message, Part, check_turns
from nunbit.models.prompt import IMAGE, Prompt, PromptBuilder
from nunbit.system_errors import named_below

_BREAK = re.compile(r"^[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: what it is called in errors, and its turns; pictures are paths."""

    name: str
    messages: tuple[Message, ...]

    @property
    def images(self) -> tuple[Path, ...]:
        """Paths of the pictures in order."""
        return tuple(i for m in self.messages for i in m.images)


def read_conversations(file: str | Path, images: str | Path | None = None) -> list[Conversation]:
    """All conversations of a file.

    Args:
        images: the folder that picture paths are relative to; the file's own folder if not given.

    Raises:
        UserError: a file that cannot be read, or a malformed sample, by its name.
    """
    file = Path(file)
    root = Path(images or file.parent).resolve()
    found = read_json(file)
    placed = zip(found.places, found.records, strict=True)
    out = [conversation_of(record, f"{file.name} {place}", root) for place, record in placed]
    if not out:
        raise UserError(f"'{file}' holds no conversation", allowed="at least one", todo="name another file")
    return out


def encode(
    conversations: Iterable[Conversation], builder: PromptBuilder, *, max_tokens: int, plain: bool = False
) -> tuple[list[Prompt], Counter[str]]:
    """Build the prompt of every conversation, with its answers marked as targets.

    Args:
        builder: of the model that learns; it counts the tokens of pictures.
        max_tokens: longer conversations are left out: nothing is cut, least of all a picture.
        plain: without a template (`PromptBuilder.build`).

    Returns:
        The prompts, and how many conversations were left out for which reason.

    Raises:
        UserError: a conversation without a trainable token, or none left.
    """
    kept, dropped = encode_some(conversations, builder, max_tokens=max_tokens, plain=plain)
    check_left(len(kept), dropped)
    return kept, dropped


def encode_some(
    conversations: Iterable[Conversation], builder: PromptBuilder, *, max_tokens: int, plain: bool = False
) -> tuple[list[Prompt], Counter[str]]:
    """As `encode` for a part of a data set, of which nothing may be left."""
    kept, dropped = [], Counter[str]()
    conversations = [*conversations]
    useless = unusable(path for c in conversations for path in c.images)
    for c in conversations:
        if bad := [path for path in c.images if path in useless]:
            dropped[useless[bad[0]]] += 1
            continue
        prompt = builder.build(c.messages, training=True, plain=plain, name=c.name)
        if prompt.length > max_tokens:
            dropped[f"more than {max_tokens} tokens"] += 1
            continue
        kept.append(prompt)
    return kept, dropped


def check_left(samples: int, dropped: Mapping[str, int]) -> None:
    """Check that of a data set some sample is left.

    Raises:
        UserError: none is, with the reasons.
    """
    if not samples:
        reasons = ", ".join(f"{n}: {why}" for why, n in dropped.items())
        raise UserError(f"no sample is left ({reasons})", todo="check the pictures' folder and max_tokens")


def picture_path(name: str, root: Path, sample: str) -> Path:
    """A picture's path, which must lie inside the folder once every link is followed."""
    try:
        path = Path(named_below(root, name)).resolve()
    except (OSError, ValueError, RuntimeError):
        raise UserError(f"{sample} names the picture {name[:80]!r}, which is no path") from None
    if not path.is_relative_to(root):
        raise UserError(
            f"{sample} names the picture {name[:80]!r} outside '{root}'",
            allowed="paths inside the pictures' folder",
            todo="move the picture, or give images=FOLDER",
        )
    return path


def conversation_of(record: Any, where: str, root: Path) -> Conversation:
    """The conversation of one record of either layout.

    Args:
        where: what errors call it; root: the pictures' folder, resolved.

    Raises:
        UserError: a malformed record.
    """
    if not isinstance(record, dict):
        raise UserError(f"{where} is a {type(record).__name__}", allowed="an object with conversations or messages")
    name = f"{where} (id {str(record['id'])[:60]})" if "id" in record else where
    turns = _one_of(record, ("conversations", "messages"), name)
    if not isinstance(turns, list) or not all(isinstance(t, dict) for t in turns):
        raise UserError(f"{name} has no list of turns", allowed="a list under 'conversations' or 'messages'")
    waiting = [picture_path(p, root, name) for p in _names(record, name)]
    given, messages = len(waiting), []
    for turn in turns:
        said = _one_of(turn, ("from", "role"), name)
        role = SPEAKERS.get(said.strip().lower()) if isinstance(said, str) else None
        if role is None:
            raise UserError(f"{name} has a turn of {said!r}", allowed=", ".join(SPEAKERS))
        content = next((turn[k] for k in ("value", "content") if turn.get(k) is not None), None)
        parts = tuple(_parts(content, waiting, given, root, name))
        if role == "assistant" and any(p.kind == "image" for p in parts):
            raise UserError(
                f"{name} has a picture in an answer",
                allowed="pictures in questions: the model writes words only",
                todo="move the picture, or its <image> mark, into the question",
            )
        messages.append(Message(role, parts))
    if waiting:
        raise UserError(
            f"{name} has {given} pictures and places {given - len(waiting)}", allowed="one <image> a picture"
        )
    try:
        check_turns(messages)
    except UserError as e:
        raise UserError(f"{name}: {e.given}", allowed=e.allowed, todo=e.todo) from None
    return Conversation(name, tuple(messages))


def _names(record: dict[str, Any], name: str) -> list[str]:
    """The paths that a sample names under ``image`` or ``images``."""
    found = _one_of(record, ("images", "image"), name)
    found = [] if found is None else found if isinstance(found, list) else [found]
    found = [f["path"] if isinstance(f, dict) and isinstance(f.get("path"), str) else f for f in found]
    if not isinstance(found, list) or not all(_empty(f) or isinstance(f, str) for f in found):
        raise UserError(f"{name} has a picture that is no path", allowed="a path, or a list of paths")
    return [f.strip() for f in found if not _empty(f)]


def _one_of(record: dict[str, Any], keys: tuple[str, str], name: str) -> Any:
    """The value under one of two keys that mean the same. Exported and joined tables fill the unused one
    with null, [] or an empty text.

    Raises:
        UserError: both are filled, and differ.
    """
    filled = {k: v for k in keys if k in record and not _empty(v := _unpacked(record[k]))}
    values = [v if isinstance(v, list) else [v] for v in filled.values()]
    if len(values) == 2 and values[0] != values[1]:
        raise UserError(f"{name} has '{keys[0]}' and '{keys[1]}', which differ", allowed="one of the two")
    return next(iter(filled.values()), None)


def _unpacked(value: Any) -> Any:
    """The list that a cell of a table holds as JSON text, as exports to CSV write lists; anything else as it is."""
    if not isinstance(value, str) or not re.match(r"\s*\[\s*[{\"\]]", value):
        return value
    try:
        found = parse_json(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, list) else value


def _empty(value: Any) -> bool:
    """Whether a cell of a table holds nothing: null, not a number, an empty text, or a list of such."""
    if isinstance(value, list):
        return all(map(_empty, value))
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _parts(content: Any, waiting: list[Path], given: int, root: Path, name: str) -> Iterator[Part]:
    """The parts of one turn. In a sample without pictures ``<image>`` is a word like any other.

    The line break behind a mark belongs to the mark, and the template writes it again; any other white space between
    words stays, as in asking.
    """
    if isinstance(content, str):
        pieces = content.split(IMAGE) if given else [content]
        if len(pieces) - 1 > len(waiting):
            raise UserError(f"{name} marks more pictures than the {given} it has", allowed="one <image> a picture")
        images = [Part.image(waiting.pop(0)) for _ in pieces[1:]]
        if len(images) == 1:  # the released LLaVA code puts the one picture first, wherever the file has it
            words = "\n".join(p.strip() for p in pieces if p.strip())
            yield from images
            yield from [Part.text(words)] if words else []
            return
        pieces[0], pieces[-1] = pieces[0].lstrip(), pieces[-1].rstrip()
        for i, piece in enumerate(pieces):
            yield from [images[i - 1]] if i else []
            piece = _BREAK.sub("", piece) if i else piece
            yield from [Part.text(piece)] if piece.strip() else []
        return
    if not isinstance(content, list) or not all(isinstance(p, dict) for p in content):
        raise UserError(f"{name} has a turn without words", allowed="a string, or a list of parts")
    for part in content:
        yield _part(part, waiting, root, name)


def _part(part: dict[str, Any], waiting: list[Path], root: Path, name: str) -> Part:
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return Part.text(part["text"])
    if part.get("type") == "image":
        if isinstance(part.get("image"), str) and part["image"].strip():
            return Part.image(picture_path(part["image"], root, name))
        if waiting:
            return Part.image(waiting.pop(0))
        raise UserError(
            f"{name} marks a picture that it does not have", allowed="a path under 'image', or a list of 'images'"
        )
    raise UserError(f"{name} has a part of type {part.get('type')!r}", allowed="text, image")
