"""An object-aware model answers in the engine as it does alone: many at once, in chunks where it may, with prefixes where it may."""

import queue

import pytest
import torch

from nunbit.engine.int8_linear import Int8Linear, quantise
from nunbit.engine.packed_linear import pack
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.files import EMBEDDED
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, save_object_aware
from nunbit.perception.build import PerceptionConfig, class_names
from nunbit.world.samples import sample

MIXER = {"latents": 4, "depth": 1, "heads": 2, "head_dim": 8, "rank": 8, "every": 3}


@pytest.fixture(scope="module", params=["crayon", "moai"])
def told(request, tmp_path_factory):
    """The embedded model with loud parts, so that what they say shows."""
    folder = tmp_path_factory.mktemp("aware")
    eyes = PerceptionConfig(ocr="embedded")
    classes = class_names(eyes)
    model, processor = open_model(EMBEDDED)
    parts = {"crayon": {"classes": len(classes), "rank": 8}} if request.param == "crayon" else {"moai": MIXER}
    aware = ObjectAwareModule(
        model.float(),
        processor,
        ObjectAwareConfig(connectors=parts, classes=classes, scene_prompt="objects" if request.param == "moai" else "", perception=eyes),
    )
    torch.manual_seed(2)
    for p in aware.connectors[request.param].parameters():
        torch.nn.init.normal_(p, std=0.5 if request.param == "crayon" else 0.1)
    save(model, processor, folder)
    save_object_aware(aware, folder)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_the_engine_answers_as_the_assistant(told, packed):
    helper = Assistant(told)
    pictures = [sample(i, seed=8, mixture={"things": 1.0}).picture.pixels for i in range(3)]
    from PIL import Image

    asked = [
        question(q, [Image.fromarray(p)])
        for p in pictures
        for q in ("Describe the picture.", "How many things are there?")
    ]
    asked += [question("What is the same?", [Image.fromarray(p) for p in pictures[:2]]), question("Say something.")]
    wanted = [helper.ask(q, max_new_tokens=12).text for q in asked]
    plain = Assistant(told=False)
    assert [plain.ask(q, max_new_tokens=12).text for q in asked[:6]] != wanted[:6]
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
                answers.append(event.text.strip())
            assert answers == wanted
        assert engine.figures.cached_tokens > 100 * len(asked) / 2
    finally:
        engine.close(5)


def test_eight_bits_lose_nothing_that_is_told(told):
    helper, picture = Assistant(told), sample(0, seed=8, mixture={"things": 1.0}).picture.pixels
    if "crayon" not in helper.aware.connectors:
        pytest.skip("mixers hang on norms, which stay")
    inputs = helper._inputs([question("Describe the picture.", [picture])])
    with torch.no_grad():
        wanted = helper.model(**inputs).logits[0, -1].softmax(-1)
        assert quantise(helper.model)
        got = helper.model(**inputs).logits[0, -1].softmax(-1)
        helper.aware.clear_context()
        untold = helper.model(**inputs).logits[0, -1].softmax(-1)
    assert (got - wanted).abs().sum() < 0.5 * (untold - wanted).abs().sum()
    helper.aware.detach()
    assert not any(m._forward_hooks for m in helper.model.model.language_model.modules() if isinstance(m, Int8Linear))
