"""The next tokens of all rows of a step, chosen on the device that holds their logits: one wait for it a step.

Letters: B rows, R rows of a kind, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nunbit.engine.sampling import Logprob, Sampler, SamplingParams


def choose_all(samplers: Sequence[Sampler], logits: Tensor) -> list[Logprob | Exception]:
    """Choose a token for each row of logits ``(B, V)``; an exception for a row whose grammar cannot be followed."""
    raw = logits.float()
    z, failures = _adjusted(samplers, raw)
    chosen = z.argmax(-1)
    for cut in (False, True):  # apart: the order of the probabilities decides what a number stands for
        rows = [i for i, s in enumerate(samplers) if s.sampling.temperature and _cuts(s.sampling) == cut]
        if rows:
            at = torch.tensor(rows, device=z.device)
            chosen[at] = _draw(z[at], [samplers[i] for i in rows], cut)
    alternatives = _alternatives(samplers, raw, chosen)
    out: list[Logprob | Exception] = []
    for i, (sampler, token) in enumerate(zip(samplers, chosen.tolist(), strict=True)):
        if i in failures:
            out.append(failures[i])
            continue
        sampler.take(token)
        out.append(alternatives.get(i) or Logprob(token, 0.0))
    return out


def _adjusted(samplers: Sequence[Sampler], raw: Tensor) -> tuple[Tensor, dict[int, Exception]]:
    """Logits ``(B, V)`` with penalties, biases and grammars applied, and which rows failed at that."""
    changed = [i for i, s in enumerate(samplers) if s.adjusts]
    z, failures = (raw.clone() if changed else raw), dict[int, Exception]()
    for i in changed:
        try:
            z[i] = samplers[i].adjusted(raw[i])
        except Exception as e:  # one request's grammar must not end the others
            failures[i] = e
    return z, failures


def _draw(z: Tensor, samplers: Sequence[Sampler], cut: bool) -> Tensor:
    """Draw from adjusted logits ``(R, V)``, all of which are cut or none: ids ``(R,)``.

    One number of the request's own generator falls into the cumulated probabilities, so neighbours change nothing.
    """
    wanted = [s.sampling for s in samplers]

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=z.device).unsqueeze(-1)

    p, order = (z / column([w.temperature for w in wanted])).softmax(-1), None
    if cut:
        p, order = p.sort(dim=-1, descending=True)
        width = p.shape[1]
        ranks = torch.arange(width, device=z.device)
        p = p.masked_fill(ranks >= column([w.top_k or width for w in wanted]), 0.0)
        p = p.masked_fill(p < column([w.min_p for w in wanted]) * p[:, :1], 0.0)
        p = p / p.sum(-1, keepdim=True)
        # The first to reach top_p stays; rounding cuts nothing where all are wanted.
        limit = column([w.top_p if w.top_p < 1 else 2.0 for w in wanted])
        p = p.masked_fill(p.cumsum(-1) - p >= limit, 0.0)
    reached = p.double().cumsum(-1)
    reached = reached / reached[:, -1:]
    numbers = torch.stack([torch.rand(1, dtype=torch.float64, generator=s.random) for s in samplers])
    at = torch.searchsorted(reached, numbers.to(z.device), right=True).clamp_max(z.shape[1] - 1)
    return (at if order is None else order.gather(1, at)).squeeze(1)


def _cuts(wanted: SamplingParams) -> bool:
    return bool(wanted.top_k or wanted.min_p or wanted.top_p < 1)


def _alternatives(samplers: Sequence[Sampler], raw: Tensor, chosen: Tensor) -> dict[int, Logprob]:
    """Log probabilities of the rows that report them, under the unchanged distribution."""
    rows = [i for i, s in enumerate(samplers) if s.sampling.logprobs is not None]
    if not rows:
        return {}
    at = torch.tensor(rows, device=raw.device)
    log = raw[at].log_softmax(-1)
    best = log.topk(min(max(samplers[i].sampling.logprobs or 0 for i in rows), log.shape[1]))
    own = log.gather(1, chosen[at, None])[:, 0].tolist()
    ids, values, tokens = best.indices.tolist(), best.values.tolist(), chosen[at].tolist()
    out = {}
    for n, i in enumerate(rows):
        most = samplers[i].sampling.logprobs or 0
        out[i] = Logprob(tokens[n], own[n], tuple(zip(ids[n][:most], values[n][:most], strict=True)))
    return out
