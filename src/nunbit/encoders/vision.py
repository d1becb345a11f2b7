"""Any vision encoder of transformers as features ``(B, N, Dv)`` with a grid: with a class token, without one, or
convolutional.

What differs between encoders (class token, register tokens, patch size, feature maps) is measured by running one blank
picture.

Letters: B pictures, N features, Dv their width, H and W rows and columns of a feature map.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from nunbit.encoders.meta_device import small_numbers_in_memory
from nunbit.errors import UserError

TOWER = "vision_tower."
"""What the names of an encoder's weights begin with in the file of a composed model."""
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class FeatureShape:
    """What an encoder makes of a square picture.

    Attributes:
        width: Dv.
        grid: rows and columns of the features, row by row from the top left.
        extra: tokens before them that are no part of the picture (class and register tokens).
        convolutional: the encoder gives feature maps ``(B, Dv, H, W)``.
    """

    width: int
    grid: tuple[int, int]
    extra: int = 0
    convolutional: bool = False

    @property
    def features(self) -> int:
        """N."""
        return self.grid[0] * self.grid[1]


def load_vision_encoder(folder: str | Path) -> Any:
    """The picture side of the model in a folder (or hub id), in float32.

    Raises:
        UserError: nothing there, or no vision encoder of transformers.
    """
    from transformers import AutoConfig, AutoModel

    config = opened("vision encoder", folder, lambda: AutoConfig.from_pretrained(folder))
    config = getattr(config, "vision_config", config)
    return opened("vision encoder", folder, lambda: AutoModel.from_pretrained(folder, config=config, dtype="float32"))


def load_vision_tower(folder: Path) -> Any:
    """The vision encoder of a composed model's folder, in the numbers that the model would have, without its language
    model: of one file of weights only the encoder's are read.

    Raises:
        UserError: nothing there that opens.
    """
    return opened("model", folder, lambda: _vision_tower(folder))


def _vision_tower(folder: Path) -> Any:
    from safetensors import safe_open
    from transformers import MODEL_MAPPING, AutoConfig, AutoModelForImageTextToText

    file, state = folder / "model.safetensors", dict[str, Tensor]()
    if file.is_file():
        with safe_open(file, "pt") as held:
            names = [k for k in held.keys() if k.startswith(TOWER)]  # noqa: SIM118  (no dictionary)
            state = {k.removeprefix(TOWER): held.get_tensor(k) for k in names}
    with small_numbers_in_memory():
        if not state:
            return AutoModelForImageTextToText.from_pretrained(folder).model.vision_tower
        config = AutoConfig.from_pretrained(folder)
        dtype = config.dtype or "auto"
        kind: Any = MODEL_MAPPING[type(config.vision_config)]
        return kind.from_pretrained(None, config=config.vision_config, state_dict=state, dtype=dtype)


def image_normalization(folder: str | Path) -> tuple[Any, Any]:
    """Mean and deviation of the pixels that the encoder was trained with; CLIP's if its folder does not say."""
    found = _image_processor(folder)
    return getattr(found, "image_mean", None) or CLIP_MEAN, getattr(found, "image_std", None) or CLIP_STD


def image_side_px(config: Any, folder: str | Path | None = None) -> int:
    """Side of the square picture that an encoder takes: from its config, else from its image processor.

    Raises:
        UserError: neither names a fixed size.
    """
    side = getattr(config, "image_size", None)
    side = side[0] if isinstance(side, (list, tuple)) else side
    if side is None and folder is not None:
        found = _image_processor(folder)
        sizes = getattr(found, "crop_size", None) or getattr(found, "size", None) or {}
        side = sizes.get("height") or sizes.get("shortest_edge")
    if not isinstance(side, int):
        raise UserError(
            f"the encoder '{config.model_type}' has no fixed picture size",
            allowed="encoders of pictures of one size",
            todo="name a fixed-resolution checkpoint",
        )
    return side


def patch_side_px(config: Any) -> int:
    """Side of a patch of a transformer encoder.

    Raises:
        UserError: the config names none.
    """
    patch = getattr(config, "patch_size", None)
    patch = patch[0] if isinstance(patch, (list, tuple)) else patch
    if not isinstance(patch, int):
        raise UserError(
            f"the encoder '{config.model_type}' has no fixed patch size",
            allowed="encoders of patches, or convolutional ones",
            todo="name a fixed-resolution checkpoint",
        )
    return patch


def hidden_states(encoder: Any, pixels: Tensor) -> Any:
    """Pictures ``(B, 3, H, W)`` to the encoder's hidden states, one for each layer: ``(B, N, Dv)`` or maps ``(B, Dv, H,
    W)``."""
    return encoder(pixels.to(encoder.dtype), output_hidden_states=True).hidden_states


def picture_features(states: Any, layers: int | list[int], extra: int) -> Tensor:
    """Features ``(B, N, Dv)`` of one layer, or of several layers side by side; the first ``extra`` tokens are
    left out."""
    chosen = [states[i] for i in ([layers] if isinstance(layers, int) else layers)]
    rows = [h.flatten(2).transpose(1, 2) if h.ndim == 4 else h[:, extra:] for h in chosen]
    return rows[0] if len(rows) == 1 else torch.cat(rows, -1)


def feature_shape(encoder: Any, layer: int, side_px: int) -> FeatureShape:
    """Measure what the encoder makes of a square picture, at one of its layers.

    Raises:
        UserError: the encoder takes no such picture, or gives no hidden states or fewer tokens than patches.
    """
    blank = torch.zeros(1, 3, side_px, side_px, device=encoder.device)
    try:
        with torch.no_grad():
            seen = hidden_states(encoder, blank)[layer]
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError) as e:
        raise UserError(
            f"the encoder '{encoder.config.model_type}' gives no hidden states of a square picture ({str(e)[:100]})",
            allowed="encoders of fixed-size pictures: CLIP, SigLIP, SigLIP 2, DINOv2, ViT, ConvNeXt, ResNet ...",
            todo="name another encoder or layer",
        ) from None
    if seen.ndim == 4:
        return FeatureShape(seen.shape[1], (seen.shape[2], seen.shape[3]), convolutional=True)
    side = side_px // patch_side_px(encoder.config)
    extra = seen.shape[1] - side * side
    if extra < 0:
        merged = math.isqrt(seen.shape[1])
        if merged * merged == seen.shape[1]:  # a hierarchical encoder (Swin) merges patches
            return FeatureShape(seen.shape[2], (merged, merged))
        raise UserError(
            f"the encoder '{encoder.config.model_type}' gives {seen.shape[1]} tokens for {side * side} patches",
            allowed="encoders that keep one token a patch, or a square of them",
            todo="name another encoder",
        )
    return FeatureShape(seen.shape[2], (side, side), extra)


def opened(kind: str, folder: str | Path, load: Callable[[], Opened]) -> Opened:
    """What ``load`` opens; a failure becomes a UserError that names the kind of thing and its folder."""
    try:
        return load()
    except (OSError, ValueError, KeyError) as e:
        lines = str(e).splitlines() or [type(e).__name__]
        raise UserError(
            f"the {kind} '{folder}' cannot be opened ({lines[0][:160]})",
            allowed=f"a folder or hub id of a {kind} of transformers",
            todo="check the path; without a network only local folders can be opened",
        ) from None


def _image_processor(folder: str | Path) -> Any:
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder)
    except (OSError, ValueError, ImportError, KeyError, AttributeError):
        return None
