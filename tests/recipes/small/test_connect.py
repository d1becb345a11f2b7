"""The picture's tokens: in their places, for the rows that have a picture, with a gradient to the connector."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from nunbit.connectors import build
from nunbit.recipes.small import connect
from nunbit.recipes.small.connect import PictureTask
from nunbit.recipes.small.data import Example
from nunbit.recipes.small.decoder import Decoder
from nunbit.recipes.small.pool import Pooled
from nunbit.recipes.small.rows import IMAGE_ID
from nunbit.scene import Scene, SceneObject
from nunbit.training.stage import Stage

WIDTH = 12


class Letters:
    """A tokenizer of single characters."""

    pad_token_id = 0

    def __call__(self, text, **_):
        return type("Encoded", (), {"input_ids": [1 + ord(c) % 38 for c in text]})


class Makes:
    """Two rows with a picture and one without, in turn."""

    def example(self, number, seed):
        scene = Scene(10, 10, [SceneObject("dog", (0, 0, 5, 5))])
        pooled = Pooled(scene, scene, np.full((9, WIDTH), number, np.float16), (3, 3))
        return Example("words", [[("q", "a")]], pooled=pooled if number % 3 else None)


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(connect, "WIDTH", WIDTH)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=40,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 1e5, "rope_type": "default"},
    )
    decoder = Decoder(LlamaForCausalLM(config), 2, rank=2)
    connector = build("named_features", vision_width=WIDTH, text_width=32, names=5, side=2)
    from nunbit.recipes.small.rows import Encoder

    return PictureTask(decoder, Encoder(Letters()), Makes(), connector, lambda image: None)


STAGE = Stage(name="connect", steps=1, batch=6, lr=1e-3)


def test_a_picture_takes_as_many_places_as_it_has_tokens(task):
    batch = task.batch(0, STAGE)
    assert batch["pictures"].tolist() == [0, 1, 1, 0, 1, 1]
    rows = batch["ids"].split(batch["lengths"].tolist())
    assert [int((r == IMAGE_ID).sum()) for r in rows] == [0, 5, 5, 0, 5, 5]


@pytest.mark.parametrize("micro", [0, 4])
def test_each_row_gets_its_own_picture(task, micro):
    stage = Stage(name="connect", steps=1, batch=6, lr=1e-3, micro_batch_size=micro)
    seen = []
    for part in task.micro_batches(task.batch(0, stage), stage):
        tokens = task.embed(part)[part["ids"] == IMAGE_ID]
        assert len(tokens) == 5 * len(part["features"])
        for features, found in zip(part["features"], tokens.split(5), strict=False):
            assert torch.allclose(task.connector(features[None])[0], found, atol=1e-5)
            seen.append(int(features[0, 0]))
    assert sorted(seen) == [1, 2, 4, 5]


def test_the_loss_reaches_connector_and_adapters(task):
    for part in task.micro_batches(task.batch(0, STAGE), STAGE):
        task.loss(part)[0].backward()
    assert task.connector.place.grad.abs().sum() > 0
    assert task.connector.direct.weight.grad.abs().sum() > 0
    assert task.decoder.layers[0].qkv.B.grad.abs().sum() > 0


def test_without_words_the_questions_are_about_the_true_picture():
    scene = Scene(10, 10, [SceneObject("dog", (0, 0, 5, 5))])
    pooled = Pooled(scene, Scene(10, 10), np.zeros((1, WIDTH), np.float16), (1, 1))
    example = connect.without_words(pooled, np.random.default_rng(0))
    assert example.words == "" and example.conversations
