"""A model, its processor and its object-aware parts, loaded from one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.models.object_aware import ObjectAwareModule, is_object_aware, open_object_aware


@dataclass(slots=True)
class LoadedModel:
    """What `load_model` opened.

    Attributes:
        name: the folder or hub id, ``nunbit-tiny`` for the embedded model.
        model: the model, in evaluation mode.
        processor: image processor and tokenizer.
        aware: the object-aware parts, None where the model has none or they were not wanted.
    """

    name: str
    model: Any
    processor: Any
    aware: ObjectAwareModule | None = None


def load_model(folder: str | Path | None = None, device: str = "cpu", *, object_aware: bool = True) -> LoadedModel:
    """Open a model of transformers, or one that nunbit saved.

    Args:
        folder: a folder or hub id; None for the embedded `nunbit-tiny`.
        device: ``cpu``, ``cuda``, ``mps`` ...
        object_aware: attach the object-aware parts that lie in the folder; without them the model answers
            unconditioned.

    Raises:
        UserError: nothing there, or nothing that opens.
    """
    from nunbit.models.checkpoint import open_model
    from nunbit.models.flamingo import is_flamingo_folder, open_flamingo_folder

    name = str(folder or "nunbit-tiny")
    if folder is None and not (EMBEDDED / "config.json").exists():
        raise UserError(
            "the embedded model is missing from this installation",
            todo="install nunbit again, or name a model with --model",
        )
    folder = folder or EMBEDDED
    model, processor = (open_flamingo_folder if is_flamingo_folder(folder) else open_model)(folder, device)
    aware = open_object_aware(folder, model, processor) if object_aware and is_object_aware(folder) else None
    return LoadedModel(name, model, processor, aware)
