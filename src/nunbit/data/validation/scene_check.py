"""Answers compared with the Scene of their picture: which claims it contradicts.

`nunbit.evidence` finds the claims. Here pronouns get their nouns first, boxes in shares become boxes in hundredths, and
where a Scene is known to be complete, a thing that it does not have is a contradiction, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nunbit.coco import short_name
from nunbit.data.teacher.reply_format import Turn
from nunbit.data.validation.called import misnamed, quantities
from nunbit.data.validation.missing import completeness, is_hypothetical, is_missing, missing_name, sentence_of
from nunbit.data.validation.problems import Problem
from nunbit.evidence import Claim, claims_of
from nunbit.evidence.names import Lexicon, canonical
from nunbit.evidence.questions import parse_question
from nunbit.evidence.sizes import SIZE_WORDS
from nunbit.evidence.statements import BOX
from nunbit.evidence.text_lines import plain, quoted
from nunbit.evidence.wording import contradiction
from nunbit.scene import Scene
from nunbit.world.base import Language
from nunbit.world.names import korean

_FLOAT_BOX = re.compile(r"\[\s*(\d?\.\d+|[01])\s*,\s*(\d?\.\d+|[01])\s*,\s*(\d?\.\d+|[01])\s*,\s*(\d?\.\d+|[01])\s*\]")
_SENTENCE = re.compile(r"[^.!?\n。]+(?:[.!?。]+(?=\s|$)|\.(?=\d)[^.!?\n]*|\n|$)+")
_PRONOUN = re.compile(
    r"^\s*(?P<it>It|They|This|These|He|She|The other|The latter)(?P<s>['’]s|['’]re)?\b(?!\s+(?:one|picture|"
    r"image|photo|scene))"
)
MOST_READ_WORDS = 6
"""Words that an answer without quotes may have to be taken as what was read."""
_NEXT_TO_KO = re.compile(r"[가-힣](?<![은는이가도의])\s+(?:위|아래|밑|왼쪽|오른쪽|왼편|오른편)(?:쪽|편)?(?:에|$)?\s*$")
"""벤치 위: on the bench, not in the upper part of the picture."""
_OTHER = re.compile(r"\b(?:another|the\s+other)\b|(?:다른|또)\s*(?:하나|한|것)|나머지", re.I)
_READS = re.compile(r"\b(?:says?|reads?|written|sign|text|words?|label|title)\b|쓰여|써\s?있|적혀|글자|라고|읽", re.I)
_SEEN_FROM = re.compile(
    r"\b(?:seen|viewed)\s+from\b|\brelative\s+to\b|\bcompared\s+(?:to|with)\b|기준으로|에서 볼 때|비해", re.I
)
_LEAD = re.compile(r"^\s*(?:네|예|아니요|아니오|아뇨)\s*[,.]?\s*")
_SIDE_ALONE = re.compile(
    r"^\s*(?:(?:네|예|아니요|아니오|아뇨)\s*[,.]?\s*)?(?:[가-힣A-Za-z ]+?)(?:의|보다)\s*(?:왼쪽|오른쪽|위|아래|"
    r"왼편|오른편|밑)"
)
"""A Korean sentence that says on which side of another thing its dropped subject is."""
_BESIDE = re.compile(
    r"\b(?:farther|further|more|closer|nearer|most|than)\b|\b(?:left|"
    r"right)\s+(?:hand\s+)?(?:side\s+)?of\s+(?!(?:the\s+|this\s+)?(?:picture|image|photo|scene|frame|whole))"
    r"|(?<!그림)(?<!사진)(?<!이미지)(?<!화면)(?<!장면)(?:의|보다)\s*(?:더\s*)?(?:왼쪽|오른쪽|위|아래|왼편|오른편|밑)"
)
"""A place that is said of a thing with regard to others, not to the picture."""


def contradictions(turns: Sequence[Turn], scene: Scene, language: Language) -> Iterator[Problem]:
    """What the answers of a conversation say otherwise than the Scene, each once a turn."""
    lexicon = Lexicon(_names(scene))
    topic = ""
    for n, (question, answer) in enumerate(turns):
        asked = with_topic(question, topic, lexicon)
        seen: set[tuple[str, str]] = set()
        for code, words, why in (
            *misnamed(answer, scene, lexicon, language),
            *quantities(answer, scene, lexicon, language),
        ):
            yield Problem(code, n, words, why)
        for claim, words in _claims(asked, hundredths(answer), scene, lexicon):
            code = _code(claim, scene)
            if code and (code, claim.about) not in seen:
                seen.add((code, claim.about))
                yield Problem(code, n, words, _why(claim, scene, language))
        topic = topic_of(asked, answer, lexicon) or topic


def hundredths(text: str) -> str:
    """Boxes in shares of the sides as boxes in hundredths; every other character keeps its place."""

    def one(found: re.Match[str]) -> str:
        inside = ", ".join(str(round(100 * float(v))) for v in found.groups())
        return f"[{inside}".ljust(len(found[0]) - 1) + "]"

    return _FLOAT_BOX.sub(one, text)


def with_topic(question: str, topic: str, lexicon: Lexicon) -> str:
    """A question that names nothing, with the thing that was talked of before."""
    if not topic or not question.strip() or lexicon.mentions(question):
        return question
    if re.search("[가-힣]", question):
        return f"{korean(topic)}은 {question}"
    for pattern, noun in ((r"\bits\b", f"the {topic}'s"), (r"\b(?:it|they|them|that)\b", f"the {topic}")):
        changed, many = re.subn(pattern, noun, question, count=1, flags=re.I)
        if many:
            return changed
    return (
        question
        if re.search(r"\bpicture\b|\bimage\b|\bphoto\b", question)
        else f"{question.rstrip(' ?')} is the {topic}?"
    )


def topic_of(question: str, answer: str, lexicon: Lexicon) -> str:
    """The thing that a turn was about: the first that the question names, else the only one that the answer names."""
    asked = lexicon.mentions(question)
    if asked:
        return asked[0].name
    said = {m.name for m in lexicon.mentions(answer)}
    return said.pop() if len(said) == 1 else ""


def _claims(question: str, answer: str, scene: Scene, lexicon: Lexicon) -> Iterator[tuple[Claim, str]]:
    """Claims with their words: of the whole answer, and of sentences whose pronoun got its noun."""
    for claim in claims_of(question, answer, [scene]):
        if claim.verdict == "contradicted":
            if not (is_hypothetical(claim, answer) or _beside(claim, answer) or _one_of_several(claim, answer)):
                yield claim, claim.text
        elif is_missing(claim, answer, scene) or _misread(claim, question, answer, scene):
            yield claim, claim.text
    if parse_question(question, lexicon).kind == "read":  # further sentences of the answer speak of other things
        for claim in claims_of("", answer, [scene]):
            if claim.kind != "text" and is_missing(claim, answer, scene):
                yield claim, claim.text
    before = ""
    for sentence in _SENTENCE.finditer(answer):
        text = sentence[0]
        found = _PRONOUN.match(text)
        noun = before or (topic_of(question, "", lexicon) if sentence.start() == 0 else "")
        if found and noun:
            verb = {"'s": " is", "'re": " are"}.get((found["s"] or "").replace("’", "'"), "")
            named = f"The {noun}{verb}{text[found.end() :]}"
            for claim in claims_of("", named, [scene]):
                if claim.kind == "place" and _BESIDE.search(claim.text):
                    continue
                if claim.verdict == "contradicted" and claim.kind in (
                    "attribute",
                    "place",
                    "relation",
                    "naming",
                    "existence",
                ):
                    yield claim, text.strip()
        elif noun and _SIDE_ALONE.match(text):
            named = f"{korean(noun)}은 {_LEAD.sub('', text)}"
            yield from ((c, text.strip()) for c in claims_of("", named, [scene]) if _is_other_side(c))
        elif mentions := lexicon.mentions(text):
            before = mentions[0].name
        elif not found:
            before = ""


def _misread(claim: Claim, question: str, answer: str, scene: Scene) -> bool:
    """Whether an answer reads something that is not among the lines of a complete Scene."""
    if claim.kind != "text" or claim.verdict != "not found" or claim.denied or completeness(scene) != "all":
        return False
    start, end = claim.span
    is_quote = any(a <= start and end <= b for a, b in quoted(answer))
    if not is_quote and len(claim.value.split()) > MOST_READ_WORDS:
        return False
    return len(plain(claim.value)) > 1 and bool(_READS.search(question) or _READS.search(sentence_of(claim, answer)))


def _is_other_side(claim: Claim) -> bool:
    return claim.verdict == "contradicted" and claim.kind == "relation"


def _one_of_several(claim: Claim, answer: str) -> bool:
    """ "One dog ..., the other": a number that is said of one among others."""
    if claim.kind != "count" or claim.value != "1":
        return False
    some = claim.text.startswith("한 ") and not re.match(r"\S*\s*(?:만|뿐)", answer[claim.span[1] :])
    return some or bool(_OTHER.search(answer, claim.span[1]))  # 한 사람: somebody


def _beside(claim: Claim, answer: str) -> bool:
    """Whether a place is said with regard to another thing."""
    if claim.kind != "place" or BOX.search(claim.value):
        return False
    return bool(
        _BESIDE.search(claim.text) or _NEXT_TO_KO.search(claim.text) or _SEEN_FROM.search(sentence_of(claim, answer))
    )


def _code(claim: Claim, scene: Scene) -> str:
    """The reason code of a contradicted claim; "" for one that a crowd or a caption explains."""
    crowds = {canonical(short_name(str(n))) for n in scene.meta.get("crowds", ())}
    if claim.kind == "count" and claim.verdict == "contradicted":
        own = sum(canonical(o.name) == canonical(claim.about) for o in scene.objects)
        if canonical(claim.about) in crowds or (not claim.denied and claim.value == str(own)):
            return ""  # beside a parrot, "one bird" may mean the one that is called so
    if claim.kind in ("existence", "naming"):
        if claim.verdict == "contradicted" and claim.value and not claim.denied:
            return "contradicts-colour"
        return "contradicts-object"
    if claim.verdict == "not found" and claim.kind != "text":
        return "contradicts-object"
    if claim.kind == "attribute":
        return "contradicts-size" if claim.value in SIZE_WORDS else "contradicts-colour"
    if claim.kind == "place":
        return "contradicts-box" if BOX.search(claim.value) else "contradicts-place"
    return f"contradicts-{claim.kind}"


def _why(claim: Claim, scene: Scene, language: Language) -> str:
    if claim.verdict == "contradicted":
        return contradiction(claim, language)
    if claim.kind == "text":
        return "이미지에 그런 글자가 없습니다." if language == "ko" else "No such text is in the picture."
    name = missing_name(claim, scene)
    noun = korean(name) if language == "ko" else name
    return f"이미지에 없는 것: {noun}." if language == "ko" else f"The picture has no {noun}."


def _names(scene: Scene) -> list[str]:
    return [*(o.name for o in scene.objects), *(s.name for s in scene.segments)]
