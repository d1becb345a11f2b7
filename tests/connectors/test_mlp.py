"""The MLP connector is transformers' projector of LLaVA."""

from __future__ import annotations

import torch
from tests.connectors.small import DT, DV, features, make


def test_mlp_is_the_projector_of_transformers():
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    text = LlamaConfig(hidden_size=DT, num_attention_heads=2)
    config = LlavaConfig(vision_config=CLIPVisionConfig(hidden_size=DV), text_config=text)
    theirs, ours = LlavaMultiModalProjector(config), make("mlp")
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(features(2)), theirs(features(2)))
