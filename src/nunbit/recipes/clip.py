"""The embedded contrastive pair `nunbit-clip`: a small CLIP, from nothing, on portraits of the procedural world.

  clip   picture and text encoder learn to tell each picture's caption from the other captions of the batch

Source: CLIP, arXiv 2103.00020, sec. 2.3 (symmetric cross entropy over a batch, learned temperature). A batch holds
every name at most once, so that no pair is a false negative; captions are in English or Korean, each a coin. It knows
the things of the world and no photographs; the artwork style that is kept out of training everywhere is kept out here.

    nunbit train clip -o runs/clip          # 1,500 steps; the model is in runs/clip/model, in the form of transformers

Letters: B pairs, T tokens, H and W of a picture.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nunbit.encoders.zero_shot import TEMPLATES, fill_template
from nunbit.models.checkpoint import save_new
from nunbit.recipes.embedded import EmbeddedRecipe, StageShape, plan_embedded, run_embedded
from nunbit.recipes.tiny.encoder import to_pixels
from nunbit.recipes.tiny.tokenizer import build_tokenizer, words_of
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.planning import PlanReport, count
from nunbit.training.stage import Batch, Stage
from nunbit.world import portraits, things
from nunbit.world.base import COLOURS, Language, generator, pick

SUMMARY = "the embedded contrastive pair: picture and text encoder from nothing, on portraits of the procedural world"
PAPER = "arXiv 2103.00020"

CLIP = Stage(name="clip", steps=1500, batch=128, lr=1.5e-3, muon_lr=4e-3, warmup=50, decay=0.5, seed=4, save_every=50)
CAPTIONS: dict[Language, tuple[str, ...]] = {"en": ("{}", *TEMPLATES["en"][::2]), "ko": ("{}", *TEMPLATES["ko"][::2])}
"""Half of the ensemble is never trained on, so that `nunbit eval classify` can tell known wordings from new ones."""
PATCH_PX, MOST_TOKENS, HOTTEST = 8, 32, 4.6
END = "<end>"
LANGUAGES: tuple[Language, Language] = ("en", "ko")


@dataclass(frozen=True, kw_only=True)
class ClipRecipe(EmbeddedRecipe):
    """Settings of the one stage. Its batch is one contrastive loss, so that it is not split."""

    unused: ClassVar[tuple[str, ...]] = (*EmbeddedRecipe.unused, "*.micro_batch_size")
    debug_batch: ClassVar[int] = 4

    clip: Stage = CLIP
    stages: str = "clip"


def defaults() -> ClipRecipe:
    """As the embedded pair was trained."""
    return ClipRecipe()


def configure(changes: Sequence[str]) -> ClipRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: ClipRecipe) -> Mapping[str, Stage]:
    """The stages that are run, in order."""
    return config.selected()


def plan(config: ClipRecipe, flops: float) -> PlanReport:
    """The plan of the stage."""
    with torch.device("meta"):
        model = build(make_tokenizer())
    text = [model.text_model, model.text_projection]
    counts = {"vision": count(model) - sum(map(count, text)), "text": sum(map(count, text))}
    patches = (portraits.SIDE_PX // PATCH_PX) ** 2 + 1
    shape = StageShape({"vision": patches, "text": MOST_TOKENS}, ("vision", "text"))
    return plan_embedded(config, counts, {"clip": shape}, 0, flops)


def run(config: ClipRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train in the folder, from its last checkpoint; the model is saved in 16 bits under ``model``, which ``AutoModel``
    opens."""
    return run_embedded(config, folder, options, train_stage)


def train_stage(folder: Path, stage: Stage, options: RunOptions) -> None:
    """Train the pair, and save it."""
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    train(PairTask(model, tokenizer), stage, folder / stage.name, options)
    shutil.rmtree(folder / "model", ignore_errors=True)
    save_new(model.cpu().half(), make_processor(tokenizer), folder / "model")


def make_tokenizer() -> Any:
    """Whole words for names, colours and templates; everything else is spelled. A text ends in a mark, whose row is the
    text's vector."""
    from tokenizers import processors

    named = [text for english, (_, korean) in things.names().items() for text in (english, korean)]
    coloured = [text for english, (korean, _) in COLOURS.items() for text in (english, korean)]
    framed = [t.replace("{", " ").replace("}", " ") for templates in TEMPLATES.values() for t in templates]
    words = dict.fromkeys(w for text in (*named, *coloured, *framed) for w in words_of(text))
    tokenizer = build_tokenizer(words, named)
    # Not the tokenizer's own end mark: its id is 2, which CLIP in transformers takes for "the largest id of the text".
    tokenizer.add_special_tokens({"eos_token": END})
    end = tokenizer.convert_tokens_to_ids(END)
    template = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    tokenizer.backend_tokenizer.post_processor = template
    tokenizer.padding_side, tokenizer.model_max_length, tokenizer.chat_template = "right", MOST_TOKENS, None
    return tokenizer


def build(tokenizer: Any) -> Any:
    """The untrained pair."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    text = dict(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=MOST_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = dict(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=6,
        image_size=portraits.SIDE_PX,
        patch_size=PATCH_PX,
    )
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def make_processor(tokenizer: Any) -> Any:
    """The `CLIPProcessor` of the pair: pictures are scaled to a square and normalised to -1 .. 1."""
    from transformers import CLIPImageProcessor, CLIPProcessor

    side = {"height": portraits.SIDE_PX, "width": portraits.SIDE_PX}
    images = CLIPImageProcessor(
        do_resize=True,
        size=side,
        do_center_crop=False,
        resample=3,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_convert_rgb=True,
    )
    return CLIPProcessor(image_processor=images, tokenizer=tokenizer)


class PairTask:
    """Portraits and captions: each picture's own caption among all of the batch's, and each caption's own picture."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer, self.names = model, tokenizer, list(things.names())

    def modules(self) -> dict[str, nn.Module]:
        """The whole pair."""
        return {"pair": self.model}

    def batch(self, step: int, stage: Stage) -> Batch:
        """``ids`` and ``mask`` (B, T), ``pixels`` (B, 3, H, W)."""
        rng = generator(stage.seed, step, "train")
        names = [self.names[int(i)] for i in rng.permutation(len(self.names))[: stage.batch]]
        drawn = [portraits.draw(rng, "train", n) for n in names]
        words = self.tokenizer([caption(p, rng) for p in drawn], padding=True, truncation=True, return_tensors="pt")
        pixels = to_pixels([tinted(p.pixels, rng) for p in drawn])
        return {"ids": words["input_ids"], "mask": words["attention_mask"], "pixels": pixels}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Cross entropy of pictures over captions and of captions over pictures, from logits ``(B, B)``."""
        found = self.model(input_ids=batch["ids"], attention_mask=batch["mask"], pixel_values=batch["pixels"])
        logits = found.logits_per_image
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
    """A picture ``(H, W, 3)`` of uint8 brighter or darker, more or less coloured: a new style draws the same thing in
    other tones."""
    grey = pixels.mean(-1, keepdims=True)
    colourful, bright = rng.uniform(0.4, 1.3), rng.uniform(0.7, 1.25)
    return np.clip((grey + (pixels - grey) * colourful) * bright, 0, 255).astype(np.uint8)
