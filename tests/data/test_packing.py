"""Packed questions: no logit changes, and answers alone are learnt."""

import pytest
import torch

from nunbit.data.packing import pack
from nunbit.recipes.tiny.model import build, make_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def test_packed_questions_equal_separate_ones(tokenizer):
    model = build(tokenizer).eval()
    torch.manual_seed(0)
    prefix, asked = list(range(10, 30)), [([40, 41, 42], [50, 51]), ([43], [52, 53, 54]), ([44, 45], [55])]
    other = list(range(60, 67))
    packed = pack([prefix, other], [range(len(prefix)), range(len(other))], 30, [asked, asked[:1]], pad=0)

    def hidden(p):
        embeds = model.get_input_embeddings()(p.ids)
        return model.model.language_model(
            inputs_embeds=embeds, attention_mask=p.mask, position_ids=p.positions
        ).last_hidden_state

    with torch.no_grad():
        together = hidden(packed)
        for k, single in enumerate(asked):
            alone = pack([prefix], [range(len(prefix))], 30, [[single]], pad=0)
            start, size = len(prefix) + sum(len(g) + len(a) for g, a in asked[:k]), len(single[0]) + len(single[1])
            got, want = together[0, start : start + size], hidden(alone)[0, len(prefix) :]
            assert torch.allclose(got, want, atol=2e-5)
            assert packed.labels[0, start : start + size].tolist() == alone.labels[0, len(prefix) :].tolist()
    assert torch.isfinite(together).all()


def test_answer_rows_are_exactly_the_answers():
    asked = [([1, 2, 3], [4, 5]), ([6], [7])]
    packed = pack([[9, 9]], [[0, 1]], 2, [asked], pad=0)
    ids, labels = packed.ids[0].tolist(), packed.labels[0].tolist()
    assert [(ids[i], labels[i]) for i in range(len(ids)) if labels[i] >= 0] == [(3, 4), (4, 5), (6, 7)]
