"""Credits for short answers: ANLS, relaxed accuracy, VQA accuracy with ten people, substring.

Each 0 to 1, all in plain Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.evaluation.reply_text import FULL_WIDTH

_NUMBERS = "zero one two three four five six seven eight nine ten".split()
_NUMBER_WORDS = {w: str(i) for i, w in enumerate(_NUMBERS)} | {"none": "0"}
_CONTRACTIONS = (
    "ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't mustn't needn't "
    "shouldn't wasn't weren't won't wouldn't could've might've must've should've would've i'm i've you'd you'll "
    "you're you've he'd he's she's it'd it'll they'd they'll they're they've we've that's that'd there's there'd "
    "what's what'll where's who's who'd who'll why's how's how'd how'll let's o'clock ma'am y'all 'twas somebody's "
    "someone's everyone's"
).split()
_SHORTENED = {w.replace("'", ""): w for w in _CONTRACTIONS}
_SHORTENED.pop("hell", None)
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_ARTICLES = {"a", "an", "the"}


def levenshtein(a: str, b: str) -> int:
    """The fewest insertions, deletions and replacements that turn one text into the other."""
    if len(a) < len(b):
        a, b = b, a
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        above = row
    return above[-1]


def anls(answer: str, golds: Sequence[str], *, raw_lengths: bool = False) -> float:
    """Average normalised Levenshtein similarity of one answer; below 0.5 counts nothing.

    Args:
        raw_lengths: divide by the lengths before spaces are collapsed, as both harnesses do.

    Source: arXiv 1907.00490, sec. 4.
    """
    best = 0.0
    for gold in golds:
        a, b = (" ".join(t.lower().split()) for t in (answer, gold))
        longest = max(len(answer), len(gold)) if raw_lengths else max(len(a), len(b))
        best = max(best, 1.0 - levenshtein(a, b) / longest if longest else 1.0)
    return best if best >= 0.5 else 0.0


def relaxed(answer: str, gold: str) -> bool:
    """ChartQA's relaxed accuracy: 5 % off is right for numbers (years too, as published), else equality without case.

    Source: arXiv 2203.10244, sec. 5.1.
    """
    a, b = _as_float(answer), _as_float(gold)
    if a is not None and b:
        return abs(a - b) / abs(b) <= 0.05
    return answer.lower() == gold.lower()


def relaxed_exact_years(answer: str, gold: str) -> bool:
    """Relaxed accuracy without its two traps: a year must be that year, and "1,234", "$5" and "12 %" are numbers."""
    if re.fullmatch(r"(1[5-9]|20)\d\d", gold.strip()):
        return bool(re.search(rf"(?<!\d){gold.strip()}(?!\d)", answer)) and len(re.findall(r"\d+", answer)) == 1
    a, b = (re.sub(r"(?<=\d),(?=\d{3})|[$€£₩¥\s]", "", t) for t in (answer, gold))
    if a.endswith("%") != b.endswith("%"):
        a, b = a.rstrip("%"), b.rstrip("%")
    return relaxed(a, b) or answer.strip().rstrip(".").lower() == gold.strip().rstrip(".").lower()


def without_marks(text: str) -> str:
    """Punctuation as the VQA server treats it: gone where it touches a space somewhere or a number has a comma, else
    a space.

    ``*`` stays.
    """
    out = text
    for mark in _PUNCTUATION:
        touching = f"{mark} " in text or f" {mark}" in text or re.search(r"\d,\d", text)
        out = out.replace(mark, "" if touching else " ")
    return re.sub(r"(?<!\d)\.(?!\d)", "", out)


def vqa_normal(text: str, *, split_words: bool = True) -> str:
    """The form in which VQA answers are compared.

    Source: the VQA evaluation server (arXiv 1505.00468), as EvalAI words it.

    Args:
        split_words: first take out commas and question marks and set "'s" apart; VLMEvalKit leaves this step out.
    """
    if split_words:
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    out = without_marks(text.replace("\n", " ").replace("\t", " ").strip())
    if split_words:
        out = re.sub(r"\.(?!\d)", "", out)
    words = [_NUMBER_WORDS.get(w, w) for w in out.lower().split()]
    return " ".join(_SHORTENED.get(w, w) for w in words if w not in _ARTICLES)


def vqa_accuracy(answer: str, people: Sequence[str], *, split_words: bool = True) -> float:
    """min(1, agreeing / 3) over the others, averaged over leaving each person out. One known answer: right or wrong."""
    if not people:
        return 0.0
    answer, *known = (vqa_normal(t, split_words=split_words) for t in (answer, *people))
    if len(known) == 1:
        return float(answer == known[0])
    agreeing = sum(k == answer for k in known)
    return sum(min(1.0, (agreeing - (k == answer)) / 3) for k in known) / len(known)


def contains(answer: str, golds: Sequence[str], *, formula: bool = False, narrow: bool = False) -> bool:
    """OCRBench: an answer inside the reply; formulas keep their case and lose their spaces. Source: arXiv 2305.07895.

    Args:
        narrow: full-width characters count as their narrow ones, as in lmms-eval.
    """

    def fold(text: str) -> str:
        if formula:
            return text.strip().replace("\n", " ").replace(" ", "")
        return (text.translate(FULL_WIDTH) if narrow else text).lower().strip().replace("\n", " ")

    return any(fold(g) in fold(answer) for g in golds if fold(g))


def _as_float(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
