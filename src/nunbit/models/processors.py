"""Processors of transformers that go with the models built here: native classes, so that any tool opens them."""

from __future__ import annotations

from typing import Any

from nunbit.encoders.vision import CLIP_MEAN, CLIP_STD, image_side_px, patch_side_px
from nunbit.models.chat_template import template_with_images
from nunbit.models.prompt import IMAGE
from nunbit.models.tiling import pinpoints


def llava_processor(
    tokenizer: Any, vision_config: Any, extra: int, mean: Any = CLIP_MEAN, std: Any = CLIP_STD, *, tiles: str = ""
) -> Any:
    """The processor of a native LLaVA: pictures are padded to a square in the mean colour, or with ``tiles`` cut as
    LLaVA-NeXT does.

    Source: LLaVA-1.5, arXiv 2310.03744, ``image_aspect_ratio pad``; LLaVA-NeXT, ``image_aspect_ratio anyres``.

    Args:
        extra: tokens of the encoder beside the patches.
    """
    from transformers import LlavaNextProcessor, LlavaProcessor

    side, patch = image_side_px(vision_config), patch_side_px(vision_config)
    images = tiled_image_processor(side, mean, std, tiles) if tiles else padded_image_processor(side, mean, std)
    return (LlavaNextProcessor if tiles else LlavaProcessor)(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=patch,
        num_additional_image_tokens=extra,
        image_token=IMAGE,
        vision_feature_select_strategy="default" if extra else "full",
        chat_template=template_with_images(tokenizer.chat_template),
    )


def fixed_count_processor(tokenizer: Any, side_px: int, count: int, mean: Any = CLIP_MEAN, std: Any = CLIP_STD) -> Any:
    """A native `LlavaProcessor` in which every picture takes ``count`` tokens: its one patch is the whole picture, the
    rest is extra."""
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=padded_image_processor(side_px, mean, std),
        tokenizer=tokenizer,
        patch_size=side_px,
        num_additional_image_tokens=count - 1,
        image_token=IMAGE,
        vision_feature_select_strategy="full",
        chat_template=template_with_images(tokenizer.chat_template),
    )


def scaled_processor(tokenizer: Any, *, image_size_px: int, patch_px: int) -> Any:
    """The processor of `nunbit-tiny`: pictures are scaled to a square, whatever their shape, and normalised to
    -1 .. 1."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    images = CLIPImageProcessor(
        do_resize=True,
        size={"height": image_size_px, "width": image_size_px},
        do_center_crop=False,
        resample=3,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=patch_px,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
        image_token=IMAGE,
    )


def stretched_processor(tokenizer: Any, side_px: int, count: int, mean: Any, std: Any) -> Any:
    """As `fixed_count_processor`, for pictures that are stretched to a square instead of padded."""
    from transformers import CLIPImageProcessor

    processor = fixed_count_processor(tokenizer, side_px, count, mean, std)
    square = {"height": side_px, "width": side_px}
    processor.image_processor = CLIPImageProcessor(
        do_resize=True,
        size=square,
        do_center_crop=False,
        resample=3,
        image_mean=list(mean),
        image_std=list(std),
        do_convert_rgb=True,
    )
    return processor


def padded_image_processor(side_px: int, mean: Any, std: Any) -> Any:
    """Pads pictures to a square in the mean colour and scales them."""
    from transformers import LlavaImageProcessor

    square = {"height": side_px, "width": side_px}
    return LlavaImageProcessor(
        do_pad=True,
        do_resize=True,
        size=square,
        do_center_crop=False,
        crop_size=square,
        image_mean=list(mean),
        image_std=list(std),
    )


def tiled_image_processor(side_px: int, mean: Any, std: Any, tiles: str) -> Any:
    """Scales the whole picture and cuts it in tiles of the encoder's size."""
    from transformers import LlavaNextImageProcessor

    return LlavaNextImageProcessor(
        size={"shortest_edge": side_px},
        crop_size={"height": side_px, "width": side_px},
        image_grid_pinpoints=pinpoints(tiles, side_px),
        image_mean=list(mean),
        image_std=list(std),
    )
