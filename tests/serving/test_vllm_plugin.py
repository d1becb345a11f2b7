"""The plugin for vLLM, as far as it needs no vLLM; `make vllm` runs models in it and compares their ids."""

import importlib
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.families import TEMPLATES, tokenizer
from tokenizers import AddedToken

from nunbit.assistant import Assistant
from nunbit.connectors import CONNECTORS, TokenConnector
from nunbit.messages import Message, Part, assistant, question, user
from nunbit.models.object_aware.config import ObjectAwareConfig
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.models.prompt import PromptBuilder
from nunbit.scene import Scene, SceneObject
from nunbit.serving.vllm_plugin import ARCHITECTURE, register, unsupported_reason, vllm_name
from nunbit.serving.vllm_plugin.scene_words import SceneWords, object_aware_config

ROOT = Path(__file__).parents[2]


def test_vllm_finds_the_plugin_and_it_registers_once(monkeypatch):
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vllm.general_plugins"]
    module, _, name = held["nunbit"].partition(":")
    assert getattr(importlib.import_module(module), name) is register
    known = {}
    registry = types.SimpleNamespace(get_supported_archs=lambda: known, register_model=known.__setitem__)
    monkeypatch.setitem(sys.modules, "vllm", types.SimpleNamespace(ModelRegistry=registry))
    register()
    register()
    path, _, cls = known[ARCHITECTURE].partition(":")
    assert f"class {cls}(" in (ROOT / "src" / Path(*path.split("."))).with_suffix(".py").read_text()


def test_every_weight_of_a_composed_model_has_a_place_and_others_have_none(composed):
    names = list(composed.state_dict())
    placed = [vllm_name(n) for n in names]
    assert None not in placed and len(set(placed)) == len(names)
    assert {p.partition(".")[0] for p in placed} == {"vision_tower", "multi_modal_projector", "language_model"}
    assert "language_model.lm_head.weight" in placed and "language_model.model.embed_tokens.weight" in placed
    assert not any(map(vllm_name, ("crayon.semantic.weight", "moai.mixers.0.x", "names.head.weight", "model.rows")))


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    from nunbit.models.build import build_model
    from nunbit.recipes.debug_set import write_language, write_vision

    root = tmp_path_factory.mktemp("parts")
    vision, llm = write_vision(root / "vision"), write_language(root / "llm")
    return build_model(vision, llm, connector="perceiver", options={"latents": 4})[0]


def test_what_acts_inside_the_decoder_is_refused_with_its_reason():
    for name in CONNECTORS:
        config = types.SimpleNamespace(connector={"name": name})
        token = issubclass(CONNECTORS[name], TokenConnector)
        assert (unsupported_reason(config) == "") is token
        assert "hooks" in unsupported_reason(config, ("crayon",)) or not token
    tiny = object_aware_config(ROOT / "src/nunbit/models/weights/nunbit-tiny")
    assert set(tiny.connectors) == {"crayon", "moai"} and object_aware_config(ROOT) is None


def scene_of(picture):
    seed = int(np.asarray(picture)[0, 0, 0])
    name = ("dog", "cat", "cup")[seed % 3]
    return Scene(60, 60, objects=[SceneObject(name, (5, 5, 30, 30), 0.9, attributes={"color": "red"})])


CONVERSATIONS = [
    lambda p: question("What is it?", p[:1]),
    lambda p: question("그림에 무엇이 있나요?", p[1:2]),
    lambda p: question("Which is it?  A or B", p[:2]),
    lambda p: [*question("What is it?", p[:1]), assistant("A dog."), user("And now?")],
    lambda p: [Message("user", (Part.text("First, "), Part.image(p[2]), Part.text("then tell me.")))],
    lambda p: question("Say something."),
]


@pytest.mark.parametrize("style", ["plain", "compact"])
@pytest.mark.parametrize("kind", [*TEMPLATES, "tiny"])
def test_words_stand_in_rendered_ids_as_in_ours(kind, style):
    pictures = [Image.new("RGB", (60, 60), (i, 9, 9)) for i in range(3)]
    processor = Assistant("nunbit-tiny", object_aware=False).processor if kind == "tiny" else None
    reader = processor.tokenizer if processor else tokenizer(kind)
    if processor is None:
        reader.add_tokens([AddedToken("<image>", special=True, normalized=False)], special_tokens=True)
    config = ObjectAwareConfig(scene_prompt=style)
    builder = PromptBuilder.from_processor(processor) if processor else PromptBuilder(reader)
    builder.scene_text = SceneText(config, lambda text: len(builder.encoder.words(text)))
    words = SceneWords(config, reader, builder.image_id, lambda shown: [scene_of(p) for p in shown])
    for make in CONVERSATIONS:
        messages = make(pictures)
        shown = [i for m in messages for i in m.images]
        want = builder.build(messages, [scene_of(p) for p in shown]).ids.tolist()
        rendered = builder.build(messages).ids.tolist()
        assert words.insert(rendered, shown) == want
        assert (len(want) > len(rendered)) is bool(shown)
