"""Crayon Prompt: arithmetic against plain loops, and hooks on real decoders. Source: arXiv 2402.11248, sec. 3.1."""

from __future__ import annotations

import pytest
import torch
from tests.connectors.decoders import D, decoder, every_decoder
from torch import Tensor

from nunbit.connectors import build
from nunbit.connectors.crayon import CrayonPrompt
from nunbit.errors import UserError

LAYERS = 3
IDS = torch.tensor([[1, 5, 9, 9, 9, 6, 7, 8]])
IMAGE = torch.tensor([[0, 0, 1, 1, 1, 0, 0, 0]]).bool()
SEMANTIC, NUMBERING = torch.tensor([[1, 1, 4]]), torch.tensor([[1, 2, 1]])


def make(kind: str = "llama", *, fresh: bool = False, **values) -> tuple[torch.nn.Module, CrayonPrompt]:
    model = decoder(kind, LAYERS)
    crayon = build("crayon", vision_width=6, text_width=D, layers=LAYERS, classes=5, numbers=3, rank=2, **values).eval()
    crayon.attach(model)
    if not fresh:
        for p in crayon.parameters():
            torch.nn.init.normal_(p, std=0.5)
    return model, crayon


def logits(model, crayon, ids=IDS, image=IMAGE, semantic=SEMANTIC, numbering=NUMBERING, **kwargs) -> Tensor:
    with torch.no_grad():
        crayon.set_context(crayon(semantic, numbering), image)
        return model(input_ids=ids, **kwargs).logits


def test_features_are_the_sum_of_two_rows_through_the_projector():
    _, crayon = make()
    by_hand = []
    for c, n in zip(SEMANTIC[0], NUMBERING[0], strict=True):
        row = crayon.semantic.weight[c] + crayon.numbering.weight[n]
        first = torch.einsum("d,ed->e", row, crayon.projector[0].weight) + crayon.projector[0].bias
        bent = 0.5 * first * (1 + torch.erf(first / 2**0.5))
        by_hand.append(torch.einsum("d,ed->e", bent, crayon.projector[2].weight) + crayon.projector[2].bias)
    torch.testing.assert_close(crayon(SEMANTIC, NUMBERING)[0], torch.stack(by_hand))


@every_decoder
def test_injection_against_changed_outputs(kind):
    """Each chosen map adds alpha / rank * B A c at image rows, in every layer, and nothing elsewhere."""
    model, crayon = make(kind, alpha=3.0)
    features = crayon(SEMANTIC, NUMBERING)[0]
    taken: dict[str, tuple[Tensor, Tensor]] = {}
    layers = model.model.layers
    for i, layer in enumerate(layers):
        for name, linear in layer.named_modules():
            if isinstance(linear, torch.nn.Linear):
                key = f"{i} {name}"
                linear.register_forward_hook(lambda m, args, out, k=key: taken.update({k: (args[0], out)}))
    logits(model, crayon)
    assert len(taken) == 7 * LAYERS
    for key, (x, out) in taken.items():
        i, name = key.split(" ")
        added = (out - layers[int(i)].get_submodule(name)._parameters["weight"].matmul(x.mT).mT)[0]
        if name.endswith("down_proj"):
            assert added.abs().max() < 1e-4
            continue
        branch = crayon.branches[i][name.replace(".", "__")]
        want = torch.einsum("nd,rd,er->ne", features, branch.A.weight, branch.B.weight) * 3.0 / 2
        torch.testing.assert_close(added[IMAGE[0]], want, atol=1e-4, rtol=1e-3)
        assert added[~IMAGE[0]].abs().max() < 1e-4


@every_decoder
def test_fresh_is_silent_and_trained_is_not(kind):
    model, crayon = make(kind, fresh=True)
    painted = logits(model, crayon)
    crayon.clear_context()
    plain = model(input_ids=IDS).logits
    assert torch.equal(painted, plain)
    model, crayon = make(kind)
    painted = logits(model, crayon)
    assert (painted - plain).abs().max() > 1e-2
    assert torch.equal(painted[:, :2], plain[:, :2])  # words before the picture
    assert (logits(model, crayon, numbering=torch.zeros_like(NUMBERING)) - painted).abs().max() > 1e-3
    crayon.detach()
    assert torch.equal(model(input_ids=IDS).logits, plain)


@every_decoder
def test_left_padding_and_batch_mates_change_nothing(kind):
    model, crayon = make(kind)
    alone = logits(model, crayon)
    both = torch.cat(
        [torch.cat([torch.zeros(1, 2, dtype=torch.long), IDS], 1), torch.tensor([[1, 9, 9, 3, 4, 5, 6, 7, 8, 2]])]
    )
    attention = torch.ones_like(both)
    attention[0, :2] = 0
    image = torch.zeros_like(both).bool()
    image[0, 4:7], image[1, 1:3] = True, True
    features = torch.cat([crayon(SEMANTIC, NUMBERING)[0], crayon(torch.tensor([[2, 3]]), torch.tensor([[1, 1]]))[0]])
    crayon.set_context(features, image)
    with torch.no_grad():
        positions = (attention.cumsum(-1) - 1).clamp(min=0)
        out = model(input_ids=both, attention_mask=attention, position_ids=positions).logits
    torch.testing.assert_close(out[:1, 2:], alone, atol=1e-4, rtol=1e-4)


@every_decoder
def test_cached_decoding_and_prefill_in_pieces_equal_a_full_pass(kind):
    model, crayon = make(kind)
    with torch.no_grad():
        crayon.set_context(crayon(SEMANTIC, NUMBERING), IMAGE)
    out = model.generate(
        input_ids=IDS, max_new_tokens=5, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    whole = logits(model, crayon, ids=out.sequences)  # rows beyond the mask are words
    torch.testing.assert_close(torch.stack(out.logits, 1), whole[:, 7:12], atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        past = model(input_ids=IDS[:, :3], use_cache=True).past_key_values
        rest = model(input_ids=IDS[:, 3:], past_key_values=past).logits
    torch.testing.assert_close(rest, whole[:, 3:8], atol=1e-4, rtol=1e-4)
    assert model.generate(input_ids=IDS, max_new_tokens=3, num_beams=2, do_sample=False).shape == (1, 11)


def test_gradients_reach_every_parameter_and_the_decoder_stays():
    model, crayon = make()
    model.requires_grad_(False)
    crayon.set_context(crayon(SEMANTIC, NUMBERING), IMAGE)
    model(input_ids=IDS, labels=IDS).loss.backward()
    for name, p in crayon.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


def test_save_and_load(tmp_path):
    model, crayon = make()
    torch.save(crayon.state_dict(), tmp_path / "crayon.pt")
    want = logits(model, crayon)
    model, other = make(fresh=True)
    assert not torch.equal(logits(model, other), want)
    other.load_state_dict(torch.load(tmp_path / "crayon.pt", weights_only=True))
    assert torch.equal(logits(model, other), want)


def test_errors_say_what_to_do():
    model, crayon = make()
    with pytest.raises(UserError, match="one feature for each image row"):
        crayon.set_context(torch.zeros(1, 4, D), IMAGE)
    with pytest.raises(UserError, match="q_proj"):
        make(targets=("wqkv",))
    with pytest.raises(UserError, match="multiple"):
        crayon.set_context(torch.zeros(2, 3, D), IMAGE.expand(2, -1))
        model(input_ids=IDS)
    with pytest.raises(IndexError):
        crayon(torch.tensor([[6]]), torch.tensor([[1]]))
