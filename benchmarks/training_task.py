"""The model and the samples that the training benchmarks share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    import numpy as np
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from nunbit.data.conversations import encode, read_conversations
    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import PromptBuilder
    from nunbit.recipes.debug_set import to_image
    from nunbit.recipes.tiny.tokenizer import build_tokenizer
    from nunbit.world.samples import sample

    torch.manual_seed(0)
    words = build_tokenizer(["What", "is", "in", "the", "picture", "there", "a", "How", "many"])
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=6,
            max_position_embeddings=2048,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    ).save_pretrained(folder / "llm")
    words.save_pretrained(folder / "llm")
    CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=112,
            patch_size=14,
        )
    ).save_pretrained(folder / "vision")
    records, found = [], []
    for i in range(count):
        many = int(np.clip(round(np.exp(np.random.default_rng(i).normal(0.7, 0.9))), 1, 16))
        drawn = sample(i, seed=5, questions=many, korean=0.3)
        if not drawn.questions:
            continue
        to_image(drawn.picture.pixels).save(folder / f"{i}.png")
        question, answer = (" ".join(getattr(q, part) for q in drawn.questions) for part in ("question", "answer"))
        found.append(
            {
                "id": str(i),
                "image": f"{i}.png",
                "conversations": [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}],
            }
        )
        records.append({"image": str(folder / f"{i}.png"), "question": question, "answer": answer})
    (folder / "talk.json").write_text(json.dumps(found), encoding="utf-8")
    model, processor = build_model(folder / "vision", folder / "llm")
    save(model, processor, folder / "model")
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(folder / "talk.json"), builder, max_tokens=2048)
    return Setting(folder, samples, records, processor)
