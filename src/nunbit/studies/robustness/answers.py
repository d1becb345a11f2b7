"""A whole model's answers when pictures are corrupted or attacked, and when options change their places.

Questions have exact truths: about drawings those of the world, about composites of photographed things POPE's. The
attack knows the model's encoder and connector: it moves the tokens of a picture as far as it can, whatever is asked
(FARE's attack, arXiv 2402.12336). The attacked picture is rounded to 8 bits, as a file would be, and asked about anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from nunbit.evaluation.hallucination.pictures import exact_pictures
from nunbit.evaluation.hallucination.pope import pope_items
from nunbit.evaluation.matching import is_right
from nunbit.evidence.answers import yes_or_no
from nunbit.messages import Message, question
from nunbit.models.composed import image_features
from nunbit.studies.figures import accuracy
from nunbit.studies.robustness.data import LabelledSet
from nunbit.studies.robustness.zero_shot import BOUNDS, Say
from nunbit.trust.robustness.attacks import far_features, noisy, pgd
from nunbit.trust.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from nunbit.trust.robustness.pixels import PixelModel
from nunbit.world.samples import sample

AnswerMany = Callable[[Sequence[Sequence[Message]]], list[str]]
OPTIONS, BATCH, EACH = 4, 8, 3
"""Options of a question; pictures attacked together; questions about a picture, at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a picture ``(H, W, 3)`` uint8 with its accepted answers; ``number`` is the picture's."""

    number: int
    pixels: np.ndarray
    text: str
    accepted: tuple[str, ...]

    def right(self, answer: str) -> bool:
        """Whether an answer is right."""
        if self.accepted in (("yes",), ("no",)):
            return yes_or_no(answer) is (self.accepted == ("yes",))
        return is_right(answer, self.accepted)


def questions(source: str, limit: int, seed: int) -> list[Asked]:
    """So many questions with exact truths about held-out pictures: drawings, or composites of photographs."""
    out: list[Asked] = []
    if source != "world":
        shown = [p for p in exact_pictures(max(1, limit // 2)) if p.source == "photograph"]
        for item in pope_items([p.scene for p in shown], [p.language for p in shown], seed=seed, kinds=("random",)):
            out.append(Asked(int(item.group), shown[int(item.group)].pixels, item.question, item.gold))
        return out[:limit]
    number = 0
    while len(out) < limit:
        drawn = sample(number, seed=seed, split="test", mixture={"things": 1.0}, questions=EACH)
        made = drawn.questions
        out += [Asked(number, drawn.picture.pixels, q.question, (q.answer, *q.accept)) for q in made if not q.unordered]
        number += 1
    return out[:limit]


def ask(answer: AnswerMany, asked: Sequence[Asked], pictures: Sequence[Any]) -> dict[str, Any]:
    """Right answers with their interval over pictures, and the answers."""
    given = answer([question(a.text, [p]) for a, p in zip(asked, pictures, strict=True)])
    right = [float(a.right(text)) for a, text in zip(asked, given, strict=True)]
    return {**accuracy(right, [a.number for a in asked]), "answers": given}


def under_corruption(answer: AnswerMany, asked: Sequence[Asked], seed: int, say: Say) -> dict[str, Any]:
    """Accuracy by corruption at strengths 0 to 5, and the share of answers that differ from those to clean pictures."""
    clean = ask(answer, asked, [Image.fromarray(a.pixels) for a in asked])
    out: dict[str, Any] = {}
    for kind in CORRUPTIONS:
        rows = [clean]
        for strength in STRENGTHS:
            made = {
                a.number: Image.fromarray(
                    corrupted(a.pixels, kind, strength, np.random.default_rng((seed, strength, a.number)))
                )
                for a in asked
            }
            rows.append(ask(answer, asked, [made[a.number] for a in asked]))
            say(f"answers under {kind} {strength}/5")
        out[kind] = [_row(r, clean) for r in rows]
    return out


def under_attack(assistant: Any, asked: Sequence[Asked], seed: int, steps: int, say: Say) -> dict[str, Any]:
    """Accuracy by bound of the attack on the picture's tokens, beside random noise of the same bound.

    Every picture is first scaled to what the encoder takes, so that rows differ in the noise alone.
    """
    model = assistant.model.requires_grad_(False)
    view = PixelModel(
        model, assistant.processor.image_processor, lambda pixels: image_features(model, pixels, learning=True)
    )
    numbers = list(dict.fromkeys(a.number for a in asked))
    first = {a.number: a.pixels for a in asked}
    changed: dict[tuple[str, int], dict[int, Any]] = {(k, b): {} for k in ("attack", "noise") for b in BOUNDS}
    for start in range(0, len(numbers), BATCH):
        part = numbers[start : start + BATCH]
        pixels = view.pixels([Image.fromarray(first[n]) for n in part])
        with torch.no_grad():
            clean = view.features(pixels)
        for bound in BOUNDS:
            noise = torch.Generator().manual_seed(seed + start + bound)
            moved = pgd(far_features(view.features, clean), pixels, bound / 255, steps=steps, generator=noise)
            for kind, made in (("attack", moved), ("noise", noisy(pixels, bound / 255, noise))):
                changed[kind, bound] |= dict(zip(part, _images(made), strict=True))
        say(f"attacked {min(start + BATCH, len(numbers))}/{len(numbers)} pictures")
    out: dict[str, Any] = {}
    clean_row = ask(assistant.ask_many, asked, [changed["noise", 0][a.number] for a in asked])
    for bound in BOUNDS:
        rows = {}
        for kind in ("attack", "noise"):
            shown = [changed[kind, bound][a.number] for a in asked]
            rows[kind] = _row(clean_row if not bound else ask(assistant.ask_many, asked, shown), clean_row)
            say(f"answers under {kind} of {bound}/255")
        out[str(bound)] = rows
    return out


def by_order(answer: AnswerMany, data: LabelledSet, limit: int, seed: int) -> dict[str, Any]:
    """One of four names asked for, in four orders, so that the right one stands in every place once.

    Returns:
        ``accuracy``; ``by_place`` of the right option; ``changed``: the share of pictures whose answer is not the same
        in all orders; ``unread``: the share of answers that name none of the options, or several.
    """
    rng = np.random.default_rng(seed)
    shown = [int(i) for i in rng.permutation(len(data.pictures))[:limit]]
    talks, options = [], []
    for i in shown:
        gold = data.names[data.labels[i]]
        others = [n for n in data.names if n != gold and n not in gold and gold not in n]
        drawn = [str(n) for n in rng.permutation(others)[: OPTIONS - 1]]
        for place in range(OPTIONS):
            listed = [*drawn[:place], gold, *drawn[place:]]
            text = f"Which of these is in the picture: {', '.join(listed[:-1])} or {listed[-1]}?"
            talks.append(question(text, [Image.fromarray(data.pictures[i])]))
            options.append(listed)
    said = [_named(text, listed) for text, listed in zip(answer(talks), options, strict=True)]
    golds = [data.names[data.labels[i]] for i in shown for _ in range(OPTIONS)]
    right = np.asarray([float(s == g) for s, g in zip(said, golds, strict=True)]).reshape(-1, OPTIONS)
    return {
        "accuracy": accuracy(right.ravel().tolist(), np.repeat(shown, OPTIONS).tolist()),
        "by_place": right.mean(0).tolist(),
        "changed": float(np.mean([len({*said[i : i + OPTIONS]}) > 1 for i in range(0, len(said), OPTIONS)])),
        "unread": float(np.mean([not s for s in said])),
    }


def _named(text: str, options: Sequence[str]) -> str:
    """The one option that an answer names; empty for none or several."""
    found = [o for o in options if o.lower() in text.lower()]
    return found[0] if len(found) == 1 else ""


def _row(row: dict[str, Any], clean: dict[str, Any]) -> dict[str, Any]:
    """A row without its answers, with the share of those that differ from the clean ones."""
    changed = np.mean([a.strip() != b.strip() for a, b in zip(row["answers"], clean["answers"], strict=True)])
    return {k: v for k, v in row.items() if k != "answers"} | {"changed": float(changed)}


def _images(pixels: torch.Tensor) -> list[Image.Image]:
    """Pixels ``(B, 3, H, W)`` in 0 to 1 as pictures of 8 bits."""
    rows = (255 * pixels.detach()).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(np.ascontiguousarray(r)) for r in rows]
