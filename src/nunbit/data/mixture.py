"""Several files of conversations as one stream: which samples a step shows, as a function of the step alone.

A mixture is written ``a.json:0.7,b.json:0.3``. A pass shows as many samples as there are; with weights each file has
its share of them, and is gone through from beginning to end, shuffled anew each time, before any of its samples comes
again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.data.grouping import plan, steps_of, token_utilization
from nunbit.errors import UserError

LIGHTEST, HEAVIEST = 1e-6, 1e6


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and its weight; without one it weighs what it holds, so that a pass shows each sample once."""

    file: str
    weight: float | None = None


def sources(text: str) -> list[Source]:
    """Read ``FILE[:WEIGHT],FILE[:WEIGHT]...``; a text that is the path of a file is that file, whatever letters it has.

    Raises:
        UserError: a weight that is not above 0, weights for some files only, a file twice.
    """
    if os.path.isfile(text):  # false, rather than an error, for what is no path at all
        return [Source(text)]
    out = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        file, mark, number = part.rpartition(":")
        try:
            weight = float(number) if mark else None
        except ValueError:  # a colon of the path's own
            file, weight = part, None
        if weight is not None and not (LIGHTEST <= weight <= HEAVIEST and file.strip()):
            raise UserError(
                f"the weight {number} of '{file}'", allowed=f"a file and a number from {LIGHTEST:g} to {HEAVIEST:g}"
            )
        out.append(Source(file.strip() if weight is not None else part, weight))
    if len({s.weight is None for s in out}) > 1:
        raise UserError(
            f"data={text}",
            allowed="a weight for every file, or for none",
            todo="write for example: data=a.json:0.7,b.json:0.3",
        )
    if len({s.file for s in out}) < len(out):
        raise UserError(f"data={text}", allowed="each file once", todo="give it the sum of its weights")
    return out


def apportion(weights: Sequence[float], total: int) -> list[int]:
    """``total`` in parts by weight, each at least 1, the rest by largest remainder."""
    exact = [w / sum(weights) * total for w in weights]
    parts = [max(1, int(e)) for e in exact]
    for i in sorted(range(len(exact)), key=lambda i: int(exact[i]) - exact[i])[: max(0, total - sum(parts))]:
        parts[i] += 1
    return parts


class Stream:
    """Batches from one pool of samples, pass after pass.

    Args:
        lengths, kinds: (n,) of all samples, see `nunbit.data.grouping.plan`.
        members: per source, its samples; shares: how many of each a pass shows.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        kinds: np.ndarray,
        members: Sequence[np.ndarray],
        shares: Sequence[int],
        *,
        group: bool,
        ordered: bool,
    ) -> None:
        self.lengths, self.kinds, self.members, self.shares = lengths, kinds, members, shares
        self.group, self.ordered = group, ordered
        self._key, self._plan, self._drawn = (-1, -1, -1), list[np.ndarray](), np.zeros((0, 0), np.int64)

    def steps(self, batch: int) -> int:
        """Steps of a pass."""
        return steps_of(sum(self.shares), batch)

    def at(self, step: int, batch: int, seed: int) -> np.ndarray:
        """The samples of a step."""
        turn, place = divmod(step, self.steps(batch))
        self._prepare(turn, batch, seed)
        return self._plan[place]

    def drawn(self, step: int, batch: int, seed: int) -> np.ndarray:
        """How many samples of each source all steps before this one showed."""
        turn, place = divmod(step, self.steps(batch))
        if len(self.shares) > 1:
            self._prepare(turn, batch, seed)
            return turn * np.asarray(self.shares) + self._drawn[place]
        return np.array([turn * self.shares[0] + min(place * batch, self.shares[0])])

    def token_utilization(self, batch: int, seed: int, room: int) -> float:
        """Share of the first pass's tokens that are no padding."""
        self._prepare(0, batch, seed)
        return token_utilization(self.lengths, self._plan, room)

    def _prepare(self, turn: int, batch: int, seed: int) -> None:
        if self._key == (turn, batch, seed):
            return
        pool = self._pool(turn, seed)
        how = {"group": self.group, "ordered": self.ordered}
        self._plan = [pool[b] for b in plan(self.lengths[pool], self.kinds[pool], batch, seed=(seed, turn), **how)]
        if len(self.members) > 1:
            owner = np.empty(len(self.lengths), np.int64)
            for number, mine in enumerate(self.members):
                owner[mine] = number
            counts = [np.bincount(owner[b], minlength=len(self.members)) for b in self._plan]
            self._drawn = np.cumsum([np.zeros(len(self.members), np.int64), *counts], axis=0)
        self._key = (turn, batch, seed)

    def _pool(self, turn: int, seed: int) -> np.ndarray:
        """The samples of a pass, a source after the other. One that is shown in full is in its own order: the plan
        shuffles."""
        out = []
        for number, (mine, share) in enumerate(zip(self.members, self.shares, strict=True)):
            if share == len(mine):
                out.append(mine)
                continue
            first, last = turn * share // len(mine), ((turn + 1) * share - 1) // len(mine)
            orders = [np.random.default_rng((seed, number, k)).permutation(mine) for k in range(first, last + 1)]
            out.append(np.concatenate(orders)[turn * share - first * len(mine) :][:share])
        return np.concatenate(out)


class MixtureSampler:
    """Which samples a step shows.

    Args:
        sizes: samples of each source, in the order in which ``lengths`` and ``kinds`` hold them; weights: of each, or
            None.
        accumulate: instead of a draw by weight, every step shows each source a part of the batch, and the weights are
            those of their losses. Source: Flamingo, arXiv 2204.14198, sec. 2.4.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        kinds: np.ndarray,
        sizes: Mapping[str, int],
        weights: Sequence[float] | None,
        *,
        accumulate: bool = False,
        group: bool = True,
        ordered: bool = False,
    ) -> None:
        self.names, self.weights, self.accumulate = list(sizes), weights or [1.0] * len(sizes), accumulate
        ends = np.cumsum([0, *sizes.values()])
        members = [np.arange(a, b) for a, b in zip(ends, ends[1:], strict=False)]
        shares = apportion(weights, len(lengths)) if weights and not accumulate else list(sizes.values())
        pools = [([m], [s]) for m, s in zip(members, shares, strict=True)] if accumulate else [(members, shares)]
        self.streams = [Stream(lengths, kinds, *pool, group=group, ordered=ordered) for pool in pools]

    def steps(self, batch: int) -> int:
        """Steps until everything was shown once."""
        return max(s.steps(self._each(batch)) for s in self.streams)

    def at(self, step: int, batch: int, seed: int) -> list[np.ndarray]:
        """The samples of a step; accumulating, those of each source apart."""
        return [s.at(step, self._each(batch), seed) for s in self.streams]

    def drawn(self, step: int, batch: int, seed: int) -> dict[str, int]:
        """How many samples of each source all steps before this one showed."""
        counts = np.concatenate([s.drawn(step, self._each(batch), seed) for s in self.streams])
        return {name: int(n) for name, n in zip(self.names, counts, strict=True)}

    def token_utilization(self, batch: int, seed: int, room: int = 0) -> float:
        """Share of the first passes' tokens that are no padding."""
        return float(np.mean([s.token_utilization(self._each(batch), seed, room) for s in self.streams]))

    def _each(self, batch: int) -> int:
        if batch % len(self.streams):
            raise UserError(
                f"batch={batch} over {len(self.streams)} data sets",
                allowed=f"a multiple of {len(self.streams)}: each has its part of every step",
            )
        return batch // len(self.streams)
