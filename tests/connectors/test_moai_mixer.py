"""MoAI's experts and mixers against plain loops. Source: arXiv 2403.07508."""

from __future__ import annotations

import pytest
import torch
from tests.connectors.decoders import D
from tests.connectors.moai_by_hand import config, expert_by_hand, masks, noise, shaken
from torch import Tensor

from nunbit.connectors.moai_config import MoAIConfig
from nunbit.connectors.moai_mixer import MoAIExpert, MoAIMixer
from nunbit.connectors.moai_rows import MixerContext, Rows, attention_masks
from nunbit.errors import UserError


def test_expert_against_loops():
    module, x, source = shaken(MoAIExpert(D, 5, 2)), noise(6, D), noise(4, D, seed=2)
    torch.testing.assert_close(
        module(x[None], source[None])[0], expert_by_hand(module, x, source), atol=1e-5, rtol=1e-4
    )
    mask = torch.ones(6, 4).tril(-1).bool()  # the first row may look at nothing
    ours = module(x[None], source[None], mask[None])[0]
    theirs = expert_by_hand(module, x, source, lambda i, j: bool(mask[i, j]))
    torch.testing.assert_close(ours[1:], theirs[1:], atol=1e-5, rtol=1e-4)
    assert torch.equal(ours[0], x[0])


def mix_by_hand(mixer: MoAIMixer, x: Tensor, latents: Tensor, row: str, compat: bool) -> Tensor:
    """One sequence; ``row`` as in `masks`."""
    images, words = ([i for i, c in enumerate(row) if c == k] for k in "iw")
    runs = [sum(1 for k in range(1, i + 1) if row[k] == "i" and row[k - 1] != "i") for i in range(len(row))]
    out = x.clone()
    for side, own, other, other_name in (("img", images, words, "lang"), ("lang", words, images, "img")):

        def may(i, j, own=own, source=None, side=side):
            a, b = own[i], source[j]
            return compat or b <= a or (side == "img" and row[b] == "i" and runs[a] == runs[b])

        experts, gate = getattr(mixer, side), getattr(mixer, f"gate_{side}")
        results = [
            expert_by_hand(experts["aux"], x[own], latents),
            expert_by_hand(experts[other_name], x[own], x[other], lambda i, j, m=may, o=other: m(i, j, source=o)),
            expert_by_hand(experts["self"], x[own], x[own], lambda i, j, m=may, o=own: m(i, j, source=o)),
        ]
        logits = x[own] @ gate.weight.T + gate.bias
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        for n, i in enumerate(own):
            out[i] = sum(weights[n, k] * results[k][n] for k in range(3))
    return out


def prompt(latents: Tensor, image: Rows, language: Rows, c: MoAIConfig) -> MixerContext:
    sides = {"img": image, "lang": language}
    return MixerContext(latents, image, language, image, language, attention_masks(sides, sides, c))


@pytest.mark.parametrize("compat", [False, True])
def test_mixer_against_loops_in_a_ragged_batch(compat):
    rows = ["wwiiiwwaa", "..wiiwiiw", "iiiwwwwww"]  # answers, left padding and two pictures, a picture first
    c = config(compat=compat)
    mixer, x, latents = shaken(MoAIMixer(c)), noise(3, 9, D), noise(3, 3, D, seed=5)
    image, language = (Rows.from_mask(m) for m in masks(rows))
    ours = mixer(x, prompt(latents, image, language, c))
    for b, row in enumerate(rows):
        torch.testing.assert_close(ours[b], mix_by_hand(mixer, x[b], latents[b], row, compat), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "dtype"), [("float16", torch.float16), ("bfloat16", torch.bfloat16)])
def test_narrow_gates_are_a_softmax_in_that_type(name, dtype):
    mixer, rows = shaken(MoAIMixer(config(gate_dtype=name))), noise(1, 5, D)
    weights = mixer.gates(mixer.gate_img, rows)
    assert weights.dtype == dtype
    assert torch.equal(weights, mixer.gate_img(rows).to(dtype).softmax(-1))
    with pytest.raises(UserError, match="float16"):
        MoAIMixer(config(gate_dtype="float8"))


def test_no_expert_no_change():
    c = config()
    mixer, x = shaken(MoAIMixer(c)), noise(1, 6, D)
    for side in (mixer.img, mixer.lang):
        for e in side.values():
            torch.nn.init.zeros_(e.linear_o[1].weight)
    image, language = (Rows.from_mask(m) for m in masks(["wiiwww"]))
    mixed = mixer(x, prompt(noise(1, 3, D), image, language, c))
    torch.testing.assert_close(mixed, x)
