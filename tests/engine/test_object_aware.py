"""An object-aware model answers in the engine as it does alone: many at once, in chunks where it may, with prefixes
where it may."""

import queue
from dataclasses import replace

import pytest
import torch

from nunbit.assistant import Assistant
from nunbit.engine.int8_linear import Int8Linear, quantise
from nunbit.engine.packed_linear import pack
from nunbit.engine.runner import Runner
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.files import EMBEDDED
from nunbit.messages import question
from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, save_object_aware
from nunbit.perception.build import PerceptionConfig, class_names
from nunbit.world.samples import sample

MIXER = {"latents": 4, "depth": 1, "heads": 2, "head_dim": 8, "rank": 8, "every": 3}


@pytest.fixture(scope="module", params=["crayon", "moai"])
def conditioned(request, tmp_path_factory):
    """The embedded model with loud parts, so that what they say shows."""
    folder = tmp_path_factory.mktemp("aware")
    eyes = PerceptionConfig(parts="drawings", ocr="embedded")
    classes = class_names(eyes)
    model, processor = open_model(EMBEDDED)
    parts = {"crayon": {"classes": len(classes), "rank": 8}} if request.param == "crayon" else {"moai": MIXER}
    aware = ObjectAwareModule(
        model.float(),
        processor,
        ObjectAwareConfig(
            connectors=parts,
            classes=classes,
            scene_prompt="objects" if request.param == "moai" else "none",
            perception=eyes,
        ),
    )
    torch.manual_seed(2)
    for p in aware.connectors[request.param].parameters():
        torch.nn.init.normal_(p, std=0.5 if request.param == "crayon" else 0.1)
    save(model, processor, folder)
    save_object_aware(aware, folder)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_the_engine_answers_as_the_assistant(conditioned, packed):
    helper = Assistant(conditioned)
    pictures = [sample(i, seed=8, mixture={"things": 1.0}).picture.pixels for i in range(3)]
    from PIL import Image

    asked = [
        question(q, [Image.fromarray(p)])
        for p in pictures
        for q in ("Describe the picture.", "How many things are there?")
    ]
    asked += [question("What is the same?", [Image.fromarray(p) for p in pictures[:2]]), question("Say something.")]
    wanted = [helper.generate(q, max_new_tokens=12).ids for q in asked]
    plain = Assistant(object_aware=False)
    assert [plain.generate(q, max_new_tokens=12).ids for q in asked[:6]] != wanted[:6]
    assert not packed or pack(helper.model)
    engine = Engine(helper.model, helper.processor, slots=4, chunk=40, aware=helper.aware)
    try:
        for _ in range(2):  # the second time with prefixes
            boxes = [queue.SimpleQueue() for _ in asked]
            for q, box in zip(asked, boxes, strict=True):
                engine.submit(q, SamplingParams(max_tokens=12), box.put)
            answers = []
            for box in boxes:
                event = box.get(timeout=60)
                while not isinstance(event, RequestOutput):
                    event = box.get(timeout=60)
                answers.append(tuple(t.token for t in event.tokens))
            assert answers == wanted
        assert engine.stats.cached_tokens > 100 * len(asked) / 2
    finally:
        engine.close(5)


def test_eight_bits_lose_nothing_of_the_conditioning(conditioned):
    helper, picture = Assistant(conditioned), sample(0, seed=8, mixture={"things": 1.0}).picture.pixels
    if "crayon" not in helper.aware.connectors:
        pytest.skip("mixers are hooks of norms, which stay")
    runner = Runner(helper.model, helper.processor, slots=1, length=256, feature_bytes=0, aware=helper.aware)
    prompt = runner.preparation.messages(question("Describe the picture.", [picture]))
    bare = replace(prompt, scene_features={})
    with torch.inference_mode():
        embeds = runner.embed(prompt)
        wanted = runner.prefill(0, 0, embeds, prompt).softmax(-1)
        assert quantise(helper.model)
        got = runner.prefill(0, 0, embeds, prompt).softmax(-1)
        plain = runner.prefill(0, 0, embeds, bare).softmax(-1)
    assert (got - wanted).abs().sum() < 0.5 * (plain - wanted).abs().sum()
    helper.aware.detach()
    assert not any(m._forward_hooks for m in helper.model.model.language_model.modules() if isinstance(m, Int8Linear))
