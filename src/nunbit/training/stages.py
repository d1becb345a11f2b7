"""Steps that recipes for conversations share: build the model, read a stage's data, train the stage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.data.conversations import Conversation, check_left, encode_some, read_conversations
from nunbit.data.encoded import Encoded, builder_facts, file_facts, key_of
from nunbit.data.mixture import Source, sources
from nunbit.errors import UserError
from nunbit.files import write_text
from nunbit.models.checkpoint import open_model
from nunbit.models.composed import ComposedConfig
from nunbit.models.image_tokens import ANY_RESOLUTION
from nunbit.models.prompt import Prompt, PromptBuilder
from nunbit.training.config import ModelConfig, Phase, connector_options
from nunbit.training.distributed import Group, join
from nunbit.training.encoding import encoded_together
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.settings import changed_settings, settings
from nunbit.training.sharding import mark_from_file

if TYPE_CHECKING:
    from nunbit.training.dual import DualTask
    from nunbit.training.multimodal import SampleTask

Say = Callable[[str], None]


def build_model(config: ModelConfig, seed: int = 0, stored_type: bool = False) -> tuple[Any, Any]:
    """Model and processor of a recipe: the base that it names, or a new one from its two parts.

    Args:
        stored_type: weights of a base stay in its files and of their type, until the model is sharded.

    Raises:
        UserError: a part that does not open or does not fit, or a base of another type.
    """
    import torch

    from nunbit.models import build

    torch.manual_seed(seed)
    if config.base:
        model, processor = open_model(config.base, dtype="auto" if stored_type else None)
        kind = model.config.model_type
        allowed = (ANY_RESOLUTION,) if config.tiles else ("llava", ComposedConfig.model_type)
        if kind not in allowed:
            raise UserError(f"'{config.base}' is of type {kind}", allowed=", ".join(allowed))
        if not stored_type:
            return model.float(), processor
        mark_from_file(model)
        return model, processor
    options = connector_options(config.connector_options)
    if config.connector == "mlp":
        options["activation"] = config.activation
    return build.build_model(
        config.vision, config.llm, connector=config.connector, options=options, layer=config.layer, tiles=config.tiles
    )


def begin(config: Any, folder: Path, options: RunOptions) -> Group:
    """Make the folder, write the config down as ``recipe.json``, and join the other processes.

    A folder that was begun with other settings is resumed with these; what differs is said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    group = join(options.device)
    path, now = folder / "recipe.json", settings(config)
    if group.rank == 0:
        for line in changed_settings(_settings_of(path), now):
            options.say(f"a setting has changed since this run began: {line}")
        write_text(path, json.dumps(now, indent=1))
    return group


def _settings_of(path: Path) -> dict[str, Any]:
    """What a run's ``recipe.json`` holds; nothing if there is none, or one that a kill cut off."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Data:
    """The samples of a stage.

    Attributes:
        samples: prompts with their targets.
        files: for each file its name, weight, samples, tokens, and how many were left out and why.
    """

    samples: list[Prompt] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, source: Source, samples: Sequence[Prompt], dropped: Mapping[str, int], say: Say, what: str = "samples"
    ) -> None:
        """Add the samples of a file, and say how many there are."""
        learnt, shown = sum(int(s.loss_mask.sum()) for s in samples), sum(s.length for s in samples)
        reasons = "".join(f"; {count} left out: {why}" for why, count in dropped.items())
        say(f"{source.file}: {len(samples)} {what}, {shown} tokens, {learnt} of them learnt{reasons}")
        self.samples += samples
        self.files.append(
            {
                "file": source.file,
                "weight": source.weight,
                "samples": len(samples),
                "tokens": shown,
                "learnt": learnt,
                "dropped": dict(dropped),
            }
        )

    def mixture(self) -> dict[str, Any]:
        """``sizes`` by a short name of each file, and ``weights`` if they have some: what a `SampleTask` mixes by."""
        short = [Path(f["file"]).stem for f in self.files]
        names = [n if short.count(n) == 1 else f"{n}-{i}" for i, n in enumerate(short, 1)]
        weights = [f["weight"] for f in self.files]
        sizes = {n: f["samples"] for n, f in zip(names, self.files, strict=True)}
        return {"sizes": sizes, "weights": weights if weights[0] else None}

    def write(self, folder: Path) -> None:
        """Write ``data.json``: for each file its samples, their tokens, how many were left out and why."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "data.json", json.dumps(self.files, indent=1, ensure_ascii=False))


def load_samples(
    phase: Phase, builder: PromptBuilder, max_tokens: int, config: Any, folder: Path, group: Group, say: Say = print
) -> Data:
    """The stage's conversations as prompts, encoded by all processes together and kept in the stage's folder; says how
    many were left out and why.

    Args:
        config: of the model.
        folder: of the stage.
    """
    out = Data()
    for number, source in enumerate(sources(phase.data)):
        conversations = read_conversations(source.file, phase.images or None)

        def make(first: int, last: int, found: Sequence[Conversation] = conversations) -> dict[str, Encoded]:
            made = encode_some(found[first:last], builder, max_tokens=max_tokens, plain=phase.plain)
            return {"samples": Encoded(*made)}

        facts = file_facts(source.file, (path for c in conversations for path in c.images))
        key = key_of(builder_facts(builder, config), max_tokens, phase.plain, facts)
        place = encoded_folder(folder, number)
        held = encoded_together(place, key, len(conversations), ("samples",), make, group)["samples"]
        check_left(len(held.prompts), held.dropped)
        out.add(source, held.prompts, held.dropped, say)
    return out


def encoded_folder(folder: Path, number: int) -> Path:
    """Where a stage keeps what its data file of this number became."""
    return folder / "encoded" / str(number)


def train_phase(
    name: str, phase: Phase, task: SampleTask | DualTask, seed: int, folder: Path, options: RunOptions
) -> None:
    """Train a stage in the folder of its name, from its last checkpoint; says what learns."""
    stage = phase.stage(name, task.steps(phase.batch, phase.epochs), seed)
    used = 100 * task.token_utilization(stage)
    options.say(f"{name}: {describe(task)}; {stage.steps} steps of {stage.batch}, {used:.0f} % of their tokens real")
    train(task, stage, folder / name, options)


def describe(task: SampleTask | DualTask) -> str:
    """Learning parameters by part, in words."""
    counts = {part: sum(p.numel() for p in m.parameters() if p.requires_grad) for part, m in task.modules().items()}
    return "learning " + ", ".join(f"{part} {n:,}" for part, n in counts.items())
