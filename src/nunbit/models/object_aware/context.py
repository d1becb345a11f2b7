"""An object-aware model: layer connectors (Crayon Prompt, MoAI) on a model's decoder, and how Scenes become their
context.

The model itself is not changed: the connectors register forward hooks on its decoder. `ObjectAwareModule.set_context`
says what the next forward pass is conditioned on, `clear_context` ends it; engine and training use the same two calls.

Letters: B rows, T tokens, P pictures, N tokens a picture, A aux tokens, D width of the decoder, H and W of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from nunbit.coco import CLASS_INDEX, NUMBER_MAX
from nunbit.connectors import build
from nunbit.connectors.prefill import PrefillConnector
from nunbit.crayon_map import colour_map, crayon_map
from nunbit.media.bounds import processed
from nunbit.messages import Message
from nunbit.models.composed import image_features
from nunbit.models.image_tokens import image_tokens
from nunbit.models.object_aware.config import ObjectAwareConfig
from nunbit.models.object_aware.recent_scenes import RecentScenes
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.models.text_encoder import TextEncoder
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.drawings import notices as drawing_notices
from nunbit.perception.drawings import with_other_pictures
from nunbit.perception.pipeline import Perception
from nunbit.scene import Scene
from nunbit.verbalise import moai_text

MAP_MAX_PX, MAP_REDUCED_PX = 2400, 1000
"""Longest side of a map that is padded to a square as it is, and of one that is made smaller first: a thin picture's
square would take a hundred times its memory, and a grid of tokens has a few dozen cells a side."""
Perceive = Callable[[Sequence[Any]], list[Scene]]
"""PIL pictures -> Scenes: a `nunbit.perception.base.Perception`, or what stands in for one."""


class ObjectAwareModule:
    """The layer connectors of one model, and how Scenes become their context.

    Args:
        model: a LLaVA-shaped model; its decoder gets the connectors' hooks. Its weights are not touched.
        processor: its processor, for the words and the colour picture.
        perception: makes Scenes of pictures, in place of the one that the config names.
    """

    def __init__(
        self, model: Any, processor: Any, config: ObjectAwareConfig, perception: Perceive | None = None
    ) -> None:
        self.model, self.processor, self.config = model, processor, config
        self.perception: Perceive = perception or build_perception(config.perception).to(str(model.device))
        self.connectors: dict[str, PrefillConnector] = {
            name: attach_connector(name, values, model).to(next(model.parameters()).device)
            for name, values in config.connectors.items()
        }
        self.grid = feature_grid(model.config)
        self.classes: Mapping[str, int] = {n: i for i, n in enumerate(config.classes, 1)} or CLASS_INDEX
        self._encoder = TextEncoder(processor.tokenizer)
        self.scene_text = SceneText(config, lambda text: len(self._encoder.words(text)))
        self._recent = RecentScenes(lambda pictures: self.perception(pictures))  # whatever stands there by then

    @property
    def uses_scenes(self) -> bool:
        """Whether Scenes reach the decoder at all."""
        return bool(self.connectors) or self.config.scene_prompt != "none"

    @property
    def shown(self) -> Perceive:
        """What shows people the Scene of a picture: `perceive`, and where that knows drawings only, the default
        perception for other pictures."""
        if not self.config.perception.drawings_only:
            return self.perceive
        return with_other_pictures(self.perceive, build_perception(PerceptionConfig()).to(str(self.model.device)))

    def load_perception(self) -> None:
        """Open all parts of perception now, so that one that cannot be opened ends a run before its first step.

        Raises:
            UserError: a part that cannot be opened.
        """
        if isinstance(self.perception, Perception):
            self.perception.load()

    def training_scenes(self, pictures: Sequence[Any], all_seen: bool = False) -> list[Scene]:
        """Scenes of PIL pictures to learn from; none is kept.

        Args:
            all_seen: no more pictures come.

        Raises:
            UserError: a part of perception fails on too many pictures (`Perception.check_failures`).
        """
        scenes = self.perception(pictures) if pictures else []
        if isinstance(self.perception, Perception):
            self.perception.check_failures(all_seen)
        return scenes

    def notices(self, scenes: Sequence[Scene]) -> list[str]:
        """What is to be said of an answer about these pictures: a model of drawings was shown a photograph."""
        return drawing_notices(scenes) if self.config.perception.drawings_only else []

    def perceive(self, pictures: Sequence[Any]) -> list[Scene]:
        """Scenes of PIL pictures. Recent ones are kept, since the next question is often about the same picture; one
        caller at a time."""
        return self._recent(pictures)

    @property
    def scene_cache_bytes(self) -> int:
        """What the Scenes hold that are kept."""
        return self._recent.nbytes

    def add_scene_text(self, messages: Sequence[Message], scenes: Sequence[Scene]) -> list[Message]:
        """The conversation with the words of each picture's Scene right after the picture."""
        return self.scene_text.add(messages, scenes)

    def modules(self) -> dict[str, nn.Module]:
        """The layer connectors by name."""
        return dict(self.connectors)

    def scene_features(self, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        """Scenes as tensors: ``semantic``, ``numbering`` (P, N) for the crayon; ``aux_ids``, ``aux_mask`` (P, A) and,
        with ``maps``,
        ``aux_pixels`` (P, 3, H, W) for MoAI."""
        out: dict[str, Tensor] = {}
        if "crayon" in self.connectors:
            out |= self._crayon_features(scenes)
        if "moai" in self.connectors:
            out |= self._aux_features(scenes)
        return out

    def set_context(
        self,
        features: Mapping[str, Tensor],
        image_mask: Tensor,
        prompt_mask: Tensor,
        owner: Tensor,
        expert_choice: Tensor | None = None,
        mixer_cache: list[Tensor] | None = None,
        attention_mask: Tensor | None = None,
    ) -> None:
        """Set what the next forward pass is conditioned on.

        Args:
            features: from `scene_features`, of the batch's pictures in order.
            image_mask: ``(B, T)`` bool, tokens of pictures.
            prompt_mask: ``(B, T)`` bool, words that are no answer and no padding.
            owner: ``(P,)`` the row of each picture.
            expert_choice: of `MoAI.set_context`, for its first training step.
            mixer_cache: of `MoAI.set_context`, for a prompt in several passes.
            attention_mask: of `MoAI.set_context`, for several questions about one picture in a row.
        """
        if not len(owner):
            self.clear_context()
            return
        prompt_mask = prompt_mask & (torch.bincount(owner, minlength=len(prompt_mask)) > 0).unsqueeze(1)
        if "crayon" in self.connectors:
            crayon: Any = self.connectors["crayon"]
            crayon.set_context(crayon(features["semantic"], features["numbering"]), image_mask)
        if "moai" in self.connectors:
            moai: Any = self.connectors["moai"]
            aux, mask = self._aux(features)
            joined, there = _by_row(aux, mask, owner, len(image_mask))
            moai.set_context(
                moai.compress(joined, there),
                image_mask,
                prompt_mask,
                expert_choice=expert_choice,
                mixer_cache=mixer_cache,
                attention_mask=attention_mask,
            )

    def clear_context(self) -> None:
        """The next forward pass is that of the plain model."""
        for connector in self.connectors.values():
            connector.clear_context()

    def detach(self) -> None:
        """Remove the connectors' hooks from the model."""
        for connector in self.connectors.values():
            connector.detach()

    def _crayon_features(self, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        grids = [crayon_map(self._squared(s), self.grid, classes=self.classes) for s in scenes]
        rows: Any = self.connectors["crayon"]
        out = {}
        for name, most in (("semantic", rows.config.classes), ("numbering", rows.config.numbers)):
            cells = np.stack([getattr(g, name).ravel() for g in grids]) if grids else np.zeros((0, 1), np.int64)
            out[name] = torch.from_numpy(np.where(cells <= most, cells, 0 if name == "semantic" else most))
        return out

    def _aux_features(self, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        rows = [self._encoder.words(moai_text(s))[: self.config.aux_tokens] for s in scenes]
        width = max(map(len, rows), default=1) or 1
        ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = torch.tensor(row, dtype=torch.long), True
        out = {"aux_ids": ids, "aux_mask": mask}
        if self.config.maps and scenes:
            pictures = [Image.fromarray(colour_map(_small_map(s))) for s in scenes]
            out["aux_pixels"] = processed(self.processor.image_processor, pictures)["pixel_values"]
        return out

    def _squared(self, scene: Scene) -> Scene:
        if scene.segment_map is None:
            return scene
        return replace(scene, segment_map=squared_map(scene.segment_map, self.processor.image_processor))

    def _aux(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(P, A, D) and (P, A): embeddings of the words, then the colour picture's tokens."""
        aux, mask = self.model.get_input_embeddings()(features["aux_ids"]), features["aux_mask"]
        if "aux_pixels" in features:
            with torch.no_grad():  # frozen in both of MoAI's steps
                seen = image_features(self.model, features["aux_pixels"].to(aux.dtype)).to(aux.dtype)
            aux = torch.cat([aux, seen], 1)
            mask = torch.cat([mask, mask.new_ones(seen.shape[:2])], 1)
        return aux, mask


def attach_connector(name: str, values: Mapping[str, Any], model: Any) -> PrefillConnector:
    """Build a layer connector at the sizes of a model's decoder and attach it there."""
    made = build_connector(name, values, model)
    made.attach(model.model.language_model)
    return made


def build_connector(name: str, values: Mapping[str, Any], model: Any) -> Any:
    """A layer connector at the sizes of a model's decoder, not attached."""
    text = model.config.get_text_config()
    sizes = {"vision_width": text.hidden_size, "text_width": text.hidden_size, "layers": text.num_hidden_layers}
    return build(name, **(sizes | dict(values)))


def feature_grid(config: Any) -> tuple[int, int]:
    """Rows and columns of a picture's tokens: one token a feature, or a square of them."""
    grid = getattr(config, "vision_grid", None)
    count = image_tokens(config)
    if grid is not None and grid[0] * grid[1] == count:
        return grid[0], grid[1]
    side = math.isqrt(count)
    return side, side


def class_count() -> tuple[int, int]:
    """Classes and numbers of the crayon as published: COCO's 133, up to 20."""
    return max(CLASS_INDEX.values()), NUMBER_MAX


def squared_map(segment_map: np.ndarray, image_processor: Any) -> np.ndarray:
    """A map ``(H, W)`` cut or padded to the square that the image processor makes of the picture, ``(S, S)``. A map
    longer than `MAP_MAX_PX` is made smaller first."""
    segment_map = _reduced_map(segment_map)
    height, width = segment_map.shape
    if getattr(image_processor, "do_pad", False):
        side = max(height, width)
        out = np.zeros((side, side), segment_map.dtype)
        top, left = (side - height) // 2, (side - width) // 2
        out[top : top + height, left : left + width] = segment_map
        return out
    if getattr(image_processor, "do_center_crop", False):
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return segment_map[top : top + side, left : left + side]
    return segment_map


def _reduced_map(segment_map: np.ndarray) -> np.ndarray:
    """Every n-th cell of a map that is longer than `MAP_MAX_PX`."""
    if max(segment_map.shape) <= MAP_MAX_PX:
        return segment_map
    step = -(-max(segment_map.shape) // MAP_REDUCED_PX)
    return segment_map[::step, ::step]


def _small_map(scene: Scene) -> np.ndarray:
    """The map of a Scene, `_reduced_map`; without one nothing is known."""
    if scene.segment_map is not None:
        return _reduced_map(scene.segment_map)
    return _reduced_map(np.broadcast_to(np.int64(0), (scene.height, scene.width)))


def _by_row(aux: Tensor, mask: Tensor, owner: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Aux tokens of each row's pictures, one after another: (P, A, D) -> (B, most * A, D). A row without pictures has
    none."""
    each = torch.bincount(owner, minlength=rows)
    before = torch.arange(len(owner), device=owner.device) - (each.cumsum(0) - each)[owner]
    most = max(1, int(each.max()))
    out = aux.new_zeros(rows, most, *aux.shape[1:])
    there = mask.new_zeros(rows, most, aux.shape[1])
    return out.index_put((owner, before), aux).flatten(1, 2), there.index_put((owner, before), mask).flatten(1, 2)
