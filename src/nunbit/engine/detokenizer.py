"""Tokens -> text that can no longer change, and stop strings. No model here."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any


class Detokenizer:
    """Turns one answer's ids into text, piece by piece.

    The last character is held back while the answer goes on: a Hangul syllable or a byte sequence may still grow, and
    so is
    anything that may be the beginning of a stop string.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self.tokenizer, self.stop = tokenizer, tuple(stop)
        self.ids: list[int] = []
        self.text, self.stopped, self._said = "", False, 0

    def add(self, token: int) -> str:
        """Take one more token; returns the new text that is certain."""
        self.ids.append(token)
        self.text = self._decode()
        at = min((i for s in self.stop if (i := self.text.find(s)) >= 0), default=-1)
        if at >= 0:
            self.text, self.stopped = self.text[:at], True
            return self._say(len(self.text))
        hold = max([1, *(self._begun(s) for s in self.stop)])
        return self._say(len(self.text[: max(0, len(self.text) - hold)].rstrip("�")))

    def finish(self) -> str:
        """What was still held back."""
        self.text = self.text.rstrip() if not self.stopped else self.text
        return self._say(len(self.text))

    def _decode(self) -> str:
        return unicodedata.normalize("NFC", self.tokenizer.decode(self.ids, skip_special_tokens=True)).lstrip()

    def _begun(self, stop: str) -> int:
        return next((n for n in range(len(stop) - 1, 0, -1) if self.text.endswith(stop[:n])), 0)

    def _say(self, upto: int) -> str:
        piece = self.text[self._said : upto]
        self._said = max(self._said, upto)
        return piece
