"""One builder a type of transformers' image-text-to-text models: a small random model and the processor that belongs to
it (`tests.native_models` draws the weights and saves both)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.families import tokenizer

IMAGE_PARTS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for p in m['content'] %}{% if p['type'] == 'image' %}{{ 'IMAGE' }}"
    "{% elif p['type'] == 'text' %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = dict(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=1024,
)
SIGLIP = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)


def words(image: str, *controls: str, **named: str) -> Any:
    """A tokenizer with these control tokens and a template that writes ``image`` for a picture.

    Args:
        named: attributes of the tokenizer that hold one of the tokens (``image_token`` ...).
    """
    from transformers import AddedToken, PreTrainedTokenizerFast

    held = tokenizer("smollm")
    held.add_tokens([AddedToken(t, special=True, normalized=False) for t in controls])
    made = PreTrainedTokenizerFast(
        tokenizer_object=held.backend_tokenizer,
        eos_token=held.eos_token,
        pad_token=held.pad_token,
        extra_special_tokens=named,
    )
    made.chat_template = IMAGE_PARTS.replace("IMAGE", image)
    return made


def text_config(kind: str, made: Any, **more: Any) -> dict[str, Any]:
    """Fields of a small language model over that tokenizer."""
    ids = dict(bos_token_id=None, eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id)
    return TEXT | ids | {"model_type": kind, "vocab_size": len(made)} | more


def idefics3(video: bool = False) -> tuple[Any, Any]:
    """Idefics3, or SmolVLM, which has a processor of videos too."""
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
    )

    rows = [f"<row_{i + 1}_col_{j + 1}>" for i in range(6) for j in range(6)]
    made = words("<image>", "<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *rows)
    values = dict(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14, "model_type": "idefics3_vision"},
        text_config=text_config("llama", made, bos_token_id=0),
        image_token_id=made.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=made.pad_token_id,
        tie_word_embeddings=False,
    )
    sizes = dict(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    if not video:
        images = Idefics3ImageProcessor(**sizes)
        processor = Idefics3Processor(images, made, image_seq_len=4, chat_template=made.chat_template)
        return Idefics3ForConditionalGeneration(Idefics3Config(**values)), processor
    from transformers import SmolVLMVideoProcessor

    values["vision_config"]["model_type"] = "smolvlm_vision"
    videos = SmolVLMVideoProcessor(**sizes, video_sampling={"fps": 1, "max_frames": 4})
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**sizes), made, videos, image_seq_len=4, chat_template=made.chat_template
    )
    return SmolVLMForConditionalGeneration(SmolVLMConfig(**values)), processor


def smolvlm() -> tuple[Any, Any]:
    """SmolVLM."""
    return idefics3(video=True)


def qwen_vl(kind: str) -> tuple[Any, Any]:
    """Qwen2-VL, Qwen2.5-VL or Qwen3-VL: positions in three dimensions, as many tokens as the picture is large."""
    import transformers as t

    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[kind]
    patch = 16 if kind == "qwen3_vl" else 14
    pad = "<|vision_start|><|image_pad|><|vision_end|>"
    made = words(pad, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    vision = {
        "qwen2_vl": dict(depth=2, embed_dim=32, hidden_size=32, num_heads=2, mlp_ratio=2),
        "qwen2_5_vl": dict(depth=2, hidden_size=32, num_heads=2, intermediate_size=48, out_hidden_size=32,
                           fullatt_block_indexes=[1], window_size=56),
        "qwen3_vl": dict(depth=3, hidden_size=32, num_heads=2, intermediate_size=48, out_hidden_size=32,
                         deepstack_visual_indexes=[0, 1], num_position_embeddings=64),
    }[kind]  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    text = text_config("", made, rope_parameters=rope | ({"mrope_interleaved": True} if kind == "qwen3_vl" else {}))
    text = {k: v for k, v in text.items() if k != "model_type"} | ({"head_dim": 8} if kind == "qwen3_vl" else {})
    config = getattr(t, f"{name}Config")(
        vision_config=vision | {"patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2},
        text_config=text,
        **{
            f"{n}_token_id": made.convert_tokens_to_ids(f"<|{w}|>")
            for n, w in (
                ("image", "image_pad"),
                ("video", "video_pad"),
                ("vision_start", "vision_start"),
                ("vision_end", "vision_end"),
            )
        },
        tie_word_embeddings=False,
    )
    sizes = dict(patch_size=patch, merge_size=2, size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
    images = t.Qwen2VLImageProcessor(**sizes)
    videos = (t.Qwen3VLVideoProcessor if kind == "qwen3_vl" else t.Qwen2VLVideoProcessor)(patch_size=patch)
    processor = getattr(t, f"{name}Processor")(images, made, videos, chat_template=made.chat_template)
    return getattr(t, f"{name}ForConditionalGeneration")(config), processor


def llava_onevision() -> tuple[Any, Any]:
    """LLaVA-OneVision: tiles, and a processor of videos."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    made = words("<image>\n", "<image>", "<video>")
    grid = [[56, 112], [112, 56], [112, 112]]
    config = LlavaOnevisionConfig(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14, "model_type": "siglip_vision_model"},
        text_config=text_config("qwen2", made),
        image_token_index=made.convert_tokens_to_ids("<image>"),
        video_token_index=made.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid,
        vision_aspect_ratio="anyres_max_9",
        tie_word_embeddings=False,
    )
    size = {"height": 56, "width": 56}
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=grid),
        made,
        LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=made.chat_template,
    )
    return LlavaOnevisionForConditionalGeneration(config), processor


def internvl() -> tuple[Any, Any]:
    """InternVL: tiles of one size, pixel shuffle."""
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    named = dict(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    made = words("<IMG_CONTEXT>\n", *named.values(), **named)
    config = InternVLConfig(
        vision_config=SIGLIP | {"image_size": [56, 56], "patch_size": [14, 14]},
        text_config=text_config("qwen2", made),
        image_token_id=made.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    images = GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=4)
    videos = InternVLVideoProcessor(size={"height": 56, "width": 56})
    processor = InternVLProcessor(images, made, videos, image_seq_length=4, chat_template=made.chat_template)
    return InternVLForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    """Gemma 3: tokens of a picture read each other in both directions; layers with a window."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    named = dict(boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>")
    made = words("<start_of_image>", *named.values(), **named)
    vision = SIGLIP | {
        "image_size": 56,
        "patch_size": 14,
        "model_type": "siglip_vision_model",
        "vision_use_head": False,
    }
    text = text_config(
        "gemma3_text", made, head_dim=8, query_pre_attn_scalar=8, sliding_window=1024, num_hidden_layers=2
    )
    config = Gemma3Config(
        vision_config=vision,
        text_config=text | {"layer_types": ["sliding_attention", "full_attention"]},
        mm_tokens_per_image=4,
        **{f"{n}_index": made.convert_tokens_to_ids(w) for n, w in named.items()},
    )
    images = Gemma3ImageProcessor(size={"height": 56, "width": 56})
    processor = Gemma3Processor(images, made, chat_template=made.chat_template, image_seq_length=4)
    return Gemma3ForConditionalGeneration(config), processor


def pixtral(kind: str = "llava") -> tuple[Any, Any]:
    """Pixtral, which is a `llava`, or Mistral 3: as many tokens as the picture is large, a mark after each row."""
    import transformers as t

    made = words("[IMG]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    vision = SIGLIP | {"image_size": 112, "patch_size": 14, "model_type": "pixtral", "head_dim": 12}
    values = dict(
        vision_config=vision,
        text_config=text_config("mistral", made, head_dim=8, sliding_window=None),
        image_token_index=made.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    merge = 1 if kind == "llava" else 2
    images = t.PixtralImageProcessor(size={"longest_edge": 112}, patch_size={"height": 14 * merge, "width": 14 * merge})
    processor = t.PixtralProcessor(
        images, made, patch_size=14, spatial_merge_size=merge, chat_template=made.chat_template
    )
    if kind == "llava":
        config = t.LlavaConfig(**values, vision_feature_select_strategy="full")
        return t.LlavaForConditionalGeneration(config), processor
    return t.Mistral3ForConditionalGeneration(t.Mistral3Config(**values, spatial_merge_size=2)), processor


def mistral3() -> tuple[Any, Any]:
    """Mistral 3."""
    return pixtral("mistral3")


def paligemma() -> tuple[Any, Any]:
    """PaliGemma: no chat template; tokens of the prompt read each other in both directions."""
    from transformers import (
        PaliGemmaConfig,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessor,
    )

    made = words("<image>", "<image>")
    made.bos_token, made.chat_template = "<|im_start|>", None
    images = SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(images, made)
    config = PaliGemmaConfig(
        vision_config=SIGLIP | {"image_size": 56, "patch_size": 14, "projection_dim": 32, "vision_use_head": False,
                                "model_type": "siglip_vision_model", "num_image_tokens": 16},
        text_config=text_config("gemma", made, head_dim=8),
        image_token_index=made.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )  # fmt: skip
    return PaliGemmaForConditionalGeneration(config), processor


def instructblip() -> tuple[Any, Any]:
    """InstructBLIP: a Q-Former that reads the question, and a whole language model inside; no chat template."""
    from transformers import (
        BlipImageProcessor,
        InstructBlipConfig,
        InstructBlipForConditionalGeneration,
        InstructBlipProcessor,
    )

    made, reader = words("<image>", "<image>"), tokenizer("smollm")
    made.chat_template = reader.chat_template = None
    config = InstructBlipConfig(
        vision_config=dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                           image_size=56, patch_size=14),
        qformer_config=dict(vocab_size=len(reader), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
                            intermediate_size=32, encoder_hidden_size=24),
        text_config=text_config("llama", made),
        num_query_tokens=4,
        image_token_index=made.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    images = BlipImageProcessor(size={"height": 56, "width": 56})
    return InstructBlipForConditionalGeneration(config), InstructBlipProcessor(images, made, reader, num_query_tokens=4)


def florence2() -> tuple[Any, Any]:
    """Florence-2: an encoder-decoder, which the engine does not hold."""
    from transformers import (
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    made = words("<image>", "<image>", image_token="<image>")
    made.chat_template, made.bos_token = None, "<|im_start|>"
    text = dict(model_type="bart", vocab_size=len(made), d_model=32, encoder_layers=2, decoder_layers=2,
                encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48,
                max_position_embeddings=256, bos_token_id=made.bos_token_id, eos_token_id=made.eos_token_id,
                pad_token_id=made.pad_token_id, decoder_start_token_id=made.eos_token_id,
                forced_eos_token_id=None)  # fmt: skip
    vision = dict(depths=[1, 1], patch_size=[7, 3], patch_stride=[4, 2], patch_padding=[3, 1],
                  patch_prenorm=[False, True], embed_dim=[8, 16], num_heads=[2, 2], num_groups=[2, 2],
                  window_size=4, projection_dim=32, max_position_embeddings=16)  # fmt: skip
    config = Florence2Config(
        text_config=text, vision_config=vision, image_token_id=made.convert_tokens_to_ids("<image>")
    )
    images = CLIPImageProcessor(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False
    )
    images.image_seq_length = 65
    processor = Florence2Processor(images, made, num_additional_image_tokens=1)
    return Florence2ForConditionalGeneration(config), processor


def llava_next() -> tuple[Any, Any]:
    """LLaVA-NeXT as its recipe builds it: tiles, rows of padding taken out."""
    import tempfile

    from tests.families import language, vision

    from nunbit.models.build import build_model
    from nunbit.models.tiling import NEXT

    with tempfile.TemporaryDirectory() as parts:
        return build_model(vision("siglip", Path(parts) / "v"), language("qwen3", Path(parts) / "l"), tiles=NEXT)
