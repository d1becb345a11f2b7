"""RICES: the solved examples whose pictures are most like the question's, the likest last.

Source: Yang et al., arXiv 2109.05014; Flamingo, arXiv 2204.14198, sec. 2.4 and D (likest example next to the query).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from nunbit.errors import UserError
from nunbit.media import content_hash
from nunbit.prompting.shots import Shot

Embed = Callable[[Sequence[Any]], torch.Tensor]
"""Pictures -> unit vectors ``(B, D)``."""


def picture_embedder(model: Any, image_processor: Any, batch: int = 16) -> Embed:
    """Mean of the vision encoder's last layer, at length 1, from any composed model or bare encoder of transformers."""
    vision = getattr(getattr(model, "model", model), "vision_tower", None) or getattr(model, "vision_model", model)

    @torch.inference_mode()
    def embed(pictures: Sequence[Any]) -> torch.Tensor:
        rows = []
        for i in range(0, len(pictures), batch):
            pixels = image_processor(list(pictures[i : i + batch]), return_tensors="pt")["pixel_values"]
            rows.append(vision(pixels).last_hidden_state.mean(1))
        return torch.nn.functional.normalize(torch.cat(rows).float(), dim=-1)

    return embed


class Rices:
    """An index over solved examples with pictures.

    Args:
        encoder: a name of the encoder; vectors of another one are never used.
        file: where vectors are kept between runs (safetensors, keyed by picture content); None keeps nothing.
    """

    def __init__(self, shots: Sequence[Shot], embed: Embed, *, encoder: str, file: str | Path | None = None) -> None:
        self.shots = [s for s in shots if s.image is not None]
        if not self.shots:
            raise UserError(
                "examples without pictures", allowed="examples with pictures, to look for the most similar ones"
            )
        self.embed, self.encoder, self.file = embed, encoder, Path(file) if file else None
        self.vectors = self._index()

    def _index(self) -> torch.Tensor:
        held = self._load()
        pictures = [s.picture() for s in self.shots]
        keys = [content_hash(p) for p in pictures]
        fresh = {k: p for k, p in zip(keys, pictures, strict=True) if k not in held}
        if fresh:
            held |= dict(zip(fresh, self.embed(list(fresh.values())), strict=True))
            self._save({k: held[k] for k in keys})
        return torch.stack([held[k] for k in keys])

    def nearest(self, picture: Any, k: int) -> list[Shot]:
        """The ``k`` likest examples, the likest last; the query's own picture (same pixels) is left out."""
        scores = self.vectors @ self.embed([picture])[0]
        own = content_hash(picture)
        ranked = sorted(range(len(scores)), key=lambda i: (-float(scores[i]), i))
        chosen = [i for i in ranked if scores[i] < 0.9999 or content_hash(self.shots[i].picture()) != own][:k]
        return [self.shots[i] for i in reversed(chosen)]

    def _load(self) -> dict[str, torch.Tensor]:
        from safetensors import SafetensorError, safe_open

        if self.file is None or not self.file.exists():
            return {}
        try:
            with safe_open(self.file, "pt") as held:
                if (held.metadata() or {}).get("encoder") != self.encoder:
                    return {}
                names: list[str] = list(held.keys())
                return {k: held.get_tensor(k) for k in names}
        except (OSError, SafetensorError):
            return {}

    def _save(self, vectors: dict[str, torch.Tensor]) -> None:
        from safetensors.torch import save_file

        if self.file is not None:
            beside = self.file.with_name(f"{self.file.name}.{os.getpid()}")
            save_file(
                {k: v.contiguous().clone() for k, v in vectors.items()}, beside, metadata={"encoder": self.encoder}
            )
            os.replace(beside, self.file)
