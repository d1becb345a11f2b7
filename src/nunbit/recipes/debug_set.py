"""Data and models of a recipe's ``debug=true``: pictures of the procedural world with their questions, and small random
models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nunbit.world.base import QA

if TYPE_CHECKING:
    from nunbit.recipes.base import BaseRecipe

R = TypeVar("R", bound="BaseRecipe")


def fill_in(recipe: R, folder: Path) -> R:
    """The recipe with generated data and models in every place that was left empty."""
    if not all(phase.data for phase in recipe.phases().values()):
        recipe = replace(recipe, data=str(write_conversations(folder, pictures=recipe.pictures)), images=str(folder))
    model = recipe.model
    if not model.base and not model.llm:
        model = replace(model, llm=str(write_language(folder / "llm")))
    if not model.base and not model.vision:
        model = replace(model, vision=str(write_vision(folder / "vision")))
    return replace(recipe, model=model)


def write_conversations(folder: Path, samples: int = 16, seed: int = 0, pictures: int = 1) -> Path:
    """Write world pictures and a file in LLaVA's layout, and return the file.

    Args:
        samples: conversations; every fourth has no picture.
        seed: of the pictures.
        pictures: in each other conversation, one after another.
    """
    from nunbit.world.samples import sample

    folder.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    for i in range(samples):
        shown, names = i % 4 != 3, [f"world-{i + k * samples}.png" for k in range(pictures)]
        record: dict[str, Any] = {"id": f"world-{i}", "conversations": []}
        for k, name in enumerate(names):
            drawn = sample(i + k * samples, seed=seed, questions=2)
            record["conversations"] += _turns(drawn.questions, shown)
            if shown:
                to_image(drawn.picture.pixels).save(folder / name)
        if shown:
            record["image"] = names if pictures > 1 else names[0]
        records.append(record)
    path = folder / "conversations.json"
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return path


def _turns(questions: Sequence[QA], shown: bool) -> list[dict[str, str]]:
    turns = []
    for k, qa in enumerate(questions):
        turns.append({"from": "human", "value": ("<image>\n" if shown and k == 0 else "") + qa.question})
        turns.append({"from": "gpt", "value": qa.answer})
    return turns


def to_image(pixels: Any) -> Any:
    """A picture ``(H, W, 3)`` of uint8, or a PIL picture, as a PIL picture."""
    from PIL import Image

    return pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)


def write_language(folder: Path, dtype: str = "float32", **sizes: int) -> Path:
    """A random Llama of two layers with the tokenizer of the recipe ``tiny``.

    Args:
        dtype: of its weights.
        sizes: fields of its config in place of the small ones.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from nunbit.recipes.tiny.tokenizer import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer(["What", "is", "in", "the", "picture"])
    small: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = LlamaConfig(
        **(small | sizes),
        vocab_size=len(tokenizer),
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    _save(LlamaForCausalLM(config).to(getattr(torch, dtype)), folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_vision(folder: Path) -> Path:
    """A random CLIP encoder of 56 x 56 px pictures."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14
    )
    _save(CLIPVisionModel(config), folder)
    return folder


def _save(model: Any, folder: Path) -> None:
    """Not ``save_pretrained``: where processes have met already, as on Ray, only the first one's writes, and each has a
    set of its own."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
