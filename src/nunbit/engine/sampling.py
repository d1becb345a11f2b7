"""How the next token is chosen. No model here: logits in, one id out.

Legend: V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from nunbit.errors import UserError

MAX_STOPS, MAX_STOP_CHARS, MAX_BIASES = 16, 200, 1024


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """The wishes of one request.

    Attributes:
        temperature: 0 is greedy.
        top_p, top_k, min_p: cut the tail of the distribution (1, 0 and 0 leave it whole).
        repetition: above 1, tokens already in the sequence are made less likely (Keskar et al. 2019).
        frequency, presence: taken from the logits of tokens of the answer so far, the first once for each time that the
            token was chosen, the second once (OpenAI's ``frequency_penalty`` and ``presence_penalty``).
        seed: the same request with the same seed gives the same answer, whatever runs beside it.
        bias: added to the logits of token ids.
        stop: the answer ends before any of these strings.
        logprobs: how many alternatives to report at each position; None reports nothing.
        grammar: ``("json", schema)``, ``("regex", pattern)`` or None.
        deadline_s: seconds after which the answer ends as it is.
    """

    max_tokens: int = 96
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    seed: int | None = None
    bias: Mapping[int, float] = field(default_factory=dict)
    stop: Sequence[str] = ()
    logprobs: int | None = None
    grammar: tuple[str, str] | None = None
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_tokens", 1, 1 << 20),
            ("temperature", 0, 2),
            ("top_p", 0, 1),
            ("top_k", 0, 1 << 20),
            ("min_p", 0, 1),
            ("repetition", 0.1, 10),
            ("frequency", -2, 2),
            ("presence", -2, 2),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # also refuses NaN
                raise UserError(f"{name}={value}", allowed=f"{low} to {high}")
        if self.top_p == 0:
            raise UserError("top_p=0", allowed="above 0 up to 1", todo="for the likeliest token use temperature 0")
        if self.logprobs is not None and not 0 <= self.logprobs <= 20:
            raise UserError(f"{self.logprobs} alternatives for logprobs", allowed="0 to 20")
        if len(self.stop) > MAX_STOPS or any(not 0 < len(s) <= MAX_STOP_CHARS for s in self.stop):
            raise UserError(
                "too many, too long or empty stop strings",
                allowed=f"at most {MAX_STOPS} of 1 to {MAX_STOP_CHARS} characters",
            )
        if len(self.bias) > MAX_BIASES or any(not -100 <= v <= 100 for v in self.bias.values()):
            raise UserError("a logit bias out of bounds", allowed=f"at most {MAX_BIASES} token ids, -100 to 100 each")


@dataclass(frozen=True, slots=True)
class Logprob:
    """One token with its log probability under the unchanged distribution, and the likeliest others, best first."""

    token: int
    logprob: float
    others: tuple[tuple[int, float], ...] = ()


class Sampler:
    """How one request chooses its tokens (`nunbit.engine.choosing.choose_all`); holds its random state, so neighbours
    in a batch change nothing.

    Attributes:
        random: on the processor, whatever the device: one number of it decides a draw.
    """

    def __init__(self, sampling: SamplingParams, vocabulary: int, prompt: Sequence[int], matcher: Any = None) -> None:
        outside = [i for i in sampling.bias if not 0 <= i < vocabulary]
        if outside:
            raise UserError(f"logit bias for token {outside[0]}", allowed=f"token ids from 0 to {vocabulary - 1}")
        self.sampling, self.matcher = sampling, matcher
        self.random = torch.Generator()
        self.random.manual_seed(sampling.seed) if sampling.seed is not None else self.random.seed()
        self._seen: torch.Tensor | None = None
        if sampling.repetition != 1:
            self._seen = torch.zeros(vocabulary, dtype=torch.bool)
            self._seen[[i for i in prompt if 0 <= i < vocabulary]] = True
        self._counts: torch.Tensor | None = None
        if sampling.frequency or sampling.presence:
            self._counts = torch.zeros(vocabulary)
        self._bias_at = torch.tensor(list(sampling.bias), dtype=torch.long)
        self._bias = torch.tensor(list(sampling.bias.values()), dtype=torch.float32)

    @property
    def adjusts(self) -> bool:
        """Whether logits are changed before a token is chosen."""
        penalised = self._seen is not None or self._counts is not None
        return penalised or bool(len(self._bias_at)) or self.matcher is not None

    def adjusted(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits ``(V,)`` with penalties, bias and grammar applied, on their device.

        Raises:
            UserError: the grammar cannot be followed within its limits.
        """
        z = logits
        if self._seen is not None:
            self._seen = self._seen.to(z.device)
            penalty = self.sampling.repetition
            z = torch.where(self._seen, torch.where(z > 0, z / penalty, z * penalty), z)
        if self._counts is not None:
            self._counts = self._counts.to(z.device)
            z = z - self.sampling.frequency * self._counts - self.sampling.presence * (self._counts > 0)
        if len(self._bias_at):
            z = z.index_add(0, self._bias_at.to(z.device), self._bias.to(z.device))
        return z if self.matcher is None else self.matcher.mask(z)

    def take(self, token: int) -> None:
        """Follow the answer by a token."""
        if self._seen is not None:
            self._seen[token] = True
        if self._counts is not None:
            self._counts[token] += 1
        if self.matcher is not None:
            self.matcher.take(token)
