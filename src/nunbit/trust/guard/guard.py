"""The guard: looks in the pictures of a request for text that is an order to a model, before any model sees them.

    guard = Guard(GuardConfig(policy="block"))
    verdict = guard.check(pictures, scenes)
    if verdict.action == "blocked": ...

Sources: image scaling, arXiv 2010.02456; spotlighting, which delimits what is data, arXiv 2403.14720.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from nunbit.errors import UserError, unknown_name
from nunbit.media import content_hash
from nunbit.media.bounds import reduced
from nunbit.perception.reading import Recogniser, recogniser
from nunbit.perception.scaling import scaled_copy
from nunbit.scene import Scene
from nunbit.trust.guard.codes import read_codes
from nunbit.trust.guard.judge import Passage, judge
from nunbit.trust.guard.reading import Viewed, given_lines, read_views
from nunbit.trust.guard.verdict import POLICIES, Finding, Policy, Verdict, around
from nunbit.trust.guard.words import ReadLine, with_neighbours

if TYPE_CHECKING:
    from PIL.Image import Image

THRESHOLD = 0.5
MOST_KEPT = 64
"""Pictures whose views are remembered."""


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """How pictures are guarded.

    Attributes:
        policy: what is done about an order to a model: see `verdict.POLICIES`.
        threshold: the score from which on a text counts as one, 0 to 1.
        views: whether pictures are looked at in other views too; without, only what perception read is judged.

    Raises:
        UserError: an unknown policy, or a threshold outside 0 to 1.
    """

    policy: Policy = "off"
    threshold: float = THRESHOLD
    views: bool = True

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise unknown_name("guard policy", str(self.policy), POLICIES)
        if not 0 < self.threshold <= 1:
            raise UserError(f"guard threshold={self.threshold}", allowed="above 0, to 1")


class Guard:
    """Judges pictures; any number of threads may ask at once.

    Args:
        config: what is done and from which score on.
        recognise: reads lines; the first that is installed if None.
    """

    def __init__(self, config: GuardConfig = GuardConfig(), recognise: Recogniser | None = None) -> None:
        self.config = config
        self._given, self._lock = recognise, threading.Lock()
        self._kept: OrderedDict[str, Viewed] = OrderedDict()

    @cached_property
    def recognise(self) -> Recogniser | None:
        """What reads the lines of views; None where nothing is installed."""
        return self._given or recogniser()

    def check(
        self,
        pictures: Sequence[Image],
        scenes: Sequence[Scene] = (),
        tensors: Sequence[np.ndarray | None] = (),
        policy: Policy | None = None,
    ) -> Verdict:
        """Judge all pictures of a request together.

        Args:
            scenes: what perception found in them; without, the views alone are read.
            tensors: the pictures as the model sees them, ``(h, w, 3)`` uint8 each, where they are known.
            policy: instead of the configured one.
        """
        chosen = policy or self.config.policy
        if chosen == "off" or not pictures:
            return Verdict(chosen)
        small = [reduced(p) for p in pictures]
        known = [scaled_copy(s, p.size) for s, p in zip(scenes, small, strict=True)] if scenes else [None] * len(small)
        lines = [line for i, scene in enumerate(known) if scene is not None for line in given_lines(i, scene)]
        passages = judge(lines)
        viewed = [Viewed() for _ in small]
        if self.config.views and (chosen == "strip" or not self._suspicious(passages)):
            shown = [*tensors, *[None] * (len(small) - len(tensors))]
            viewed = [self._views(i, p, s, t) for i, (p, s, t) in enumerate(zip(small, known, shown, strict=True))]
            seen = [line for v in viewed for line in v.lines]
            lines = [*lines, *seen]
            passages = judge(lines) if seen else passages
        unread = tuple(dict.fromkeys(v.unread for v in viewed if v.unread))
        views, ms = tuple(v.views for v in viewed), tuple(v.ms for v in viewed)
        score = passages[0].score if passages else 0.0
        if not self._suspicious(passages):
            return Verdict(chosen, score, (), (), views, ms, unread)
        scales = [(p.width / s.width, p.height / s.height) for p, s in zip(pictures, small, strict=True)]
        parts = self._parts(passages)
        findings = _findings(with_neighbours(parts, lines) if chosen == "strip" else parts, scales)
        return Verdict(chosen, score, passages[0].signs, findings, views, ms, unread)

    def _suspicious(self, passages: Sequence[Passage]) -> bool:
        return bool(passages) and passages[0].score >= self.config.threshold

    def _parts(self, passages: Sequence[Passage]) -> list[ReadLine]:
        """The lines of the finding: of the most suspicious passage and of every other above the threshold that shares
        none with those before it. They come shortest first: a long run holds lines that say nothing."""
        out: dict[int, ReadLine] = {}
        for passage in passages:
            if passage.score >= self.config.threshold and not any(id(x) in out for x in passage.lines):
                out |= {id(x): x for x in passage.lines}
        return [*out.values()]

    def _views(self, number: int, picture: Image, scene: Scene | None, tensor: np.ndarray | None) -> Viewed:
        """What the views of a picture show, remembered by its content."""
        key = f"{number}:{content_hash(picture)}:{scene is None}:{None if tensor is None else tensor.shape}"
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        enough = partial(self._settles, [] if scene is None else given_lines(number, scene))
        made = read_views(number, picture, scene, self.recognise, tensor, enough)
        made.lines += read_codes(number, picture)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return made

    def _settles(self, given: Sequence[ReadLine], read: Sequence[ReadLine]) -> bool:
        return self._suspicious(judge([*given, *read]))


def _findings(lines: Sequence[ReadLine], scales: Sequence[tuple[float, float]]) -> tuple[Finding, ...]:
    """One finding for each picture and view."""
    out = []
    for picture, view in dict.fromkeys((x.picture, x.view) for x in lines):
        own = [x for x in lines if (x.picture, x.view) == (picture, view)]
        across, down = scales[picture]
        x1, y1, x2, y2 = around([x.box for x in own])
        text = "\n".join(x.text for x in own)
        out.append(Finding(picture, (x1 * across, y1 * down, x2 * across, y2 * down), view, text))
    return tuple(out)
