"""Things that an answer says are there, and that a complete Scene does not have."""

from __future__ import annotations

import re
from functools import lru_cache

from nunbit.evidence import Claim
from nunbit.evidence.answers import yes_or_no
from nunbit.evidence.names import Lexicon, canonical, labels_of
from nunbit.evidence.text_lines import quoted
from nunbit.scene import Scene
from nunbit.world.names import KINDS_KO, broader, kind_of

SEEN_KINDS = frozenset("animal vehicle food clothing instrument person shape thing".split())
"""Kinds of things that a complete Scene lists; plants and places may be in any background."""
UNLISTED = frozenset(
    "cloud sun moon star fire shadow hand eye tooth button window door wheel screen sign nail key scale match "
    "bow board"
    " bar point sector chart safe iron fan swing picture photo light planet rainbow map kind face".split()
)
"""Names that are said of parts, of backgrounds, or in another sense."""
_MODAL = re.compile(
    r"\b(?:may|might|could|would|should|perhaps|maybe|possibly|probably|likely|if|imagine|suppose|such\s+as|"
    r"for\s+example"
    r"|e\.g\.|as\s+if|as\s+though|wonder|can\s+be\s+used|used\s+(?:for|to)|can(?!\s+(?:clearly\s+|also\s+|"
    r"easily\s+)?(?:be|see|spot|find|count|make))|often|usually|typically|generally|need|needs|whoever|somebody"
    r"|people\s+who|want|wants|afraid|suggests?|symbol\w*|represent\w*|remind\w*)\b"
    r"|아마|수도\s|(?<!볼\s)(?<!찾을\s)(?<!확인할\s)수\s*있|것\s*같|듯|처럼|같은|만약|라면|다면|때문|보통|흔히|"
    r"대개|주로\s|위한|위해|필요|쓰이|쓰입|데\s*(?:쓰|사용)|상징|떠올|무서",
    re.I,
)
_LIKE = re.compile(
    r"\b(?:like|resembl\w+|shaped|called|named|than|not|no|without|instead\s+of|for)\s+(?:an?\s+|the\s+)?$"
    r"|\bas\s+(?:an?\s+)?$",
    re.I,
)
_OF_A = re.compile(r"\bof\s+(?:an?\s+)?$", re.I)
_ASSERTED = re.compile(
    r"(?:\b(?:a|an|the|one|another|this|that|some|several|many|few|both|each|single|lone|two|three|four|five|"
    r"six|seven|eight|nine|ten|\d+)\s+(?:[a-z-]+\s+){0,3}$)",
    re.I,
)
_SHOWN = re.compile(
    r"\b(?:there\s+(?:is|are)|shows?|sees?|see|contains?|depicts?|features?|has|have|includes?|visible|shown|"
    r"with|image\s+of|picture\s+of|photo\s+of)\b",
    re.I,
)
HOMOGRAPHS = frozenset(
    ("가면", "가지", "두 가지", "세 가지", "네 가지", "한 가지", "말", "배", "눈", "사과", "차", "이", "손", "발", "자")
)
"""Korean words that mean something else in most sentences: 가면 is a mask, and "if one goes"."""
_PERSON = re.compile(
    r"\b(?:there\s+(?:is|are)|see|shows?|the|two|three|four|five|six|seven|eight|nine|ten|\d+|one|another|"
    r"several|many|some)"
    r"\s+(?:\w+\s+)?(?:person|people|man|men|woman|women|boys?|girls?|child|children|kids?|humans?|player|"
    r"rider|bab(?:y|ies)|lady|guys?)\b"
    r"|\b(?:man|woman|boy|girl|child|kid|lady|guy|baby)\b"
    r"|(?:사람|남자|여자|아이|소년|소녀|남성|여성|인물|아기|어린이)(?:들)?(?:이|도|과|와)?\s*(?:[0-9]+|한|두|"
    r"세|네|여러)?\s*(?:명|사람)?(?:이)?\s*(?:있|보|서\s|앉|걷|나와|등장)",
    re.I,
)
_ASSERTED_KO = re.compile(
    r"있|보이|보입|보여|놓|서\s|앉|걷|달리|누워|타고|들고|나와|그려|등장|입니다|이에요|예요|차지|자리"
)


def is_missing(claim: Claim, answer: str, scene: Scene) -> bool:
    """Whether a claim says of a thing that it is there, and a complete Scene does not have it."""
    if claim.verdict != "not found" or claim.denied or claim.evidence or claim.kind == "text" or not claim.about:
        return False
    name = missing_name(claim, scene)
    if not name or claim.text in HOMOGRAPHS or (name in KINDS_KO and name != "person"):
        return False  # "an animal", said of animals in general more often than of one
    if not _is_listed(name, scene) or is_hypothetical(claim, answer) or _of_caption(name, scene):
        return False
    if claim.kind == "count" and claim.value == "0":
        return False
    start, end = claim.span
    if any(a <= start and end <= b for a, b in quoted(answer)):
        return False  # writing that names a thing
    if yes_or_no(answer) is False and claim.text.casefold().strip() in ("no", "아니요", "아니오"):
        return False
    if yes_or_no(claim.text) is True:
        return True  # the question names the thing
    head = answer[max(0, start - 60) : start]
    if name == "person" and not _PERSON.search(answer[max(0, start - 12) : end + 16]):
        return False  # people in general
    if re.search("[가-힣]", claim.text):
        return bool(_ASSERTED_KO.search(answer[end : end + 60]))
    if _LIKE.search(head) or (_OF_A.search(head) and not claim.text.casefold().startswith("the ")):
        return False
    clause = re.split(r"[.!?;\n]", head)[-1]
    determined = bool(re.match(r"(?:an?|the|one|two|three|four|five|six|\d+)\b", claim.text, re.I)) or bool(
        _ASSERTED.search(clause)
    )
    return determined or bool(_SHOWN.search(clause)) or claim.kind in ("naming", "count")


def missing_name(claim: Claim, scene: Scene) -> str:
    """The thing of a claim that the Scene does not have; "" if it has all of them."""
    held = {label for o in scene.objects for label in labels_of(o.name)} | {
        label for s in scene.segments for label in labels_of(s.name)
    }
    return next((n for n in (claim.about, claim.other) if n and not {n, canonical(n)} & held), "")


def _is_listed(name: str, scene: Scene) -> bool:
    """Whether the Scene would list a thing of this name if it were there."""
    complete = completeness(scene)
    if isinstance(complete, list):
        known = _canonical(tuple(complete))
        return canonical(name) in known or bool({canonical(b) for b in broader(name)} & known)
    return complete == "all" and kind_of(name) in SEEN_KINDS and name not in UNLISTED and name != "thing"


@lru_cache(maxsize=16)
def _canonical(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(canonical(n) for n in names)


def completeness(scene: Scene) -> str | list[str]:
    """What a Scene lists without a gap: "all", a list of names, or "" for nothing.

    A Scene that does not say it (``meta["complete"]``) is taken as complete where all its scores are 1 and perception
    did not make it.
    """
    said = scene.meta.get("complete")
    if isinstance(said, (str, list)):
        return said
    exact = all(o.score >= 1.0 for o in scene.objects) and "perception" not in scene.meta
    return "all" if exact and scene.objects else ""


def _of_caption(name: str, scene: Scene) -> bool:
    """Whether somebody who wrote a caption saw the thing."""
    if not scene.captions:
        return False
    found = Lexicon([]).mentions("\n".join(scene.captions))
    return any(canonical(name) in map(canonical, (*m.names, *m.broader)) for m in found)


def is_hypothetical(claim: Claim, answer: str) -> bool:
    """Whether a sentence speaks of what could be, or of things in general, rather than of the picture."""
    if claim.kind == "text":
        return False
    return bool(_MODAL.search(sentence_of(claim, answer)))


def sentence_of(claim: Claim, answer: str) -> str:
    """The sentence of an answer that makes a claim."""
    start = max(answer.rfind(c, 0, claim.span[0]) for c in ".!?\n") + 1
    end = min((at for c in ".!?\n" if (at := answer.find(c, claim.span[1])) >= 0), default=len(answer))
    return answer[start:end]
