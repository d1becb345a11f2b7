"""In which numbers weights are held: named, by the device, or quantised by bitsandbytes."""

import sys

import pytest
import torch
from tests.engine.test_engine import ASKED, picture

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.loading import load_model, named_device
from nunbit.models.precision import Precision, quantization


def test_a_dtype_is_one_of_four():
    with pytest.raises(UserError, match="float32, bfloat16"):
        Precision("float8")
    with pytest.raises(UserError, match="one of the two"):
        Precision(int8=True, int4=True)


def test_a_card_has_sixteen_bits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    plain = Precision()
    assert plain.wanted(torch.float32, "cuda:1") == torch.bfloat16
    assert plain.wanted(torch.float16, "cuda") == torch.float16 and plain.wanted(torch.float32, "cpu") == torch.float32
    assert Precision("float32").wanted(torch.float16, "cuda") == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert plain.wanted(torch.float32, "cuda") == torch.float16


def test_auto_is_a_card_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert named_device("auto") == "cuda" and named_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert named_device("auto") == "cpu"


@pytest.mark.parametrize("object_aware", [True, False])
def test_sixteen_bits_answer_as_generate_does(object_aware):
    """The arithmetic of a card, on a processor: one answer at a time, as rounding follows the batch."""
    held = Assistant("nunbit-tiny", object_aware=object_aware, precision=Precision("bfloat16"))
    assert held.model.dtype == torch.bfloat16
    for asked in ASKED[:4]:
        assert held.ask(asked, max_new_tokens=8).ids == held.generate(asked, max_new_tokens=8).ids


def test_four_bits_take_less_and_answer():
    pytest.importorskip("bitsandbytes")
    plain = load_model("nunbit-tiny", object_aware=False)
    held = Assistant("nunbit-tiny", precision=Precision(int4=True))
    assert held.model.get_memory_footprint() < 0.7 * plain.model.get_memory_footprint()
    assert held.model.lm_head.weight.dtype == torch.float32
    asked = question("What color is the circle?", [picture(1)])
    got = held.ask(asked, max_new_tokens=6)
    assert got.ids == held.generate(asked, max_new_tokens=6).ids and got.text


def test_eight_bits_are_of_a_library_on_a_card_and_ours_on_a_processor():
    assert Precision(int8=True).library_bits("cuda:0") == 8 and Precision(int8=True).library_bits("cpu") == 0
    assert quantization(8, torch.bfloat16).load_in_8bit
    held = Assistant("nunbit-tiny", precision=Precision(int8=True))
    assert "Int8Linear" in str(held.model) and held.ask(ASKED[0], max_new_tokens=3).ids


def test_without_the_library_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="4 bits without bitsandbytes"):
        quantization(4, torch.float32)
