"""What a stage takes of each processor or graphics card, before anything starts: the real layers are run forward and
backward on tensors without contents, and every storage that they would make is counted.

  weights      float32; under FSDP a share of them, and of the group that computes bfloat16 copies
  gradients    float32 of what learns; a share under FSDP, beside those of the group that is summed
  optimiser    AdamW's two moments, as the gradients
  activations  of a micro-batch of the longest samples, kept for the backward pass or computed again

The layer connectors' own activations are not counted. Letters: B rows, T tokens, D width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from nunbit.errors import UserError, unknown_name
from nunbit.models.free_memory import as_text
from nunbit.training.config import LoraConfig
from nunbit.training.memory import MemoryMeter
from nunbit.training.sharding import layers_of


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card.

    Attributes:
        bytes: of its memory.
        flops: operations a second in bfloat16 without sparsity, as its maker says.
    """

    bytes: float
    flops: float


CARDS = {
    "a100-40": Card(40e9, 312e12),
    "a100": Card(80e9, 312e12),
    "h100": Card(80e9, 989e12),
    "h200": Card(141e9, 989e12),
    "b200": Card(180e9, 2250e12),
    "l4": Card(24e9, 121e12),
    "l40s": Card(48e9, 362e12),
    "rtx4090": Card(24e9, 165e12),
}
MFU = 0.4
"""Share of a card's operations that training is taken to reach."""
USABLE = 0.9
"""Share of a card's memory that a step may take: the rest is the driver's, and lost between allocations."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan is for.

    Attributes:
        gpus: cards, over which the model is sharded if there is more than one; 0 is a processor.
        card: one of them.
        recompute: activations are computed again in the backward pass.
    """

    gpus: int
    card: Card
    recompute: bool = False

    @classmethod
    def named(cls, gpus: int, gpu: str, recompute: bool = False) -> Machine:
        """The machine that the command line names.

        Raises:
            UserError: an unknown card, or no card.
        """
        if gpu not in CARDS:
            raise unknown_name("graphics card", gpu, CARDS)
        if gpus < 1:
            raise UserError(f"--gpus {gpus}", allowed="1 or more")
        return cls(gpus, CARDS[gpu], recompute)

    @property
    def operations_per_second(self) -> float:
        """Of all cards together, as far as training reaches it."""
        return self.gpus * self.card.flops * MFU


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes of one sample's activations at the worst moment: kept, and computed again."""

    kept: int
    recomputed: int

    def bytes(self, rows: int, recompute: bool) -> int:
        """Of so many samples."""
        return rows * (self.recomputed if recompute else self.kept)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes on each card.

    Attributes:
        weights, gradients, optimiser: what is held; gathered: copies of weights and gradients of what computes.
        micro_batch: samples in a forward pass; 0: not even one fits.
        activations, recomputed: of such a micro-batch, kept, and computed again.
        peak: of the step as it is planned.
        room: what a step may take.
    """

    weights: int
    gradients: int
    optimiser: int
    gathered: int
    micro_batch: int
    activations: int
    recomputed: int
    peak: int
    room: int

    def as_text(self) -> list[str]:
        """Lines of a stage's plan."""
        rows = f"micro-batches of {self.micro_batch}" if self.micro_batch else "not even one sample fits"
        held = f"weights {as_text(self.weights)}, gradients {as_text(self.gradients)}, optimiser "
        return [
            f"  each        {held}{as_text(self.optimiser)}, gathered {as_text(self.gathered)}",
            f"  activations {as_text(self.activations)} kept, {as_text(self.recomputed)} with --recompute; {rows}",
            f"  peak        {as_text(self.peak)} of {as_text(self.room)} usable on each",
        ]


@dataclass(frozen=True, slots=True)
class Load:
    """What a stage holds.

    Attributes:
        total, learns: parameters of the model, and of what learns.
        root: parameters outside the layers; layer: of one decoder layer. Under FSDP they are gathered.
        quantised: parameters in 4 bits, which every card holds whole.
    """

    total: int
    learns: int
    root: int
    layer: int
    quantised: int = 0


def plan_memory(machine: Machine, load: Load, activations: Activations, rows: int) -> MemoryPlan:
    """The plan of a stage whose micro-batch should have so many rows; they are halved until they fit."""
    share = max(1, machine.gpus)
    weights = 4 * (load.total - load.quantised) // share + load.quantised // 2
    gradients, optimiser = 4 * load.learns // share, 8 * load.learns // share
    if share > 1:  # the root's weights, two layers', and a layer's gradients in both precisions
        gathered = 2 * (load.root + 2 * load.layer) + 6 * load.layer
    else:  # autocast keeps what it has cast until the backward pass is done
        gathered = 2 * load.total if machine.gpus else 0
    room, held = int(USABLE * machine.card.bytes), weights + gradients + optimiser + gathered
    wanted = rows
    while rows and held + activations.bytes(rows, machine.recompute) > room:
        rows //= 2
    shown = rows or min(1, wanted)
    kept, again = activations.bytes(shown, False), activations.bytes(shown, True)
    peak = held + (again if machine.recompute else kept)
    return MemoryPlan(weights, gradients, optimiser, gathered, rows, kept, again, peak, room)


def layer_parameters(text: Any) -> tuple[int, int]:
    """Layers of a decoder of this config, and the parameters of one."""
    from transformers import AutoModel

    with torch.device("meta"):
        layers = layers_of(AutoModel.from_config(text))
    return len(layers), sum(p.numel() for p in layers[0].parameters()) if layers else 0


def count_activations(
    text: Any,
    tokens: int,
    answers: int,
    *,
    language: bool,
    lora: LoraConfig = LoraConfig(),
    dtype: torch.dtype = torch.bfloat16,
) -> Activations:
    """Run the first layers of a decoder of this config forward and backward, with one more each time: what that one
    takes, each further one takes. No memory is taken.

    Args:
        text: config of the language model.
        tokens: T of the longest sample; answers: how many of them are learnt.
        language: the decoder's own weights learn, unless ``lora`` has a rank.
        dtype: that it computes in.
    """
    depth = int(text.num_hidden_layers)
    few = min(2, depth)

    def peak(again: bool) -> int:
        counted = [
            _peak(_cut(text, layers), tokens, answers, language, lora, dtype, again) for layers in (few, few + 1)
        ]
        return counted[0] + (depth - few) * (counted[1] - counted[0])

    return Activations(peak(False), peak(True))


def _cut(text: Any, layers: int) -> Any:
    """The config of a decoder of so many layers."""
    out = copy.deepcopy(text)
    out.num_hidden_layers = layers
    kinds = getattr(text, "layer_types", None)
    if kinds:
        out.layer_types = (list(kinds) * layers)[:layers]
    return out


def _peak(
    text: Any, tokens: int, answers: int, language: bool, lora: LoraConfig, dtype: torch.dtype, again: bool
) -> int:
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoModelForCausalLM

    with FakeTensorMode():
        model: Any = AutoModelForCausalLM.from_config(text, dtype=dtype).train()
        decoder, head = model.get_decoder(), model.get_output_embeddings()
        model.requires_grad_(language and not lora.rank)
        pairs = _add_lora(model, lora) if language and lora.rank else []
        for block in layers_of(decoder) if again else ():
            vars(block)["forward"] = partial(checkpoint, block.forward, use_reentrant=False)
        for p in (*model.parameters(), *pairs):
            if p.requires_grad:  # gradients are counted on their own
                p.register_post_accumulate_grad_hook(_forget)
        embeds = torch.zeros(1, tokens, text.hidden_size, dtype=dtype, requires_grad=True)
        positions = torch.arange(tokens)[None]
        labels = torch.zeros(answers, dtype=torch.long)
        with MemoryMeter() as meter:
            hidden = decoder(inputs_embeds=embeds * 1, use_cache=False, position_ids=positions).last_hidden_state
            logits = head(hidden[:, :answers].flatten(0, 1)).float()
            F.cross_entropy(logits, labels, reduction="sum").backward()
        return meter.peak


def _forget(parameter: torch.Tensor) -> None:
    parameter.grad = None


def _add_lora(model: Any, lora: LoraConfig) -> list[torch.nn.Parameter]:
    """Low-rank pairs beside every linear layer but the head, as peft computes them; returns their parameters."""
    made: list[torch.nn.Parameter] = []
    head = model.get_output_embeddings()
    for linear in [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]:
        how: dict[str, Any] = {"bias": False, "dtype": linear.weight.dtype}
        first = torch.nn.Linear(linear.in_features, lora.rank, **how)
        second = torch.nn.Linear(lora.rank, linear.out_features, **how)
        pair = torch.nn.Sequential(torch.nn.Dropout(lora.dropout), first, second)
        linear.register_forward_hook(partial(_add_pair, pair))
        made += pair.parameters()
    return made


def _add_pair(pair: torch.nn.Module, _: Any, given: Any, out: torch.Tensor) -> torch.Tensor:
    """``(B, T, D)`` with the low-rank branch's output added."""
    return out + pair(given[0])
