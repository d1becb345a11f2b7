"""Options of the commands that answer: where a model runs, in which numbers, and how much it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from nunbit.engine.options import CacheOptions
from nunbit.models.precision import Precision

if TYPE_CHECKING:
    from nunbit.assistant import Assistant


MOST_MB = 1 << 22
"""Of a cache: four terabytes, more than any machine of today gives to one."""


@dataclass(frozen=True, slots=True)
class EngineArguments:
    """What ``ask``, ``chat`` and ``serve`` share."""

    device: Annotated[
        str, typer.Option(help="Where the model runs: cpu, cuda, cuda:1, mps; auto: a CUDA device if there is one.")
    ] = "auto"
    dtype: Annotated[
        str, typer.Option(help="Numbers of the weights: float32, bfloat16, float16; auto: by the device.")
    ] = "auto"
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit linear layers; on a CUDA device they need bitsandbytes.")
    ] = False
    int4: Annotated[bool, typer.Option("--int4", help="4-bit linear layers (NF4; needs bitsandbytes).")] = False
    length: Annotated[
        int,
        typer.Option(
            min=0, help="Tokens of a prompt and its answer; 0: by the model, and by what is free on a CUDA device."
        ),
    ] = 0
    prefix_cache: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_MB, help="MB of prompts that are kept; by free memory if not named."),
    ] = None
    feature_cache: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_MB, help="MB of picture features that are kept; by the device if not named."),
    ] = None
    cuda_graphs: Annotated[bool, typer.Option(help="Decode by CUDA graphs, on a CUDA device.")] = True

    @property
    def precision(self) -> Precision:
        """How the weights are held.

        Raises:
            UserError: an unknown dtype, or both kinds of quantised weights.
        """
        return Precision(self.dtype, self.int8, self.int4)

    def caches(self, slots: int = 0) -> CacheOptions:
        """Sizes of the caches, with ``slots`` answers at once."""
        return CacheOptions(slots, self.length, self.prefix_cache, self.feature_cache, self.cuda_graphs)

    def assistant(self, model: str | None) -> Assistant:
        """The model of that name, ready to be asked.

        Raises:
            UserError: it cannot be opened so.
        """
        from nunbit.assistant import Assistant

        return Assistant(model, self.device, precision=self.precision, caches=self.caches())
