"""How many tokens a picture becomes: the one counter that processor, prompt and model share (tests hold them to it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nunbit.media.bounds import reduced_size_px
from nunbit.media.images import picture_size_px
from nunbit.models.tiling import tiled_tokens

ANY_RESOLUTION = "llava_next"


def image_tokens(config: Any, size_px: tuple[int, int] | None = None) -> int:
    """Tokens of one picture.

    Args:
        config: of the model.
        size_px: height and width of the picture. Most models scale every picture to one square and need none;
            LLaVA-NeXT does.
    """
    if config.model_type != ANY_RESOLUTION:
        return int(config.image_seq_length)
    assert size_px is not None, "the count of an any-resolution model depends on the picture"
    return tiled_tokens(config, size_px)


def token_counter(config: Any) -> int | Callable[[Any], int]:
    """`image_tokens` of pictures or picture files: a number where all have the same, so that no file need be opened."""
    if not hasattr(config, "image_seq_length"):
        return 1
    if config.model_type != ANY_RESOLUTION:
        return image_tokens(config)
    return lambda picture: image_tokens(config, _size_px(picture))


def _size_px(picture: Any) -> tuple[int, int]:
    """Height and width in which a PIL picture, an array ``(H, W, 3)`` or a file is handed to the processor."""
    if hasattr(picture, "size") and isinstance(picture.size, tuple):
        return reduced_size_px(picture.size[::-1])
    if hasattr(picture, "shape"):
        return reduced_size_px((int(picture.shape[0]), int(picture.shape[1])))
    return reduced_size_px(picture_size_px(picture))
