"""Sizes of an engine's caches follow from what is wanted, the model and free memory."""

from types import SimpleNamespace

import pytest
import torch

from nunbit.assistant import Assistant
from nunbit.engine.options import CacheOptions
from nunbit.engine.sizing import MB, engine_sizes, token_bytes
from nunbit.errors import UserError

GB = 1 << 30
TOKEN = 2 * 32 * 8 * 128 * 2
"""Bytes a token of the model below: keys and values of 32 layers, 8 heads of 128 numbers, in 16 bits."""


def model(device="cuda:0", dtype=torch.bfloat16, **more):
    text = SimpleNamespace(
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, hidden_size=4096, head_dim=None,
        max_position_embeddings=4096, **more,
    )  # fmt: skip
    table = SimpleNamespace(weight=torch.empty(1, dtype=dtype))
    config = SimpleNamespace(model_type="llava", vision_config=SimpleNamespace(model_type=""),
                             get_text_config=lambda: text)  # fmt: skip
    return SimpleNamespace(config=config, device=torch.device(device), get_input_embeddings=lambda: table)


def test_a_token_takes_what_the_cache_holds_of_it():
    assert token_bytes(model()) == TOKEN
    held = Assistant(object_aware=False)
    engine = held.engine(3)
    engine.ask(engine.prepare_text("one"))
    assert engine.runner.cache.nbytes == 3 * 256 * token_bytes(held.model)


def test_a_card_is_filled_as_far_as_it_is_free():
    sizes = engine_sizes(model(), CacheOptions(), server=True, free=60 * GB)
    assert (sizes["slots"], sizes["length"], sizes["static"]) == (64, 1024, True)
    some = engine_sizes(model(), CacheOptions(), server=True, free=4 * GB)
    taken = some["slots"] * some["length"] * TOKEN + some["prefix_bytes"] + some["feature_bytes"]
    assert 1 < some["slots"] < 64 and some["length"] == 1024 and 0.8 * 0.85 * 4 * GB < taken <= 0.85 * 4 * GB
    assert engine_sizes(model(), CacheOptions(cuda_graphs=False), server=True, free=60 * GB)["static"] is False


def test_a_length_that_nobody_named_shrinks_and_one_that_was_named_is_refused():
    assert engine_sizes(model(), CacheOptions(slots=16), server=False, free=60 * GB)["length"] == 4096
    assert 256 <= engine_sizes(model(), CacheOptions(slots=16), server=False, free=4 * GB)["length"] < 2048
    with pytest.raises(UserError, match="16 slots of 4096 tokens, which take 8.0 GiB"):
        engine_sizes(model(), CacheOptions(slots=16, length=4096), server=False, free=4 * GB)
    with pytest.raises(UserError, match="--int4"):
        engine_sizes(model(), CacheOptions(), server=True, free=GB // 4)


def test_a_processor_has_the_slots_that_it_had_and_no_graphs():
    sizes = engine_sizes(model("cpu", torch.float32), CacheOptions(), server=True, free=20 * GB)
    assert (sizes["slots"], sizes["length"], sizes["together"], sizes["static"]) == (8, 1024, 0, False)
    assert sizes["feature_bytes"] == 64 * MB and sizes["prefix_bytes"] == 2 * 1024 * 2 * TOKEN
    assert engine_sizes(model("cpu"), CacheOptions(20, 4096), server=True, free=GB)["slots"] == 20, "they grow"


def test_what_is_named_is_taken():
    sizes = engine_sizes(model(), CacheOptions(3, 700, 0, 7), server=True, free=60 * GB)
    assert [sizes[k] for k in ("slots", "length", "prefix_bytes", "feature_bytes")] == [3, 700, 0, 7 * MB]
