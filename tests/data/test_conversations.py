"""Conversation files: malformed samples are named, and labels are the answers."""

import json
from pathlib import Path

import pytest
from tests.families import LANGUAGE, TEMPLATES, tokenizer
from tests.training.pairs import write_families

from nunbit.data.conversations import encode, read_conversations
from nunbit.errors import UserError
from nunbit.messages import Message, Part
from nunbit.models.build import build_model
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.debug_set import write_conversations


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("world"), samples=12)


@pytest.mark.parametrize(
    "given, said",
    [
        (
            {
                "id": 1,
                "image": "../../etc/passwd",
                "conversations": [{"from": "human", "value": "<image>\nx"}, {"from": "gpt", "value": "y"}],
            },
            "outside",
        ),
        (
            {
                "id": 1,
                "image": "a.png",
                "conversations": [{"from": "human", "value": "<image><image>"}, {"from": "gpt", "value": "y"}],
            },
            "more pictures",
        ),
        (
            {
                "id": 1,
                "image": "a.png",
                "conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}],
            },
            "1 pictures and places 0",
        ),
        ({"id": 1, "conversations": [{"from": "robot", "value": "x"}]}, "robot"),
        ({"id": 1}, "no list of turns"),
        ([], "is a list"),
    ],
)
def test_malformed_samples_are_named(tmp_path, given, said):
    (tmp_path / "c.json").write_text(json.dumps([given]))
    with pytest.raises(UserError, match=said) as found:
        read_conversations(tmp_path / "c.json")
    assert "sample 0" in str(found.value)


def test_a_sample_without_an_answer_is_an_error_that_names_it(parts, tmp_path):
    _, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "lonely", "messages": [{"role": "user", "content": "x"}]}))
    with pytest.raises(UserError, match="lonely.*no trainable token"):
        encode(read_conversations(tmp_path / "c.jsonl"), PromptBuilder.from_processor(processor, 4), max_tokens=64)


def test_too_long_samples_are_left_out_and_counted(parts, world):
    model, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    every, none = encode(read_conversations(world), builder, max_tokens=10_000)
    most = sorted(s.length for s in every)[-3]
    kept, dropped = encode(read_conversations(world), builder, max_tokens=most)
    assert not none and len(kept) + sum(dropped.values()) == len(every) and all(s.length <= most for s in kept)


def test_json_without_a_floor(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="is not JSON"):
        read_conversations(tmp_path / "deep.json")


@pytest.mark.parametrize("kind", LANGUAGE)
@pytest.mark.parametrize("plain", (False, True))
def test_labels_are_the_answers_whatever_the_template(kind, plain):
    words = tokenizer(kind)
    words.add_special_tokens({"additional_special_tokens": [*words.additional_special_tokens, "<image>"]}) if hasattr(
        words, "additional_special_tokens"
    ) else words.add_special_tokens({"extra_special_tokens": ["<image>"]})
    talk = [
        Message(
            "user", (Part.image(Path("x.png")), Part.text("What is <image> in <|im_end|> </s> <eos> the picture?"))
        ),
        Message("assistant", (Part.text("a red dog"),)),
        Message("user", (Part.text("고양이 model?"),)),
        Message("assistant", (Part.text("no"),)),
    ]
    builder = PromptBuilder(words)
    done = builder.build(talk, training=True, plain=plain)
    assert done.ids.tolist().count(builder.image_id) == 1  # words that look like one are only words
    learnt, run = [], []
    for i, on in zip([*done.ids, 0], [*done.loss_mask, False], strict=True):
        if on:
            run.append(i)
        elif run:
            learnt.append(words.decode(run))
            run = []
    end = "\n" if plain else builder.end
    said = "".join(learnt) if plain else learnt
    if plain:
        assert said == "a red dog\nno\n"
    else:
        assert [t.replace("<think>\n\n</think>\n\n", "").lstrip("\n ") for t in said] == [f"a red dog{end}", f"no{end}"]


def test_what_is_learnt_is_what_generation_will_write(parts):
    """The prompt for generation is exactly what stands before the first trainable token."""
    for kind in TEMPLATES:
        model, processor = build_model(parts[1]["clip"], parts[1][kind])
        talk = [Message("user", (Part.text("What is it?"),)), Message("assistant", (Part.text("a cup"),))]
        done = PromptBuilder.from_processor(processor).build(talk, training=True)
        before = done.ids[: done.loss_mask.argmax()].tolist()
        asked = processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}], add_generation_prompt=True
        )
        prompt = processor.tokenizer(asked, add_special_tokens=False)["input_ids"]
        assert prompt[: len(before)] == before and model.generation_config.eos_token_id
