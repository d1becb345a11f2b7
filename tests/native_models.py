"""Small random models of transformers' own image-text-to-text types, saved with their processors, and what transformers
alone answers with one.

Weights are drawn wide, so that an answer depends on the picture and on every position; with the usual small ones a
model that misplaces a picture answers the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests import native_types, native_types_more

from nunbit.messages import Message, assistant, question, user
from nunbit.models.processor_prompt import has_template

MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "LLaVA-NeXT": native_types.llava_next,
    "Idefics3": native_types.idefics3,
    "SmolVLM": native_types.smolvlm,
    "Qwen2-VL": lambda: native_types.qwen_vl("qwen2_vl"),
    "Qwen2.5-VL": lambda: native_types.qwen_vl("qwen2_5_vl"),
    "Qwen3-VL": lambda: native_types.qwen_vl("qwen3_vl"),
    "LLaVA-OneVision": native_types.llava_onevision,
    "InternVL": native_types.internvl,
    "Gemma 3": native_types.gemma3,
    "Pixtral": native_types.pixtral,
    "Mistral 3": native_types.mistral3,
    "PaliGemma": native_types.paligemma,
    "InstructBLIP": native_types.instructblip,
    "Idefics2": native_types_more.idefics2,
    "ViP-LLaVA": native_types_more.vipllava,
    "Aya Vision": native_types_more.aya_vision,
    "GLM-4.1V": native_types_more.glm4v,
    "BLIP-2": native_types_more.blip2,
    "Florence-2": native_types.florence2,
}
Turn = tuple[str, list[Any], str]
"""A question, its pictures, and the answer that was given to it (in turns before the last)."""
WITHOUT_TORCHVISION = (
    "LLaVA-NeXT",
    "Idefics2",
    "Idefics3",
    "Gemma 3",
    "PaliGemma",
    "ViP-LLaVA",
    "Aya Vision",
    "BLIP-2",
    "InstructBLIP",
    "Florence-2",
)
"""Types whose processors work without torchvision."""


def write(name: str, folder: Path) -> Path:
    """One of `MODELS` with wide random weights, saved with its processor."""
    torch.manual_seed(3)
    model, processor = MODELS[name]()
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                table = 0.05 if len(p) > 300 else 2 / p.shape[-1] ** 0.5
                p.copy_(torch.randn(p.shape) * (0.3 if p.ndim > 2 else table))
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def reference(model: Any, processor: Any, turns: list[Turn], count: int) -> tuple[list[int], list[float]]:
    """What transformers alone answers, with nothing of ours: ids, and the log probability of each."""
    pictures = [p for _, given, _ in turns for p in given]
    if processor.chat_template or processor.tokenizer.chat_template:
        said = []
        for question, given, answer in turns:
            parts = [{"type": "image", "image": p} for p in given] + [{"type": "text", "text": question}]
            said.append({"role": "user", "content": parts})
            said += [{"role": "assistant", "content": [{"type": "text", "text": answer}]}] if answer else []
        inputs = processor.apply_chat_template(
            said, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
    else:
        mark = processor.image_token if type(processor).__name__ == "PaliGemmaProcessor" else ""
        inputs = processor(text=[mark + turns[0][0]], images=pictures, return_tensors="pt")
    inputs.pop("labels", None)
    with torch.inference_mode():
        out = model.generate(
            **inputs, max_new_tokens=count, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
    ids = out.sequences[0, -len(out.logits) :].tolist()
    return ids, [float(z[0].float().log_softmax(-1)[i]) for z, i in zip(out.logits, ids, strict=True)]


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """Noise of a height and width."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


def conversations(processor: Any) -> list[list[Turn]]:
    """Pictures of three shapes; for a model with a chat template also two pictures, a second turn, and no picture."""
    square, wide, tall = picture(1, (60, 60)), picture(2, (40, 150)), picture(3, (150, 40))
    one = [[("What is it?", [square], "")], [("How many dogs are there?", [wide], "")], [("What is it?", [tall], "")]]
    more = [
        [("Which one is red?", [square, wide], "")],
        [("What is it?", [wide], "a dog"), ("What color is it?", [], "")],
        [("Say something.", [], "")],
    ]
    return [*one, *more] if has_template(processor) else one


def messages(turns: list[Turn]) -> list[Message]:
    """The conversation as messages."""
    out: list[Message] = []
    for words, pictures, answer in turns:
        out += question(words, pictures) if pictures else [user(words)]
        out += [assistant(answer)] if answer else []
    return out
