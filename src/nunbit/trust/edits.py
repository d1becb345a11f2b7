"""The edits that may make a claim hold, the smallest first. Each is tried by `correction`, which checks the answer
again; so an edit here may be wrong for a sentence, and is then passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nunbit.evidence.answers import yes_or_no
from nunbit.trust import edits_english, edits_korean
from nunbit.trust.checks import sentence_spans
from nunbit.trust.phrases import language_of_words, restated, sentence, truth
from nunbit.trust.trace import Action, Check
from nunbit.world.base import Language


@dataclass(frozen=True, slots=True)
class Edit:
    """New words for a part of a text: ``text[start:end]`` becomes ``words``."""

    start: int
    end: int
    words: str
    action: Action

    def of(self, text: str) -> str:
        """The text with the edit made, without doubled white space where words were removed."""
        before, after = text[: self.start], text[self.end :]
        if not self.words:
            before, after = before.rstrip(" "), after.lstrip(" ")
            gap = " " if before and after and after[0] not in ".,;:!?" and before[-1] != "\n" else ""
            return (before + gap + after).strip()
        return before + self.words + after


def edits_for(text: str, check: Check, checks: Sequence[Check], otherwise: Language) -> Iterator[Edit]:
    """Edits that may correct one claim of a text.

    Args:
        checks: all claims of the text, this one among them.
        otherwise: the language of a text without letters.
    """
    spans = sentence_spans(text)
    start, end = spans[check.sentence]
    language = language_of_words(text[start:end], otherwise)
    module = edits_korean if language == "ko" else edits_english
    said = truth(check, language)
    lead = yes_or_no(text) is not None and check.sentence == 0
    if lead:
        flipped = module.flipped_lead(text[start:end])
        stop = "." if text[start:end].endswith((".", "!")) else ""
        yield Edit(start, end, flipped + stop, "replaced")
        if said:
            yield Edit(start, end, f"{flipped}, {said}.", "restated")
    gone = check.missing != ""
    words = module.removals if gone else module.replacements
    for a, b, new in words(text, check, (start, end)):
        yield Edit(a, b, new, "removed" if gone else "replaced")
    rest = restated([c for c in checks if c.sentence == check.sentence], language)
    if gone:
        yield Edit(start, end, rest, "restated" if rest else "removed")
    if said:
        yield Edit(start, end, f"{rest} {sentence(said)}".strip() if rest else sentence(said), "restated")
