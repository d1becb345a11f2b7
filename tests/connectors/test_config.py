"""Connector configs: checked values, and tuples that survive JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from nunbit.connectors import CONNECTORS, build, config_from_dict, config_to_dict
from nunbit.connectors.config import make_config
from nunbit.connectors.gated_cross_attention import GatedCrossAttentionConfig
from nunbit.connectors.moai_config import MoAIConfig
from nunbit.errors import UserError

WIDTHS = {"vision_width": 12, "text_width": 16}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("crayon", {"targets": ("q_proj", "v_proj"), "alpha": 3.5}),
        ("moai", {"places": (1, 3), "layers": 4, "gate_dtype": "float16"}),
        ("gated_cross_attention", {"layers": 4, "image_token_id": None}),
        ("gated_cross_attention", {"layers": 4, "image_token_id": 0}),
    ],
)
def test_configs_of_layer_connectors_go_through_json_and_back(name, values):
    config = make_config(CONNECTORS[name].config_class, name, WIDTHS | values)
    read = config_from_dict(json.loads(json.dumps(config_to_dict(config))))
    assert read == config and type(read) is type(config)
    assert all(type(v) is type(asdict(config)[k]) for k, v in asdict(read).items())


def test_a_built_connector_has_the_config_it_was_built_from():
    values = {"layers": 4, "every": 2, "heads": 2, "head_dim": 4, "latents": 2, "resampler_depth": 1}
    config = make_config(GatedCrossAttentionConfig, "gated_cross_attention", WIDTHS | values)
    assert build(**config_to_dict(config)).config == build(**asdict(config)).config == config


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mlp", {"activation": 3}),
        ("perceiver", {"latents": "64"}),
        ("perceiver", {"latents": 2.5}),
        ("perceiver", {"project": 1}),
        ("perceiver", {"depth": True}),
        ("crayon", {"targets": "q_proj"}),
        ("crayon", {"targets": [1]}),
        ("moai", {"places": [0.5]}),
        ("gated_cross_attention", {"image_token_id": "7"}),
    ],
)
def test_a_value_of_another_type_is_refused(name, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        build(name, **WIDTHS, **wrong)


def test_widths_are_positive_and_a_config_has_a_name():
    with pytest.raises(UserError, match="at least 1"):
        build("linear", vision_width=0, text_width=4)
    with pytest.raises(UserError, match="without a name"):
        config_from_dict(WIDTHS)
    with pytest.raises(UserError, match="perceiver"):
        config_from_dict(WIDTHS | {"name": "perciever"})
    assert MoAIConfig("moai", 1, 1, layers=4, every=2).mixer_layers() == (1, 3)
