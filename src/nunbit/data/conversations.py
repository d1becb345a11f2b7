"""Conversation files -> conversations -> prompts with their targets marked.

Two layouts are read: LLaVA's JSON list (``{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}]}``, the
    picture's place
marked by ``<image>``) and JSON lines of ``{"id", "messages": [{"role", "content"}], "images": [...]}`` whose content is
a string or a
list of ``{"type": "text", "text"}`` and ``{"type": "image", "image"}``. Pictures lie under one folder, which no path
may leave.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.messages import Message, Part, Role, check_turns
from nunbit.models.prompt import IMAGE, Prompt, PromptBuilder

SPEAKERS: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}


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
    out = [_conversation(record, f"{file.name} {where}", root) for where, record in _records(file)]
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
    kept, dropped = [], Counter[str]()
    for c in conversations:
        if any(not path.is_file() for path in c.images):
            dropped["a picture is missing"] += 1
            continue
        prompt = builder.build(c.messages, training=True, plain=plain, name=c.name)
        if prompt.length > max_tokens:
            dropped[f"more than {max_tokens} tokens"] += 1
            continue
        kept.append(prompt)
    if not kept:
        reasons = ", ".join(f"{n}: {why}" for why, n in dropped.items())
        raise UserError(f"no sample is left ({reasons})", todo="check the pictures' folder and max_tokens")
    return kept, dropped


def picture_path(name: str, root: Path, sample: str) -> Path:
    """A picture's path, which must lie inside the folder once every link is followed."""
    try:
        path = (root / name).resolve()
    except (OSError, ValueError, RuntimeError):
        raise UserError(f"{sample} names the picture {name[:80]!r}, which is no path") from None
    if not path.is_relative_to(root):
        raise UserError(
            f"{sample} names the picture {name[:80]!r} outside '{root}'",
            allowed="paths inside the pictures' folder",
            todo="move the picture, or give images=FOLDER",
        )
    return path


def _records(file: Path) -> Iterator[tuple[str, Any]]:
    """(where it stands, record) for each record of a JSON list or of JSON lines; the file's first character decides."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(
            f"'{file}' cannot be read ({type(e).__name__})", allowed="a JSON list or JSON lines", todo="check the path"
        ) from None
    whole = text.lstrip().startswith("[")
    numbered = (
        [("", text)] if whole else [(f"line {i}", t) for i, t in enumerate(text.splitlines(), start=1) if t.strip()]
    )
    for where, part in numbered:
        try:
            found = json.loads(part)
        except (ValueError, RecursionError) as e:
            raise UserError(
                f"{file.name} {where} is not JSON ({str(e)[:100]})", allowed="a JSON list or JSON lines"
            ) from None
        yield from ((f"sample {i}", r) for i, r in enumerate(found)) if whole else [(where, found)]


def _conversation(record: Any, where: str, root: Path) -> Conversation:
    if not isinstance(record, dict):
        raise UserError(f"{where} is a {type(record).__name__}", allowed="an object with conversations or messages")
    name = f"{where} (id {str(record['id'])[:60]})" if "id" in record else where
    turns = record.get("conversations", record.get("messages"))
    if not isinstance(turns, list) or not all(isinstance(t, dict) for t in turns):
        raise UserError(f"{name} has no list of turns", allowed="a list under 'conversations' or 'messages'")
    waiting = [picture_path(p, root, name) for p in _names(record, name)]
    given, messages = len(waiting), []
    for turn in turns:
        said = turn.get("from", turn.get("role"))
        if said not in SPEAKERS:
            raise UserError(f"{name} has a turn of {said!r}", allowed=", ".join(SPEAKERS))
        messages.append(
            Message(SPEAKERS[said], tuple(_parts(turn.get("value", turn.get("content")), waiting, given, root, name)))
        )
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
    found = record.get("images", record.get("image"))
    found = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(f, str) and f for f in found):
        raise UserError(f"{name} has a picture that is no path", allowed="a path, or a list of paths")
    return found


def _parts(content: Any, waiting: list[Path], given: int, root: Path, name: str) -> Iterator[Part]:
    """The parts of one turn. In a sample without pictures ``<image>`` is a word like any other."""
    if isinstance(content, str):
        pieces = content.split(IMAGE) if given else [content]
        if len(pieces) - 1 > len(waiting):
            raise UserError(f"{name} marks more pictures than the {given} it has", allowed="one <image> a picture")
        images = [Part.image(waiting.pop(0)) for _ in pieces[1:]]
        words = "\n".join(p.strip() for p in pieces if p.strip()) if len(images) == 1 else None
        if words is not None:  # the released LLaVA code puts the one picture first, wherever the file has it
            yield from images
            yield from [Part.text(words)] if words else []
            return
        for i, piece in enumerate(pieces):
            yield from [images[i - 1]] if i else []
            yield from [Part.text(piece.strip())] if piece.strip() else []
        return
    if not isinstance(content, list) or not all(isinstance(p, dict) for p in content):
        raise UserError(f"{name} has a turn without words", allowed="a string, or a list of parts")
    for part in content:
        yield _part(part, waiting, root, name)


def _part(part: dict[str, Any], waiting: list[Path], root: Path, name: str) -> Part:
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return Part.text(part["text"])
    if part.get("type") == "image":
        if isinstance(part.get("image"), str):
            return Part.image(picture_path(part["image"], root, name))
        if waiting:
            return Part.image(waiting.pop(0))
        raise UserError(
            f"{name} marks a picture that it does not have", allowed="a path under 'image', or a list of 'images'"
        )
    raise UserError(f"{name} has a part of type {part.get('type')!r}", allowed="text, image")
