"""What a run of `nunbit-small` leaves: ``delta``, the difference to the base model, and the whole ``model``."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from nunbit.connectors.named_features import NamedFeaturesConfig, NamedFeaturesConnector
from nunbit.errors import UserError
from nunbit.models.small import CONNECTOR, DELTA, SHIPPED, assemble, read_delta, save_delta
from nunbit.recipes.small.decoder import SCALE, Decoder
from nunbit.recipes.small.rows import Encoder

SIDE = 4
"""Cells a side that the connector pools to."""


def write_model(
    decoder: Decoder, connector: NamedFeaturesConnector, base: str | Path, steps: int, folder: Path
) -> None:
    """Write ``delta``, in the form that the package ships, and the ``model`` that is assembled from it."""
    save_delta(decoder.delta(), connector, SCALE, steps, folder / "delta")
    shutil.rmtree(folder / "model", ignore_errors=True)
    assemble(Path(base), folder / "model", folder / "delta")


def start_connector(decoder: Decoder, encoder: Encoder) -> NamedFeaturesConnector:
    """A connector that begins as the shipped classifier and the language model's embeddings of its names."""
    from nunbit.encoders.efficientnet_lite import EfficientNetLiteForImageClassification
    from nunbit.perception.image_names import name_table

    classifier = EfficientNetLiteForImageClassification.shipped().classifier
    names = [row.everyday for row in name_table()]
    with torch.no_grad():
        rows = torch.stack([decoder.embed(torch.tensor(encoder.text(" " + n))).mean(0) for n in names])
    width, wide = rows.shape[1], classifier.in_features
    connector = NamedFeaturesConnector(NamedFeaturesConfig("named_features", wide, width, len(names), SIDE))
    connector.start(classifier.weight, classifier.bias, rows)
    return connector


def start_folder(name: str) -> Path:
    """Where the difference lies that training starts from.

    Args:
        name: ``nunbit-small``, the shipped one, or the folder of a run.
    """
    folder = SHIPPED if name == "nunbit-small" else Path(name) / "delta"
    if not (folder / DELTA).is_file():
        raise UserError(
            f"start={name}: '{folder / DELTA}' is missing", allowed="nunbit-small, or the folder of a finished run"
        )
    return folder


def load_delta(decoder: Decoder, connector: NamedFeaturesConnector, folder: Path) -> None:
    """Set adapters, new rows and connector to what `write_model` wrote; in int8, so nearly what was trained.

    Raises:
        UserError: another rank or another base.
    """
    _, state = read_delta(folder)
    own = decoder.delta()
    wrong = [k for k, v in own.items() if k not in state or state[k].shape != v.shape]
    if wrong:
        raise UserError(f"'{folder}' has other shapes in '{wrong[0]}'", todo="set the rank that it was trained with")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])
    connector.load_state_dict({k.removeprefix(CONNECTOR): v for k, v in state.items() if k.startswith(CONNECTOR)})
