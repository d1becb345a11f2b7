"""What an object-aware model is conditioned on; written beside the model as ``object_aware.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from nunbit.errors import unknown_name
from nunbit.perception.build import PerceptionConfig

KINDS = ("crayon", "moai")
"""Layer connectors that may be attached."""
SCENE_PROMPTS = ("none", "objects", "plain", "compact")
OLD_KEYS = {"words": "scene_prompt", "called": "translations", "words_tokens": "max_scene_tokens", "eyes": "perception"}
"""Keys of files written before version 0.2, and what they are now."""


@dataclass(frozen=True, kw_only=True)
class ObjectAwareConfig:
    """What the model is conditioned on.

    Attributes:
        connectors: config fields of each layer connector by its name, one of `KINDS`; none: no layer connector.
        classes: names of the crayon's classes, from row 1 on; COCO's 133 panoptic ones if empty.
        maps: the compressor also reads the panoptic colour picture through the model's own encoder, as in MoAI.
        aux_tokens: of the verbalised Scene at most so many tokens reach the compressor.
        scene_prompt: words of the Scene in the question's turn: "none", "objects" (CoLLaVO's numbered list), "plain"
            (`nunbit.verbalise.transcribe`), "compact" (`nunbit.scene_prompt.scene_words`, which has its own names).
        question_facts: before each question stands what it names in the Scenes (`nunbit.evidence.question_facts`).
        translations: names and colours in other languages than English by language code ("ko"): a question in such a
            language gets its
            Scene in that language.
        max_scene_tokens: tokens of a picture's Scene words at most; objects that find no room are counted or left out.
        perception: where Scenes come from when the caller gives none.
    """

    connectors: dict[str, dict[str, Any]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    maps: bool = True
    aux_tokens: int = 512
    scene_prompt: str = "none"
    question_facts: bool = False
    translations: dict[str, dict[str, str]] = field(default_factory=dict)
    max_scene_tokens: int = 1024
    perception: PerceptionConfig = PerceptionConfig()

    def __post_init__(self) -> None:
        if self.scene_prompt not in SCENE_PROMPTS:
            raise unknown_name("scene prompt", self.scene_prompt, SCENE_PROMPTS)
        for name in self.connectors:
            if name not in KINDS:
                raise unknown_name("layer connector", name, KINDS)

    def to_json(self) -> dict[str, Any]:
        """JSON values. Where Scenes are cached is a matter of one machine and stays behind."""
        return asdict(
            replace(self, perception=replace(self.perception, cache="", cache_mb=PerceptionConfig().cache_mb))
        )

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> ObjectAwareConfig:
        """Read `to_json`, also of versions before 0.2.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: values of another shape.
        """
        values = {OLD_KEYS.get(k, k): v for k, v in held.items()}
        values["scene_prompt"] = values.get("scene_prompt") or "none"
        values["classes"] = tuple(values.get("classes", ()))
        known = {f.name for f in fields(PerceptionConfig)}
        perception = {k: v for k, v in values.get("perception", {}).items() if k in known}
        # Files without the key are of models that were trained on the Scenes of the world's encoder alone.
        values["perception"] = PerceptionConfig(**{"parts": "drawings"} | perception)
        values["connectors"] = {
            k: {n: tuple(v) if isinstance(v, list) else v for n, v in fields_.items() if n != "name"}
            for k, fields_ in values["connectors"].items()
        }
        return ObjectAwareConfig(**values)
