"""Answers of a given form: JSON schema or regular expression, held by llguidance (an existing library) one token mask
at a time."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import Any

import torch

from nunbit.engine.token_bytes import token_bytes
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

_SYLLABLES = ("가-힣", "\\uAC00-\\uD7A3", "\\uac00-\\ud7a3")


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
        text = self._as_written(text, kind)
        try:
            if kind == "json":
                compiled = llguidance.LLMatcher.grammar_from_json_schema(text, overrides={"whitespace_flexible": False})
            else:
                compiled = llguidance.LLMatcher.grammar_from_regex(text)
            if self._words is None:
                self._words = self._vocabulary_of_bytes()
            held = llguidance.LLMatcher(self._words, compiled, limits=llguidance.LLParserLimits(**LIMITS))
        except (ValueError, RuntimeError) as e:
            raise _refused(str(e)) from None
        return Matcher(held, self.vocabulary)

    def _as_written(self, text: str, kind: str) -> str:
        """A grammar in the form in which the model writes: objects closed by default, Hangul as its tokens have it."""
        if kind == "json":
            try:
                text = json.dumps(closed(json.loads(text)), ensure_ascii=False)
            except (ValueError, RecursionError) as e:
                raise _refused(str(e)) from None
        return hangul_parts(text) if token_bytes(self.tokenizer).decomposes else text

    def _vocabulary_of_bytes(self) -> Any:
        """The library's view of the vocabulary. Where tokens are decomposed text, it is made of the bytes that they
        decode to: the library would take the mark for a space as a character of its own."""
        import llguidance
        import llguidance.hf

        held = token_bytes(self.tokenizer)
        if not held.decomposes:
            return llguidance.hf.from_tokenizer(self.tokenizer, n_vocab=self.vocabulary)
        words = _Words(
            self.tokenizer.eos_token_id,
            self.tokenizer.bos_token_id,
            [b"" if held.special(i) else held.of(i) for i in range(self.vocabulary)],
            [i for i in range(self.vocabulary) if held.special(i)],
        )
        return llguidance.LLTokenizer(llguidance.TokenizerWrapper(words), n_vocab=self.vocabulary)


@dataclass(frozen=True, slots=True)
class _Words:
    """A vocabulary in the form that the library's ``TokenizerWrapper`` takes."""

    eos_token_id: int
    bos_token_id: int | None
    tokens: list[bytes]
    special_token_ids: list[int]

    def __call__(self, text: bytes) -> list[int]:
        """The longest token first, so that the bytes stay as they are: a tokenizer would put a space before them."""
        known = {word: i for i, word in reversed([*enumerate(self.tokens)]) if word}
        longest = max(map(len, known))
        ids, at = [], 0
        while at < len(text):
            size = next(n for n in range(min(longest, len(text) - at), 0, -1) if text[at : at + n] in known)
            ids.append(known[text[at : at + size]])
            at += size
        return ids


def closed(schema: Any) -> Any:
    """A JSON schema whose objects with named properties hold no others, unless it says that they may.

    Without this a model that never closes an object adds properties until its tokens are spent. A schema that joins
    several by ``allOf`` stays as it is: each part would forbid what the others name.
    """
    return schema if _joins_several(schema) else _closed(schema)


def _joins_several(schema: Any) -> bool:
    """Whether an ``allOf`` of more than one schema is anywhere in it."""
    if isinstance(schema, list):
        return any(map(_joins_several, schema))
    if not isinstance(schema, dict):
        return False
    members = schema.get("allOf")
    return (isinstance(members, list) and len(members) > 1) or any(map(_joins_several, schema.values()))


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, dict):
            out[key] = {name: _closed(s) for name, s in value.items()}
        elif key in ("enum", "const", "default", "examples"):
            out[key] = value
        else:
            out[key] = _closed(value)
    joined = {"allOf", "anyOf", "oneOf", "$ref", "patternProperties", "additionalProperties", "unevaluatedProperties"}
    if out.get("properties") and not joined.intersection(out):
        out["additionalProperties"] = False
    return out


def hangul_parts(text: str) -> str:
    """Text in NFD, with the class of all syllables in a pattern written as the parts that they are made of."""
    for name in _SYLLABLES:
        text = text.replace(f"[{name}]", "(?:[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?)")
    return unicodedata.normalize("NFD", text)


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
        if not bool(self.bits.any()):
            return logits
        shifts = torch.arange(32, dtype=torch.int32, device=logits.device)
        bits = self.bits[0].to(logits.device)  # unpacked there: 32 times less to copy
        allowed = ((bits.unsqueeze(-1) >> shifts) & 1).flatten()[: self.vocabulary].bool()
        return logits.masked_fill(~allowed, float("-inf"))

    def take(self, token: int) -> None:
        """Advance the grammar by a token of the answer."""
        self.held.consume_token(token)

    def _check(self) -> None:
        if self.held.is_error():
            raise _refused(self.held.get_error())
