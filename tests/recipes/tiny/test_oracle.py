"""The oracle encoder."""

import pytest
import torch

from nunbit.models.text_encoder import encode_words
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, make_tokenizer
from nunbit.recipes.tiny.names import class_names, class_words, colour_words


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def test_a_name_and_a_colour_stand_near_what_shows_them(tokenizer):
    """Before any training a word is more like the cell of what it names than like any other's, and box and place do not
    learn."""
    model, names = build(tokenizer), class_names()
    task = OracleTask(model, tokenizer, names)
    table = model.get_input_embeddings().weight
    task.oracle.init_from_word_embeddings(table, tokenizer, class_words(), colour_words())
    truth = {
        "name": torch.arange(1, 30),
        "colour": torch.arange(1, 30) % 11 + 1,
        "glyph": torch.zeros(29, 4, 3, dtype=torch.long),
        "box": torch.rand(29, 4),
    }
    rows = task.oracle.name(truth["name"]) + task.oracle.colour(truth["colour"]) + task.oracle.box(torch.rand(29, 48))
    words = torch.stack([table[torch.tensor(encode_words(names[i], tokenizer))].sum(0) for i in range(1, 30)])
    alike = torch.nn.functional.cosine_similarity(words[:, None], rows[None], dim=-1)
    assert (alike.argmax(1) == torch.arange(29)).float().mean() > 0.9
    assert not any(m.weight.requires_grad for m in (task.oracle.box, task.oracle.row, task.oracle.column))
