"""FARE: attacked features are drawn to the original clean ones, the text side stays, and the model opens anywhere."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.recipes.test_clip import QUIET

from nunbit.cli.train import train_recipe
from nunbit.encoders.zero_shot import EMBEDDED, TEMPLATES, ZeroShotClassifier
from nunbit.errors import UserError
from nunbit.recipes import clip, fare


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A small untrained pair in a folder."""
    out = tmp_path_factory.mktemp("pair")
    train_recipe("clip", ["debug=true"], out, torch.get_num_threads(), QUIET)
    return out / "model"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 255, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    return folder


def test_the_attacked_distance_falls_on_a_batch_that_is_learned():
    pair = ZeroShotClassifier.from_pretrained(str(EMBEDDED))
    config = fare.configure(["batch=4", "attack_steps=3"])
    task = fare.FareTask(pair.model, pair.processor.image_processor, config)
    batch = task.batch(0, config.selected()["fare"])
    parameters = [p for m in task.modules().values() for p in m.parameters()]
    losses = []
    for _ in range(9):
        loss, _ = task.loss(batch)
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(parameters, 1e9)
        with torch.no_grad():
            for p in parameters:
                p -= 0.01 * p.grad / size
                p.grad = None
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.9 * losses[0]


def test_the_text_side_stays_as_it_is(pair, photos, tmp_path):
    changes = [f"model={pair}", f"images={photos}", "steps=2", "batch=2", "attack_steps=1"]
    train_recipe("fare", changes, tmp_path / "run", torch.get_num_threads(), QUIET)
    before, after = (ZeroShotClassifier.from_pretrained(str(f)) for f in (pair, tmp_path / "run" / "model"))
    assert torch.equal(*(c.encode_labels(["cat", "dog"], TEMPLATES["en"]) for c in (before, after)))
    image = Image.open(photos / "0.png")
    assert not torch.equal(before.encode_images([image]), after.encode_images([image]))


def test_only_the_picture_side_learns_and_the_original_stays(pair, photos):
    model = ZeroShotClassifier.from_pretrained(str(pair))
    task = fare.FareTask(model.model, model.processor.image_processor, fare.configure([f"images={photos}"]))
    learning = {id(p) for m in task.modules().values() for p in m.parameters()}
    assert not learning & {id(p) for p in model.model.text_model.parameters()}
    assert not learning & {id(p) for p in task.before.model.parameters()}
    loss, figures = task.loss(task.batch(0, fare.FARE))
    loss.backward()
    assert figures["drift"] == 0 and loss > 0 and all(p.grad is None for p in task.before.model.parameters())


def test_a_batch_is_a_function_of_its_step(pair):
    model = ZeroShotClassifier.from_pretrained(str(pair))
    task = fare.FareTask(model.model, model.processor.image_processor, fare.defaults())
    small = fare.configure(["batch=3"]).selected()["fare"]
    first, again, other = (task.batch(n, small)["pixels"] for n in (2, 2, 3))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (3, 3, 64, 64) and first.min() >= 0 and first.max() <= 1


@pytest.mark.parametrize("wrong", ["bound=0", "bound=300", "attack_steps=0", "epsilon=4"])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UserError):
        fare.configure([wrong])


def test_a_folder_without_pictures_and_a_plan(tmp_path, pair):
    with pytest.raises(UserError, match="no picture"):
        fare.FareTask(clip.build(clip.make_tokenizer()), None, fare.configure([f"images={tmp_path}"]))
    report = fare.plan(fare.configure([f"model={pair}", "debug=true"]), 1e9)
    assert report.stages[0].samples == 4
