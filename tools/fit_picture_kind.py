"""Maker of src/nunbit/perception/weights/picture-kind.json: a small network over `picture_kind.statistics`.

    python tools/fit_picture_kind.py PICTURES

PICTURES has a folder of PNG files for each kind: photograph, drawing, screenshot, document, chart. What was used:
photographs and cut-outs
on plain and photographed backgrounds from packages (scikit-image, scikit-learn, gcompris-qt-data, mate-backgrounds,
tuxpaint-stamps-default),
world pictures and rendered SVG stamps, pages drawn by a browser, and the documents and charts of
tests/perception/rendered.py and world.
Each was kept as it is and in one to three variants (another size, blur, gray, JPEG). Files that end in ``_1.png`` are
held out, originals with
their variants; the confusion table printed is of those.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nunbit.perception.picture_kind import KINDS, WEIGHTS, statistics
from nunbit.perception.text_regions import find_regions

STEPS, WEIGHT_DECAY, HIDDEN, NOISE = 2000, 0.2, 32, 0.12


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics ``(n, F)``, kind ``(n,)`` and whether held out ``(n,)`` of every picture."""
    rows, kinds, held = [], [], []
    for k, kind in enumerate(KINDS):
        for file in sorted((folder / kind).glob("*.png")):
            with Image.open(file) as image:
                rows.append(statistics(image.convert("RGB"), find_regions(image)[0]))
            kinds.append(k)
            held.append(file.stem.endswith("_1"))
    return np.stack(rows), np.array(kinds), np.array(held)


def fit(x: np.ndarray, y: np.ndarray) -> torch.nn.Sequential:
    """A network with one hidden layer; every kind weighs the same, and noise on the statistics keeps it smooth."""
    values, kinds = torch.from_numpy(x).float(), torch.from_numpy(y)
    share = 1 / torch.bincount(kinds, minlength=len(KINDS)).clamp(min=1).float()
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, len(KINDS)))
    optimiser = torch.optim.AdamW(net.parameters(), 0.01, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(net(values + NOISE * torch.randn_like(values)), kinds, weight=share)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net


def main(folder: Path) -> None:
    """Fit on one half, print the confusion on the other, write the model of all."""
    torch.manual_seed(0)
    x, y, held = read(folder)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    z = np.clip((x - mean) / scale, -4, 4)
    guess = fit(z[~held], y[~held])(torch.from_numpy(z[held]).float()).argmax(1).numpy()
    print("rows: true kind, columns:", ", ".join(KINDS))
    for k, kind in enumerate(KINDS):
        print(f"{kind:12}", *(f"{int(((y[held] == k) & (guess == j)).sum()):5}" for j in range(len(KINDS))))
    print(f"right: {(guess == y[held]).mean():.3f} of {held.sum()}")
    first, _, second = fit(z, y)
    layers = {"weight_1": first.weight, "bias_1": first.bias, "weight_2": second.weight, "bias_2": second.bias}
    model = {"kinds": KINDS, "mean": mean.tolist(), "scale": scale.tolist()} | {
        k: v.tolist() for k, v in layers.items()
    }
    rounded = json.loads(json.dumps(model), parse_float=lambda v: float(f"{float(v):.5g}"))
    WEIGHTS.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
