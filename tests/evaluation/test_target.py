"""The key of a local model's answers covers all that changes them."""

import hashlib
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.evaluation.stubs import small_benchmark, stub_target

from nunbit.assistant import Assistant
from nunbit.evaluation import target
from nunbit.evaluation.answers import key_of
from nunbit.evaluation.runner import run
from nunbit.evaluation.target import ANSWER_VERSION, answer_settings, fingerprint, local_target
from nunbit.files import EMBEDDED
from nunbit.messages import Message, Part, question
from nunbit.models.loading import TINY
from nunbit.models.object_aware.config import ObjectAwareConfig
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.models.prompt import PromptBuilder
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.cells import CellPerception
from nunbit.perception.loading import fingerprint as model_fingerprint
from nunbit.scene import Scene, SceneObject, TextLine

PROMPTS = (3, "070d57d017e6b2b5")
"""ANSWER_VERSION and a digest of what it asks. Where this test fails, the prompts have changed: raise ANSWER_VERSION in
`nunbit.evaluation.target`, so that kept answers to the old ones are not used, and enter the new pair here."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))


def copied(folder):
    shutil.copytree(EMBEDDED, folder)
    return folder


def change_projector(folder, name="model.safetensors", part="multi_modal_projector"):
    """The last bit of one weight."""
    state = load_file(folder / name)
    key = next(k for k in state if part in k)
    state[key].view(-1).view(torch.uint8)[0] ^= 1
    save_file(state, folder / name, {"format": "pt"})


def test_two_folders_that_differ_in_the_projector_have_two_keys(tmp_path):
    a, b = copied(tmp_path / "a"), copied(tmp_path / "b")
    assert fingerprint(a) == fingerprint(b)
    change_projector(b)
    assert fingerprint(a) != fingerprint(b)
    keys = [key_of(question("What?"), local_target(str(f), "cpu"), "p")[0] for f in (a, b)]
    assert keys[0] != keys[1]


def test_object_aware_parts_and_settings_are_in_the_key(tmp_path):
    folder = copied(tmp_path / "a")
    before = local_target(str(folder), "cpu")
    text = (folder / "object_aware.json").read_text()
    (folder / "object_aware.json").write_text(text.replace('"aux_tokens": 512', '"aux_tokens": 511'))
    assert local_target(str(folder), "cpu").name != before.name and "511" in (folder / "object_aware.json").read_text()
    assert local_target(TINY, "cpu").name != local_target(TINY, "cpu", object_aware=False).name
    assert dict(local_target(TINY, "cpu").settings) != dict(local_target(TINY, "cpu", max_new_tokens=3).settings)


def test_perception_is_in_the_key(tmp_path):
    assistant = Assistant(TINY)
    before = answer_settings(assistant)
    assert before["perception"] and before["answer_version"] == ANSWER_VERSION
    assistant.aware.perception = build_perception(PerceptionConfig(ocr="none"))
    without_reading = answer_settings(assistant)
    assert without_reading["perception"] != before["perception"]
    heads = CellPerception.from_pretrained(EMBEDDED, read=True)
    with torch.no_grad():
        next(heads.vision.parameters()).view(-1)[-1] += 1e-3
    changed = type(heads)(heads.vision, heads.image_processor, heads.heads, heads.names, read=heads.read)
    assert changed.name != heads.name
    assistant.aware = None
    assert answer_settings(assistant)["perception"] == []


def test_the_version_of_the_code_is_in_the_key(monkeypatch):
    one = local_target(TINY, "cpu")
    monkeypatch.setattr(target, "ANSWER_VERSION", ANSWER_VERSION + 1)
    two = local_target(TINY, "cpu")
    assert key_of(question("What?"), one, "p")[0] != key_of(question("What?"), two, "p")[0]


def test_a_value_in_the_middle_of_a_perception_weight_is_another_name():
    """The name covered the first sixteen values of each weight before."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    small = CLIPVisionConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    model = CLIPVisionModel(small)
    before = model_fingerprint(model, small)
    with torch.no_grad():
        weight = model.embeddings.patch_embedding.weight.view(-1)
        weight[len(weight) // 2] += 1
    assert model_fingerprint(model, small) != before


def test_the_prompts_of_this_version():
    """What the embedded model is asked, as text, with the words of a Scene."""
    processor = Assistant(TINY, object_aware=False).processor
    scene = Scene(
        100, 50, [SceneObject("red circle", (1, 2, 30, 40), 0.9)], text_lines=[TextLine.from_box("STOP", (5, 5, 20, 9))]
    )
    picture = Part.image(Image.new("RGB", (100, 50)))
    turns = [Message("user", (picture, Part.text("What is there?"))), Message("assistant", (Part.text("a circle"),))]
    turns.append(Message("user", (Part.text("무슨 색이야?"),)))
    written = []
    for kind in ("none", "objects", "plain"):
        config = ObjectAwareConfig(scene_prompt=kind)
        writer = SceneText(config, lambda text: len(text.split()))
        messages = writer.add(turns, [scene]) if kind != "none" else turns
        prompt = PromptBuilder.from_processor(processor).build(messages)
        written.append(processor.tokenizer.decode(prompt.ids.tolist()))
    cells = (("Flight", "To", "Gate"), ("KE 901", "Paris", "31"), ("OZ 102", "Tokyo", "7"), ("BA 5", "London", "12"))
    lines = [
        TextLine.from_box(c, (40 * j, 20 * i, 40 * j + 20, 20 * i + 8))
        for i, row in enumerate(cells)
        for j, c in enumerate(row)
    ]
    compact = SceneText(ObjectAwareConfig(scene_prompt="compact"), lambda text: len(text.split()))
    for one in (scene, Scene(200, 100, text_lines=lines)):
        written += [compact.words(one, "en"), compact.words(one, "ko")]
    digest = hashlib.sha256("\n".join(written).encode()).hexdigest()[:16]
    assert (ANSWER_VERSION, digest) == PROMPTS, written


def test_answers_under_other_keys_are_named_and_not_used(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    run(benchmark, protocol, items, stub_target("A", name="old")[0], tmp_path / "run", wait_s=0)
    said = []
    new, asked = stub_target("B", name="new")
    result = run(benchmark, protocol, items, new, tmp_path / "run", wait_s=0, say=said.append)
    assert asked and result.items == len(items)
    assert sum("they stay there and are not used" in line for line in said) == 1
    assert '"outdated": 0' not in (tmp_path / "run" / "result.json").read_text()
    said.clear()
    run(benchmark, protocol, items, new, tmp_path / "run", wait_s=0, say=said.append)
    assert not any("not used" in line for line in said)
