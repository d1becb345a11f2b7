"""Answers of a given form: JSON schema or regular expression, held by llguidance (an existing library) one token mask at a time."""

from __future__ import annotations

import json
from typing import Any

import torch

from nunbit.errors import UserError

MAX_CHARS = 20_000


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
            raise UserError("a wish for an answer of a given form", allowed="answers in free text: llguidance is not installed",
                            todo="install nunbit[serve]") from None  # fmt: skip
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
            held = llguidance.LLMatcher(self._words, compiled)
        except (ValueError, RuntimeError) as e:
            raise UserError(f"a {kind} form that cannot be used ({str(e).splitlines()[0][:160]})") from None
        if held.is_error():
            raise UserError(f"a {kind} form that cannot be used ({held.get_error().splitlines()[0][:160]})")
        return Matcher(held, self.vocabulary)


class Matcher:
    """Follows one answer through its grammar."""

    def __init__(self, held: Any, vocabulary: int) -> None:
        from llguidance.torch import allocate_token_bitmask

        self.held, self.vocabulary = held, vocabulary
        self.bits = allocate_token_bitmask(1, vocabulary)

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits ``(V,)`` with what the grammar forbids at minus infinity."""
        from llguidance.torch import fill_next_token_bitmask

        fill_next_token_bitmask(self.held, self.bits)
        shifts = torch.arange(32, dtype=torch.int32)
        allowed = ((self.bits[0].unsqueeze(-1) >> shifts) & 1).flatten()[: self.vocabulary].bool()
        return logits.masked_fill(~allowed, float("-inf")) if bool(allowed.any()) else logits

    def take(self, token: int) -> None:
        self.held.consume_token(token)
