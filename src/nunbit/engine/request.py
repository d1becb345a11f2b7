"""What enters the engine and what comes out of it: prepared prompts, requests, chunks of text, whole answers, counters.

Letters: T tokens, P pictures, D width of the decoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from nunbit.connectors.gated_cross_attention import Media
from nunbit.engine.detokenizer import Detokenizer
from nunbit.engine.sampling import Logprob, Sampler, SamplingParams
from nunbit.errors import UserError
from nunbit.scene import Scene


@dataclass(slots=True)
class NativeInputs:
    """What a model's own processor made of a prompt, for a model that is run by its own forward pass.

    Attributes:
        tensors: its output beside the ids, one row each.
        text_from: the token from which on there is only text, so that a prefix up to there may be reused.
        features: of the pictures, as the model's encoder gives them; made once.
        positions: of the tokens as the model counts them, ``(..., 1, T)``; made with ``features``.
        offset: position of the first token of the answer, less T.
    """

    tensors: dict[str, torch.Tensor]
    text_from: int = 0
    features: Any = None
    positions: torch.Tensor | None = None
    offset: int = 0


@dataclass(slots=True)
class PreparedPrompt:
    """A prompt with all that the model needs beside its ids.

    Attributes:
        ids: (T,) with every token of the pictures in place.
        prefix_key: the ids with picture tokens replaced by a number of their picture, so that two pictures never share
            a prefix.
        hashes: content hash of each picture; pixels, sizes: what the image processor made of each.
        scenes: the Scene of each picture, of a model that uses Scenes; scene_features: the Scenes as tensors.
        mixer_cache: hidden states that came into each MoAI mixer so far, ``(1, T, D)`` each.
        continues: whether the answer continues the text as it stands, so that white space at its ends is kept.
        media: what a model with gated cross-attention attends to.
        native: of a model that is run by its own forward pass, what its processor made.
    """

    ids: list[int]
    prefix_key: tuple[int, ...]
    hashes: list[str] = field(default_factory=list)
    pixels: list[torch.Tensor] = field(default_factory=list)
    sizes: list[torch.Tensor | None] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    scene_features: dict[str, torch.Tensor] = field(default_factory=dict)
    mixer_cache: list[torch.Tensor] = field(default_factory=list)
    media: Media | None = None
    continues: bool = False
    native: NativeInputs | None = None


@dataclass(slots=True)
class TokenChunk:
    """New text of an answer, with the tokens it came from."""

    text: str
    tokens: list[Logprob]


@dataclass(slots=True)
class RequestOutput:
    """A whole answer.

    Attributes:
        finish: stop, length, cancelled, deadline, ``error: ...`` or ``refused: ...`` (what was asked for cannot be
            done).
        queued_s, ttft_s, total_s: seconds since submission.
        scenes: of the prompt's pictures, of a model that uses Scenes.
    """

    text: str
    finish: str
    prompt_tokens: int
    tokens: list[Logprob]
    cached_tokens: int = 0
    queued_s: float = 0.0
    ttft_s: float = 0.0
    total_s: float = 0.0
    scenes: list[Scene] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.finish.startswith(("error", "refused"))


Event = TokenChunk | RequestOutput


class Busy(UserError):
    """The queue is full; try again later."""


@dataclass(slots=True, eq=False)
class Request:
    """A prompt on its way through the engine.

    Attributes:
        length: tokens in the slot so far; cached: how many of them came from the prefix cache.
        unsent: tokens whose text was not sent yet.
        failure: what went wrong before the request reached a slot.
    """

    prompt: PreparedPrompt
    sampling: SamplingParams
    on_event: Callable[[Event], None]
    sampler: Sampler
    detokenizer: Detokenizer
    arrived: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    embeds: torch.Tensor | None = None
    failure: Exception | None = None
    length: int = 0
    cached: int = 0
    tokens: list[Logprob] = field(default_factory=list)
    unsent: list[Logprob] = field(default_factory=list)
    started: float = 0.0
    first_token: float = 0.0

    def cancel(self) -> None:
        """Stop as soon as the current step is done. Safe from any thread, any number of times."""
        self.cancelled = True

    @property
    def overdue(self) -> bool:
        """Whether the request was cancelled or its deadline has passed."""
        deadline = self.sampling.deadline_s
        return self.cancelled or (deadline is not None and time.monotonic() - self.arrived > deadline)

    def output(self, finish: str) -> RequestOutput:
        """The whole answer as it stands."""
        now = time.monotonic()
        return RequestOutput(
            self.detokenizer.text,
            finish,
            len(self.prompt.ids),
            self.tokens,
            self.cached,
            (self.started or now) - self.arrived,
            (self.first_token or now) - self.arrived,
            now - self.arrived,
            self.prompt.scenes,
        )


@dataclass(slots=True)
class EngineStats:
    """Counters since the start; `nunbit.serving.metrics` prints them."""

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    steps: int = 0
    rows: int = 0
    errors: int = 0
