"""The embedded perception model: linear heads on the encoder of `nunbit-tiny`, whose outputs become a Scene.

The heads give the class, colour, box and characters of each cell of a picture. Cells of one thing are grouped into
segments, objects with colours, and lines of text. It takes one forward pass of a small encoder.

Letters: B pictures, G cells a side, C = G * G cells row by row, D width of the encoder, K glyph slots a cell,
N classes, V outputs of one head.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nunbit.encoders.vision import load_vision_tower
from nunbit.encoders.weights_digest import tensors_digest
from nunbit.errors import UserError
from nunbit.files import whole
from nunbit.media.bounds import processed
from nunbit.scene import Box, Scene, SceneObject, Segment, TextLine
from nunbit.world.base import COLOURS

if TYPE_CHECKING:
    from PIL.Image import Image

CELL_PX = 16
SLOTS = 4
RIVAL = 0.35
COLOUR_NAMES = ("", *COLOURS)
LEAD = 1 + 95 + 19 + 1
"""Classes of a glyph's first part: none, printable ASCII, the 19 Hangul initials, anything else."""
VOWEL, FINAL = 1 + 21, 28
_OTHER = LEAD - 1
HEADS_FILE = "perception.safetensors"
OLD_HEADS_FILE = "eyes.safetensors"
"""The name of the file in folders that earlier versions wrote; they still open."""


def glyph_parts(char: str) -> tuple[int, int, int]:
    """A character as (lead, vowel, final) classes; (0, 0, 0) means no character."""
    code = ord(char)
    if 0xAC00 <= code <= 0xD7A3:
        code -= 0xAC00
        return 96 + code // 588, 1 + code % 588 // 28, code % 28
    return (code - 31, 0, 0) if 32 <= code < 127 else (_OTHER, 0, 0)


def glyph_char(lead: int, vowel: int, final: int) -> str:
    """The character of three classes; what `glyph_parts` cannot name is U+FFFD."""
    if 1 <= lead < 96:
        return chr(lead + 31)
    if 96 <= lead < _OTHER:
        return chr(0xAC00 + (lead - 96) * 588 + max(0, vowel - 1) * 28 + final)
    return "\ufffd" if lead == _OTHER else ""


class DenseHeads(nn.Module):
    """Linear heads on the features of a cell.

    Args:
        width: D, the encoder's width.
        names: N, how many classes there are; the first means nothing.

    Attributes:
        sizes: V of each head: ``name``, ``colour``, ``box``, and ``lead``, ``vowel`` and ``final`` of K characters.
    """

    def __init__(self, width: int, names: int) -> None:
        super().__init__()
        self.sizes = {
            "name": names,
            "colour": len(COLOUR_NAMES),
            "box": 4,
            "lead": SLOTS * LEAD,
            "vowel": SLOTS * VOWEL,
            "final": SLOTS * FINAL,
        }
        self.out = nn.Linear(width, sum(self.sizes.values()))

    def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Features ``(B, C, D)`` -> the logits of each head ``(B, C, V)``."""
        parts = self.out(features).split(list(self.sizes.values()), dim=-1)
        return dict(zip(self.sizes, parts, strict=True))


def features(vision: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The encoder's last layer without its class token, ``(B, C, D)``: what LLaVA's connector gets."""
    return vision(pixels, output_hidden_states=True).hidden_states[-1][:, 1:]


def save_heads(heads: DenseHeads, names: Sequence[str], folder: Path) -> None:
    """Write the heads beside the model they belong to, in 16 bits."""
    from safetensors.torch import save_file

    state = {k: v.detach().to(torch.float16).contiguous() for k, v in heads.state_dict().items()}
    with whole(folder / HEADS_FILE) as path:
        save_file(state, path, metadata={"names": json.dumps(list(names))})


def heads_file(folder: str | Path) -> Path:
    """The file of dense heads in a model's folder, under its present name or the one of earlier versions.

    Raises:
        UserError: neither is there.
    """
    for name in (HEADS_FILE, OLD_HEADS_FILE):
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise UserError(f"'{folder}' has no {HEADS_FILE}", allowed="a model trained with dense heads, as nunbit-tiny")


def head_class_names(folder: str | Path) -> tuple[str, ...]:
    """The class names of the heads in a folder, without the first, which means nothing."""
    from safetensors import safe_open

    with safe_open(heads_file(folder), framework="pt") as held:
        return tuple(json.loads(held.metadata()["names"])[1:])


class CellPerception:
    """A provider of segments, objects and text, from an encoder with dense heads.

    Args:
        vision: an encoder that gives one token a cell after its class token.
        image_processor: its image processor.
        heads: trained on it.
        names: class list of the heads; the first means nothing.
        keep: an object's mean class probability must reach this.
        same: cells of a class whose boxes overlap this much are one object; cells with characters, one line.
        read: report text too; off where another part reads.
    """

    def __init__(
        self,
        vision: Any,
        image_processor: Any,
        heads: DenseHeads,
        names: Sequence[str],
        *,
        keep: float = 0.35,
        same: float = 0.4,
        read: bool = True,
    ) -> None:
        self.vision, self.image_processor, self.heads = vision.eval(), image_processor, heads.eval()
        self.names, self.keep, self.same, self.read = list(names), keep, same, read
        weights = {f"{part}.{k}": v for part, m in (("v", vision), ("h", heads)) for k, v in m.state_dict().items()}
        self.name = "cells-" + tensors_digest(weights, (keep, same, read, self.names))
        self.covers = ("ocr",) if read else ()

    @classmethod
    def from_pretrained(cls, folder: str | Path, **settings: Any) -> CellPerception:
        """Open the encoder of a composed model with the heads that lie beside it.

        Args:
            folder: of the model.
            settings: ``keep``, ``same``, ``read``.

        Raises:
            UserError: no heads there, or not those of this encoder.
        """
        from safetensors import SafetensorError, safe_open
        from transformers import AutoImageProcessor

        file = heads_file(folder)
        vision = load_vision_tower(Path(folder))
        try:
            with safe_open(file, framework="pt") as held:
                names = json.loads(held.metadata()["names"])
                heads = DenseHeads(vision.config.hidden_size, len(names))
                heads.load_state_dict({k: held.get_tensor(k).float() for k in held.keys()})  # noqa: SIM118 (not a dict)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as e:
            raise UserError(
                f"'{file}' cannot be opened ({type(e).__name__}: {str(e)[:160]})",
                allowed="the heads of this model's encoder",
            ) from None
        return cls(vision, AutoImageProcessor.from_pretrained(folder), heads, names, **settings)

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes of PIL pictures of any size."""
        pixels = processed(self.image_processor, images)["pixel_values"]
        out = self.heads(features(self.vision, pixels))
        return [
            self.gather({k: v[i].float() for k, v in out.items()}, image.width, image.height)
            for i, image in enumerate(images)
        ]

    def gather(self, out: dict[str, torch.Tensor], width: int, height: int) -> Scene:
        """Logits of one picture's cells ``(C, V)`` by head -> a Scene of the given size in pixels."""
        chance = out["name"].softmax(-1)
        score, label = (t.numpy() for t in chance.max(-1))
        box, hue = out["box"].numpy(), out["colour"].argmax(-1).numpy()
        side = round(len(label) ** 0.5)
        scene = Scene(width, height)
        owner = np.zeros(len(label), np.int32)
        numbers: Counter[str] = Counter()
        for cells in _groups(score, label, box, self.same):
            mean = float(score[cells].mean())
            if mean < self.keep:
                continue
            name = self.names[int(label[cells[0]])]
            numbers[name] += 1
            segment = len(scene.segments) + 1
            owner[cells] = segment
            scene.segments.append(Segment(segment, name, numbers[name], score=mean))
            colour = COLOUR_NAMES[Counter(hue[cells].tolist()).most_common(1)[0][0]]
            placed = _pixels(np.median(box[cells], axis=0), width, height)
            scene.objects.append(SceneObject(name, placed, mean, {"colour": colour} if colour else {}, segment))
        ys, xs = np.arange(height) * side // height, np.arange(width) * side // width
        scene.segment_map = owner.reshape(side, side)[np.ix_(ys, xs)]
        if self.read:
            scene.text_lines = _lines(out, side, width, height, self.same)
        return scene.validate()


class CellReader:
    """A provider of text lines alone: the embedded reader beside another segmentation model.

    Args:
        cells: perceives, with ``read`` on.
    """

    def __init__(self, cells: CellPerception) -> None:
        self.cells, self.name = cells, f"reader-{cells.name}"

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes that hold nothing but text lines."""
        return [Scene(s.width, s.height, text_lines=s.text_lines) for s in self.cells(images)]


def _groups(score: np.ndarray, label: np.ndarray, box: np.ndarray, same: float) -> list[np.ndarray]:
    """Cells of one object each, the most certain first: a cell and those of its class whose boxes overlap its own."""
    out, free = [], label > 0
    for seed in np.argsort(-score):
        if free[seed]:
            shared = _overlap(box[seed], box)
            alike = (label == label[seed]) & (shared >= same)
            alike[seed] = True
            group = np.flatnonzero(free & alike)
            # Other classes in the same box are the same thing under a less certain name.
            free &= ~alike & (shared < RIVAL)
            out.append(group)
    return out


def _overlap(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Intersection over union of a box ``(4,)`` with boxes ``(C, 4)``: ``(C,)``."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(np.clip(many[:, 2:] - many[:, :2], 0, None), axis=1) + np.prod(np.clip(one[2:] - one[:2], 0, None))
    return both / np.maximum(area - both, 1e-9)


def _pixels(box: np.ndarray, width: int, height: int) -> Box:
    """A box in units of the side -> pixels, ordered, inside the picture and at least one pixel large."""
    x1, x2 = sorted(float(np.clip(v, 0, 1)) * width for v in (box[0], box[2]))
    y1, y2 = sorted(float(np.clip(v, 0, 1)) * height for v in (box[1], box[3]))
    return (
        min(x1, width - 1.0),
        min(y1, height - 1.0),
        max(x2, min(x1, width - 1.0) + 1),
        max(y2, min(y1, height - 1.0) + 1),
    )


def _lines(out: dict[str, torch.Tensor], side: int, width: int, height: int, same: float) -> list[TextLine]:
    """Cells with characters whose boxes agree are one line, read from left to right; lines from top to bottom."""
    lead = out["lead"].unflatten(-1, (SLOTS, LEAD)).softmax(-1).max(-1)
    vowel, final = (
        out["vowel"].unflatten(-1, (SLOTS, VOWEL)).argmax(-1),
        out["final"].unflatten(-1, (SLOTS, FINAL)).argmax(-1),
    )
    slots = (t.tolist() for t in (lead.indices, vowel, final, lead.values))  # numbers once, not tensors one by one
    chars = [
        [(glyph_char(a, b, c), p) for a, b, c, p in zip(*cell, strict=True) if a] for cell in zip(*slots, strict=True)
    ]
    sure = np.array([max((p for _, p in cell), default=0.0) for cell in chars])
    box = out["box"].numpy()
    lines = []
    for cells in _groups(sure, (sure > 0).astype(int), box, same):
        order = sorted(cells.tolist(), key=lambda i: (i % side, i // side))
        text = "".join(c for i in order for c, _ in chars[i]).strip()
        if text:
            chance = [p for i in order for _, p in chars[i]]
            placed = _pixels(np.median(box[cells], axis=0), width, height)
            lines.append(TextLine.from_box(text, placed, sum(chance) / len(chance)))
    return sorted(lines, key=lambda line: (line.box[1], line.box[0]))
