"""Woodpecker: an answer corrected by what is in its pictures, in five steps that leave a trace.

    verification = verify("What is in the picture?", "A zebra and two dogs.", [scene])
    verification.answer, verification.corrections

Source: arXiv 2310.16045. The steps are its own (key concepts, questions, validation by perception and by visual
question answering, visual claims, correction). What decides is other: perception's Scene instead of Grounding DINO,
rules where the original asks GPT-3.5 three times, and an edit is kept only if the answer, checked again, is better.
A text model may rewrite instead of the rules, under the same test. With ``ask=None`` and ``rewrite=None`` nothing is
asked of any model and the same input gives the same correction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nunbit.evidence.claims import Claim
from nunbit.evidence.index import Index, index_of
from nunbit.evidence.names import Lexicon
from nunbit.perception.vocabulary import FaintThings, names_looked_for
from nunbit.scene import Scene
from nunbit.trust.checks import Ask, Witness, check_answer, key_concepts
from nunbit.trust.correction import Corrected, Key, correct, is_better, key_of
from nunbit.trust.phrases import counted, language_of_words, sentence, truth
from nunbit.trust.trace import Check, Correction, Verification, VisualClaim
from nunbit.world.base import Language
from nunbit.world.names import korean

if TYPE_CHECKING:
    from PIL.Image import Image

Rewrite = Callable[[str], str]
"""A prompt for a text model -> its reply."""
EVERYTHING = None
"""What is known of a Scene that lists all there is, such as the exact one of a generated picture."""
MOST_BOXES = 12
Replies = dict[Key, Check]
"""What the model said, by what the claim says."""
_faint = FaintThings()
_PROMPT = {
    "en": "Correct the answer with the facts. Change only what the facts contradict, keep its style and all other "
    "words. Reply with the corrected answer alone.\nFacts:\n{facts}\nQuestion: {question}\nAnswer: {answer}\n"
    "Corrected answer:",
    "ko": "사실에 맞게 답변을 고치세요. 사실과 다른 부분만 바꾸고 나머지는 그대로 두세요. 고친 답변만 쓰세요.\n"
    "사실:\n{facts}\n질문: {question}\n답변: {answer}\n고친 답변:",
}


def witness_of(
    scenes: Sequence[Scene],
    images: Sequence[Image] = (),
    *,
    known: Sequence[frozenset[str] | None] | None = None,
    ask: Ask | None = None,
) -> Witness:
    """What is known of pictures from their Scenes.

    Args:
        images: the pictures, so that things which perception saw faintly do not count as absent. Without them the names
            of photographs count as not looked for.
        known: names that were looked for in each picture, `EVERYTHING` for exact Scenes; found from the Scenes if None.
        ask: the model.
    """
    looked: list[frozenset[str] | None] = list(known or ())
    if known is None:
        looked = [names_looked_for(s) if len(images) == len(scenes) else frozenset() for s in scenes]
    exact = [k is EVERYTHING for k in looked]

    def faint(picture: int) -> frozenset[str]:
        return frozenset() if exact[picture] or not images else _faint(images[picture])

    return Witness(list(scenes), looked, faint, ask)


def verify(
    question: str,
    answer: str,
    scenes: Sequence[Scene],
    images: Sequence[Image] = (),
    *,
    known: Sequence[frozenset[str] | None] | None = None,
    ask: Ask | None = None,
    rewrite: Rewrite | None = None,
) -> Verification:
    """Check an answer about pictures and correct it.

    Args:
        question: the question that was answered.
        scenes, images: of the conversation's pictures, in order.
        known: see `witness_of`.
        ask: answers questions about a picture or a region of it, where perception knows nothing.
        rewrite: a text model that may write the corrected answer.
    """
    witness = witness_of(scenes, images, known=known, ask=ask)
    language = language_of_words(answer, language_of_words(question))
    checks = check_answer(question, answer, witness, ask_model=True)
    concepts, facts = key_concepts(answer, checks), visual_claims(checks, witness, language)
    asked: Replies = {key_of(c.claim): c for c in checks if c.decided_by == "model"}

    def judge(text: str) -> list[Check]:
        """A text checked again; what the model said before counts again, and it is not asked anew."""
        return [_again(c, asked) for c in check_answer(question, text, witness)]

    made = correct(answer, judge, checks, language)
    if rewrite is not None and any(c.holds == "no" for c in checks):
        made = _rewritten(question, answer, checks, facts, made, judge, rewrite, language)
    claims = [c.claim for c in made.checks]
    grounded = with_boxes(made.text, claims, scenes)
    return Verification(
        question, answer, made.text, grounded, concepts, tuple(checks), facts, made.corrections, made.left,
        tuple(claims),
    )  # fmt: skip


def _again(check: Check, asked: Replies) -> Check:
    known = asked.get(key_of(check.claim))
    if check.holds != "unknown" or known is None:
        return check
    return replace(known, claim=check.claim, sentence=check.sentence, question=check.question)


def visual_claims(checks: Sequence[Check], witness: Witness, language: Language) -> tuple[VisualClaim, ...]:
    """Step 4: what is true of the things that an answer names, counted, one by one, and between them."""
    index = index_of(witness.scenes)
    out: list[VisualClaim] = []
    for name in dict.fromkeys(n for c in checks for n in (c.claim.about, c.claim.other) if n):
        out += _claims_about(name, index, witness, language)
    said = dict.fromkeys(
        (sentence(truth(c, language)), c)
        for c in checks
        if c.claim.kind in ("place", "relation", "text") and c.holds != "unknown" and not c.missing
    )
    for words, check in said:
        if words:
            boxes = tuple(e.box for e in check.claim.evidence[:MOST_BOXES])
            picture = check.claim.evidence[0].picture if check.claim.evidence else 0
            out.append(VisualClaim("overall", words, picture, boxes))
    return tuple(dict.fromkeys(out))


def _claims_about(name: str, index: Index, witness: Witness, language: Language) -> list[VisualClaim]:
    mentions = Lexicon(index.names).mentions(name)
    found = [f for f in index.of(mentions[0]) if f.countable] if mentions else []
    if not found:
        gone = Check(_nothing(name), 0, "", holds="no", decided_by="absence", missing=name)
        return [VisualClaim("counting", sentence(truth(gone, language)))] if witness.absent(name) else []
    out = []
    for picture in dict.fromkeys(f.evidence.picture for f in found):
        here = [f for f in found if f.evidence.picture == picture][:MOST_BOXES]
        boxes = tuple(f.evidence.box for f in here)
        many = counted(name, len(here), language)
        words = f"{many} 있음" if language == "ko" else f"There {'is' if len(here) == 1 else 'are'} {many}"
        out.append(VisualClaim("counting", words + ".", picture, boxes))
        for i, f in enumerate(here, start=1):
            colours = ", ".join(sorted(f.colours))
            described = korean(colours) if language == "ko" and colours else colours
            shown = korean(name) if language == "ko" else name
            out.append(
                VisualClaim(
                    "specific", f"{shown} {i}" + (f": {described}" if described else ""), picture, boxes[i - 1 : i]
                )
            )
    return out


def _nothing(name: str) -> Claim:
    return Claim("existence", name, (0, 0), name)


def _rewritten(
    question: str,
    answer: str,
    checks: Sequence[Check],
    facts: Sequence[VisualClaim],
    by_rules: Corrected,
    judge: Callable[[str], list[Check]],
    rewrite: Rewrite,
    language: Language,
) -> Corrected:
    """The model's own correction where it is as good as that of the rules; else theirs."""
    listed = "\n".join(f"- {f.text}" for f in facts)
    text = rewrite(_PROMPT[language].format(facts=listed, question=question, answer=answer)).strip()
    after = judge(text) if text else []
    failing = sum(c.holds == "no" for c in by_rules.checks)
    if not text or not is_better(checks, after) or sum(c.holds == "no" for c in after) > failing:
        return by_rules
    first = next(i for i, c in enumerate(checks) if c.holds == "no")
    because = "the model rewrote the answer with the visual claims", "모델이 시각적 사실로 답변을 다시 썼습니다"
    wrong = {key_of(c.claim) for c in after if c.holds == "no"}
    left = tuple(i for i, c in enumerate(checks) if c.holds == "no" and key_of(c.claim) in wrong)
    return Corrected(text, after, (Correction("restated", answer, text, first, *because, by="model"),), left)


def with_boxes(text: str, claims: Sequence[Claim], scenes: Sequence[Scene]) -> str:
    """A text with boxes behind the names that rest on them: ``a dog([0.033, 0.1, 0.267, 0.45])``, in shares of the
    picture's sides, several separated by ";", as the paper prints them."""
    places: dict[int, str] = {}
    taken: list[tuple[int, int]] = []
    for claim in sorted(claims, key=lambda c: c.span[1] - c.span[0]):
        boxes = [e for e in claim.evidence if e.kind == "object" and claim.verdict == "supported"]
        if not boxes or claim.denied or any(a < claim.span[1] and claim.span[0] < b for a, b in taken):
            continue
        taken.append(claim.span)
        sides = [(scenes[min(e.picture, len(scenes) - 1)], e.box) for e in boxes[:MOST_BOXES]]
        listed = [
            "[" + ", ".join(f"{v / s:.3g}" for v, s in zip(b, (x.width, x.height) * 2, strict=True)) + "]"
            for x, b in sides
        ]
        places[claim.span[1]] = f"({';'.join(listed)})"
    for at in sorted(places, reverse=True):
        text = text[:at] + places[at] + text[at:]
    return text
