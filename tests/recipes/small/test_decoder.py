"""The fast decoder: the arithmetic of transformers' Llama, and gradients that agree with those of its weights."""

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from nunbit.data.packing import block_mask
from nunbit.models.small import merge_delta
from nunbit.models.syllables import grow_table
from nunbit.recipes.small.decoder import SCALE, Adapted, Decoder

LENGTH, NEW = 17, 6


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=60,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 100000.0, "rope_type": "default"},
    )
    model = LlamaForCausalLM(config).float().eval()
    assert grow_table(model, 60 + NEW) == NEW
    return model


@pytest.fixture
def decoder(model):
    torch.manual_seed(1)
    decoder = Decoder(model, NEW, rank=4)
    for part in decoder.layers.modules():
        if isinstance(part, Adapted):
            torch.nn.init.normal_(part.B, std=0.05)
    decoder.merge()
    return decoder


def ids():
    return torch.randint(0, 60 + NEW, (LENGTH,), generator=torch.Generator().manual_seed(2))


def run(decoder, tokens):
    mask = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()
    return decoder.logits(decoder.hidden(decoder.embed(tokens), torch.arange(len(tokens)), mask))


def test_without_adapters_it_is_the_model(model):
    with torch.no_grad():
        assert torch.allclose(run(Decoder(model, NEW, rank=4), ids()), model(ids()[None]).logits[0], atol=1e-4)


def test_in_bfloat16_logits_and_gradients_are_nearly_the_same(model, decoder):
    def learnt(one):
        out = run(one, ids()).float()
        one.zero_grad()
        F.cross_entropy(out[:-1], ids()[1:]).backward()
        return out.detach(), one.layers[0].qkv.A.grad.clone()

    (exact, slope), (out, other) = learnt(decoder), learnt(decoder.to_bfloat16())
    assert torch.allclose(exact, out, atol=0.02 * float(exact.abs().max()))
    assert float(F.cosine_similarity(slope.flatten(), other.flatten(), 0)) > 0.98


def test_exported_weights_give_the_same_logits(model, decoder):
    import copy

    other = copy.deepcopy(model)
    merge_delta(other, decoder.delta(), SCALE, 60)
    with torch.no_grad():
        assert torch.allclose(run(decoder, ids()), other(ids()[None]).logits[0], atol=1e-4)
        assert not torch.allclose(run(decoder, ids()), model(ids()[None]).logits[0], atol=1e-2)


def test_gradients_are_those_of_the_merged_weights(model, decoder):
    import copy

    other = copy.deepcopy(model)
    merge_delta(other, decoder.delta(), SCALE, 60)
    labels = ids().roll(-1)
    F.cross_entropy(other(ids()[None]).logits[0], labels).backward()
    F.cross_entropy(run(decoder, ids()), labels).backward()
    for mine, theirs in zip(decoder.layers, other.model.layers, strict=True):
        a, m = theirs.self_attn, theirs.mlp
        whole = {
            "qkv": torch.cat([a.q_proj.weight.grad, a.k_proj.weight.grad, a.v_proj.weight.grad]),
            "out": a.o_proj.weight.grad,
            "gate_up": torch.cat([m.gate_proj.weight.grad, m.up_proj.weight.grad]),
            "down": m.down_proj.weight.grad,
        }
        for name, gradient in whole.items():
            part = getattr(mine, name)
            assert torch.allclose(part.A.grad, part.scale * part.B.detach().t() @ gradient, atol=1e-5), name
            assert torch.allclose(part.B.grad, part.scale * gradient @ part.A.detach().t(), atol=1e-5), name
    assert torch.allclose(decoder.rows.weight.grad, other.get_input_embeddings().weight.grad[60:], atol=1e-5)


def test_rows_of_a_batch_do_not_know_each_other(decoder):
    one, two = ids(), ids().flip(0)
    mask = torch.ones(2, LENGTH, LENGTH, dtype=torch.bool).tril()
    with torch.no_grad():
        both = decoder.hidden(decoder.embed(torch.cat([one, two])), torch.arange(LENGTH).repeat(2), mask)
        alone = decoder.hidden(decoder.embed(two), torch.arange(LENGTH), mask[0])
    assert torch.allclose(both[LENGTH:], alone, atol=1e-5)


def test_conversations_under_a_block_mask_are_as_if_alone(decoder):
    tokens, document = ids(), torch.tensor([0] * 5 + [1] * 6 + [2] * 6)
    positions = torch.tensor([*range(5), *range(5, 11), *range(5, 11)])
    with torch.no_grad():
        packed = decoder.hidden(decoder.embed(tokens), positions, block_mask(document[None])[0, 0])
        second = torch.cat([tokens[:5], tokens[11:]])
        alone = decoder.hidden(decoder.embed(second), torch.arange(11), torch.ones(11, 11, dtype=torch.bool).tril())
    assert torch.allclose(packed[11:], alone[5:], atol=1e-5)


def test_in_bfloat16_it_is_nearly_the_same(decoder):
    with torch.no_grad():
        before = run(decoder, ids())
        after = run(decoder.to_bfloat16(), ids())
    assert after.dtype == torch.bfloat16
    assert F.cosine_similarity(before.flatten(), after.float().flatten(), dim=0) > 0.999
