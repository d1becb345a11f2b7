"""A model, its processor and its object-aware parts, loaded from one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.media.heap import without_collecting
from nunbit.models.object_aware import ObjectAwareModule, is_object_aware, open_object_aware
from nunbit.models.precision import Precision


@dataclass(slots=True)
class LoadedModel:
    """What `load_model` opened.

    Attributes:
        name: the folder or hub id, or the name of a model of the house.
        model: the model, in evaluation mode.
        processor: image processor and tokenizer.
        aware: the object-aware parts, None where the model has none or they were not wanted.
    """

    name: str
    model: Any
    processor: Any
    aware: ObjectAwareModule | None = None


TINY, SMALL = "nunbit-tiny", "nunbit-small"
"""The models of the house: the one that ships, and the one that `nunbit models get` assembles."""


def default_name() -> str:
    """The model that answers where none is named: `nunbit-small` once it is here, else `nunbit-tiny`."""
    from nunbit.models import hub
    from nunbit.models.small import is_shipped

    return SMALL if is_shipped() and hub.is_here(SMALL) else TINY


def named_folder(model: str | Path | None) -> str | Path:
    """Where a model of the house lies; a folder or hub id stays as it is.

    Raises:
        UserError: the model of the house is not here.
    """
    from nunbit.models import hub

    name = str(model or default_name())
    if name == SMALL and not Path(name).is_dir():
        if not hub.is_here(SMALL):
            raise UserError(f"{SMALL} is not here yet", todo=f"run 'nunbit models get {SMALL}'")
        return hub.path(SMALL)
    if name == TINY and not Path(name).is_dir():
        if not (EMBEDDED / "config.json").exists():
            raise UserError(
                f"{TINY} is missing from this installation", todo="install nunbit again, or name a model with --model"
            )
        return EMBEDDED
    return name


def named_device(device: str) -> str:
    """The device that a name stands for: ``auto`` is the first CUDA device, or the processor without one."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(device: str) -> None:
    """Check that a device is one of this machine.

    Raises:
        UserError: an unknown name, or a device that this machine or this build of PyTorch does not have.
    """
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        here = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise UserError(
            f"the device '{device[:40]}' cannot be used ({(str(e).splitlines() or [''])[0][:120]})",
            allowed=", ".join(here),
            todo="name one of these with --device, or install a PyTorch for this device",
        ) from None


def load_model(
    folder: str | Path | None = None,
    device: str = "cpu",
    *,
    object_aware: bool = True,
    precision: Precision = Precision(),
) -> LoadedModel:
    """Open a model of transformers, or one that nunbit saved.

    Args:
        folder: a folder, a hub id, `TINY` or `SMALL`; None for `default_name`.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...
        object_aware: attach the object-aware parts that lie in the folder; without them the model answers
            unconditioned.
        precision: in which numbers the weights are held; 8 bits on a processor are not made here
            (`nunbit.engine.int8_linear`).

    Raises:
        UserError: nothing there, or nothing that opens.
    """
    device = named_device(device)
    check_device(device)
    name = str(folder or default_name())
    folder = named_folder(folder)
    from nunbit.encoders.meta_device import small_numbers_in_memory

    with without_collecting(), small_numbers_in_memory():
        model, processor = _open(folder, device, precision)
        aware = open_object_aware(folder, model, processor) if object_aware and is_object_aware(folder) else None
    return LoadedModel(name, model, processor, aware)


def _open(folder: str | Path, device: str, precision: Precision) -> tuple[Any, Any]:
    from nunbit.models.checkpoint import open_model
    from nunbit.models.flamingo import is_flamingo_folder, open_flamingo_folder

    bits = precision.library_bits(device)
    if is_flamingo_folder(folder):
        if bits:
            raise UserError(f"{bits} bits for a model with gated cross-attention", allowed="16 or 32 bits")
        model, processor = open_flamingo_folder(folder, device)
    elif bits:
        return open_model(folder, device, precision.dtype, bits=bits)
    else:
        model, processor = open_model(folder, device)
    return model.to(precision.wanted(model.dtype, device)), processor
