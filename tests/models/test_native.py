"""The embedded model opens in plain transformers, and says there what it says here."""

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.messages import assistant as said
from nunbit.messages import question, user
from nunbit.models.checkpoint import save


@pytest.fixture(scope="module")
def assistant():
    return Assistant()


def noise(seed=0, size=(640, 480)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def test_saved_and_opened_by_transformers_alone(tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    assistant = Assistant(object_aware=False)
    save(assistant.model, assistant.processor, tmp_path)
    model, processor = AutoModelForImageTextToText.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is in the picture?"}]}]
    inputs = processor(
        text=processor.apply_chat_template(turns, add_generation_prompt=True), images=noise(), return_tensors="pt"
    )
    ours = assistant._inputs(question("What is in the picture?", [noise()]), [noise()])
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    with torch.no_grad():
        gap = (model.eval()(**inputs).logits - assistant.model(**ours).logits).abs().max()
    assert gap <= 1e-4


def test_batches_equal_singles_and_streams_equal_answers(assistant):
    asked = [
        question("What is in the picture?", [noise(1)]),
        question("코끼리가 있나요?", [noise(2)]),
        question("How many things are there in all?", [noise(3)]),
    ]
    singles = []
    for turns in asked:
        pieces: list[str] = []
        answer = assistant.ask(turns, on_text=pieces.append)
        assert "".join(pieces).strip() == answer.text and answer.ttft_ms > 0
        singles.append(answer.text)
    assert assistant.ask_many(asked, max_new_tokens=96) == singles


def test_a_second_turn_and_no_picture_are_answered(assistant):
    turns = [*question("What is this?", [noise()]), said("a clock"), user("What time is it?")]
    assert isinstance(assistant.ask(turns).text, str)
    assert isinstance(assistant.ask([user("Is there a dog?")]).text, str)


def test_too_long_and_wrong_models_are_refused(assistant, tmp_path):
    with pytest.raises(UserError, match="tokens in one conversation"):
        assistant.ask([user("word " * 3000)])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be opened"):
        Assistant(tmp_path)


def test_the_shipped_weights_are_small_and_safe():
    """Stored in 16 bits, they are computed in 32 by transformers too, as the config says so."""
    from safetensors import safe_open
    from transformers import AutoModelForImageTextToText

    assert sum(f.stat().st_size for f in EMBEDDED.iterdir()) <= 12 * 1024 * 1024
    for file in EMBEDDED.glob("*.safetensors"):
        with safe_open(file, framework="pt") as held:
            assert {held.get_slice(name).get_dtype() for name in [*held.keys()]} == {"F16"}
    model = AutoModelForImageTextToText.from_pretrained(EMBEDDED)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not [f for f in EMBEDDED.iterdir() if f.suffix in (".bin", ".pt", ".pkl", ".py")]


def test_arrays_and_files_are_pictures_for_generate_too(assistant):
    array = np.asarray(noise(5, (64, 48)))
    want = assistant.generate(question("What is this?", [noise(5, (64, 48))]), max_new_tokens=4).ids
    assert assistant.generate(question("What is this?", [array]), max_new_tokens=4).ids == want
    assert assistant.ask(question("What is this?", [array]), max_new_tokens=4).ids == want
