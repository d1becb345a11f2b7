"""The config that recipes for conversations share, and what must be there before their stages run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from nunbit.errors import UserError, unknown_name
from nunbit.training.config import LoraConfig, ModelConfig, Phase
from nunbit.training.settings import Settings, override, parse, settings

NEW_MODEL = ("model.layer", "model.activation", "model.tiles", "model.connector", "model.connector_options")
"""Settings of a model that is built; one that is opened has its own."""


@dataclass(frozen=True, kw_only=True)
class BaseRecipe(Settings):
    """Settings of a recipe for conversations; its stages are its fields of type `Phase`.

    Attributes:
        model, lora: which model, and its adapters.
        stages: which of the stages are run, by name, separated by commas.
        data, images: conversations and the folder of their pictures, for stages that name none of their own.
        max_tokens: longer samples are left out and counted.
        eval, eval_every: benchmarks to run every so many steps, as ``tiny-world:60,pope=FILE:200``
            (`nunbit.recipes.evaluation`).
        seed: of weights, samplers and random numbers.
        debug: a generated data set and small random models where none are named, two steps a stage.
    """

    pictures: ClassVar[int] = 1
    """Pictures in a conversation of the debug set."""
    unused: ClassVar[tuple[str, ...]] = ("*.layer_connector_lr",)

    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    stages: str = ""
    data: str = ""
    images: str = ""
    max_tokens: int = 2048
    eval: str = ""
    eval_every: int = 0
    seed: int = 0
    debug: bool = False

    def changed(self, changes: Sequence[str]) -> Self:
        """A copy with ``key=value`` applied, checked as far as it can be without opening a file.

        Raises:
            UserError: an unknown key, one that does nothing, a wrong value, or no model.
        """
        given = parse(changes)
        done = override(self, given, self.is_unused)
        done.phases()
        done.check()
        done.check_given(given)
        return done

    def check(self) -> None:
        """Raise a UserError for settings that do not fit together, and unless a model is named once."""
        model = self.model
        if model.base and (model.llm or model.vision):
            raise UserError("model.base and model.llm or model.vision", allowed="one or the other")
        if not self.debug and not model.base and not (model.llm and model.vision):
            raise no_model("model.llm=DIR and model.vision=DIR, or model.base=DIR")
        if bool(self.eval) != bool(self.eval_every):
            raise UserError(
                f"eval={self.eval} eval_every={self.eval_every}",
                allowed="both, or neither",
                todo="write for example: eval=tiny-world:60 eval_every=500",
            )

    def check_given(self, given: Mapping[str, str]) -> None:
        """Raise a UserError for a given key that does nothing beside the other settings."""
        if self.model.base and not self.is_unused("model.base"):
            # Tiles say which native type a base must have, so that they are checked, not ignored.
            self._refuse(
                given, [k for k in NEW_MODEL if k != "model.tiles"], "with model.base", "settings of a new model"
            )
        if not self.lora.rank:
            self._refuse(
                given,
                [k for k in settings(self) if k.startswith("lora.") and k != "lora.rank"],
                "without lora.rank",
                "lora.rank=N beside it",
            )

    def _refuse(self, given: Mapping[str, str], keys: Sequence[str], why: str, allowed: str) -> None:
        for key in keys:
            if key in given:
                raise UserError(f"the setting '{key}' does nothing {why}", allowed=allowed, todo=f"leave out {key}")

    def phases(self) -> dict[str, Phase]:
        """The stages that are run, in order, each with its data."""
        out: dict[str, Phase] = {}
        known = self.every_phase()
        for name in filter(None, self.stages.split(",")):
            if name not in known:
                raise unknown_name("stage", name, known)
            phase = known[name]
            out[name] = replace(phase, data=phase.data or self.data, images=phase.images or self.images)
        if not out:
            raise UserError(
                "no stage is named", allowed=", ".join(known), todo=f"write for example: stages={[*known][0]}"
            )
        return out

    def ready(self, folder: Path) -> Self:
        """The config as it is run in the folder: every stage has data, and with ``debug`` everything is small.

        Each process of a launcher generates its own debug set: no process reads what another is writing.

        Raises:
            UserError: a stage without data.
        """
        done = self.small(folder / ("debug" + os.environ.get("RANK", ""))) if self.debug else self
        for name, phase in done.phases().items():
            if not phase.data:
                raise UserError(
                    f"no data for the stage '{name}'", allowed=f"data=FILE or {name}.data=FILE", todo="name a file"
                )
        return done

    def small(self, folder: Path) -> Self:
        """Two steps of two samples a stage, with generated data and models in the folder where none are named."""
        from nunbit.recipes.debug_set import fill_in

        few: dict[str, Any] = {name: replace(phase, steps=2, batch=2) for name, phase in self.every_phase().items()}
        return replace(fill_in(self, folder), **few)

    def every_phase(self) -> dict[str, Phase]:
        """All stages of the recipe, also those that are not run."""
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Phase)}


def no_model(allowed: str) -> UserError:
    """The error of a recipe without a model."""
    return UserError("no model is named", allowed=allowed, todo="or write debug=true")
