"""Questions as ids: training and asking have the same sequence, and copied answers are spelt out."""

import unicodedata
from dataclasses import replace

import pytest
import torch

from nunbit.data.packing import pack
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, make_tokenizer
from nunbit.recipes.tiny.names import class_names
from nunbit.recipes.tiny.questions import answers_of, question_ids
from nunbit.recipes.tiny.tokenizer import build_tokenizer, spelt
from nunbit.scene import TextLine
from nunbit.world.base import QA
from nunbit.world.samples import sample


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def test_training_and_asking_see_the_same_sequence(tokenizer):
    """Logits at the answer are those of the whole model on the processor's input: what is trained is what is asked."""
    from nunbit.models.processors import scaled_processor
    from nunbit.perception.cells import features
    from nunbit.recipes.tiny.encoder import to_pixels

    model = build(tokenizer).eval()
    words = OracleTask(model, tokenizer, class_names())
    drawn = sample(5, seed=1, questions=3)
    pixels = to_pixels([drawn.picture.pixels])
    with torch.no_grad():
        tokens = model.model.multi_modal_projector(features(model.model.vision_tower, pixels))[0]
        prefix = [words.ids["<bos>"], words.ids["<user>"], *[words.ids["<image>"]] * len(tokens)]
        packed = pack(
            [prefix], [range(len(prefix))], len(prefix), question_ids([drawn], tokenizer), tokenizer.pad_token_id
        )
        embeds = model.get_input_embeddings()(packed.ids)
        embeds[0, 2 : 2 + len(tokens)] = tokens
        hidden = model.model.language_model(
            inputs_embeds=embeds, attention_mask=packed.mask, position_ids=packed.positions
        )
        logits = model.lm_head(hidden.last_hidden_state)[0]
        at, processor = len(prefix), scaled_processor(tokenizer, image_size_px=192, patch_px=16)
        for qa, (given, learnt) in zip(drawn.questions, question_ids([drawn], tokenizer)[0], strict=True):
            text = f"<bos><user><image>{qa.question}<assistant>"
            inputs = processor(text=text, images=drawn.picture.pixels, return_tensors="pt", add_special_tokens=False)
            assert inputs["input_ids"][0, len(prefix) :].tolist() == given
            assert torch.allclose(model(**inputs).logits[0, -1], logits[at + len(given) - 1], atol=1e-3)
            at += len(given) + len(learnt)


def test_what_is_read_off_a_picture_is_learnt_spelt_out_and_decodes_to_itself():
    tokenizer = build_tokenizer(["green", "버스"])
    line = TextLine.from_box("green 버스 31.75", (0, 0, 10, 10))
    asked = [QA("Read the sign.", "green 버스 31.75", "read", "en"), QA("What colour?", "green", "attribute", "en")]
    shown = replace(sample(0, seed=1, questions=0), questions=asked)
    shown = replace(shown, picture=replace(shown.picture, scene=replace(shown.picture.scene, text_lines=[line])))
    (_, read), (_, colour) = question_ids([shown], tokenizer)[0]
    assert tokenizer.convert_ids_to_tokens(colour) == ["▁green", "<eos>"]
    assert "".join(tokenizer.convert_ids_to_tokens(read)[:6]) == "▁green" and len(read) == 6 + 5 + 6 + 1
    assert unicodedata.normalize("NFC", tokenizer.decode(read, skip_special_tokens=True)) == "green 버스 31.75"
    assert spelt("日", tokenizer) == tokenizer("日", add_special_tokens=False)["input_ids"]


def test_answers_are_told_apart_in_a_packed_row():
    rows = torch.tensor([[0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1]], dtype=torch.bool)
    assert answers_of(rows).tolist() == [0, 0, 1, 2, 3, 3, 3]
