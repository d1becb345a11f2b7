"""How vLLM prepares pictures and prompts of a composed model: with our bounds, our image processor and our count of
tokens, and, for an object-aware model, with the words of Scenes.

Letters: P pictures, M tokens a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import BatchFeature
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.parse import ImageProcessorItems
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
)

from nunbit.media.bounds import processed
from nunbit.models.composed import ComposedConfig
from nunbit.serving.vllm_plugin.scene_words import SceneWords, object_aware_config

DUMMY_SIDE_PX = 64
"""Sides of the pictures with which vLLM measures memory: every picture takes the same tokens."""


class ComposedInfo(BaseProcessingInfo):
    """What vLLM asks about the model."""

    _scene_words: SceneWords | None = None

    def get_hf_config(self) -> Any:
        """Its config, of the type that it must have."""
        return self.ctx.get_hf_config(ComposedConfig)

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        """Pictures, any number of them."""
        return {"image": None}

    def scene_words(self) -> SceneWords | None:
        """Writes Scenes into prompts; None for a model that reads none. Made once: perception opens its own models."""
        config = object_aware_config(Path(self.model_id))
        if config is None or config.scene_prompt == "none":
            return None
        if self._scene_words is None:
            self._scene_words = SceneWords(config, self.get_tokenizer(), self.get_hf_config().image_token_id)
        return self._scene_words


class ComposedDummyInputs(BaseDummyInputsBuilder[ComposedInfo]):
    """Requests with which vLLM measures memory."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """One image token a picture."""
        return str(self.info.get_hf_processor().image_token) * mm_counts.get("image", 0)

    def get_dummy_mm_data(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, Any]) -> Any:
        """Pictures without content."""
        return {
            "image": self._get_dummy_images(
                width=DUMMY_SIDE_PX,
                height=DUMMY_SIDE_PX,
                num_images=mm_counts.get("image", 0),
                overrides=mm_options.get("image"),
            )
        }


class ComposedProcessor(BaseMultiModalProcessor[ComposedInfo]):
    """Pictures to pixels, image tokens to as many as a picture takes."""

    def apply(self, inputs: Any, timing_ctx: Any) -> Any:
        """A prompt's ids and pictures to what the model reads."""
        words = self.info.scene_words()
        if words is not None and inputs.mm_data_items.get_all_counts().get("image"):
            pictures = inputs.mm_data_items.get_items("image", ImageProcessorItems).get_all()
            inputs = replace(inputs, prompt=words.insert(inputs.prompt, [_opened(p) for p in pictures]))
        return super().apply(inputs, timing_ctx)

    def _call_hf_processor(self, hf_data: Mapping[str, Any], hf_kwargs: Mapping[str, Any]) -> BatchFeature:
        pictures = [_opened(p) for p in hf_data["images"]]
        made = processed(self.info.get_hf_processor(**hf_kwargs).image_processor, pictures)
        return BatchFeature({"pixel_values": made["pixel_values"]})

    def _get_mm_fields_config(self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Any) -> Mapping[str, Any]:
        return {"pixel_values": MultiModalFieldConfig.batched("image")}

    def _get_prompt_updates(self, mm_items: Any, hf_processor_mm_kwargs: Any, out_mm_kwargs: Any) -> Sequence[Any]:
        config = self.info.get_hf_config()
        image = [config.image_token_id]
        return [PromptReplacement(modality="image", target=image, replacement=image * config.image_seq_length)]


def _opened(picture: Any) -> Any:
    """A picture as PIL has it: vLLM wraps those that it decoded itself."""
    return getattr(picture, "media", picture).convert("RGB")
