"""Text -> token ids without any shared mutable state: control tokens of the template work, the same words typed by a
user do not.

A transformers tokenizer keeps how it was last called (``split_special_tokens``, padding, truncation), so two threads
that share one can read each
other's setting. This class copies the tokenizer's backend twice when it is made and never changes the copies: one obeys
control tokens, one does
not know any. Both may be called from any number of threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from nunbit.errors import UserError

ANCHORS = ("\n", ".", "x")
"""One of them stands before a piece of text that is encoded apart, so that no tokenizer adds the space it puts at the
beginning of a text."""


@dataclass(slots=True)
class TokenSpans:
    """``ids`` and the characters ``[start, stop)`` that each of them comes from."""

    ids: list[int] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def extend(self, other: TokenSpans) -> None:
        """Append what another piece of the text became."""
        self.ids += other.ids
        self.spans += other.spans


class TextEncoder:
    """Encodes rendered conversations and plain words with one tokenizer.

    Args:
        tokenizer: a fast tokenizer of transformers. It is copied, and not changed.

    Raises:
        UserError: a tokenizer without a ``tokenizers`` backend, which cannot say where a token comes from.

    Attributes:
        control_ids: ids of every added token (``<image>``, ``<|im_end|>``, ``<think>`` ...) but those that are words.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                "a tokenizer without offsets",
                allowed="fast tokenizers (a tokenizer.json)",
                todo="convert the tokenizer",
            )
        from tokenizers import Tokenizer

        text = tokenizer.backend_tokenizer.to_str()
        self._obeying, self._spelling = Tokenizer.from_str(text), Tokenizer.from_str(_without_added_tokens(text))
        for backend in (self._obeying, self._spelling):
            backend.no_padding()
            backend.no_truncation()
        self._obeying.encode_special_tokens = False
        added = [t for t in json.loads(text)["added_tokens"] if not _is_word(t)]
        self.control_ids = frozenset(t["id"] for t in added)
        names = sorted((t["content"] for t in added), key=len, reverse=True)
        self._controls = re.compile(f"(?=({'|'.join(map(re.escape, names))}))" if names else "(?!)")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens written out."""
        return str(self._obeying.decode(list(ids), skip_special_tokens=False))

    def words(self, text: str) -> list[int]:
        """Ids of plain words. A control token written in them is spelled out, never obeyed."""
        if not text:
            return []
        if self._controls.search(text) is None:
            done = self._obeying.encode(text, add_special_tokens=False)
            if not self.control_ids.intersection(done.ids):
                return list(done.ids)
        return self._spelled(text, 0, 0).ids

    def first_control(self, text: str) -> int | None:
        """The character after the first control token of a text; None if there is none."""
        found = self._controls.search(text)
        return None if found is None else found.end(1)

    def rendered(self, text: str, content: Sequence[bool], stops: Sequence[int] = ()) -> TokenSpans:
        """Encode what a chat template wrote.

        Args:
            text: template and words together.
            content: for each character, whether it is a user's, a tool's or an answer's and not the template's.
            stops: characters up to which the ids must not depend on what follows: where generation begins to write.
                Encoding
                ``text[:stop]`` gives the first ids of the whole text.
        """
        out = TokenSpans()
        for start, stop, typed in self._runs(text, content):
            if typed:
                out.extend(self._spelled(text[start:stop], start, start))
            else:
                out.extend(self._stable(text[start:stop], start, [s - start for s in stops if start < s < stop]))
        for token, (start, stop) in zip(out.ids, out.spans, strict=True):
            if token in self.control_ids and any(content[start:stop]):
                raise UserError(
                    f"the text {text[start:stop]!r}, which this tokenizer always reads as a control token",
                    todo="write it with a space inside",
                )
        return out

    def _runs(self, text: str, content: Sequence[bool]) -> list[tuple[int, int, bool]]:
        """The text in pieces ``(start, stop, spelled)``: control tokens that overlap content are pieces of
        their own."""
        runs, at = [], 0
        for found in self._controls.finditer(text):
            start, stop = found.start(), found.end(1)
            if stop <= at or not any(content[start:stop]):
                continue
            start = max(start, at)
            if start > at:
                runs.append((at, start, False))
            runs.append((start, stop, True))
            at = stop
        if at < len(text):
            runs.append((at, len(text), False))
        return runs

    def _stable(self, text: str, offset: int, stops: Sequence[int]) -> TokenSpans:
        """One piece, such that the ids up to each stop are the ids of the text up to there."""
        out = TokenSpans()
        done = 0
        for stop in [*stops, len(text)]:
            whole = self._piece(self._obeying, text[:stop], offset, offset)
            if whole.ids[: len(out.ids)] == out.ids and (not done or _splits(whole, len(out.ids), offset + done)):
                out = whole
            else:
                out.extend(self._piece(self._obeying, text[done:stop], offset + done, offset + done))
            done = stop
        return out

    def _spelled(self, text: str, offset: int, before: int) -> TokenSpans:
        """Words with control tokens in them; where the vocabulary itself holds such a word, character by character."""
        whole = self._piece(self._spelling, text, offset, before)
        if not self.control_ids.intersection(whole.ids):
            return whole
        out = TokenSpans()
        for i, character in enumerate(text):
            out.extend(self._piece(self._spelling, character, offset + i, before + i))
        return out

    def _piece(self, backend: Any, text: str, offset: int, before: int) -> TokenSpans:
        """Encode a piece that stands ``before`` characters into the whole text: only the first gets a leading space."""
        for anchor in ANCHORS if before else ():
            done = backend.encode(anchor + text, add_special_tokens=False)
            kept = [(i, s, e) for i, (s, e) in zip(done.ids, done.offsets, strict=True) if e > 1]
            if all(s >= 1 for _, s, _ in kept):  # no token joins the anchor and the text
                return TokenSpans([i for i, _, _ in kept], [(s + offset - 1, e + offset - 1) for _, s, e in kept])
        done = backend.encode(text, add_special_tokens=False)
        return TokenSpans(list(done.ids), [(s + offset, e + offset) for s, e in done.offsets])


def _splits(whole: TokenSpans, count: int, at: int) -> bool:
    """Whether no token after the first ``count`` begins before a character."""
    return count >= len(whole.spans) or whole.spans[count][0] >= at


def _is_word(token: dict[str, Any]) -> bool:
    """Whether an added token is ordinary vocabulary, as a Hangul syllable that a vocabulary lacked: whoever types it
    writes text."""
    return not token["special"] and str(token["content"]).isalpha()


def _without_added_tokens(text: str) -> str:
    """A tokenizer's JSON in which only words are matched before the model splits the text."""
    held = json.loads(text)
    held["added_tokens"] = [t for t in held["added_tokens"] if _is_word(t)]
    held["post_processor"] = None
    return json.dumps(held)


_ENCODERS: WeakKeyDictionary[Any, TextEncoder] = WeakKeyDictionary()


def encode_words(text: str, tokenizer: Any) -> list[int]:
    """Ids of plain words with a tokenizer whose vocabulary no longer changes; control tokens in them are words
    (`TextEncoder.words`)."""
    if tokenizer not in _ENCODERS:
        _ENCODERS[tokenizer] = TextEncoder(tokenizer)
    return _ENCODERS[tokenizer].words(text)
