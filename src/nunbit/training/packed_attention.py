"""Causal attention inside each document of packed rows, without a mask: memory and time grow with the documents'
lengths, not with the row's square.

Rows are laid end to end without their padding; ``cu_seq_lens_q`` says where each document begins, as transformers'
flash attention wants it. On a graphics card in 16 bits one kernel does all documents (FlashAttention, arXiv
2205.14135); elsewhere each document is attended to on its own.

Letters: N tokens of all documents, H heads, K key heads, D width of a head, S documents.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "nunbit_documents"


def use_documents(decoder: Any) -> bool:
    """Let a decoder attend inside documents; false for one that cannot say where they are to its attention."""
    if not getattr(decoder, "_supports_attention_backend", False):
        return False
    if not str(decoder.config._attn_implementation).startswith("flash"):
        decoder.config._attn_implementation = NAME
    return True


def use_rows(decoder: Any) -> None:
    """Let a decoder attend inside whole rows again, by a mask."""
    if decoder.config._attn_implementation == NAME:
        decoder.config._attn_implementation = "sdpa"


def flattened(embeds: torch.Tensor, positions: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    """Packed rows end to end.

    Args:
        embeds: ``(B, T, D)``.
        positions: (B, T), which begin at 0 in each document.
        real: (B, T) bool, false at padding.

    Returns:
        ``(1, N, D)``, and the decoder's other arguments: positions and the documents' places.
    """
    flat = positions[real]
    starts = (flat == 0).nonzero().flatten()
    ends = torch.cat([starts, starts.new_full((1,), len(flat))]).int()
    longest = int((ends[1:] - ends[:-1]).max())
    places = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
    return embeds[real].unsqueeze(0), {"position_ids": flat.unsqueeze(0), "attention_mask": None, **places}


def documents_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """``(1, H, N, D)`` queries, ``(1, K, N, D)`` keys and values to ``(1, N, H, D)``.

    Raises:
        ValueError: nothing says where the documents are.
    """
    if cu_seq_lens_q is None:
        raise ValueError("attention inside documents, and nothing says where they are")
    if query.device.type == "cuda" and query.dtype in (torch.bfloat16, torch.float16) and not dropout:
        from torch.nn.attention.varlen import varlen_attn

        q, k, v = (t[0].transpose(0, 1).contiguous() for t in (query, key, value))
        ends, most = cu_seq_lens_q, max_length_q
        how: dict[str, Any] = {"scale": scaling, "window_size": (-1, 0), "enable_gqa": q.shape[1] != k.shape[1]}
        out: Any = varlen_attn(q, k, v, ends, ends, most, most, **how)
        return out.unsqueeze(0), None
    times = query.shape[1] // key.shape[1]
    if times > 1:
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    sizes = cu_seq_lens_q.diff().tolist()
    done = [
        F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
        for q, k, v in zip(query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True)
    ]
    return torch.cat(done, 2).transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register(NAME, documents_attention)
