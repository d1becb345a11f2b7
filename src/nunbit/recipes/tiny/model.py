"""The embedded model: its tokenizer, its untrained weights, and how it is saved."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from nunbit.models.build import build_llava
from nunbit.models.checkpoint import save
from nunbit.models.processors import scaled_processor
from nunbit.perception.cells import save_heads
from nunbit.recipes.tiny.names import class_names
from nunbit.recipes.tiny.sizes import PATCH_PX, init_language, match_by_likeness, text_config, vision_config
from nunbit.recipes.tiny.tokenizer import build_tokenizer, words_of
from nunbit.world import things
from nunbit.world.base import SIZE_PX
from nunbit.world.samples import sample

RARE = 25
"""Words that are used less often in the drawn questions have no token of their own."""


def make_tokenizer(pictures: int = 3000, most: int = 1500) -> Any:
    """A tokenizer with whole-word tokens for the words of the question makers, without those that are merely copied off
    the picture.

    Args:
        pictures: whose questions are counted.
        most: words that get a token, at most, beside the names of things.
    """
    counts: Counter[str] = Counter()
    for i in range(pictures):
        drawn = sample(i, seed=0, questions=99)
        copied = {w for t in drawn.picture.scene.text_lines for w in words_of(t.text)}
        for qa in drawn.questions:
            if drawn.picture.domain == "writing" and qa.kind in ("read", "exists"):
                continue  # these quote strings at random
            counts.update(w for w in words_of(f"{qa.question} {qa.answer}") if w not in copied)
    named = [w for pair in things.names().values() for text in pair for w in words_of(text)]
    named += [w for n in things.names() for w in words_of(n)]
    common = [w for w, n in counts.most_common(most) if n >= RARE and (len(w) > 1 or "가" <= w <= "힣" or w == "a")]
    korean = [v[1] for v in things.names().values()]
    return build_tokenizer(dict.fromkeys([*named, *common]), korean)


def load_or_make_tokenizer(folder: Path) -> Any:
    """The tokenizer of a run's folder, made once."""
    from transformers import AutoTokenizer

    path = folder / "tokenizer"
    if not (path / "tokenizer.json").exists():
        make_tokenizer().save_pretrained(path)
    return AutoTokenizer.from_pretrained(path)


def build(tokenizer: Any) -> Any:
    """The untrained model."""
    torch.manual_seed(0)
    model = build_llava(vision_config(), text_config(tokenizer), tokenizer, image_size_px=SIZE_PX, patch_px=PATCH_PX)
    init_language(model.model.language_model)
    match_by_likeness(model.model.language_model)
    return model


def export(model: Any, tokenizer: Any, folder: Path, heads: Any = None) -> None:
    """Write the model in its native form, and beside it the encoder's read-outs, if given."""
    model.requires_grad_(True)
    save(model.eval(), scaled_processor(tokenizer, image_size_px=SIZE_PX, patch_px=PATCH_PX), folder)
    if heads is not None:
        save_heads(heads, class_names(), folder)
