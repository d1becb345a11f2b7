"""Object-aware parts beside a model: saved, opened, and refused when damaged."""

import pytest
import torch
from tests.models.object_aware.small import aware, logits, prompts, scene, write_base

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import (
    open_object_aware,
    save_object_aware,
)
from nunbit.world.samples import sample


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_saved_and_opened_again_is_the_same(base, tmp_path):
    made = aware(base, scene_prompt="objects")
    save(made.model, made.processor, tmp_path)
    save_object_aware(made, tmp_path)
    inputs = prompts(made, 2)
    wanted = logits(made, inputs, [scene(0), scene(1)])
    model, processor = open_model(tmp_path)
    again = open_object_aware(tmp_path, model, processor)
    assert again.config.scene_prompt == "objects"
    assert torch.allclose(logits(again, inputs, [scene(0), scene(1)]), wanted, atol=1e-5)
    helper = Assistant(tmp_path)
    picture = sample(0, seed=1, mixture={"things": 1.0}).picture.pixels
    assert isinstance(helper.ask(question("What is this?", [picture]), max_new_tokens=3).text, str)
    batch = [question("What is this?", [picture]), question("And this thing here, what is it?", [picture[::-1].copy()])]
    assert helper.ask_many(batch, max_new_tokens=3) == [helper.ask(q, max_new_tokens=3).text for q in batch]


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"connectors": {"crayon": {"rank": 1000000000}}}',
        '{"connectors": {"moai": {"depth": 60000}}}',
        '{"connectors": {"crayon": {"rank": 7}}}',
        '{"connectors": {"crayon": {"rank": "x"}}}',
        '{"connectors": {}, "what": 1}',
        '{"connectors": {"mlp": {}}}',
    ],
)
def test_damaged_parts_are_refused_in_words(base, tmp_path, damage):
    made = aware(base)
    save(made.model, made.processor, tmp_path)
    save_object_aware(made, tmp_path)
    (tmp_path / "object_aware.json").write_text(damage)
    with pytest.raises(UserError):
        Assistant(tmp_path)


def test_truncated_files_are_said_in_a_sentence(base, tmp_path):
    import shutil

    from nunbit.files import EMBEDDED
    from nunbit.perception.cells import CellPerception

    folder = tmp_path / "model"
    shutil.copytree(base, folder)
    save_object_aware(aware(base), folder)
    held = folder / "object_aware.safetensors"
    held.write_bytes(held.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"object_aware\.safetensors"):
        Assistant(folder)
    heads = shutil.copytree(EMBEDDED, tmp_path / "embedded") / "perception.safetensors"
    heads.write_bytes(heads.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"perception\.safetensors"):
        CellPerception.from_pretrained(heads.parent)
