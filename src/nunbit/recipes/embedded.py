"""What `tiny` and `clip` share: recipes of embedded models, whose config is the settings of their stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from nunbit.errors import UserError, unknown_name
from nunbit.training.aliases import stage_name
from nunbit.training.flops import FORWARD, LEARNS, THROUGH
from nunbit.training.options import RunOptions
from nunbit.training.planning import PlanReport, StagePlan
from nunbit.training.settings import Settings, override, parse
from nunbit.training.stage import Stage
from nunbit.training.stages import begin


@dataclass(frozen=True, kw_only=True)
class EmbeddedRecipe(Settings):
    """Settings of a recipe whose stages are its fields of type `Stage`.

    Attributes:
        stages: which of the stages are run, by name, separated by commas.
        debug: two tiny steps a stage: shows that everything runs.
    """

    unused: ClassVar[tuple[str, ...]] = ("*.name", "*.part_lr", "*.part_decay")
    debug_batch: ClassVar[int] = 2

    stages: str = ""
    debug: bool = False

    def changed(self, changes: Sequence[str]) -> Self:
        """A copy with ``key=value`` applied. A key without a stage, as ``steps=100``, is set for every stage that is
        run.

        Raises:
            UserError: an unknown key or stage, or a wrong value.
        """
        given = parse(changes)
        first = {key: value for key, value in given.items() if key in ("stages", "debug")}
        done = override(self, first)
        done = replace(done, stages=",".join(stage_name(n) for n in done.stages.split(",") if n))
        bare = {f.name for f in fields(Stage)}
        for key, value in given.items():
            names = [f"{name}.{key}" for name in done.every_stage() if name in done.stages.split(",")]
            if key not in first:
                done = override(done, dict.fromkeys(names if key in bare else [_renamed(key)], value), self.is_unused)
        done.selected()
        return done

    def selected(self) -> dict[str, Stage]:
        """The stages that are run, in order.

        Raises:
            UserError: an unknown stage, or none.
        """
        known, names = self.every_stage(), [n for n in self.stages.split(",") if n]
        for name in names:
            if name not in known:
                raise unknown_name("stage", name, known)
        if not names:
            raise UserError("no stage is named", allowed=", ".join(known))
        small: dict[str, Any] = {"steps": 2, "batch": self.debug_batch} if self.debug else {}
        return {name: replace(known[name], **small) for name in names}

    def every_stage(self) -> dict[str, Stage]:
        """All stages of the recipe, also those that are not run."""
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Stage)}


def _renamed(key: str) -> str:
    """A dotted key with an old name of its stage replaced."""
    head, dot, rest = key.partition(".")
    return stage_name(head) + dot + rest if dot else key


def run_embedded(
    config: EmbeddedRecipe, folder: str | Path, options: RunOptions, stage: Callable[[Path, Stage, RunOptions], None]
) -> Path:
    """Train the stages in order in the folder; returns it.

    Args:
        stage: trains one of them in the run's folder.

    Raises:
        UserError: sharding, which these small models do not need.
    """
    if options.shard:
        raise UserError("--shard for an embedded model", allowed="without it: it fits anywhere")
    folder = Path(folder)
    begin(config, folder, options)
    for one in config.selected().values():
        stage(folder, one, options)
    return folder


@dataclass(frozen=True, slots=True)
class StageShape:
    """What a stage of an embedded model computes, for its plan.

    Attributes:
        parts: the parts in the order of the forward pass, each with the tokens of a sample that it processes.
        learns: the parts that learn.
    """

    parts: Mapping[str, int]
    learns: tuple[str, ...]


def plan_embedded(
    config: EmbeddedRecipe, counts: Mapping[str, int], shapes: Mapping[str, StageShape], image_tokens: int, flops: float
) -> PlanReport:
    """The plan of the stages that are run.

    Args:
        counts: parameters by part; shapes: by stage.
    """
    stages = [_plan_stage(stage, counts, shapes[name], flops) for name, stage in config.selected().items()]
    return PlanReport(dict(counts), image_tokens, stages, flops)


def _plan_stage(stage: Stage, counts: Mapping[str, int], shape: StageShape, flops: float) -> StagePlan:
    operations, behind = 0.0, False
    samples = stage.steps * stage.batch
    for part, tokens in shape.parts.items():
        learning = part in shape.learns
        behind = behind or learning
        operations += (LEARNS if learning else THROUGH if behind else FORWARD) * counts[part] * float(tokens) * samples
    learns = {part: counts[part] for part in shape.learns}
    held, learning_count = sum(counts[part] for part in shape.parts), sum(learns.values())
    return StagePlan(
        stage.name,
        learns,
        stage.steps,
        samples,
        max(shape.parts.values()),
        4 * held,
        4 * learning_count,
        8 * learning_count,
        operations,
        operations / flops,
    )
