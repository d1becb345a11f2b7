"""A vision encoder's folder and a language model's folder -> one native LLaVA (or LLaVA-NeXT) with its processor. No code for any pair.

What differs between encoders (class token or none, registers, patch size) is measured by running one blank picture; what differs between
language models (special tokens, template, tied embeddings) is read from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.models.prompt import Renderer, for_pictures
from nunbit.models.tiling import pinpoints
from nunbit.models.tokenizer import IMAGE

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def assemble(
    vision: str | Path, llm: str | Path, *, layer: int = -2, activation: str = "gelu", tiles: str = ""
) -> tuple[Any, Any]:
    """Model and processor, the connector fresh (a two-layer MLP), the rest as in the folders.

    Args:
        layer: which hidden state of the encoder is shown to the language model. Source: LLaVA-1.5, arXiv 2310.03744: the last but one.
        tiles: arrangements of an any-resolution model (`nunbit.models.tiling.NEXT`); none: one square, a LLaVA.
    """
    tokenizer, text = load_language(llm)
    eyes = load_vision(vision)
    extra, count = class_tokens(eyes, layer)
    if tiles and extra > 1:
        raise UserError(f"tiles with the encoder '{eyes.config.model_type}', which has {extra} tokens beside the patches",
                        allowed="at most one: a tile's tokens must be its patches", todo="name another encoder, or model.tiles=")  # fmt: skip
    config = llava_config(eyes.config, text.config, tokenizer, layer, activation, extra, count, tiles)
    model = join(eyes, text, config)
    processor = make_processor(tokenizer, eyes.config, extra, *normalisation(vision), tiles=tiles)
    set_ends(model.generation_config, tokenizer, processor.chat_template)
    return model.eval(), processor


def load_language(llm: str | Path) -> tuple[Any, Any]:
    """Tokenizer and language model, with a row for every token."""
    tokenizer, text = load_tokenizer(llm), _load("language model", llm)
    if text.get_input_embeddings().num_embeddings < len(tokenizer):
        text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return tokenizer, text


def set_ends(generation: Any, tokenizer: Any, template: str) -> None:
    """Generation stops where the template ends an answer."""
    ends = {tokenizer.eos_token_id, Renderer(tokenizer, template).end_id} - {None}
    generation.eos_token_id = sorted(ends)
    generation.bos_token_id, generation.pad_token_id = tokenizer.bos_token_id, tokenizer.pad_token_id


def join(eyes: Any, text: Any, config: Any) -> Any:
    """The two models themselves (not copies) in one native model of that config; only the connector is new."""
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    width, out = eyes.config.hidden_size, text.config.hidden_size
    model.model.vision_tower, model.model.language_model = eyes, getattr(text, text.base_model_prefix)
    model.lm_head = text.get_output_embeddings()
    projector = model.model.multi_modal_projector
    projector.linear_1, projector.linear_2 = torch.nn.Linear(width, out), torch.nn.Linear(out, out)
    if hasattr(model.model, "image_newline"):
        model.model.image_newline = torch.nn.Parameter(torch.randn(out) / out**0.5)
    assert not any(p.is_meta for p in model.parameters())
    return model


def llava_config(
    eyes: Any, text: Any, tokenizer: Any, layer: int, activation: str, extra: int, image_tokens: int, tiles: str = ""
) -> Any:
    """The native config: of a LLaVA, or with ``tiles`` of a LLaVA-NeXT."""
    from transformers import LlavaConfig, LlavaNextConfig

    values = dict(
        vision_config=eyes, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        projector_hidden_act=activation, vision_feature_layer=layer, image_seq_length=image_tokens,
        vision_feature_select_strategy="default" if extra else "full",
        tie_word_embeddings=bool(getattr(text, "tie_word_embeddings", False)),
    )  # fmt: skip
    if not tiles:
        return LlavaConfig(**values)
    return LlavaNextConfig(**values, image_grid_pinpoints=pinpoints(tiles, square(eyes)[0]))


def class_tokens(eyes: Any, layer: int) -> tuple[int, int]:
    """(tokens beside the patches, tokens that the language model sees), found by showing the encoder a blank square."""
    import torch

    side, patch = square(eyes.config)
    try:
        with torch.no_grad():
            hidden = eyes(
                torch.zeros(1, 3, side, side, dtype=eyes.dtype, device=eyes.device), output_hidden_states=True
            ).hidden_states
        seen = hidden[layer].shape[1]
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError) as e:
        raise UserError(
            f"the encoder '{eyes.config.model_type}' does not turn a square picture into hidden states ({str(e)[:100]})",
            allowed="encoders of fixed-size pictures with patches: CLIP, SigLIP, SigLIP 2 (fixed resolution), DINOv2, ViT ...",
            todo="name another encoder or layer",
        ) from None
    extra = seen - (side // patch) ** 2
    if extra < 0:
        raise UserError(f"the encoder '{eyes.config.model_type}' gives {seen} tokens for {(side // patch) ** 2} patches",
                        allowed="encoders that keep one token a patch", todo="name another encoder")  # fmt: skip
    return extra, seen - min(extra, 1)


def square(config: Any) -> tuple[int, int]:
    """Side of the picture and of a patch, in pixels."""
    side, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    side, patch = (v[0] if isinstance(v, (list, tuple)) else v for v in (side, patch))
    if not isinstance(side, int) or not isinstance(patch, int):
        raise UserError(f"the encoder '{config.model_type}' has no fixed picture and patch size", allowed="encoders with both",
                        todo="name a fixed-resolution checkpoint")  # fmt: skip
    return side, patch


def make_processor(
    tokenizer: Any, vision_config: Any, extra: int, mean: Any = CLIP_MEAN, std: Any = CLIP_STD, *, tiles: str = ""
) -> Any:
    """Pictures are padded to a square in the mean colour, or with ``tiles`` cut as LLaVA-NeXT does.

    Source: LLaVA-1.5, arXiv 2310.03744, ``image_aspect_ratio pad``; LLaVA-NeXT, ``image_aspect_ratio anyres``.
    """
    from transformers import LlavaNextProcessor, LlavaProcessor

    side, patch = square(vision_config)
    images = tile_images(side, mean, std, tiles) if tiles else square_images(side, mean, std)
    return (LlavaNextProcessor if tiles else LlavaProcessor)(
        image_processor=images, tokenizer=tokenizer, patch_size=patch, num_additional_image_tokens=extra, image_token=IMAGE,
        vision_feature_select_strategy="default" if extra else "full", chat_template=for_pictures(tokenizer.chat_template),
    )  # fmt: skip


def square_images(side: int, mean: Any, std: Any) -> Any:
    from transformers import LlavaImageProcessor

    return LlavaImageProcessor(
        do_pad=True, do_resize=True, size={"height": side, "width": side}, do_center_crop=False,
        crop_size={"height": side, "width": side}, image_mean=list(mean), image_std=list(std),
    )  # fmt: skip


def tile_images(side: int, mean: Any, std: Any, tiles: str) -> Any:
    from transformers import LlavaNextImageProcessor

    return LlavaNextImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=pinpoints(tiles, side),
        image_mean=list(mean), image_std=list(std),
    )  # fmt: skip


def load_tokenizer(llm: str | Path) -> Any:
    """The language model's tokenizer, with ``<image>`` and a padding token that it may have lacked."""
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    tokenizer = _opened("tokenizer", llm, lambda: AutoTokenizer.from_pretrained(llm))
    if IMAGE not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.padding_side = "left"  # for generation; training pads on the right itself
    return tokenizer


def load_vision(folder: str | Path) -> Any:
    """The picture side of whatever the folder holds."""
    from transformers import AutoConfig, AutoModel

    config = _opened("vision encoder", folder, lambda: AutoConfig.from_pretrained(folder))
    config = getattr(config, "vision_config", config)
    square(config)
    return _opened("vision encoder", folder, lambda: AutoModel.from_pretrained(folder, config=config, dtype="float32"))


def _load(kind: str, folder: str | Path) -> Any:
    from transformers import AutoModelForCausalLM

    return _opened(kind, folder, lambda: AutoModelForCausalLM.from_pretrained(folder, dtype="float32"))


def normalisation(vision: str | Path) -> tuple[Any, Any]:
    """The mean and deviation that the encoder was trained with, CLIP's if it does not say."""
    from transformers import AutoImageProcessor

    try:
        found = AutoImageProcessor.from_pretrained(vision)
    except (OSError, ValueError, ImportError, KeyError, AttributeError):
        return CLIP_MEAN, CLIP_STD
    return getattr(found, "image_mean", None) or CLIP_MEAN, getattr(found, "image_std", None) or CLIP_STD


def _opened(kind: str, folder: str | Path, load: Any) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError) as e:
        raise UserError(
            f"the {kind} '{folder}' cannot be opened ({str(e).splitlines()[0][:160]})",
            allowed=f"a folder or hub id of a {kind} of transformers",
            todo="check the path; without a network only local folders can be opened",
        ) from None
