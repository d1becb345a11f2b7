"""Corruptions of pictures at five strengths.

Source: ImageNet-C, arXiv 1903.12261, with its own figures for Gaussian noise, Gaussian blur, JPEG, brightness and
contrast; radii are for a picture whose shorter side is 224 pixels and grow with it. Occlusion is ours.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from nunbit.errors import UserError, unknown_name

STRENGTHS = (1, 2, 3, 4, 5)
SIDE_PX = 224


def _noise(pixels: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    return pixels + rng.normal(0, 255 * deviation, pixels.shape)


def _blur(pixels: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    scaled = radius * min(pixels.shape[:2]) / SIDE_PX
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(scaled)), np.float64)


def _jpeg(pixels: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=int(quality))
    return np.asarray(Image.open(held), np.float64)


def _brightness(pixels: np.ndarray, more: float, rng: np.random.Generator) -> np.ndarray:
    """More of V in HSV: hue and saturation stay."""
    value = pixels.max(-1, keepdims=True).astype(np.float64)
    brighter = np.minimum(255, value + 255 * more)
    return np.where(value > 0, pixels * brighter / np.maximum(value, 1), brighter)


def _contrast(pixels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    mean = pixels.mean((0, 1), keepdims=True)
    return mean + (pixels - mean) * share


def _occlusion(pixels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A grey rectangle of the picture's own proportions, anywhere, over a share of its area."""
    out = pixels.astype(np.float64)
    (h, w), side = pixels.shape[:2], share**0.5
    high, wide = max(1, round(h * side)), max(1, round(w * side))
    y, x = int(rng.integers(0, h - high + 1)), int(rng.integers(0, w - wide + 1))
    out[y : y + high, x : x + wide] = 127.5
    return out


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind: a function of pixels ``(H, W, 3)``, an amount and a generator; and the amounts of strengths 1 to 5."""

    change: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    amounts: tuple[float, float, float, float, float]


CORRUPTIONS = {
    "noise": Corruption(_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "blur": Corruption(_blur, (1, 2, 3, 4, 6)),
    "jpeg": Corruption(_jpeg, (25, 18, 15, 10, 7)),
    "brightness": Corruption(_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": Corruption(_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "occlusion": Corruption(_occlusion, (0.05, 0.1, 0.2, 0.3, 0.4)),
}


def corrupted(pixels: np.ndarray, kind: str, strength: int, rng: np.random.Generator) -> np.ndarray:
    """A corrupted copy of a picture ``(H, W, 3)`` uint8.

    Args:
        kind: a name of `CORRUPTIONS`.
        strength: 1 to 5; 0 changes nothing.

    Raises:
        UserError: another kind or strength, or pixels of another form.
    """
    if kind not in CORRUPTIONS:
        raise unknown_name("corruption", kind, CORRUPTIONS)
    if strength not in (0, *STRENGTHS):
        raise UserError(f"strength {strength} of a corruption", allowed="0 to 5")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise UserError(f"pixels of shape {pixels.shape} and type {pixels.dtype}", allowed="(H, W, 3) of uint8")
    if not strength:
        return pixels.copy()
    one = CORRUPTIONS[kind]
    changed = one.change(pixels, one.amounts[strength - 1], rng)
    return np.clip(np.round(changed), 0, 255).astype(np.uint8)
