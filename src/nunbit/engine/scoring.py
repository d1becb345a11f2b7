"""Log probabilities of a prompt's own tokens: what ``echo`` with ``logprobs`` of the completions API reports.

Letters: T tokens, D width of the decoder, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nunbit.engine.runner import Runner
from nunbit.engine.sampling import Logprob

CHUNK = 64
"""Positions whose logits ``(CHUNK, V)`` are held at once, which bounds the memory for large vocabularies."""


@torch.inference_mode()
def prompt_logprobs(runner: Runner, ids: Sequence[int], top: int) -> list[Logprob]:
    """Score every token of a text but the first, which nothing precedes.

    Args:
        ids: the text's tokens, fewer than a slot holds.
        top: how many of the most probable alternatives to report at each position.

    Returns:
        ``len(ids) - 1`` entries; entry ``i`` is token ``i + 1`` given all tokens before it.
    """
    states, head = runner.text_states(ids), runner.model.get_output_embeddings()  # (T, D)
    out: list[Logprob] = []
    for start in range(0, len(ids) - 1, CHUNK):
        logprobs = head(states[start : min(start + CHUNK, len(ids) - 1)]).float().log_softmax(-1).cpu()  # (CHUNK, V)
        best = logprobs.topk(min(top, logprobs.shape[1]), dim=-1)
        for i, row in enumerate(logprobs):
            token = ids[start + i + 1]
            others = tuple(zip(best.indices[i].tolist(), best.values[i].tolist(), strict=True))
            out.append(Logprob(token, float(row[token]), others))
    return out
