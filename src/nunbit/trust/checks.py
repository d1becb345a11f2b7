"""Steps 1 to 3 of Woodpecker: what an answer says, the question behind each claim, and whether it holds.

Perception decides where it is sure. A thing that it looked for and did not find is absent. The model is asked again,
with a picture or the region of a thing, only where perception knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nunbit.evidence.answers import claims_of, yes_or_no
from nunbit.evidence.claims import Claim
from nunbit.evidence.names import ANYTHING, Lexicon, canonical
from nunbit.evidence.questions import COLOUR
from nunbit.evidence.sizes import SIZE_WORDS
from nunbit.evidence.statements import BOX, COLOURS, NEAR_COLOURS
from nunbit.scene import Box, Scene
from nunbit.scene_prompt import hundredths
from nunbit.trust.phrases import language_of_words, question_for
from nunbit.trust.trace import Check, KeyConcept
from nunbit.world.names import broader, kind_of, korean

Ask = Callable[[int, Box | None, str], str]
"""Position of a picture, a region of it in pixels or None for all of it, and a question -> the model's reply."""
MOST_ASKED = 8
"""Questions to the model about one answer."""
_STOP = re.compile(r"(?<=[.!?。])[\"'”’)]?\s+|\n+")
_WHAT_IS_THERE = re.compile(
    r"\b(?:what|which)\b.*\b(?:there|you see|shown|visible|in (?:the|this) (?:picture|image|photo|scene))\b"
    r"|(?:무엇|뭐)[이가]?\s*(?:있|보이)|\bdescribe\b|설명",
    re.IGNORECASE,
)
_COLOUR = re.compile(
    "|".join(rf"\b{c}\b" if c.isascii() else c for c in sorted(COLOURS, key=len, reverse=True)), re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of the pictures of a conversation.

    Attributes:
        scenes: of the pictures, in order.
        known: for each picture the canonical names of things that were looked for; None where the Scene is complete, so
            that whatever it does not list is not there.
        faint: for each picture the names of things that may be there although the Scene does not list them.
        ask: the model, asked where perception knows nothing; None to decide by perception and rules alone.
    """

    scenes: Sequence[Scene]
    known: Sequence[frozenset[str] | None]
    faint: Callable[[int], frozenset[str]] = lambda picture: frozenset()
    ask: Ask | None = None

    def absent(self, name: str) -> bool:
        """Whether perception looked for a thing in every picture and found none."""
        names = meant_by(name)
        looked = all(known is None or names & known for known in self.known)
        return looked and bool(self.known) and not any(names & self.faint(i) for i in range(len(self.known)))


def meant_by(name: str) -> frozenset[str]:
    """The canonical names that a thing's name may mean, those of which it is a special case among them."""
    found = Lexicon().mentions(name)
    own = {n for m in found[:1] for n in (*m.names, *m.broader)}
    return frozenset(own | {canonical(name)})


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end, without the white space between them."""
    cuts = [0, *(v for m in _STOP.finditer(text) for v in (m.start(), m.end())), len(text)]
    spans = zip(cuts[::2], cuts[1::2], strict=True)
    return [(a, b) for a, b in spans if text[a:b].strip()]


def sentence_of(span: tuple[int, int], sentences: Sequence[tuple[int, int]]) -> int:
    """The number of the sentence in which a span begins."""
    return next((i for i, (_, end) in enumerate(sentences) if span[0] < end), max(0, len(sentences) - 1))


def key_concepts(answer: str, checks: Sequence[Check]) -> tuple[KeyConcept, ...]:
    """The things that the claims of an answer name, each once a sentence."""
    found: dict[tuple[int, str], KeyConcept] = {}
    for check in checks:
        for name in (check.claim.about, check.claim.other):
            if name and name != ANYTHING:
                concept = KeyConcept(name, check.claim.text, check.sentence, check.claim.span)
                found.setdefault((check.sentence, name), concept)
    return tuple(found.values())


def check_answer(question: str, answer: str, witness: Witness, *, ask_model: bool = False) -> list[Check]:
    """The claims of an answer, each with its question and whether it holds.

    Args:
        ask_model: ask the model where perception knows nothing, at most `MOST_ASKED` times.
    """
    claims = claims_of(question, answer, witness.scenes)
    sentences, language = sentence_spans(answer), language_of_words(question + answer)
    out: list[Check] = []
    asked = 0
    replies: dict[tuple[str, str], Check] = {}
    for claim in claims:
        check = Check(claim, sentence_of(claim.span, sentences), question_for(claim, language))
        check = _by_perception(check, witness, question)
        if check.holds == "unknown" and ask_model and witness.ask is not None and asked < MOST_ASKED:
            key = (check.question, claim.value if claim.kind == "attribute" else "")
            if key not in replies:
                replies[key] = _by_model(check, witness, witness.ask)
                asked += bool(replies[key].reply)
            known = replies[key]
            check = replace(known, claim=claim, sentence=check.sentence)
        out.append(check)
    return out


def _by_perception(check: Check, witness: Witness, question: str) -> Check:
    claim = check.claim
    if claim.verdict == "supported":
        return replace(check, holds="yes", decided_by="perception")
    if claim.verdict == "contradicted":
        return replace(check, holds="no", decided_by="perception", found=_found(claim, witness))
    missing = [n for n in (claim.about, claim.other) if n and _may_be_absent(n, claim, question)]
    missing = [n for n in missing if not _listed(n, witness) and witness.absent(n)]
    return replace(check, holds="no", decided_by="absence", missing=missing[0]) if missing else check


def _may_be_absent(name: str, claim: Claim, question: str) -> bool:
    """Whether a claim says that a thing is there. A name ("What is this?" "A clock.") may be of what the whole picture
    shows, and a place or a colour that is asked for says of the thing only what the question supposed."""
    if claim.denied or claim.evidence or claim.kind == "text" or claim.value == "0" or name == ANYTHING:
        return False
    if claim.kind == "naming" and not _WHAT_IS_THERE.search(question):
        return False
    if name in COLOURS and COLOUR.search(question):
        return False  # "What colour is it?" "Orange."
    said = any(name in (*m.names, *m.broader) for m in Lexicon((name,)).mentions(claim.text))
    return said or (claim.kind in ("existence", "count", "naming") and name == claim.about)


def _listed(name: str, witness: Witness) -> bool:
    """Whether a Scene has the thing, one of its kind or one that is also called so, or the word in its writing."""
    names = meant_by(name)
    words = {w.casefold() for n in (name, *names) for w in (n, korean(n))}
    for scene in witness.scenes:
        objects = {o.name for o in scene.objects} | {n for o in scene.objects for n in broader(o.name)}
        kinds = {kind_of(o.name) for o in scene.objects}
        if names & {canonical(n) for n in objects | kinds}:
            return True
        if any(word in line.text.casefold() for line in scene.text_lines for word in words):
            return True
    return False


def _found(claim: Claim, witness: Witness) -> str:
    """What is there instead; a box for a claim that gives one."""
    if claim.kind == "place" and BOX.fullmatch(claim.value) and claim.evidence:
        first = claim.evidence[0]
        return hundredths(first.box, witness.scenes[min(first.picture, len(witness.scenes) - 1)])
    return claim.found


def _by_model(check: Check, witness: Witness, ask: Ask) -> Check:
    """Ask the model about what perception does not know: whether a thing is there, and what colour it has."""
    claim = check.claim
    if claim.kind == "attribute" and claim.value not in SIZE_WORDS and claim.evidence and not claim.denied:
        first = claim.evidence[0]
        reply = ask(first.picture, first.box, check.question)
        named = list(dict.fromkeys(COLOURS[m[0].casefold()] for m in _COLOUR.finditer(reply)))
        close = [c for c in named if c == claim.value or frozenset((c, claim.value)) in NEAR_COLOURS]
        if not named:
            return replace(check, reply=reply)
        return _decided(check, reply, bool(close), ", ".join(named))
    there = claim.kind in ("existence", "naming") and not claim.denied and not claim.evidence
    if not there or claim.about == ANYTHING:
        return check
    replies = [ask(i, None, check.question) for i in range(len(witness.scenes))]
    said = [yes_or_no(r) for r in replies]
    joined = " / ".join(dict.fromkeys(replies))
    if any(s is None for s in said):
        return replace(check, reply=joined)
    decided = _decided(check, joined, any(said), "")
    return decided if any(said) else replace(decided, missing=claim.about)


def _decided(check: Check, reply: str, holds: bool, found: str) -> Check:
    return replace(check, reply=reply, holds="yes" if holds else "no", decided_by="model", found="" if holds else found)
