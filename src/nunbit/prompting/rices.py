"""RICES: retrieval of the solved examples whose pictures are most similar to the question's, most similar last.

Source: Yang et al., arXiv 2109.05014; Flamingo, arXiv 2204.14198, sec. 2.4 and D (most similar one next to the query).

Letters: B pictures, T tiles of one picture, N features, D width, H and W height and width in pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.encoders.weights_digest import tensors_digest
from nunbit.errors import UserError
from nunbit.files import cache_folder, whole
from nunbit.media import content_hash
from nunbit.media.bounds import processed
from nunbit.prompting.shots import Shot

if TYPE_CHECKING:
    from torch import Tensor

Embed = Callable[[Sequence[Any]], "Tensor"]
"""Pictures -> unit vectors ``(B, D)``, on the CPU."""
TOWERS = ("vision_tower", "vision_model", "visual", "vision_encoder", "image_encoder")
CHUNK = 64


def vision_encoder(model: Any) -> Any:
    """The vision encoder of a composed model of transformers; a bare encoder is returned as it is."""
    for owner in (getattr(model, "model", None), model):
        for name in TOWERS:
            found = getattr(owner, name, None)
            if found is not None:
                return found
    return model


def fingerprint(encoder: Any) -> str:
    """16 hex digits of all of an encoder's weights, so that retrained weights are another encoder."""
    return tensors_digest(encoder.state_dict())


def picture_embedder(model: Any, image_processor: Any, batch: int = 16) -> Embed:
    """The function from pictures to unit vectors ``(B, D)``: the mean of a vision encoder's last layer, normalised.

    A picture that its processor cuts into tiles ``(B, T, 3, H, W)`` counts as the mean of its tiles.

    Args:
        model: any composed model or bare encoder of transformers.
        image_processor: its image processor.
        batch: how many pictures are encoded at a time.
    """
    import torch

    vision = vision_encoder(model)
    weight = next(vision.parameters())

    def pooled(pictures: Sequence[Any]) -> Tensor:
        pixels = torch.as_tensor(processed(image_processor, list(pictures))["pixel_values"])
        flat = pixels.flatten(0, -4).to(weight.device, weight.dtype)
        features = vision(flat).last_hidden_state
        rows = features.flatten(2).mean(-1) if features.ndim == 4 else features.mean(1)  # (B, D, h, w) or (B, N, D)
        return rows.float().reshape(len(pictures), -1, rows.shape[-1]).mean(1).cpu()

    @torch.inference_mode()
    def embed(pictures: Sequence[Any]) -> Tensor:
        rows = [pooled(pictures[i : i + batch]) for i in range(0, len(pictures), batch)]
        return torch.nn.functional.normalize(torch.cat(rows), dim=-1)

    return embed


def index_file(source: str | Path) -> Path:
    """The file that keeps the vectors of a file or folder of examples: in the cache, not beside the user's data."""
    source = Path(source).resolve()
    place = hashlib.blake2b(str(source).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    return cache_folder() / "rices" / f"{source.stem[:60]}-{place}.safetensors"


class Rices:
    """An exact index over solved examples with pictures; it compares the query with every example.

    Args:
        shots: the examples; those without a picture are left out.
        embed: pictures -> unit vectors ``(B, D)``.
        encoder: a name of the encoder and its weights (see `fingerprint`); vectors of another one are never used.
        file: where vectors are kept between runs (safetensors, keyed by picture content); None keeps nothing.

    Raises:
        UserError: no example has a picture.
    """

    def __init__(self, shots: Sequence[Shot], embed: Embed, *, encoder: str, file: str | Path | None = None) -> None:
        self.shots = [s for s in shots if s.image is not None]
        if not self.shots:
            allowed = "examples with pictures, to look for the most similar ones"
            raise UserError("examples without pictures", allowed=allowed)
        self.embed, self.encoder, self.file = embed, encoder, Path(file) if file else None
        self.vectors = self._index()

    def _index(self) -> Tensor:
        """Unit vectors ``(B, D)`` of the examples; only pictures without a kept vector are opened, some at a time."""
        import torch

        held = self._load()
        keys = [_key(s) for s in self.shots]
        fresh = {k: s for k, s in zip(keys, self.shots, strict=True) if k not in held}
        waiting = list(fresh.items())
        for start in range(0, len(waiting), CHUNK):
            some = waiting[start : start + CHUNK]
            held |= dict(zip([k for k, _ in some], self.embed([s.picture() for _, s in some]), strict=True))
        if fresh:
            self._save({k: held[k] for k in keys})
        return torch.stack([held[k] for k in keys])

    def nearest(self, picture: Any, k: int) -> list[Shot]:
        """The ``k`` most similar examples, most similar last; an example with the query's own pixels is left out.

        Raises:
            UserError: a negative ``k``, or an example's picture that cannot be opened.
        """
        if k < 0:
            raise UserError(f"{k} examples", allowed="0 or more")
        scores = (self.vectors @ self.embed([picture])[0]).tolist()
        own = content_hash(picture)
        chosen: list[Shot] = []
        for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
            if len(chosen) == k:
                break
            # Equal pixels give equal vectors: only near ones need to be opened and compared.
            if scores[i] < 0.9999 or content_hash(self.shots[i].picture()) != own:
                chosen.append(self.shots[i])
        return chosen[::-1]

    def _load(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError, safe_open

        if self.file is None or not self.file.exists():
            return {}
        try:
            with safe_open(self.file, "pt") as held:
                if (held.metadata() or {}).get("encoder") != self.encoder:
                    return {}
                names: list[str] = list(held.keys())
                found = {k: held.get_tensor(k) for k in names}
        except (OSError, SafetensorError):
            return {}
        return found if len({v.shape for v in found.values()}) == 1 else {}

    def _save(self, vectors: dict[str, Tensor]) -> None:
        """Keep the vectors. A folder that cannot be written costs the index, never the answer."""
        from safetensors.torch import save_file

        if self.file is None:
            return
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with whole(self.file) as path:
                kept = {k: v.contiguous().clone() for k, v in vectors.items()}
                save_file(kept, path, metadata={"encoder": self.encoder})


def _key(shot: Shot) -> str:
    """A hash of a picture's content: of its file, which is quicker, or of its pixels where there is no file."""
    if not isinstance(shot.image, Path):
        return content_hash(shot.image)
    try:
        with shot.image.open("rb") as f:
            return hashlib.file_digest(f, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return content_hash(shot.picture())  # raises the UserError for a picture that cannot be opened
