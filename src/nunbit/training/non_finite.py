"""Steps whose gradient is not finite are skipped, with a warning, and only so many: a run that diverged ends with an
error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from torch import nn

from nunbit.errors import UserError
from nunbit.training.checkpoints import newest
from nunbit.training.distributed import ALONE, Group, local

MOST_CONSECUTIVE = 20
MOST_SHARE = 0.1
"""Largest share of a run's steps that may be skipped, once `MOST_CONSECUTIVE` steps are done, and at the end of the
stage."""


LARGEST_WEIGHT = 1e15
"""A larger one is as lost: products of such weights overflow."""


class NonFiniteGuard:
    """Counts skipped steps, warns, and stops a run that diverged.

    Args:
        name: of the stage.
        folder: of the stage; its newest checkpoint is named in the error.
        say: receives the warnings, the first and then whenever the count has doubled.
    """

    def __init__(self, name: str, folder: Path, say: Callable[[str], None]) -> None:
        self.name, self.folder, self.say = name, folder, say
        self.consecutive = self.skipped = self.done = 0

    def count(self, step: int, skipped: bool) -> None:
        """Take in a step.

        Args:
            step: its number, from 1.

        Raises:
            UserError: too many were skipped.
        """
        self.done += 1
        self.consecutive = self.consecutive + 1 if skipped else 0
        self.skipped += skipped
        if skipped and self.skipped.bit_count() == 1:  # 1, 2, 4, 8 ...
            why = f"the gradient of step {step} is not finite"
            self.say(f"{self.name}: warning: {why}, the step is skipped ({self.skipped} so far)")
        if self.consecutive >= MOST_CONSECUTIVE or (self.done >= MOST_CONSECUTIVE and self._too_many):
            raise self.error(step)

    def finish(self, step: int) -> None:
        """Raise a UserError if too many steps were skipped for a stage that ends here."""
        if self._too_many:
            raise self.error(step)

    @property
    def _too_many(self) -> bool:
        return self.skipped > MOST_SHARE * self.done

    def error(self, step: int, what: str = "") -> UserError:
        """The error of a diverged run, which names the last good checkpoint."""
        kept = newest(self.folder)
        what = what or f"{self.skipped} of {self.done} gradients are not finite, the last {self.consecutive} in a row"
        return UserError(
            f"the stage '{self.name}' has diverged at step {step}: {what}",
            allowed=f"at most {MOST_CONSECUTIVE} such steps in a row, and {100 * MOST_SHARE:.0f} % of all",
            todo=f"lower the learning rate and resume from the last good checkpoint '{kept}'"
            if kept
            else "lower the learning rate; there is no checkpoint yet",
        )


def weights_are_finite(modules: Iterable[nn.Module], group: Group = ALONE) -> bool:
    """Whether every learning parameter is a number of at most `LARGEST_WEIGHT`, on every process."""
    parameters = [p for m in modules for p in m.parameters() if p.requires_grad and p.is_floating_point()]
    if not parameters:
        return True
    parts = [local(p.detach()) for p in parameters]
    sane = all(bool((part.abs() <= LARGEST_WEIGHT).all()) for part in parts)  # false for what is not a number
    return not group.any(not sane, str(parameters[0].device))
