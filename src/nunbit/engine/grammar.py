"""Answers of a given form: JSON schema or regular expression, held by llguidance (an existing library) one token mask
at a time."""

from __future__ import annotations

import json
from typing import Any

import torch

from nunbit.errors import UserError

MAX_CHARS = 20_000
LIMITS: dict[str, Any] = {
    "initial_lexer_fuel": 100_000,
    "step_lexer_fuel": 100_000,
    "max_lexer_states": 10_000,
    "max_grammar_size": 50_000,
}
"""Of the library: a tenth of its own. A pattern of eight letters, ``a{99999}``, takes 30 MB and a quarter of a second
without them."""


class Grammars:
    """Makes matchers for one tokenizer; the library's view of the vocabulary is built at the first use."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary
        self._words: Any = None

    def matcher(self, grammar: tuple[str, str] | None) -> Matcher | None:
        """Raises UserError when the library is missing or the grammar cannot be read."""
        if grammar is None:
            return None
        try:
            import llguidance
            import llguidance.hf
        except ImportError:
            raise UserError(
                "a wish for an answer of a given form",
                allowed="answers in free text: llguidance is not installed",
                todo="install nunbit[serve]",
            ) from None
        kind, text = grammar
        if len(text) > MAX_CHARS:
            raise UserError(f"a grammar of {len(text)} characters", allowed=f"at most {MAX_CHARS}")
        try:
            if kind == "json":
                json.loads(text)
                compiled = llguidance.LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})
            else:
                compiled = llguidance.LLMatcher.grammar_from_regex(text)
            if self._words is None:
                self._words = llguidance.hf.from_tokenizer(self.tokenizer, n_vocab=self.vocabulary)
            held = llguidance.LLMatcher(self._words, compiled, limits=llguidance.LLParserLimits(**LIMITS))
        except (ValueError, RuntimeError) as e:
            raise _refused(str(e)) from None
        return Matcher(held, self.vocabulary)


def _refused(why: str) -> UserError:
    return UserError(
        f"a form of answer that cannot be used ({(why.splitlines() or [''])[0][:160]})", todo="ask for a simpler one"
    )


class Matcher:
    """Follows one answer through its grammar. Raises UserError where the grammar cannot be followed within `LIMITS`."""

    def __init__(self, held: Any, vocabulary: int) -> None:
        from llguidance.torch import allocate_token_bitmask

        self.held, self.vocabulary = held, vocabulary
        self._check()
        self.bits = allocate_token_bitmask(1, vocabulary)

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits ``(V,)`` with what the grammar forbids at minus infinity."""
        from llguidance.torch import fill_next_token_bitmask

        fill_next_token_bitmask(self.held, self.bits)
        self._check()
        shifts = torch.arange(32, dtype=torch.int32)
        allowed = ((self.bits[0].unsqueeze(-1) >> shifts) & 1).flatten()[: self.vocabulary].bool()
        return logits.masked_fill(~allowed, float("-inf")) if bool(allowed.any()) else logits

    def take(self, token: int) -> None:
        """Advance the grammar by a token of the answer."""
        self.held.consume_token(token)

    def _check(self) -> None:
        if self.held.is_error():
            raise _refused(self.held.get_error())
