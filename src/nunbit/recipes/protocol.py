"""The one protocol of recipes: what each module of this room offers, and each file that ``nunbit train FILE`` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from nunbit.training.options import RunOptions
from nunbit.training.planning import PlanReport

MEMBERS = ("SUMMARY", "PAPER", "defaults", "configure", "stages", "plan", "run")


class TrainingRecipe(Protocol):
    """A recipe's module. Its config is a frozen dataclass with a method ``keys()``.

    Attributes:
        SUMMARY: one line for ``nunbit recipes list``.
        PAPER: the source of the method.
    """

    SUMMARY: str
    PAPER: str

    def defaults(self) -> Any:
        """The config as published; it may lack what only the user can name, such as a model."""
        ...

    def configure(self, changes: Sequence[str]) -> Any:
        """The config with ``key=value`` applied.

        Raises:
            UserError: an unknown key, one that does nothing in this recipe, a wrong value, or a missing one.
        """
        ...

    def stages(self, config: Any) -> Mapping[str, Any]:
        """The stages that a run of the config goes through, by name and in order."""
        ...

    def plan(self, config: Any, flops: float) -> PlanReport:
        """Parameters, bytes, operations and time of each stage at so many operations a second; nothing is trained."""
        ...

    def run(self, config: Any, folder: str | Path, options: RunOptions = ...) -> Path:
        """Run the stages, each from its last checkpoint.

        Returns:
            The folder of the model, or of the adapter.
        """
        ...
