"""A composed model for vLLM: encoder and connector as they are, the language model by vLLM's class of its type.

Letters: P pictures, M tokens a picture, D width of the language model, T tokens of all requests of a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from vllm.model_executor.models.interfaces import SupportsMultiModal
from vllm.model_executor.models.utils import AutoWeightsLoader, init_vllm_registered_model, maybe_prefix
from vllm.multimodal import MULTIMODAL_REGISTRY

from nunbit.connectors import build
from nunbit.encoders.vision import hidden_states, picture_features
from nunbit.serving.vllm_plugin import unsupported_reason, vllm_name
from nunbit.serving.vllm_plugin.processing import ComposedDummyInputs, ComposedInfo, ComposedProcessor
from nunbit.serving.vllm_plugin.scene_words import object_aware_config


@MULTIMODAL_REGISTRY.register_processor(ComposedProcessor, info=ComposedInfo, dummy_inputs=ComposedDummyInputs)
class ComposedForVllm(nn.Module, SupportsMultiModal):
    """`nunbit.models.composed.ComposedModel` in vLLM.

    Raises:
        ValueError: a shape that vLLM cannot run, with the reason.
    """

    configure_mm_token_handling: Any  # of vLLM's interface, which is not there where types are checked
    _mark_tower_model: Any
    _mark_language_model: Any

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        """What stands for a picture in a template that takes text alone."""
        return "<image>" if modality == "image" else None

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__()
        self.config = config = vllm_config.model_config.hf_config
        aware = object_aware_config(Path(vllm_config.model_config.model))
        if why := unsupported_reason(config, tuple(aware.connectors) if aware else ()):
            raise ValueError(f"{why}: ask it with nunbit, or remove object_aware.* to serve the plain model")
        self.configure_mm_token_handling(config.text_config.vocab_size, [config.image_token_id])
        dtype = torch.get_default_dtype()
        with self._mark_tower_model(vllm_config, "image"):
            self.vision_tower = AutoModel.from_config(config.vision_config).to(dtype)
            self.multi_modal_projector = build(**config.connector).to(dtype)
        text = config.text_config
        text.tie_word_embeddings = config.tie_word_embeddings
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=text,
                architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[text.model_type]],
                prefix=maybe_prefix(prefix, "language_model"),
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors

    def embed_multimodal(self, **kwargs: Any) -> Tensor | list[Tensor]:
        """``pixel_values`` ``(P, 3, H, W)`` to tokens ``(P, M, D)``."""
        pixels = kwargs.get("pixel_values")
        if pixels is None:
            return []
        pixels = torch.stack(list(pixels)) if isinstance(pixels, (list, tuple)) else pixels
        weight = next(self.multi_modal_projector.parameters())
        states = hidden_states(self.vision_tower, pixels.flatten(0, -4).to(weight.device, weight.dtype))
        c = self.config
        found = picture_features(states, c.vision_feature_layer, c.vision_extra_tokens)
        tokens: Tensor = self.multi_modal_projector(found.to(weight.dtype), grid=tuple(c.vision_grid))
        return tokens

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Ids ``(T,)`` or embeddings ``(T, D)`` of all requests, and their positions, to hidden states ``(T, D)``."""
        return self.language_model(input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds)

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """Hidden states ``(T, D)`` to logits ``(T, V)``."""
        logits: Tensor | None = self.language_model.compute_logits(hidden_states)
        return logits

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load a checkpoint of ours, each tensor of the same shape as here; returns the names that were filled."""
        ours = ((vllm_name(name), tensor) for name, tensor in weights)
        loaded: set[str] = AutoWeightsLoader(self).load_weights((n, t) for n, t in ours if n is not None)
        return loaded
