"""Tokens -> text that can no longer change, and stop strings. No model here."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

CONTEXT_TOKENS = 16
"""Tokens of a continued text that are decoded together with the answer."""


class Detokenizer:
    """Turns one answer's ids into text, piece by piece.

    Args:
        tokenizer: decodes the ids.
        stop: strings before which the answer ends.
        continues: ids of the text that the answer continues as it stands. White space at the answer's ends is then
            kept, and the space of a first word, which decoders drop at the beginning of a text, is there. Without
            them the answer is one of its own, and white space at its ends is cut.

    The last character is held back while the answer goes on: a Hangul syllable or a byte sequence may still grow, and
    so is
    anything that may be the beginning of a stop string.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), *, continues: Sequence[int] | None = None) -> None:
        self.tokenizer, self.stop = tokenizer, tuple(stop)
        self._before, self._continues = [*(continues or ())][-CONTEXT_TOKENS:], continues is not None
        self._skip = len(self._plain(self._before)) if self._before else 0
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
        self.text = self.text.rstrip() if not self.stopped and not self._continues else self.text
        return self._say(len(self.text))

    def _decode(self) -> str:
        text = self._plain([*self._before, *self.ids])[self._skip :]
        return text if self._continues else text.lstrip()

    def _plain(self, ids: Sequence[int]) -> str:
        return unicodedata.normalize("NFC", self.tokenizer.decode(ids, skip_special_tokens=True))

    def _begun(self, stop: str) -> int:
        return next((n for n in range(len(stop) - 1, 0, -1) if self.text.endswith(stop[:n])), 0)

    def _say(self, upto: int) -> str:
        piece = self.text[self._said : upto]
        self._said = max(self._said, upto)
        return piece
