"""The model and the samples that the training benchmarks share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = ("What", "is", "in", "the", "picture", "there", "a", "How", "many")
DECODER = dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=6)
ENCODER = dict(hidden_size=256, intermediate_size=1024, num_attention_heads=4)


@dataclass
class Setting:
    """What all sides share; a model is made anew for each run from the same weights."""

    folder: Path
    samples: list[Any]
    records: list[dict[str, Any]]
    processor: Any

    def model(self) -> Any:
        from nunbit.models.checkpoint import open_model
        from nunbit.training.multimodal import freeze

        model = open_model(self.folder / "model")[0].float()
        freeze(model, {"connector": 1.0, "language": 1.0})
        return model.train()


def make(folder: Path, vocabulary: int, count: int) -> Setting:
    """A random LLaVA and world pictures with one to sixteen questions in one turn, in lognormal lengths.

    The encoder has 3 M parameters, the decoder 11 M and those of the vocabulary.
    """
    from nunbit.data.conversations import encode, read_conversations
    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import PromptBuilder

    save_parts(folder, vocabulary, WORDS)
    records = write_conversations(folder, count)
    model, processor = build_model(folder / "vision", folder / "llm")
    save(model, processor, folder / "model")
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(folder / "talk.json"), builder, max_tokens=2048)
    return Setting(folder, samples, records, processor)


def save_parts(
    folder: Path, vocabulary: int = 0, words: Sequence[str] = (), vision: Mapping[str, int] = ENCODER
) -> None:
    """Write a random Llama to ``llm`` and a random CLIP encoder to ``vision``; 0: the tokenizer's vocabulary."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from nunbit.recipes.tiny.tokenizer import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer(words)
    marks = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    size = dict(vocab_size=vocabulary or len(tokenizer), max_position_embeddings=2048)
    LlamaForCausalLM(LlamaConfig(**size, **DECODER, **marks)).save_pretrained(folder / "llm")
    tokenizer.save_pretrained(folder / "llm")
    encoder = CLIPVisionConfig(num_hidden_layers=4, image_size=112, patch_size=14, **vision)
    CLIPVisionModel(encoder).save_pretrained(folder / "vision")


def write_conversations(folder: Path, count: int) -> list[dict[str, Any]]:
    """Write pictures and ``talk.json``; return image, question and answer of each conversation."""
    import numpy as np

    from nunbit.recipes.debug_set import to_image
    from nunbit.world.samples import sample

    records, conversations = [], []
    for i in range(count):
        many = int(np.clip(round(np.exp(np.random.default_rng(i).normal(0.7, 0.9))), 1, 16))
        drawn = sample(i, seed=5, questions=many, korean=0.3)
        if not drawn.questions:
            continue
        to_image(drawn.picture.pixels).save(folder / f"{i}.png")
        question, answer = (" ".join(getattr(q, part) for q in drawn.questions) for part in ("question", "answer"))
        turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
        conversations.append({"id": str(i), "image": f"{i}.png", "conversations": turns})
        records.append({"image": str(folder / f"{i}.png"), "question": question, "answer": answer})
    (folder / "talk.json").write_text(json.dumps(conversations), encoding="utf-8")
    return records
