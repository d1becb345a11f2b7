"""What a run of `nunbit-small` leaves: ``delta``, the difference to the base model, and the whole ``model``."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from nunbit.connectors.named_features import NamedFeaturesConfig, NamedFeaturesConnector
from nunbit.models.small import assemble, save_delta
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
