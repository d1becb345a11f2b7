"""MoAI's compressor against plain loops. Source: arXiv 2403.07508."""

from __future__ import annotations

import torch
from tests.connectors.decoders import D
from tests.connectors.moai_by_hand import attention_by_hand, config, gelu, noise, norm_by_hand, shaken

from nunbit.connectors.moai_compressor import MoAICompressor


def test_compressor_against_loops():
    c = config()
    module, aux = shaken(MoAICompressor(c)), noise(7, D)
    latents = module.latents
    for attention, forward in module.layers:
        asking = norm_by_hand(latents, attention.norm_latents)
        source = torch.cat([norm_by_hand(aux, attention.norm_media), asking])
        wide = source @ attention.to_kv.weight.T
        half = c.heads * c.head_dim
        seen = attention_by_hand(asking @ attention.to_q.weight.T, wide[:, :half], wide[:, half:], c.heads)
        latents = latents + seen @ attention.to_out.weight.T
        latents = latents + gelu(norm_by_hand(latents, forward[0]) @ forward[1].weight.T) @ forward[3].weight.T
    torch.testing.assert_close(module(aux[None])[0], norm_by_hand(latents, module.norm), atol=1e-5, rtol=1e-4)


def test_compressor_ignores_padding_and_batch_mates_and_order():
    module, aux = shaken(MoAICompressor(config())), noise(2, 7, D)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, :3] = False
    aux[1, :3] = float("nan")
    both = module(aux, mask)
    torch.testing.assert_close(both[:1], module(aux[:1]))
    torch.testing.assert_close(both[1:], module(aux[1:, 3:]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module(aux[:1].flip(1)), both[:1], atol=1e-5, rtol=1e-4)
