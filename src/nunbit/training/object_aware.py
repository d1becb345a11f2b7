"""Training an object-aware model: conversations whose pictures are also told to the decoder as Scenes, and two adapters in one run.

Source: CoLLaVO, arXiv 2402.11248, sec. 3 (crayon prompt tuning; crayon instruction tuning with Dual QLoRA); MoAI, arXiv 2403.07508, sec. 3.3
(step 1: one random expert a side; step 2: soft gates).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import Prompt
from nunbit.training.multimodal import ConversationTask
from nunbit.training.stage import Batch, Stage

if TYPE_CHECKING:
    from nunbit.assistant import Assistant


class ObjectAwareTask(ConversationTask):
    """`ConversationTask` with Scenes.

    Args:
        aware: the connectors, hung on the model; those that require a gradient learn. Its perception makes the Scenes.
        draws: MoAI's first step: one random expert a mixer and side, another each pass.
    """

    def __init__(
        self, aware: ObjectAwareModule, image_processor: Any, samples: Sequence[Prompt], *, draws: bool = False, **how: Any
    ) -> None:
        super().__init__(aware.model, image_processor, samples, **how)
        self.aware = aware
        moai: Any = aware.connectors.get("moai")
        self.moai = moai if draws else None

    def modules(self) -> dict[str, nn.Module]:
        learning = {k: m for k, m in self.aware.modules().items() if any(p.requires_grad for p in m.parameters())}
        return super().modules() | learning

    def prepare(self, device: str, shard: bool = False) -> None:
        super().prepare(device, shard)
        for m in self.aware.connectors.values():
            m.to(device)

    def _asked(self, learnt: torch.Tensor) -> torch.Tensor:
        """(B, T) bool, true where a row's next token is learnt -> the rows that are no answer. Where a row may read later ones, nothing
        behind the first answer is mixed: what is asked later must not reach it."""
        moai: Any = self.aware.connectors.get("moai")
        answers = torch.nn.functional.pad(learnt, (1, 0))[:, :-1]
        return ~answers if moai is None or moai.supports_chunked_prefill else answers.cumsum(1) == 0

    def scene_features(self, pictures: Sequence[Any]) -> Batch:
        return self.aware.scene_features(self.aware.perception(pictures))

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        owner = batch.get("owner", torch.zeros(0, dtype=torch.long, device=batch["ids"].device))
        image = batch["ids"] == self.image_id
        draws = self.moai.sample_experts() if self.moai is not None else None
        self.aware.set_context(batch, image, batch["mask"] & ~image & self._asked(batch["labels"] >= 0), owner, draws)
        try:
            loss, figures = super().loss(batch)
        finally:
            self.aware.clear_context()
        if not len(owner):  # every process of a distributed run has a gradient for what learns
            loss = loss + 0.0 * sum(
                p.sum() for m in self.aware.modules().values() for p in m.parameters() if p.requires_grad
            )
        return loss, figures


class DualTask:
    """Two tasks on one model, one adapter each: a step draws which task it shows, both adapters are in the forward pass, and only the
    task's own learns; what is no adapter learns in both. Source: CoLLaVO, arXiv 2402.11248, sec. 3.3 (Dual QLoRA).

    Args:
        tasks: by the name of their adapter; `ConversationTask`s for a recipe.
        share: how often the first is shown.
    """

    def __init__(self, tasks: Mapping[str, Any], share: float = 0.5) -> None:
        self.tasks, self.share, self.names = dict(tasks), share, list(tasks)
        first, second = self.tasks.values()
        if first.model is not second.model or len(self.names) != 2:
            raise ValueError("two tasks on one model")
        named = dict(first.model.named_parameters())
        self.own = {a: [p for n, p in named.items() if f".{a}." in n and p.requires_grad] for a in self.names}
        if hasattr(first, "operations"):  # the loop asks whether a task counts them
            self.operations = self._operations
        if not all(self.own.values()):
            raise ValueError(f"no learning adapter is named {' or '.join(self.names)}")

    def modules(self) -> dict[str, nn.Module]:
        for parameters in self.own.values():
            for p in parameters:
                p.requires_grad_(True)
        return self.tasks[self.names[0]].modules()

    def prepare(self, device: str, shard: bool = False) -> None:
        self.tasks[self.names[0]].prepare(device, shard)

    def steps(self, batch: int, epochs: float = 1) -> int:
        return max(t.steps(batch, epochs) for t in self.tasks.values())

    def token_utilization(self, stage: Stage) -> float:
        return self.share * self.tasks[self.names[0]].token_utilization(stage) + (1 - self.share) * self.tasks[self.names[1]].token_utilization(stage)

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        return {name: task.sampler_state(step, stage) for name, task in self.tasks.items()}

    def _operations(self, batch: Batch) -> float:
        return self.tasks[self.names[int(batch["turn"])]].operations(batch)

    def as_assistant(self) -> AbstractContextManager[Assistant]:
        """The model with both adapters."""
        return self.tasks[self.names[0]].as_assistant()

    def turn(self, step: int, stage: Stage) -> int:
        """Which task a step shows: a coin that depends on the step alone."""
        return int(np.random.default_rng((stage.seed, step, 2)).random() >= self.share)

    def batch(self, step: int, stage: Stage) -> Batch:
        turn = self.turn(step, stage)
        return self.tasks[self.names[turn]].batch(step, stage) | {"turn": torch.tensor(turn)}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        turn, shown = batch["turn"], {k: v for k, v in batch.items() if k != "turn"}
        for piece in self.tasks[self.names[int(turn)]].micro_batches(shown, stage):
            yield piece | {"turn": turn}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        name = self.names[int(batch["turn"])]
        for adapter, parameters in self.own.items():
            for p in parameters:
                p.requires_grad_(adapter == name)
        loss, figures = self.tasks[name].loss({k: v for k, v in batch.items() if k != "turn"})
        return loss, figures | {f"{name}_loss": loss.item()}
