"""CIDEr-D, BLEU and ROUGE-L in plain Python: the figures of the COCO caption tools without Java.

The tokeniser lower-cases, sets words and numbers apart and drops the punctuation that the COCO tools drop.
Source: CIDEr-D arXiv 1411.5726, sec. 5; BLEU Papineni et al. 2002; ROUGE-L Lin 2004; COCO captions arXiv 1504.00325.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

Words = list[str]
_TOKEN = re.compile(r"(?:[^\W\d_]\.){2,}|\w+\.(?=,)|\w+(?:(?:[-'/.]|(?<=\d)[,:](?=\d))\w+)*|[?!]+|[^\w\s]")
"""Abbreviations (also whatever has its full stop before a comma), words and numbers with what joins them inside, runs
of ? and !, single marks.
"""
_CLITIC = re.compile(r"(n't|'(?:s|m|d|ll|re|ve))$")
_DROPPED = set("'`.?!,:-;…\"“”‘’–—")
_BRACKETS = dict(zip("()[]{}", ("-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"), strict=True))
"""The COCO tools mean to drop brackets, but look for them in capitals after the text is in small letters: they stay."""
_TWO_WORDS = {"cannot": ["can", "not"], "gonna": ["gon", "na"], "gotta": ["got", "ta"], "wanna": ["wan", "na"]}
_ORDER = 4
_SIGMA = 6.0
_BETA = 1.2


def tokens(text: str) -> Words:
    """Words of a caption. A possessive or shortened verb is a word of its own, as in the Penn Treebank."""
    out: Words = []
    for token in _TOKEN.findall(text.lower().replace("’", "'")):
        if token in _DROPPED:
            continue
        clitic = _CLITIC.search(token)
        if clitic and clitic.start():
            out += [token[: clitic.start()], clitic[1]]
        else:
            out += _TWO_WORDS.get(token, [_BRACKETS.get(token, token)])
    return out


def grams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    """The n-grams of a caption, counted."""
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def cider_d(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """CIDEr-D of each caption; a rare phrase is one that few pictures' references hold.

    Needs two pictures or more to mean anything.
    """
    frequency: Counter[tuple[str, ...]] = Counter()
    for refs in references:
        frequency.update({g for r in refs for n in range(1, _ORDER + 1) for g in grams(r, n)})
    log_pictures = math.log(max(1, len(references)))

    def vectors(words: Words) -> list[tuple[dict[tuple[str, ...], float], float]]:
        out = []
        for n in range(1, _ORDER + 1):
            weights = {g: c * (log_pictures - math.log(max(1, frequency[g]))) for g, c in grams(words, n).items()}
            out.append((weights, math.sqrt(sum(w * w for w in weights.values()))))
        return out

    scores = []
    for candidate, refs in zip(candidates, references, strict=True):
        mine = vectors(candidate)
        total = 0.0
        for ref in refs:
            near = math.exp(-((len(candidate) - len(ref)) ** 2) / (2 * _SIGMA**2))
            total += near * sum(_similar(a, b) for a, b in zip(mine, vectors(ref), strict=True)) / _ORDER
        scores.append(10 * total / len(refs) if refs else 0.0)
    return scores


def _similar(a: tuple[dict[tuple[str, ...], float], float], b: tuple[dict[tuple[str, ...], float], float]) -> float:
    """Cosine with the candidate's weights clipped to the reference's, so that repeating a phrase gains nothing."""
    dot = sum(min(w, b[0][g]) * b[0][g] for g, w in a[0].items() if g in b[0])
    return dot / (a[1] * b[1]) if a[1] and b[1] else 0.0


def bleu_counts(candidate: Words, refs: Sequence[Words]) -> list[int]:
    """What one caption adds to a corpus BLEU: length, closest reference length, then hits and tries for n = 1 to 4."""
    closest = min((len(r) for r in refs), key=lambda n: (abs(n - len(candidate)), n), default=0)
    out = [len(candidate), closest]
    for n in range(1, _ORDER + 1):
        most: Counter[tuple[str, ...]] = Counter()
        for r in refs:
            most |= grams(r, n)
        mine = grams(candidate, n)
        out += [sum((mine & most).values()), max(0, len(candidate) - n + 1)]
    return out


def bleu(counts: Sequence[Sequence[int]]) -> list[float]:
    """Corpus BLEU-1 to BLEU-4 from the counts of all captions."""
    if not counts:
        return [0.0] * _ORDER
    sums = [sum(c) for c in zip(*counts, strict=True)]
    length, wanted = sums[:2]
    brevity = 1.0 if length >= wanted else math.exp(1 - wanted / max(1, length))
    out, product = [], 1.0
    for n in range(_ORDER):
        hits, tries = sums[2 + 2 * n : 4 + 2 * n]
        product *= hits / tries if tries else 0.0
        out.append(brevity * product ** (1 / (n + 1)))
    return out


def rouge_l(candidate: Words, refs: Sequence[Words]) -> float:
    """Longest common subsequence: the best precision and the best recall over the references, F with beta 1.2."""
    if not candidate or not refs:
        return 0.0
    common = [_common(candidate, r) for r in refs]
    precision = max(c / len(candidate) for c in common)
    recall = max(c / len(r) if r else 0.0 for c, r in zip(common, refs, strict=True))
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision) if precision and recall else 0.0


def _common(a: Words, b: Words) -> int:
    above: dict[int, int] = defaultdict(int)
    for x in a:
        row: dict[int, int] = defaultdict(int)
        for j, y in enumerate(b):
            row[j] = above[j - 1] + 1 if x == y else max(above[j], row[j - 1])
        above = row
    return above[len(b) - 1] if b else 0
