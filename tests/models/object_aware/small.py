"""A small LLaVA with both layer connectors, and what its logits are under Scenes."""

from pathlib import Path

import numpy as np
import torch

from nunbit.models.build import build_model
from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule
from nunbit.recipes.debug_set import write_language, write_vision
from nunbit.scene import Scene, Segment

BOTH = {
    "crayon": {"classes": 133, "rank": 8},
    "moai": {"latents": 4, "depth": 1, "heads": 2, "head_dim": 8, "rank": 4, "every": 1},
}


def scene(number: int) -> Scene:
    """Two segments, the picture's halves; the second one's number differs."""
    cells = np.zeros((56, 56), np.int64)
    cells[:, :28], cells[:, 28:] = 1, 2
    return Scene(56, 56, segments=[Segment(1, "person", 1), Segment(2, "dog", 1 + number)], segment_map=cells)


def write_base(folder: Path) -> Path:
    """A small native LLaVA on disk."""
    torch.manual_seed(1)
    save(*build_model(write_vision(folder / "vision"), write_language(folder / "llm")), folder / "model")
    return folder / "model"


def aware(base: Path, *, loud: bool = True, connectors=None, **options) -> ObjectAwareModule:
    """The base with connectors; ``loud`` ones have large random weights."""
    model, processor = open_model(base)
    config = ObjectAwareConfig(connectors=BOTH if connectors is None else connectors, **options)
    made = ObjectAwareModule(model.float(), processor, config)
    if loud:
        torch.manual_seed(3)
        for m in made.modules().values():
            for p in m.parameters():
                torch.nn.init.normal_(p, std=0.3)
    for m in made.modules().values():
        m.eval()
    return made


def prompts(made: ObjectAwareModule, count: int):
    """Processor's inputs of ``count`` questions of different lengths, left-padded."""
    questions = ["what is this", "what is in the picture, and where does it stand", "is"][:count]
    words = [
        made.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": q}]}], add_generation_prompt=True
        )
        for q in questions
    ]
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (56, 56, 3), dtype=np.uint8) for _ in questions]
    return made.processor(text=words, images=pictures, return_tensors="pt", padding=True, add_special_tokens=False)


@torch.no_grad()
def logits(made: ObjectAwareModule, inputs, scenes) -> torch.Tensor:
    """Logits of questions about one picture each, conditioned on its Scene; without Scenes on nothing."""
    if scenes:
        image = inputs["input_ids"] == made.model.config.image_token_id
        words = inputs["attention_mask"].bool() & ~image
        made.set_context(made.scene_features(scenes), image, words, torch.arange(len(scenes)))
    else:
        made.clear_context()
    return made.model(**inputs).logits
