"""What the comparisons with reference tensors share: tolerances, a counter, the tensors of a file, values of a layer.

A file need not hold every output: what it lacks is named and not compared, and so is what it holds beyond ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_mixer import MoAIExpert

TOLERANCE = 1e-4
ROUNDED = {"_gate_float16": "float16", "_step2_bfloat16": "bfloat16"}


class Absent(KeyError):
    """The file has no tensor of this name."""


class Dims(dict[str, Any]):
    """The sizes in a file's metadata; one that is not there is `Absent`."""

    def __missing__(self, name: str) -> Any:
        raise Absent(f"dims entry {name}")


class Reference(Mapping[str, Tensor]):
    """The tensors of a file and the sizes of its metadata; remembers which outputs were compared."""

    def __init__(self, tensors: Mapping[str, Tensor], dims: Mapping[str, Any] | None = None) -> None:
        self.tensors, self.dims = dict(tensors), Dims(dims or {})
        self.compared: set[str] = set()

    @classmethod
    def read(cls, file: Path) -> Reference:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
        return cls(load_file(file), json.loads(metadata.get("dims", "{}")))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise Absent(name)
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without the prefix.

        Raises:
            Absent: there is none.
        """
        found = {k.removeprefix(prefix): v for k, v in self.items() if k.startswith(prefix)}
        if not found:
            raise Absent(f"{prefix}*")
        return found

    def left(self) -> list[str]:
        """Outputs that no comparison used."""
        return sorted(k for k in self if k.startswith("out.") and k not in self.compared)

    def sizes(self) -> dict[str, Reference]:
        """Suffix -> the same names with other sizes: ``in.NAME_other`` stands beside ``in.NAME`` in such a file.

        The first has no suffix and holds the rest. Where weights of the second size are missing, the first's count.
        """
        inputs = [k for k in self if k.startswith("in.")]
        ends = sorted({k.removeprefix(b) for b in inputs for k in inputs if k.startswith(b + "_")})
        out = {
            "": Reference({k: v for k, v in self.items() if not k.endswith(tuple(ends))} if ends else self, self.dims)
        }
        for end in ends:
            own = {k.removesuffix(end): v for k, v in self.items() if k.endswith(end)}
            shared = {k: v for k, v in self.items() if not k.startswith("out.") and not k.endswith(end)}
            own_dims = {k.removesuffix(end): v for k, v in self.dims.items() if k.endswith(end)}
            out[end] = Reference(shared | own, self.dims | own_dims)
        return out


class Checks:
    """Prints one line a comparison, and counts the failures and what a file lacks."""

    def __init__(self) -> None:
        self.done = self.failed = self.absent = 0

    def __call__(self, name: str, error: float, tolerance: float) -> None:
        ok = error <= tolerance  # false for NaN
        self.done, self.failed = self.done + 1, self.failed + (not ok)
        print(f"{'ok  ' if ok else 'FAIL'} {name:58s} error {error:.2e}  tolerance {tolerance:.0e}", flush=True)

    def note(self, name: str, why: str) -> None:
        """Name something that is not compared."""
        self.absent += 1
        print(f"     {name}: not compared, {why}", flush=True)

    def output(
        self,
        name: str,
        t: Reference,
        key: str,
        ours: Callable[[], Tensor],
        valid: Tensor | None = None,
        *,
        row: int | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        """Compare ``ours()`` with the file's tensor ``key`` (its row ``row``); name what the file lacks."""
        try:
            theirs = t[key]
            t.compared.add(key)
            value = ours()
        except Absent as e:
            return self.note(name, f"the file has no {e.args[0]}")
        theirs = theirs if row is None else theirs[row]
        if value.dtype.is_floating_point:
            return self.close(name, value, theirs, valid, tolerance)
        return self.same(name, value, theirs)

    def close(
        self, name: str, ours: Tensor, theirs: Tensor, valid: Tensor | None = None, tolerance: float = TOLERANCE
    ) -> None:
        """Largest difference over the largest value of the reference; the norm's ratio for rounded gates."""
        if ours.shape != theirs.shape:
            print(f"     {name}: shape {tuple(ours.shape)}, reference {tuple(theirs.shape)}")
            return self(name, float("inf"), tolerance)
        if valid is not None:
            ours, theirs = ours[valid], theirs[valid]
        if not theirs.numel():
            print(f"     {name}: there is no value to compare")
            return self(name, float("inf"), tolerance)
        difference, theirs = (ours - theirs).double(), theirs.double()
        if any(kind in name for kind in ROUNDED):
            return self(name + " (norm)", float(difference.norm() / theirs.norm()), tolerance)
        return self(name, float(difference.abs().max() / theirs.abs().max()), tolerance)

    def same(self, name: str, ours: Any, theirs: Any) -> None:
        equal = torch.equal(ours, theirs) if isinstance(ours, Tensor) else ours == theirs
        self(name + " (equal)", 0.0 if equal else 1.0, 0.0)


def draws_of(t: Reference, rows: int) -> Iterator[tuple[str, str, int, Tensor]]:
    """The random experts of training step 1: label, prefix of their outputs, run, and draws ``(B, mixers, 2)``.

    ``out.step1_draws`` ``(runs, [mixers,] 2)`` are one draw for the whole batch; ``out.step1_row_draws`` ``(runs,
    [mixers,] B, 2)`` one for each row, the layers in front (as they are drawn) or the rows.
    """
    for key, own in (("out.step1_draws", "out.step1_"), ("out.step1_row_draws", "out.step1_row_")):
        if key not in t:
            continue
        t.compared.add(key)
        by_row = "row" in key
        names = [k for k in t if k.startswith(own) and k != key and not (own == "out.step1_" and "step1_row_" in k)]
        prefix = own if names else "out.step1_"
        for n, draws in enumerate(t[key]):
            if not by_row:
                each = draws.reshape(1, -1, 2).expand(rows, -1, -1)
            elif draws.ndim == 2:
                each = draws[:, None]
            else:
                each = draws.transpose(0, 1) if draws.shape[1] == rows else draws
            yield f"step 1{' row' if by_row else ''} draws {draws.tolist()}", prefix, n, each


def silence(moai: MoAI) -> None:
    """Every expert's output map to zero."""
    for module in moai.modules():
        if isinstance(module, MoAIExpert):
            nn.init.zeros_(module.linear_o[1].weight)


def keep(layer: Any) -> dict[str, Tensor]:
    """Remember the input of wqkv and the output of attention of the last pass."""
    kept: dict[str, Tensor] = {}
    layer.attention.wqkv.register_forward_pre_hook(lambda _m, args: kept.update(mixed=args[0]))
    layer.attention.register_forward_hook(lambda _m, _args, out: kept.update(attention=out))
    return kept
