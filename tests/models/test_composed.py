"""Every connector x encoder family x language model family: trained, saved, opened by transformers, asked, batched. No
code for any."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.families import language, vision
from transformers import AutoModelForImageTextToText, AutoProcessor

from nunbit.assistant import Assistant
from nunbit.connectors import build
from nunbit.engine.sampling import SamplingParams
from nunbit.errors import UserError
from nunbit.messages import Message, Part, assistant, question, user
from nunbit.models.build import GATED, build_model, connector_names
from nunbit.models.checkpoint import save
from nunbit.models.composed import embed, image_features
from nunbit.models.image_tokens import token_counter
from nunbit.models.prompt import PromptBuilder
from nunbit.training.loop import train
from nunbit.training.multimodal import ConversationTask, freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

ENCODERS = ("clip", "siglip", "dinov2", "convnext")  # a class token, none, another template of one, feature maps
LANGUAGES = ("llama", "qwen3", "gemma")
OPTIONS = {
    "linear": {},
    "mlp": {},
    "pixel_shuffle": {"factor": 2},
    "perceiver": {"latents": 3, "depth": 1, "heads": 2, "head_dim": 8, "max_frames": 0},
    "qformer": {"queries": 3, "width": 16, "depth": 1, "heads": 2},
    "named_features": {"names": 5, "side": 2},
    "window_qformer": {"width": 16, "depth": 1, "heads": 2, "window": 4},
    GATED: {
        "every": 1, "heads": 2, "head_dim": 8, "latents": 3,
        "resampler_depth": 1, "resampler_heads": 2, "resampler_head_dim": 8,
    },
}  # fmt: skip


def picture(seed, size=(50, 70)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


TALKS = [
    question("What is in the picture?", [picture(1)]),
    [
        Message(
            "user", (Part.image(picture(2)), Part.text("this"), Part.image(picture(3, (30, 90))), Part.text("or this?"))
        )
    ],
    question("Say something."),
    [*question("What is it?", [picture(1)]), assistant("a red dog"), user("고양이?")],
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    return {k: language(k, root / k) for k in LANGUAGES} | {k: vision(k, root / k) for k in ENCODERS}


def composed(folders, connector, encoder, llm):
    torch.manual_seed(0)
    layer = -1 if encoder == "convnext" else -2
    model, processor = build_model(
        folders[encoder], folders[llm], connector=connector, options=OPTIONS[connector], layer=layer
    )
    if connector == GATED:  # closed gates would make every test of pictures pass
        for block in model.connector.blocks.values():
            torch.nn.init.constant_(block.attention_gate, 1.0)
            torch.nn.init.normal_(block.attention.out_proj.weight, std=0.5)
    return model, processor


def trained(model, processor, folder):
    """Two steps of connector and language model on three conversations."""
    freeze(model, {"connector": 1.0, "language": 1.0})
    builder = PromptBuilder.from_processor(processor, token_counter(model.config))
    paths = []
    for seed in range(3):
        paths.append(folder / f"{seed}.png")
        picture(seed).save(paths[-1])
    samples = [builder.build([*question("What?", [p]), assistant("a dog")], training=True) for p in paths[:2]]
    samples.append(builder.build([user("hello"), assistant("yes")], training=True))
    task = ConversationTask(model, processor.image_processor, samples, pad=processor.tokenizer.pad_token_id)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    rates = {"connector": 1e-2, "language": 1e-3}
    train(
        task,
        Stage(name="x", steps=2, batch=3, lr=1e-2, part_lr=rates, warmup=0),
        folder / "run",
        RunOptions(say=lambda _: None),
    )
    moved = {n for n, p in model.named_parameters() if not torch.equal(before[n], p)}
    assert any("multi_modal_projector" in n for n in moved) and any("language_model" in n for n in moved)
    assert not any("vision_tower" in n for n in moved)
    model.requires_grad_(False).eval()


@pytest.mark.parametrize("llm", LANGUAGES)
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("connector", sorted(OPTIONS))
def test_trained_saved_opened_asked_and_batched(folders, tmp_path, connector, encoder, llm):
    model, processor = composed(folders, connector, encoder, llm)
    trained(model, processor, tmp_path)
    save(model, processor, tmp_path / "m")
    native = connector in ("linear", "mlp") and encoder != "convnext"
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "m").eval()
    assert again.config.model_type == ("llava" if native else "nunbit_composed")
    helper = Assistant.from_loaded(again, AutoProcessor.from_pretrained(tmp_path / "m"))
    oracle = [helper.generate(t, max_new_tokens=5) for t in TALKS]
    assert [helper.ask(t, max_new_tokens=5).ids for t in TALKS] == [a.ids for a in oracle]
    engine = helper.engine(4)
    for _ in range(2):  # the second time from the caches
        outputs = [engine.submit(t, SamplingParams(max_tokens=5), lambda e: None) for t in TALKS]
        answers = helper.stream_many(TALKS, max_new_tokens=5, batch=4)
        assert [a.ids for a in answers] == [a.ids for a in oracle] and all(not r.failure for r in outputs)
    assert_padding_leaks_nothing(again, helper.processor)
    before = Assistant.from_loaded(model, processor)
    assert [before.ask(t, max_new_tokens=5).ids for t in TALKS] == [a.ids for a in oracle], "saving changed the model"


@torch.no_grad()
def assert_padding_leaks_nothing(model, processor):
    words = ["<image>What?", "<image>What is in the picture? a red dog"]
    given = [picture(1), picture(2)]
    both = processor(text=words, images=given, padding=True, padding_side="left", return_tensors="pt")
    single = processor(text=words[:1], images=given[:1], return_tensors="pt")
    alone = model(**single).logits[0, -1]
    beside = model(**both, position_ids=(both["attention_mask"].cumsum(-1) - 1).clamp(min=0)).logits[0, -1]
    assert torch.allclose(beside, alone, atol=1e-4)
    other = both["pixel_values"].clone()
    other[1] += 1.0
    changed = model(
        **(both | {"pixel_values": other}), position_ids=(both["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    ).logits
    assert torch.allclose(changed[0, -1], beside, atol=1e-5) and not torch.allclose(changed[1, -1], alone, atol=1e-3)


def test_every_registered_connector_is_in_the_contract():
    assert set(connector_names()) == set(OPTIONS)


def test_a_wrong_connector_names_the_nearest(folders):
    with pytest.raises(UserError, match="Did you mean 'qformer'"):
        build_model(folders["clip"], folders["llama"], connector="qfromer")
    with pytest.raises(UserError, match="no field 'querys'.*Did you mean 'queries'"):
        build_model(folders["clip"], folders["llama"], connector="qformer", options={"querys": 3})


def test_the_splice_counts(folders):
    model, processor = composed(folders, "perceiver", "clip", "llama")
    pixels = processor.image_processor([picture(1)], return_tensors="pt")["pixel_values"]
    features = image_features(model, pixels)
    assert features.shape == (1, 3, 32)
    ids = torch.full((1, 5), model.config.image_token_id)
    with pytest.raises(UserError, match="5 image tokens and 3 tokens"):
        embed(model, ids, features)
    ids[0, :2] = 7
    assert torch.equal(embed(model, ids, features)[0, 2:], features[0])


def test_gradients_reach_the_encoder_only_where_it_learns(folders):
    model, processor = composed(folders, "qformer", "convnext", "qwen3")
    pixels = processor.image_processor([picture(1)], return_tensors="pt")["pixel_values"]
    for learning in (False, True):
        model.zero_grad()
        image_features(model, pixels, learning=learning).sum().backward()
        assert any(p.grad is not None for p in model.model.vision_tower.parameters()) == learning


def test_the_config_says_what_the_connector_is(folders):
    model, _ = composed(folders, "pixel_shuffle", "convnext", "llama")
    held = model.config.to_dict()
    assert (
        held["connector"]["name"] == "pixel_shuffle" and held["image_seq_length"] == 1 and held["vision_grid"] == [2, 2]
    )
    assert build(**held["connector"]).config == replace(model.connector.config)
