"""Pictures that look alike, by a perceptual hash of 64 bits.

The hash holds the signs of the 64 lowest frequencies of a small grey picture, against their median; it stays nearly the
same under scaling, compression and small changes of brightness. Source: pHash (Zauner 2010).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PX, KEPT = 32, 8
ALIKE_BITS = 6
"""Pictures whose hashes differ in at most so many bits count as alike."""
FLAT = 3.0
"""Standard deviation of the grey values (0 to 255) below which a picture has no structure to be hashed."""
Key = TypeVar("Key")


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """``(KEPT, SIDE_PX)``: the lowest frequencies of the discrete cosine transform."""
    k, n = np.arange(KEPT)[:, None], np.arange(SIDE_PX)[None]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * SIDE_PX))


def perceptual_hash(image: Image) -> int | None:
    """64 bits; None for a picture of one colour, which has none."""
    from PIL import Image as images

    small = image.convert("L").resize((SIDE_PX, SIDE_PX), images.Resampling.BOX)
    grey = np.asarray(small, np.float64)
    if grey.std() < FLAT:
        return None
    low = (_cosines() @ grey @ _cosines().T).ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hash_of(source: str | os.PathLike[str] | bytes) -> int | None:
    """`perceptual_hash` of a file; a JPEG is decoded at a reduced size.

    Raises:
        UserError: as `nunbit.media.decode`.
    """
    from nunbit.media.images import decode

    return perceptual_hash(decode(source))


def alike(hashes: Mapping[Key, int], others: Mapping[Key, int] | None = None) -> list[tuple[Key, Key, int]]:
    """Pairs of keys whose hashes differ in at most `ALIKE_BITS` bits, with the number of bits.

    Args:
        others: compare with these instead of among each other.

    Hashes that differ in at most d bits agree in one of d + 1 pieces; only those are compared.
    """
    against = hashes if others is None else others
    pieces: list[dict[int, list[Key]]] = [defaultdict(list) for _ in _CUTS]
    for key, value in against.items():
        for held, (shift, mask) in zip(pieces, _CUTS, strict=True):
            held[value >> shift & mask].append(key)
    out: dict[tuple[Key, Key], int] = {}
    order = {key: i for i, key in enumerate(against)}
    for key, value in hashes.items():
        for held, (shift, mask) in zip(pieces, _CUTS, strict=True):
            for other in held.get(value >> shift & mask, ()):
                if others is None and order[other] <= order[key]:
                    continue
                bits = (value ^ against[other]).bit_count()
                if bits <= ALIKE_BITS:
                    out[key, other] = bits
    return [(a, b, bits) for (a, b), bits in out.items()]


def _cuts() -> Sequence[tuple[int, int]]:
    edges = [round(64 * i / (ALIKE_BITS + 1)) for i in range(ALIKE_BITS + 2)]
    return [(a, (1 << b - a) - 1) for a, b in zip(edges[:-1], edges[1:], strict=True)]


_CUTS = _cuts()
