"""What the server gives a prompt to take, where nobody says: a picture of any resolution has room."""

from types import SimpleNamespace

import pytest
from tests.families import tokenizer
from tests.native_models import messages, picture, reference

from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.supported import server_length, unsupported
from nunbit.models.build import build_model
from nunbit.models.checkpoint import save
from nunbit.models.tiling import NEXT
from nunbit.serving.build import ServeOptions, build_app

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    """LLaVA-NeXT with an encoder of 336 px pictures, as published, 24 x 24 patches of each tile."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    root, words = tmp_path_factory.mktemp("tiled"), tokenizer("qwen3")
    size = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2)
    CLIPVisionModel(CLIPVisionConfig(**size, image_size=336, patch_size=14)).save_pretrained(root / "vision")
    CLIPImageProcessor().save_pretrained(root / "vision")
    ids = dict(eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, bos_token_id=None)
    config = Qwen3Config(**size, **ids, vocab_size=len(words), head_dim=8, num_key_value_heads=1)
    Qwen3ForCausalLM(config).save_pretrained(root / "words")
    words.save_pretrained(root / "words")
    save(*build_model(root / "vision", root / "words", tiles=NEXT), root / "model")
    return root / "model"


def test_the_server_takes_a_picture_in_tiles_of_the_published_size(tiled, monkeypatch):
    made = []
    monkeypatch.setattr("nunbit.serving.app.create_app", lambda engine, name, settings: made.append(engine))
    build_app(ServeOptions(model=str(tiled)))
    engine, held = made[0], Assistant(tiled)
    turns = [("What is it?", [picture(1, (672, 672))], "")]
    try:
        output = engine.ask(engine.prepare(messages(turns)), SamplingParams(max_tokens=4))
        assert output.prompt_tokens > 2928
        assert [t.token for t in output.tokens] == reference(held.model, held.processor, turns, 4)[0]
    finally:
        engine.close(5)


def config(kind, **text):
    return SimpleNamespace(model_type=kind, vision_config=SimpleNamespace(model_type="clip_vision_model"),
                           get_text_config=lambda: SimpleNamespace(**text))  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("llava", dict(max_position_embeddings=8192), 1024),
        ("llava", dict(max_position_embeddings=512), 512),
        ("llava_next", dict(max_position_embeddings=32768), 4096),
        ("qwen2_5_vl", dict(max_position_embeddings=32768, layer_types=["full_attention"], sliding_window=None), 4096),
        ("gemma3", dict(max_position_embeddings=32768, layer_types=["sliding_attention"], sliding_window=1024), 1024),
    ],
)
def test_the_length_follows_from_the_model(kind, text, wanted):
    assert server_length(config(kind, **text)) == wanted
    assert not unsupported(SimpleNamespace(config=config(kind, **text)), wanted)


def test_a_window_without_a_list_of_layers_is_noticed():
    text = dict(max_position_embeddings=32768, sliding_window=4096)
    held = SimpleNamespace(config=config("llava", **text))
    assert not unsupported(held, 4096) and "window of 4096 tokens in slots of 8192" in unsupported(held, 8192)
