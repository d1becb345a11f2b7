"""Maker of src/nunbit/trust/guard/weights/guard.safetensors, the classifier of the guard.

    python -m tools.fit_guard             # fits on all templates and writes the weights
    python -m tools.fit_guard --check     # holds every fifth template out, prints errors on those, writes nothing

Logistic regression on sentences of `nunbit.trust.guard.maker`. The same seed gives the same weights.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from nunbit.trust.guard.classifier import (
    HASHED,
    SIZE,
    WEIGHTS,
    Classifier,
    between_features,
    sign_features,
    text_features,
    tokens,
)
from nunbit.trust.guard.judge import score_text
from nunbit.trust.guard.maker import Sample, samples
from nunbit.trust.guard.rules import find_signs
from nunbit.trust.guard.words import normalised

SEED, COUNT, HOLD_OUT = 2024, 40_000, 5
PENALTY, SIGN_PENALTY = 2.0, 0.3
"""Of squared weights: of hashed features and of the rules' signs."""
ORDINARY_WEIGHT = 4.0
"""An ordinary text weighs so many times as much as an order: a picture has many lines."""


def row_of(lines: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the features of some lines."""
    texts = [normalised(t) for t in lines]
    words = [tokens(t) for t in texts]
    found = [f for w in words for f in text_features(w)]
    found += [f for a, b in itertools.pairwise(words) for f in between_features(a, b)]
    hashed = np.unique(np.array(found, np.int64))
    signs = np.array(sign_features({g for g, _, _ in find_signs("\n".join(texts))}), np.int64)
    values = np.concatenate([np.full(len(hashed), 1 / np.sqrt(max(1, len(hashed)))), np.ones(len(signs))])
    return np.concatenate([hashed, signs]), values


def matrix(rows: Iterable[Sample]) -> tuple[csr_matrix, np.ndarray]:
    """Features ``(n, SIZE)`` and labels ``(n,)`` of samples."""
    columns, values, ends, labels = [], [], [0], []
    for sample in rows:
        at, value = row_of(sample.lines)
        columns.append(at)
        values.append(value)
        ends.append(ends[-1] + len(at))
        labels.append(sample.order)
    x = csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=(len(labels), SIZE))
    return x, np.array(labels, np.float64)


def fit(x: csr_matrix, y: np.ndarray) -> Classifier:
    """Logistic regression with squared penalties, by L-BFGS from zero."""
    weight = np.where(y > 0, 1.0, ORDINARY_WEIGHT)
    penalty = np.append(np.full(SIZE, SIGN_PENALTY), 0.0)
    penalty[:HASHED] = PENALTY

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w[:-1] + w[-1]
        residual = weight * (1 / (1 + np.exp(-z)) - y)
        value = float((weight * (np.logaddexp(0, z) - y * z)).sum() + 0.5 * (penalty * w * w).sum())
        return value, np.append(x.T @ residual, residual.sum()) + penalty * w

    found = minimize(loss, np.zeros(SIZE + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return Classifier(found.x[:-1].astype(np.float32), float(found.x[-1]))


def check(model: Classifier, rows: Iterable[Sample]) -> None:
    """Print how many orders are missed and how much ordinary writing is suspected, with examples."""
    missed, suspected, counts = [], [], [0, 0]
    for sample in rows:
        score = score_text("\n".join(sample.lines), model)
        counts[sample.order] += 1
        if sample.order and score < 0.5:
            missed.append((score, sample))
        if not sample.order and score >= 0.5:
            suspected.append((score, sample))
    print(f"orders missed: {len(missed)} of {counts[1]}; ordinary texts suspected: {len(suspected)} of {counts[0]}")
    for score, sample in [*missed[:40], *suspected[:40]]:
        print(f"{score:.2f} {'order' if sample.order else 'ordinary'} {' / '.join(sample.lines)}")


def main() -> None:
    """Fit, and write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="hold templates out and print errors on them")
    arguments = parser.parse_args()
    held = HOLD_OUT if arguments.check else 0
    model = fit(*matrix(samples(SEED, COUNT // (4 if held else 1), hold_out=held)))
    if held:
        check(model, samples(SEED + 1, 3000, hold_out=held, held=True))
        return
    from safetensors.numpy import save_file

    WEIGHTS.parent.mkdir(exist_ok=True)
    held_weights = {"weights": model.weights.astype(np.float16), "bias": np.array([model.bias], np.float32)}
    save_file(held_weights, WEIGHTS, {"format": "nunbit.guard/1"})
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
