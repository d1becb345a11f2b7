"""FSDP2: weights, gradients and moments of a whole model spread over the processes of a run, frozen parts included.

  groups   each decoder layer (with the gated block before it, if there is one) and each layer of the encoder; whatever
           remains is the root's: embeddings, head, connector
  memory   a group's weights are whole only while it computes; the root's from its forward pass to its backward pass
  numbers  on a graphics card weights are gathered and used in bfloat16, gradients summed in float32, and what the
           optimiser holds stays in float32

The next group is gathered, and the last one's gradients are summed, while the present one computes. Left whole: what
only some processes may reach in a step (MoAI's random experts) and weights in 4 bits. Source: PyTorch FSDP, arXiv
2304.11277.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from nunbit.connectors.layer import decoder_layers
from nunbit.errors import UserError

Compute = Callable[..., Any]


class ShardedRoot(nn.Module):
    """Everything that takes part in a loss as one module, so that its forward pass is the root of all groups.

    Args:
        parts: the model, and what acts on it from outside.
    """

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.compute: Compute | None = None

    def forward(self, batch: Mapping[str, torch.Tensor]) -> Any:
        """What the present task computes of the batch."""
        assert self.compute is not None, "a task computes"
        return self.compute(batch)


ROOTS: WeakKeyDictionary[nn.Module, ShardedRoot] = WeakKeyDictionary()
"""Of each sharded model. Its stages share it."""


def root_of(model: nn.Module) -> ShardedRoot | None:
    """The root of a sharded model; None of one that is whole."""
    return ROOTS.get(model)


def shard_model(
    model: Any, device: str, others: Sequence[nn.Module] = (), whole: Iterable[nn.Module] = ()
) -> ShardedRoot:
    """Spread a LLaVA-shaped model and what acts on it over the processes; of one that is sharded already, its root.

    Sharded are parameters without contents (on the meta device); then each process fills its own rows, as float32.
    Weights may lie in files (as `from_pretrained` leaves those of their own type): other rows are never read.

    Args:
        others: layer connectors.
        whole: modules that stay whole in every process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if model in ROOTS:
        for module in ROOTS[model].modules():
            if isinstance(module, FSDPModule):  # other parts may learn now: each group sees what it has to sum
                module.unshard()
                module.reshard()
        return ROOTS[model]
    kept = {p for m in whole for p in m.parameters()}
    kept |= {p for m in (model, *others) for p in m.parameters() if not p.is_floating_point() or not p.ndim}
    root = ShardedRoot([model, *others])
    sources = _emptied(root, kept)
    how: dict[str, Any] = {
        "mesh": init_device_mesh(torch.device(device).type, (dist.get_world_size(),)),
        "mp_policy": precision(device),
        "ignored_params": kept,
    }
    for group in _groups(model):
        _sums(fully_shard(cast(Any, group), **how, reshard_after_forward=True), group)
    _sums(fully_shard(root, **how), [root])
    _fill(root, sources, device)
    for p in (p for p in root.parameters() if p in kept):
        p.data = p.data.to(device)
        if p.requires_grad:
            dist.broadcast(p.data, 0)
    root.float()
    ROOTS[model] = root
    return root


def precision(device: str) -> Any:
    """bfloat16 for weights and float32 for sums of gradients on a graphics card; elsewhere as they are."""
    from torch.distributed.fsdp import MixedPrecisionPolicy

    if torch.device(device).type != "cuda":
        return MixedPrecisionPolicy(cast_forward_inputs=False)
    return MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)


@contextmanager
def root_gathered(model: nn.Module) -> Iterator[None]:
    """The root's own weights whole, for calls of parts of a sharded model from outside its loss."""
    root: Any = root_of(model)
    if root is None:
        yield
        return
    root.unshard()
    try:
        yield
    finally:
        root.reshard()


def blocks_of(model: Any) -> list[nn.Module]:
    """The layers of a LLaVA-shaped model: the decoder's, then the encoder's."""
    return [*layers_of(model.model.language_model), *layers_of(model.model.vision_tower)]


def layers_of(module: Any) -> list[nn.Module]:
    """A transformer's list of layers; none of a module that has no such list, which then belongs to the root."""
    depth = int(getattr(module.config, "num_hidden_layers", 0))
    try:
        return list(decoder_layers(module, depth)[1])
    except UserError:
        return []


def _groups(model: Any) -> list[list[nn.Module]]:
    inner = model.model
    blocks: Any = getattr(inner.multi_modal_projector, "blocks", {})
    decoder = layers_of(inner.language_model)
    joined = [[layer, blocks[str(i)]] if str(i) in blocks else [layer] for i, layer in enumerate(decoder)]
    return [*joined, *([layer] for layer in layers_of(inner.vision_tower))]


def _sums(_: Any, group: Sequence[nn.Module]) -> None:
    """Let a group's gradients be summed, as everywhere here, not averaged."""
    first: Any = group[0]
    first.set_gradient_divide_factor(1.0)
    first.set_force_sum_reduction_for_comms(True)  # gloo can do no other


def is_from_file(parameter: nn.Parameter) -> bool:
    """Whether every process has read the same value; others are drawn, and the first process's count."""
    return bool(vars(parameter).get("from_file"))


def mark_from_file(model: nn.Module) -> None:
    """Say of all parameters that they were read from files."""
    for p in model.parameters():
        vars(p)["from_file"] = True


def _emptied(root: nn.Module, kept: set[nn.Parameter]) -> dict[str, nn.Parameter]:
    """Put float32 parameters without contents in the places of all but ``kept``, tied ones as before; returns the real
    ones by name."""
    sources = {name: p for name, p in root.named_parameters() if p not in kept}
    made = {
        p: nn.Parameter(torch.empty_like(p, dtype=torch.float32, device="meta"), p.requires_grad)
        for p in sources.values()
    }
    _replace(root, made)
    return sources


def _fill(root: nn.Module, sources: dict[str, nn.Parameter], device: str) -> None:
    """Give each process its rows of the sources. What is drawn and learns begins as in the first process."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    made: dict[nn.Parameter, nn.Parameter] = {}
    for name, p in root.named_parameters():
        source = sources.get(name)
        if source is None:
            continue
        assert isinstance(p, DTensor), "it is sharded"
        value = source.detach()
        if p.requires_grad and not is_from_file(source):
            value = value.to(device).contiguous()
            dist.broadcast(value, 0)
        shape, start = compute_local_shape_and_global_offset(p.shape, p.device_mesh, p.placements)
        own = torch.empty(shape, dtype=p.dtype, device=device)
        own.copy_(value[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))])
        part = DTensor.from_local(own, p.device_mesh, p.placements, run_check=False, shape=p.shape, stride=p.stride())
        made[p] = nn.Parameter(part, p.requires_grad)
    _replace(root, made)


def _replace(root: nn.Module, made: Mapping[nn.Parameter, nn.Parameter]) -> None:
    """Put other parameters in the places of these, wherever they stand."""
    for module in root.modules():
        for name, p in module._parameters.items():
            if p is not None and p in made:
                module._parameters[name] = made[p]
