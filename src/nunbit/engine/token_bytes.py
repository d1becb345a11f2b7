"""Bytes of single tokens, as they stand in the middle of a text.

``decode([id])`` does not give them: it drops the space before a word, and shows a token that is part of a character as
U+FFFD.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TokenBytes:
    """The bytes of each token of one tokenizer.

    Args:
        tokenizer: a tokenizer of transformers; one without a ``tokenizers`` backend is asked to decode.

    Attributes:
        decomposes: whether the tokenizer reads text in NFD, so that its tokens hold parts of Hangul syllables.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)
        parts = json.loads(backend.to_str()) if backend is not None else {}
        decoder = json.dumps(parts.get("decoder") or {})
        self._byte_level = '"ByteLevel"' in decoder
        self._mark = _space_mark(decoder)
        self._added = {int(t["id"]): str(t["content"]) for t in parts.get("added_tokens", [])}
        self.decomposes = '"NFD"' in json.dumps(parts.get("normalizer") or {})

    def of(self, token: int) -> bytes:
        """The bytes of a token; of a control token those of its name."""
        if token in self._added:
            return self._added[token].encode()
        if not self._byte_level and not self._mark:
            return str(self.tokenizer.decode([token])).encode()
        piece = self.tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # a row of the vocabulary without a token
            return b""
        if self._byte_level:
            table = byte_level_table()
            return b"".join(bytes([table[c]]) if c in table else c.encode() for c in piece)
        found = _BYTE.fullmatch(piece)
        return bytes([int(found[1], 16)]) if found else piece.replace(self._mark, " ").encode()

    def special(self, token: int) -> bool:
        """Whether a token is a control token."""
        return token in self._added


_HELD: WeakKeyDictionary[Any, TokenBytes] = WeakKeyDictionary()


def token_bytes(tokenizer: Any) -> TokenBytes:
    """The `TokenBytes` of a tokenizer whose vocabulary no longer changes: made once, as its JSON can be large."""
    if tokenizer not in _HELD:
        _HELD[tokenizer] = TokenBytes(tokenizer)
    return _HELD[tokenizer]


def _space_mark(decoder: str) -> str:
    """The character that stands for a space in the tokens of a SentencePiece-like tokenizer; empty without one."""
    return "\u2581" if '"Metaspace"' in decoder or "\\u2581" in decoder else ""


@lru_cache(maxsize=1)
def byte_level_table() -> dict[str, int]:
    """Characters of byte-level BPE and the bytes that they stand for (Radford et al. 2019, GPT-2's ``encoder.py``)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
