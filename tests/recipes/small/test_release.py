"""The model that a run leaves: merged as it was trained, asked with the ids it was trained on."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.recipes.small.tiny_base import save_base

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.messages import Message, Part, assistant, question, user
from nunbit.models import small
from nunbit.models.object_aware import ObjectAwareConfig
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.small.data import Example
from nunbit.recipes.small.many import joined
from nunbit.recipes.small.release import start_connector, write_model
from nunbit.recipes.small.rows import IMAGE_ID, Encoder, row
from nunbit.recipes.small.train import open_base
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.scene_prompt import scene_words
from nunbit.world.names import names_in

SCENE = Scene(
    100,
    80,
    [SceneObject("dog", (3, 10, 20, 31), 0.9), SceneObject("cat", (40, 41, 62, 66), 0.3)],
    text_lines=[TextLine.from_box("CAFÉ <|im_end|>", (10, 60, 60, 70))],
)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    base = save_base(tmp_path_factory.mktemp("base"))
    decoder, tokenizer = open_base(base, 2)
    generator = torch.Generator().manual_seed(1)
    for p in decoder.layers.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=generator)
    folder = tmp_path_factory.mktemp("run")
    encoder = Encoder(tokenizer)
    write_model(decoder, start_connector(decoder, encoder), base, 7, folder)
    return decoder, encoder, folder / "model"


@pytest.fixture(scope="module")
def model(trained):
    opened = Assistant(trained[2])
    opened.aware.perception = lambda pictures: [SCENE for _ in pictures]
    return opened


@pytest.mark.parametrize("language", ["en", "ko"])
def test_asking_ids_are_training_ids(trained, model, language):
    _, encoder, _ = trained
    asked = {"en": ("How many dogs are there?", "1", "And cats?"), "ko": ("개가 몇 마리 있나요?", "1", "고양이는요?")}
    first, answer, second = asked[language]
    words = scene_words(SCENE, language, names_in(language))
    picture = user(Part.image(PICTURE), Part.text(first))
    for turns, messages in (
        ([(first, "")], [picture]),
        ([(first, answer), (second, "")], [picture, assistant(answer), user(second)]),
    ):
        example = Example(words, [turns], scenes=[SCENE])
        example.with_facts(language)
        assert example.conversations[0][0][0].startswith("> ")  # what the question names stands before it
        trained_row = row(encoder, words, example.conversations, image_tokens=17)
        ids = trained_row.ids.tolist()[:-1]  # without the end of the empty answer
        prepared = model.engine().prepare(messages)
        image_id = model.model.config.image_token_id
        assert prepared.ids == [image_id if i == IMAGE_ID else i for i in ids]


def test_several_pictures_stand_under_their_numbers():
    writer = SceneText(ObjectAwareConfig(scene_prompt="compact"), count_tokens=len)
    message = Message("user", (Part.image(PICTURE), Part.image(PICTURE), Part.text("Which one?")))
    [written] = writer.add([message], [SCENE, SCENE])
    words = scene_words(SCENE, "en", names_in("en"))
    assert written.text == joined([words, words], "en") + "\nWhich one?"


def test_words_that_do_not_fit_lose_their_last_lines():
    config = ObjectAwareConfig(scene_prompt="compact", max_scene_tokens=30)
    words = SceneText(config, count_tokens=len).words(SCENE)
    assert words and len(words) <= 30 and scene_words(SCENE, "en", names_in("en")).startswith(words)


def test_the_merged_model_computes_what_was_trained(trained, model):
    decoder, encoder, _ = trained
    one = row(encoder, "drawing", [[("What is it?", "a dog")]])
    with torch.no_grad():
        decoder.merge()
        hidden = decoder.hidden(decoder.embed(one.ids), one.positions, one.mask())
        ours = decoder.logits(hidden)
        theirs = model.model(one.ids[None]).logits[0, :, : ours.shape[1]]
    assert (ours - theirs).abs().max() < 0.1 * ours.std()  # int8 and bfloat16 lie between


def test_engine_and_generate_agree(model):
    for messages in (question("What is it?", [PICTURE]), question("Say something.")):
        assert model.ask(messages, max_new_tokens=8).ids == model.generate(messages, max_new_tokens=8).ids


def test_the_mark_of_a_picture_is_never_written(model):
    assert not model.model.get_output_embeddings().weight[model.model.config.image_token_id].any()
    assert len(model.processor.tokenizer) == model.model.config.image_token_id + 1


def test_another_base_is_refused(trained, tmp_path):
    base = save_base(tmp_path / "base")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["가", "나"])
    tokenizer.save_pretrained(base)
    with pytest.raises(UserError, match="another vocabulary"):
        small.assemble(base, tmp_path / "out", trained[2].parent / "delta")


def test_builder_of_the_processor_has_the_template(model):
    builder = PromptBuilder.from_processor(model.processor, 17)
    assert builder.image_id == model.model.config.image_token_id
