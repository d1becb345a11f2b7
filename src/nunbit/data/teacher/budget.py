"""Tokens and cost: what was spent, what is under way, and whether another request still fits."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from nunbit.errors import UserError

ASCII_A_TOKEN, TOKENS_A_CHAR = 2.0, 2.0
"""A cautious guess for what a teacher does not count itself: letters of a token, tokens of a Korean syllable."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a million tokens of prompt and of reply, in any currency."""

    prompt: float = 0.0
    reply: float = 0.0

    def cost(self, prompt_tokens: float, reply_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt + reply_tokens * self.reply) / 1e6


class Budget:
    """Bounds on the tokens and the cost of a folder, over all its runs.

    A request is let through only where it fits at its largest, so that the bounds hold whatever the replies are.
    A process that is killed forgets the requests under way: at most as many as ran side by side.

    Args:
        max_tokens, max_cost: infinity for no bound.
    """

    def __init__(self, prices: Prices, *, max_tokens: float = math.inf, max_cost: float = math.inf) -> None:
        if max_cost < math.inf and not (prices.prompt or prices.reply):
            raise UserError("--max-cost without a price", todo="give --price-in and --price-out, of a million tokens")
        self.prices, self.max_tokens, self.max_cost = prices, max_tokens, max_cost
        self.prompt_tokens = self.reply_tokens = 0
        self._held_tokens, self._held_cost = 0, 0.0
        self._lock = threading.Lock()

    def spent(self, prompt_tokens: int, reply_tokens: int) -> None:
        """Count what an earlier run spent."""
        self.prompt_tokens += prompt_tokens
        self.reply_tokens += reply_tokens

    @property
    def cost(self) -> float:
        """What was spent."""
        return self.prices.cost(self.prompt_tokens, self.reply_tokens)

    @property
    def under_way(self) -> bool:
        """Whether something is set aside."""
        return self._held_tokens > 0

    def reserve(self, prompt_tokens: int, reply_tokens: int) -> bool:
        """Set aside the largest that a request may take; False where it does not fit."""
        tokens, cost = prompt_tokens + reply_tokens, self.prices.cost(prompt_tokens, reply_tokens)
        with self._lock:
            used = self.prompt_tokens + self.reply_tokens + self._held_tokens
            if used + tokens > self.max_tokens or self.cost + self._held_cost + cost > self.max_cost:
                return False
            self._held_tokens += tokens
            self._held_cost += cost
            return True

    def settle(self, held: tuple[int, int], spent: tuple[int, int]) -> None:
        """Give back what was set aside for a request, and count what it took; tokens of prompt and reply."""
        with self._lock:
            self._held_tokens -= sum(held)
            self._held_cost -= self.prices.cost(*held)
            self.spent(*spent)


def estimated_tokens(text: str) -> int:
    """A cautious guess, for what nobody counted."""
    plain = sum(c.isascii() for c in text)
    return math.ceil(plain / ASCII_A_TOKEN + (len(text) - plain) * TOKENS_A_CHAR) + 8
