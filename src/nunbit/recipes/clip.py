"""The recipe of the embedded contrastive pair `nunbit-clip`: a small CLIP, from nothing, on portraits of the procedural world.

Source: CLIP, arXiv 2103.00020, sec. 2.3 (symmetric cross entropy over a batch, learned temperature). A batch holds every name at most once, so
that no pair is a false negative; captions are in English or Korean, each a coin. It knows the things of the world and nothing of photographs;
the artwork style that is kept out of training everywhere is kept out here.

    nunbit train clip -o runs/clip          # 1,500 steps; the model is in runs/clip/model, in the form of transformers
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nunbit.encoders.zero_shot import TEMPLATES, fill_template
from nunbit.errors import check_names
from nunbit.models.compose import save_new
from nunbit.models.tokenizer import build_tokenizer, words_of
from nunbit.recipes.tiny.encoder import to_pixels
from nunbit.training.loop import Batch, Stage, train
from nunbit.world import portraits, things
from nunbit.world.base import COLOURS, Language, generator, pick

STAGES = {"clip": Stage(name="clip", steps=1500, batch=128, lr=1.5e-3, muon_lr=4e-3, warmup=50, decay=0.5, seed=4, save_every=50)}
CAPTIONS: dict[Language, tuple[str, ...]] = {"en": ("{}", *TEMPLATES["en"][::2]), "ko": ("{}", *TEMPLATES["ko"][::2])}
"""Half of the ensemble is never trained on, so that `nunbit eval classify` can tell known wordings from new ones."""
PATCH_PX, MOST_TOKENS, HOTTEST = 8, 32, 4.6
END = "<end>"
LANGUAGES: tuple[Language, Language] = ("en", "ko")


def make_tokenizer() -> Any:
    """Whole words for names, colours and templates; everything else is spelled. A text ends in a mark, whose row is the text's vector."""
    from tokenizers import processors

    named = [text for english, (_, korean) in things.names().items() for text in (english, korean)]
    coloured = [text for english, (korean, _) in COLOURS.items() for text in (english, korean)]
    framed = [t.replace("{", " ").replace("}", " ") for templates in TEMPLATES.values() for t in templates]
    words = dict.fromkeys(w for text in (*named, *coloured, *framed) for w in words_of(text))
    tokenizer = build_tokenizer(words, named)
    # Not the tokenizer's own end mark: its id is 2, which CLIP in transformers takes for "the largest id of the text".
    tokenizer.add_special_tokens({"eos_token": END})
    end = tokenizer.convert_tokens_to_ids(END)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    tokenizer.padding_side, tokenizer.model_max_length, tokenizer.chat_template = "right", MOST_TOKENS, None
    return tokenizer


def build(tokenizer: Any) -> Any:
    """The untrained pair."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    text = dict(vocab_size=len(tokenizer), hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4,
                max_position_embeddings=MOST_TOKENS, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    vision = dict(hidden_size=192, intermediate_size=768, num_hidden_layers=4, num_attention_heads=6, image_size=portraits.SIDE_PX,
                  patch_size=PATCH_PX)  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def make_processor(tokenizer: Any) -> Any:
    from transformers import CLIPImageProcessor, CLIPProcessor

    side = {"height": portraits.SIDE_PX, "width": portraits.SIDE_PX}
    images = CLIPImageProcessor(do_resize=True, size=side, do_center_crop=False, resample=3, image_mean=[0.5] * 3, image_std=[0.5] * 3,
                                do_convert_rgb=True)  # fmt: skip
    return CLIPProcessor(image_processor=images, tokenizer=tokenizer)


class PairTask:
    """Portraits and captions; each picture's own caption among all of the batch's, and each caption's own picture."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer, self.names = model, tokenizer, list(things.names())

    def modules(self) -> dict[str, nn.Module]:
        return {"pair": self.model}

    def batch(self, step: int, stage: Stage) -> Batch:
        rng = generator(stage.seed, step, "train")
        names = [self.names[int(i)] for i in rng.permutation(len(self.names))[: stage.batch]]
        drawn = [portraits.draw(rng, "train", n) for n in names]
        words = self.tokenizer([caption(p, rng) for p in drawn], padding=True, truncation=True, return_tensors="pt")
        return {"ids": words["input_ids"], "mask": words["attention_mask"], "pixels": to_pixels([tinted(p.pixels, rng) for p in drawn])}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        logits = self.model(input_ids=batch["ids"], attention_mask=batch["mask"], pixel_values=batch["pixels"]).logits_per_image
        own = torch.arange(len(logits), device=logits.device)
        loss = (F.cross_entropy(logits.float(), own) + F.cross_entropy(logits.float().T, own)) / 2
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=HOTTEST)  # not above 100, as in the paper
        right = (logits.argmax(1) == own).float().mean()
        return loss, {"right": right.item(), "scale": self.model.logit_scale.exp().item()}


def caption(portrait: portraits.Portrait, rng: np.random.Generator) -> str:
    """A template of either language with the thing's name, half of the time with its colour where that is known."""
    language = pick(rng, LANGUAGES)
    return fill_template(pick(rng, CAPTIONS[language]), portrait.called(language, bool(rng.random() < 0.5)))


def tinted(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brighter or darker, more or less coloured: a new style draws the same thing in other tones."""
    grey = pixels.mean(-1, keepdims=True)
    colourful, bright = rng.uniform(0.4, 1.3), rng.uniform(0.7, 1.25)
    return np.clip((grey + (pixels - grey) * colourful) * bright, 0, 255).astype(np.uint8)


def run(folder: str | Path, stages: Sequence[str] = tuple(STAGES), *, minutes: float = float("inf"), debug: bool = False, device: str = "cpu",
        workers: int = 0, say: Callable[[str], None] = print, track: Sequence[str] = (), **changes: Any) -> Path:  # fmt: skip
    """Train in the folder, from its last checkpoint; the model is saved in 16 bits, which ``AutoModel`` opens.

    Args:
        minutes, device, workers, track: see `nunbit.training.loop.train`.
        debug: two tiny steps: shows that everything runs.
        changes: fields of `Stage` to override.
    """
    import shutil

    folder = Path(folder)
    check_names("stage", stages, STAGES)
    small: dict[str, Any] = {"steps": 2, "batch": 4} if debug else {}
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    train(PairTask(model, tokenizer), replace(STAGES["clip"], **(small | changes)), folder / "clip", say=say, minutes=minutes, device=device,
          workers=workers, track=track)  # fmt: skip
    shutil.rmtree(folder / "model", ignore_errors=True)
    save_new(model.cpu().half(), make_processor(tokenizer), folder / "model")
    return folder
