"""What is evaluated: a Target answers conversations in batches.

A failed request is a value of its own, so it is never scored.

Conversations of an evaluation hold pictures as `EncodedImage`, the bytes of their files: a server gets the same bytes
that the data hold, and the key of an answer covers them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from nunbit.digests import folder_digest
from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.media.heap import use_single_heap
from nunbit.messages import EncodedImage, Message, Part

ANSWER_VERSION = 3
"""Raised whenever the code changes what a model is asked or how its answer is made: prompts, scene text, sampling. It
is part of every key, and `tests/evaluation/test_target.py` holds the prompts of this version.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no answer, and why.

    Attributes:
        refused: whether this one item is refused, a damaged picture say, so that another try changes nothing.
    """

    why: str
    refused: bool = False


class TargetError(UserError):
    """Whatever is asked is refused, for a wrong key say. It ends a run; another `UserError` leaves out one item."""


Conversation = Sequence[Message]
Answers = Sequence[str | Failure]


@dataclass(frozen=True, slots=True)
class Target:
    """Anything that answers conversations.

    Attributes:
        name: which model; shown in reports, and part of the key of every answer.
        answer: conversations -> one answer or Failure each; their pictures are of type `EncodedImage`.
        settings: generation settings; part of the key too.
        batch: the number of conversations it prefers to get at once.
        old_name: the name that an earlier version of nunbit gave this target; answers kept under it are used.
    """

    name: str
    answer: Callable[[Sequence[Conversation]], Answers]
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 16
    old_name: str = ""


def target_of(answer: Callable[[Conversation], str], name: str, **settings: Any) -> Target:
    """A target from a plain callable.

    An OSError, RuntimeError or TimeoutError becomes a Failure of that conversation.
    """

    def one(messages: Conversation) -> str | Failure:
        try:
            return answer(messages)
        except (OSError, RuntimeError, TimeoutError) as e:
            return Failure(f"{type(e).__name__}: {e}")

    return Target(name, lambda batch: [one(m) for m in batch], settings)


def local_target(
    model: str | None, device: str, *, max_new_tokens: int = 64, batch: int = 16, object_aware: bool = True
) -> Target:
    """A model on this machine that answers greedily.

    Args:
        model: a folder, hub id or model of the house; None for the default.
        object_aware: condition an object-aware model on the scene; False gives it a name of its own, as its answers
            differ.
    """
    from nunbit.assistant import Assistant
    from nunbit.models.loading import named_folder

    use_single_heap()
    assistant = Assistant(model, device, object_aware=object_aware)
    name = f"{assistant.name} {fingerprint(model_folder(str(named_folder(model))))}"
    name = name if object_aware else f"{name} {NOT_OBJECT_AWARE}"
    return assistant_target(assistant, name, max_new_tokens=max_new_tokens, batch=batch)


NOT_OBJECT_AWARE = "without scene conditioning"
"""What is added to the name of a target whose scene conditioning is off."""


def assistant_target(assistant: Any, name: str, *, max_new_tokens: int = 64, batch: int = 16) -> Target:
    """A loaded `nunbit.assistant.Assistant` that answers greedily.

    Args:
        name: must identify its weights, as answers are kept under it.
    """

    def answer(conversations: Sequence[Conversation]) -> list[str]:
        opened = [decoded(m) for m in conversations]
        return list(assistant.ask_many(opened, max_new_tokens=max_new_tokens, batch=len(opened)))

    settings = {"max_new_tokens": max_new_tokens, "do_sample": False, **answer_settings(assistant)}
    return Target(name, answer, settings, batch)


def answer_settings(assistant: Any) -> dict[str, Any]:
    """What changes the answers of a loaded model beside its folder: part of the key of every answer.

    Raises:
        UserError: a part of its perception cannot be opened.
    """
    model, aware = assistant.model, assistant.aware
    perceives = aware is not None and aware.uses_scenes
    return {
        "answer_version": ANSWER_VERSION,
        "device": getattr(model.device, "type", str(model.device)),
        "dtype": str(getattr(model, "dtype", "")).removeprefix("torch."),
        "perception": perception_names(aware.perception) if perceives else [],
    }


def perception_names(perceive: Any) -> list[str]:
    """The names of the parts of a perception, which cover their weights and settings; of another callable, its own.

    Raises:
        UserError: a part that cannot be opened.
    """
    parts = getattr(perceive, "parts", None)
    if parts is None:
        return [str(getattr(perceive, "name", type(perceive).__name__))]
    perceive.load()
    merged = [f"merge_iou {perceive.merge_iou}"]
    return [f"{part} {provider.name}" for part, provider in parts.items() if provider is not None] + merged


def model_folder(model: str) -> Path:
    """The folder of a model that is named by its folder or by a hub id that was fetched before."""
    if Path(model).is_dir():
        return Path(model)
    from transformers.utils import cached_file

    found = cached_file(model, "config.json", local_files_only=True)
    assert found is not None  # the model was opened from there
    return Path(found).parent


def decoded(messages: Conversation) -> list[Message]:
    """The same conversation with every `EncodedImage` decoded to a PIL picture.

    Raises:
        UserError: an image that cannot be decoded.
    """
    return [replace(m, parts=tuple(_decoded(p) for p in m.parts)) for m in messages]


def _decoded(part: Part) -> Part:
    return Part.image(decode(part.content.data)) if isinstance(part.content, EncodedImage) else part


def encoded(messages: Conversation, sources: Conversation = ()) -> list[Message]:
    """The same conversation with its decoded pictures as `EncodedImage`.

    Args:
        sources: the conversation before decoding; the pictures of its last turn are taken over unchanged.
    """
    originals = [*sources[-1].images] if sources else []
    out = []
    for turn in messages:
        left = iter(originals if turn is messages[-1] else ())
        parts = tuple(_encoded(p, next(left, None)) if p.kind == "image" else p for p in turn.parts)
        out.append(replace(turn, parts=parts))
    return out


def _encoded(part: Part, original: Any) -> Part:
    if isinstance(part.content, EncodedImage):
        return part
    return Part.image(original if isinstance(original, EncodedImage) else EncodedImage(_png(part.content)))


def _png(picture: Any) -> bytes:
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, "PNG")
    return out.getvalue()


def fingerprint(folder: Path) -> str:
    """Sixteen hexadecimal digits of every byte that a model folder is made of (see `nunbit.digests`)."""
    return folder_digest(folder)[:16]
