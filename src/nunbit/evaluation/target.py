"""What is evaluated: a Target answers conversations in batches. A failed request is a value of its own, so that no failure is ever marked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.media import decode
from nunbit.messages import Message, Part

if TYPE_CHECKING:
    from nunbit.models.assistant import Assistant

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that brought no answer, and why."""

    why: str


Answers = Sequence[str | Failure]


@dataclass(frozen=True, slots=True)
class Target:
    """Anything that answers.

    Args:
        name: which model, as it appears in reports and in the key of every answer.
        answer: conversations -> one answer or Failure each; pictures in them are file bytes.
        settings: generation settings, part of the key too.
        batch: how many conversations it likes at once.
    """

    name: str
    answer: Callable[[Sequence[Sequence[Message]]], Answers]
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 16


def target_of(answer: Callable[[Sequence[Message]], str], name: str, **settings: Any) -> Target:
    """A target from a plain callable; what it raises becomes a Failure of that one conversation."""

    def one(messages: Sequence[Message]) -> str | Failure:
        try:
            return answer(messages)
        except (OSError, RuntimeError, TimeoutError) as e:
            return Failure(f"{type(e).__name__}: {e}")

    return Target(name, lambda batch: [one(m) for m in batch], settings)


def local_target(model: str | None, device: str, *, max_new_tokens: int = 64, batch: int = 16) -> Target:
    """A model on this machine, answered greedily; None is the embedded one."""
    from nunbit.files import EMBEDDED
    from nunbit.models.assistant import Assistant

    assistant = Assistant(model, device)
    folder = Path(model) if model else EMBEDDED
    name = f"{assistant.name} {fingerprint(folder)}" if folder.is_dir() else assistant.name
    return assistant_target(assistant, name, max_new_tokens=max_new_tokens, batch=batch)


def assistant_target(assistant: Assistant, name: str, *, max_new_tokens: int = 64, batch: int = 16) -> Target:
    """A model that is loaded already, answered greedily; its name must tell its weights from all others."""

    def answer(batch_: Sequence[Sequence[Message]]) -> list[str]:
        return assistant.ask_many([decoded(m) for m in batch_], max_new_tokens=max_new_tokens, batch=len(batch_))

    return Target(name, answer, {"max_new_tokens": max_new_tokens, "do_sample": False}, batch)


def decoded(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with its pictures decoded."""
    return [
        replace(m, parts=tuple(Part.image(decode(p.content)) if p.kind == "image" else p for p in m.parts))
        for m in messages
    ]


def encoded(messages: Sequence[Message], sources: Sequence[Message] = ()) -> list[Message]:
    """The same conversation with its decoded pictures as file bytes; the pictures of the last turn keep the bytes of ``sources``."""
    own = [*sources[-1].images] if sources else []

    def file(part: Part, known: Any) -> Part:
        if part.kind != "image" or isinstance(part.content, bytes):
            return part
        return Part.image(known if isinstance(known, bytes) else _png(part.content))

    out = []
    for turn in messages:
        left = iter(own if turn is messages[-1] else ())
        out.append(replace(turn, parts=tuple(file(p, next(left, None) if p.kind == "image" else None) for p in turn.parts)))
    return out


def _png(picture: Any) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, "PNG")
    return out.getvalue()


def fingerprint(folder: Path) -> str:
    """Twelve hex digits of a model folder: its JSON files whole, of weight files the size, the first and the last megabyte."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".bin", ".jinja")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as f:
            digest.update(f.read(_PIECE))
            f.seek(max(0, size - _PIECE))
            digest.update(f.read(_PIECE))
    return digest.hexdigest()[:12]
