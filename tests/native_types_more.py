"""More builders of small random models, as in `tests.native_types`: types that came later, or are seldom served."""

from __future__ import annotations

from typing import Any

from tests.native_types import SIGLIP, text_config, words


def aya_vision() -> tuple[Any, Any]:
    """Aya Vision: tiles between marks, pixel shuffle, layers with a window."""
    from transformers import (
        AyaVisionConfig,
        AyaVisionForConditionalGeneration,
        AyaVisionProcessor,
        GotOcr2ImageProcessor,
    )

    marks = ("<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", "TILE", "TILE_GLOBAL")
    made = words("<image>", "<image>", *marks, *(f"TILE_{i}" for i in range(1, 13)))
    config = AyaVisionConfig(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14, "model_type": "siglip_vision_model"},
        text_config=text_config("cohere2", made, head_dim=8, sliding_window=1024),
        image_token_index=made.convert_tokens_to_ids("<|IMG_PATCH|>"),
        downsample_factor=2,
        tie_word_embeddings=False,
    )
    images = GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=4)
    processor = AyaVisionProcessor(
        images, made, patch_size=14, img_size=56, downsample_factor=2, chat_template=made.chat_template
    )
    return AyaVisionForConditionalGeneration(config), processor


def glm4v() -> tuple[Any, Any]:
    """GLM-4.1V: positions in three dimensions, as many tokens as the picture is large."""
    from transformers import (
        Glm4vConfig,
        Glm4vForConditionalGeneration,
        Glm4vImageProcessor,
        Glm4vProcessor,
        Glm4vVideoProcessor,
    )

    names = ("image", "video", "begin_of_image", "end_of_image", "begin_of_video", "end_of_video")
    made = words("<|begin_of_image|><|image|><|end_of_image|>", *(f"<|{n}|>" for n in names))
    kinds = ("image", "video", "image_start", "image_end", "video_start", "video_end")
    ids = {f"{k}_token_id": made.convert_tokens_to_ids(f"<|{n}|>") for k, n in zip(kinds, names, strict=True)}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    text = text_config("glm4v_text", made, rope_parameters=rope)
    vision = dict(depth=2, hidden_size=32, num_heads=2, intermediate_size=48, out_hidden_size=32, image_size=56)
    config = Glm4vConfig(vision_config=vision, text_config=text, **ids, tie_word_embeddings=False)
    sizes = dict(patch_size=14, merge_size=2, size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
    processor = Glm4vProcessor(
        Glm4vImageProcessor(**sizes), made, Glm4vVideoProcessor(**sizes), chat_template=made.chat_template
    )
    return Glm4vForConditionalGeneration(config), processor


def vipllava() -> tuple[Any, Any]:
    """ViP-LLaVA: features of several layers side by side."""
    from transformers import CLIPImageProcessor, LlavaProcessor, VipLlavaConfig, VipLlavaForConditionalGeneration

    made = words("<image>\n", "<image>")
    config = VipLlavaConfig(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14, "model_type": "clip_vision_model"},
        text_config=text_config("llama", made),
        image_token_index=made.convert_tokens_to_ids("<image>"),
        vision_feature_layers=[-1, -2],
        image_seq_length=16,
    )
    size = {"height": 56, "width": 56}
    images = CLIPImageProcessor(size=size, crop_size=size)
    processor = LlavaProcessor(
        images,
        made,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=made.chat_template,
    )
    return VipLlavaForConditionalGeneration(config), processor


def idefics2() -> tuple[Any, Any]:
    """Idefics2: a resampler."""
    from transformers import Idefics2Config, Idefics2ForConditionalGeneration, Idefics2ImageProcessor, Idefics2Processor

    made = words("<image>", "<fake_token_around_image>", "<image>", "<end_of_utterance>")
    config = Idefics2Config(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14},
        perceiver_config=dict(hidden_size=32, resampler_n_latents=4, resampler_depth=1, resampler_n_heads=4,
                              resampler_head_dim=8, num_key_value_heads=2),
        text_config=text_config("mistral", made, head_dim=8, sliding_window=None, bos_token_id=0),
        image_token_id=made.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    images = Idefics2ImageProcessor(size={"shortest_edge": 28, "longest_edge": 56}, do_image_splitting=False)
    processor = Idefics2Processor(images, made, image_seq_len=4, chat_template=made.chat_template)
    return Idefics2ForConditionalGeneration(config), processor


def blip2() -> tuple[Any, Any]:
    """BLIP-2 with OPT: a Q-Former, and a whole language model inside; no chat template."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor

    made = words("<image>", "<image>")
    made.chat_template = None
    text = dict(model_type="opt", vocab_size=len(made), hidden_size=32, ffn_dim=48, num_hidden_layers=2,
                num_attention_heads=4, word_embed_proj_dim=32, max_position_embeddings=512, bos_token_id=0,
                eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id)  # fmt: skip
    config = Blip2Config(
        vision_config=dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                           image_size=56, patch_size=14),
        qformer_config=dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                            encoder_hidden_size=24),
        text_config=text,
        num_query_tokens=4,
        image_token_index=made.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    images = BlipImageProcessor(size={"height": 56, "width": 56})
    return Blip2ForConditionalGeneration(config), Blip2Processor(images, made, num_query_tokens=4)
