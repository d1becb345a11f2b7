"""Bytes of single tokens, of every kind of tokenizer."""

import unicodedata
from importlib.resources import files

import pytest
from tests.chat_templates import tokenizer_of
from transformers import AutoTokenizer

from nunbit.engine.token_bytes import TokenBytes, byte_level_table

TEXTS = ["What is the  red car?", "고양이 두 마리", "naïve café 👩‍🚀", "tab\tline\nend"]


@pytest.fixture(scope="module")
def own():
    folder = files("nunbit") / "models" / "weights" / "nunbit-tiny"
    return AutoTokenizer.from_pretrained(str(folder))


@pytest.mark.parametrize("text", TEXTS)
def test_the_bytes_of_a_texts_tokens_are_the_texts(own, text):
    for tokenizer in (own, tokenizer_of("chatml")[0]):
        held = TokenBytes(tokenizer)
        made = b"".join(map(held.of, tokenizer(text, add_special_tokens=False)["input_ids"])).decode()
        assert unicodedata.normalize("NFC", made).removeprefix(" ") == unicodedata.normalize("NFC", text)


def test_parts_of_characters_and_control_tokens(own):
    tokenizer = own
    held = TokenBytes(tokenizer)
    assert held.of(tokenizer.convert_tokens_to_ids("<0xE2>")) == b"\xe2" and held.decomposes
    assert held.of(tokenizer.eos_token_id) == tokenizer.eos_token.encode() and held.special(tokenizer.eos_token_id)


def test_every_byte_has_a_character():
    assert sorted(byte_level_table().values()) == list(range(256)) and byte_level_table()["Ġ"] == 32
