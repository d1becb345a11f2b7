"""Opening perception models of transformers, and a name for their weights that the cache of Scenes can rely on."""

from __future__ import annotations

from typing import Any

from nunbit.encoders.weights_digest import tensors_digest
from nunbit.errors import UserError
from nunbit.perception.base import reason_of

# Keys of a configuration that say where and how it was stored, not what the model computes.
_PROVENANCE = ("architectures", "dtype", "processor_class", "torch_dtype", "transformers_version")


def fingerprint(model: Any, image_processor: Any, *settings: Any) -> str:
    """16 hex digits of a model's configuration, all its weights, its processor and settings."""
    facts = [type(model).__name__, _facts(model.config.to_dict()), _facts(image_processor.to_dict()), settings]
    return tensors_digest(model.state_dict(), facts)


def _facts(value: Any) -> Any:
    """A configuration without `_PROVENANCE` and private keys, in sorted order."""
    if isinstance(value, dict):
        kept = {str(k): v for k, v in value.items() if not str(k).startswith("_") and k not in _PROVENANCE}
        return sorted((k, _facts(v)) for k, v in kept.items() if v is not None)
    return [_facts(v) for v in value] if isinstance(value, (list, tuple)) else str(value)


def load_model(model_class: Any, processor_class: Any, path: str, device: str) -> tuple[Any, Any]:
    """Weights and processor of a folder or a locally cached hub name; never downloads.

    Raises:
        UserError: no such model, or it cannot be opened.
    """
    try:
        processor = processor_class.from_pretrained(path, local_files_only=True)
        model = model_class.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, ImportError, KeyError) as e:
        todo = "name a folder that holds the model, or download it first"
        raise UserError(f"no usable model at '{path}' ({reason_of(e)})", allowed="a model folder", todo=todo) from e
    model.to(device)
    model.eval()
    return model, processor
