"""Old names in files that earlier versions wrote, each with its present name. The only place that knows them.

Read by whatever opens a run's folder: ``recipe.json`` and ``key=value`` (`setting_name`), ``log.jsonl`` (`log_line`),
checkpoints (`saved_entry`) and the folders of stages (`stage_folder`, `stage_name`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SETTINGS = {
    "micro": "micro_batch_size",
    "matrix_lr": "muon_lr",
    "aware_lr": "layer_connector_lr",
    "eyes": "perception",
}
"""Parts of dotted keys."""
LOG_KEYS = {"rate": "lr_scale", "fill": "token_utilization"}
SAVED_KEYS = {"sampler_state": "position", "oracle": "eyes"}
"""Keys of checkpoints, the other way round: present name -> old name."""
STAGES = {"eyes": "encoder", "words": "language", "told": "scene_text", "aware": "object_aware"}
"""Stages of the recipe ``tiny``, which are folders of its runs."""


def setting_name(key: str) -> str:
    """A dotted settings key with every old part replaced."""
    return ".".join(SETTINGS.get(part, part) for part in key.split("."))


def log_line(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a log with its old keys replaced."""
    return {LOG_KEYS.get(key, key): value for key, value in figures.items()}


def saved_entry(state: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """An entry of a checkpoint under its present or its old name.

    Raises:
        KeyError: neither is there, and no default is given.
    """
    for name in (key, SAVED_KEYS.get(key, key)):
        if name in state:
            return state[name]
    if default is None:
        raise KeyError(key)
    return default


def stage_name(name: str) -> str:
    """The present name of a stage of the recipe ``tiny``."""
    return STAGES.get(name, name)


def stage_folder(run: Path, name: str) -> Path:
    """Where a stage of the recipe ``tiny`` lies in a run's folder: under its old name in a folder that an earlier
    version began."""
    old = next((old for old, new in STAGES.items() if new == name), name)
    return run / old if (run / old).exists() and not (run / name).exists() else run / name
