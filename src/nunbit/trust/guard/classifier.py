"""The guard's classifier: how likely a text is an order to a model, from hashed words and letters and from the signs of
the rules. Logistic regression; numpy alone.

A text is a run of lines. Features of a line are counted once however many runs it is part of. Letters: F features
found in a text, D = `HASHED` hashed ones.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from nunbit.trust.guard.rules import GROUPS

WEIGHTS = Path(__file__).parent / "weights" / "guard.safetensors"
HASHED = 1 << 15
PAIRS = tuple(itertools.combinations(GROUPS, 2))
SIZE = HASHED + len(GROUPS) + len(PAIRS)
_TOKEN = re.compile(r"https?:\S+|www\.\S+|[a-z]+(?:'[a-z]+)?|[가-힣]+|[^\W\d_]+|\d+|[^\w\s]")
_GROUP_AT = {g: HASHED + i for i, g in enumerate(GROUPS)}
_PAIR_AT = {pair: HASHED + len(GROUPS) + i for i, pair in enumerate(PAIRS)}


def tokens(text: str) -> list[str]:
    """Words, signs and numbers of a normalised text; every number is ``0``, every address ``<url>``."""
    return [
        "0" if t[0].isdigit() else "<url>" if t.startswith(("http", "www.")) else t[:24] for t in _TOKEN.findall(text)
    ]


@lru_cache(maxsize=50_000)
def _word_features(token: str) -> tuple[int, ...]:
    """The word, and of longer words parts of two to four letters."""
    sizes = (2, 3) if "가" <= token[0] <= "힣" else (4,) if len(token) >= 4 else ()
    marked = f"<{token}>"
    parts = {marked[i : i + n] for n in sizes for i in range(len(marked) - n + 1)}
    return (_hash(f"w{token}"), *(_hash(f"c{p}") for p in sorted(parts)))


@lru_cache(maxsize=200_000)
def _hash(name: str) -> int:
    return zlib.crc32(name.encode()) % HASHED


def text_features(words: Sequence[str]) -> list[int]:
    """Hashed features of the words of a line: words, their parts, pairs of neighbours, pairs with one word between."""
    out = [f for w in words for f in _word_features(w)]
    out += [_hash(f"b{a} {b}") for a, b in itertools.pairwise(words)]
    return out + [_hash(f"s{a} {b}") for a, b in zip(words, words[2:], strict=False)]


def between_features(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """Pairs of the last words of a line and the first of the next."""
    if not before or not after:
        return []
    out = [_hash(f"b{before[-1]} {after[0]}")]
    if len(before) > 1:
        out.append(_hash(f"s{before[-2]} {after[0]}"))
    return out + ([_hash(f"s{before[-1]} {after[1]}")] if len(after) > 1 else [])


def sign_features(groups: Iterable[str]) -> list[int]:
    """Features of the groups of `rules` that a text shows, one by one and in pairs."""
    shown = [g for g in GROUPS if g in set(groups)]
    return [_GROUP_AT[g] for g in shown] + [_PAIR_AT[pair] for pair in itertools.combinations(shown, 2)]


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights ``(SIZE,)`` float32 and a bias."""

    weights: np.ndarray
    bias: float

    def score(self, hashed: Sequence[np.ndarray], groups: Iterable[str]) -> float:
        """How likely a text is an order to a model, 0 to 1.

        Args:
            hashed: features of its lines and of what is between them, index arrays.
            groups: of `rules` that it shows. A text that shows none is no order: words alone do not make one.
        """
        shown = sign_features(groups)
        if not shown:
            return 0.0
        found = np.unique(np.concatenate(hashed)) if len(hashed) else np.zeros(0, np.int64)
        total = self.bias + (float(self.weights[found].sum()) / np.sqrt(len(found)) if len(found) else 0.0)
        total += float(self.weights[shown].sum())
        return float(1 / (1 + np.exp(-np.clip(total, -30, 30))))


@cache
def load_classifier(file: Path = WEIGHTS) -> Classifier:
    """The classifier of a file; the shipped one without a name."""
    from safetensors.numpy import load_file

    held = load_file(file)
    return Classifier(held["weights"].astype(np.float32), float(held["bias"][0]))
