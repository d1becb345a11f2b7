"""CHAIR: which objects of a description are not in the picture. Source: arXiv 1809.02156.

The picture's objects are those of the COCO instance annotations, together with those its captions name. Words are
matched, longest first, against the authors' list of what names each of the 80 classes (``chair_synonyms.txt``); a
``synonyms.txt`` beside the data (a line a class, comma-separated, the class first) takes its place. A description
that names nothing has no wrong object: CHAIRi is 0 where none names any.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol, ScoredAnswer
from nunbit.evaluation.protocols import RAW, named
from nunbit.evaluation.reading import Files, Pictures, documents, plain

_LIST = Path(__file__).with_name("chair_synonyms.txt")
_PHRASES = {
    "home plate": "",
    "train track": "",
    "toilet seat": "toilet",
    "wine glas": "wine glass",
    "passenger jet": "airplane",
    "passenger train": "train",
    **{
        f"{age} {a}": a
        for age in ("baby", "adult")
        for a in "bird cat dog horse sheep cow elephant bear zebra giraffe".split()
    },
    **{f"{age} {a}": "" for age in ("baby", "adult") for a in ("animal", "cub")},
}
"""Two words that are another thing than their parts; some are of no class.

Source: the authors' code, as lmms-eval has it.
"""
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
"""How WordNet takes the plural off a noun."""
_IRREGULAR = {
    "knives": "knife",
    "pocketknives": "pocketknife",
    "mice": "mouse",
    "children": "child",
    "grandchildren": "grandchild",
    "geese": "goose",
    "oxen": "ox",
    "calves": "calf",
    "thieves": "thief",
    "busses": "bus",
    "taxies": "taxi",
    "buffaloes": "buffalo",
    "flamingoes": "flamingo",
}
_MARK = re.compile(
    r"""([«»“”‘’„`;@#$%&*?!()\[\]{}<>"\u2012-\u2015]|--|''|\.{2,}|[:,](?!\d)"""
    r"""|(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)"""
    r"""|(?<=[^.\s])\.(?=[\s)";}\]*:@'({\[»”’]|>*$))"""
)
"""What stands by itself between words.

A hyphen or a slash joins: "man-made" names nobody. Source: NLTK's word_tokenize.
"""
_CLITIC = re.compile(r"(?<=[^'\s])('(?:s|m|d|ll|re|ve)?|n't)(?=\s|$)")
_LOST_THERE = frozenset({"motor bike", "cheesecake", "iphone", "stove top oven"})
"""Written with a stray space or a capital in lmms-eval's list, so that no word equals them; of three words it looks
at two.
"""
_NO_PLURAL_THERE = frozenset(
    "biker bluejay brindle children coworker firetruck glas hairdryer hot knive lenovo "
    "longboard macbook netbook paddleboat pitbull potted riverboat sailboard shortboard skimboard skis smartphone "
    "solider sports stovetop teddybear televison".split()
)
"""Words that WordNet 3.0 has not, so that lmms-eval does not know their plurals."""
_TAKEN_THERE = frozenset({"men", "vas"})
"""WordNet has a noun "men", and of "vases" the shortest singular is "vas": under lmms-eval neither is of a class."""


@dataclass(frozen=True, slots=True)
class Words:
    """Word or words -> class ("" for none), and the single words that a plural may come from."""

    classes: Mapping[str, str]
    known: frozenset[str]


def _says(text: str) -> Any:
    return lambda item: text


def _no_credit(found: ParsedAnswer, item: Item) -> float:
    return 0.0


class Chair(Benchmark):
    """CHAIR on COCO pictures; lower is better."""

    name, title, source = "chair", "CHAIR", "arXiv 1809.02156"
    columns = (frozenset({"file_name", "objects"}),)
    headline, mean = "CHAIRi", False
    protocols = named(
        Protocol(
            "official",
            _says("Please describe this image in detail."),
            RAW,
            _no_credit,
            "lower is better; objects by words, no model",
            version=2,
        ),
        Protocol(
            "lmms",
            _says("Please describe this image in detail."),
            RAW,
            _no_credit,
            "the same; plurals as WordNet has them, so that men and vases are lost",
        ),
        Protocol(
            "short",
            _says("Provide a one-sentence caption for the provided image."),
            RAW,
            _no_credit,
            "the same for one sentence",
            version=2,
        ),
    )

    def read(self, path: str | Path) -> list[Item]:
        """instances_*.json (with captions_*.json, if there, beside it) and the pictures."""
        objects: dict[str, set[str]] = defaultdict(set)
        said: dict[str, list[str]] = defaultdict(list)
        files_of: dict[str, str] = {}
        found: Files | None = None
        for document in documents(Path(path)):
            content = document.content
            if not (isinstance(content, dict) and isinstance(content.get("annotations"), list) and "images" in content):
                continue
            found = document.files
            classes = {c["id"]: c["name"] for c in content.get("categories", ())}
            files_of |= {plain(i["id"]): i["file_name"] for i in content["images"]}
            for a in content["annotations"]:
                if "caption" in a:
                    said[plain(a["image_id"])].append(a["caption"])
                elif a.get("category_id") in classes:
                    objects[plain(a["image_id"])].add(classes[a["category_id"]])
        if found is None or not objects:
            return super().read(path)
        listed_ = [n for n in found.names() if n.endswith("synonyms.txt")]
        words = vocabulary(found.read(listed_[0]).decode("utf-8")) if listed_ else built_in()
        pictures = Pictures(found, [])
        return [
            Item(
                id_,
                id_,
                pictures.of(files_of[id_]),
                "",
                tuple(sorted(objects[id_] | {o for c in said[id_] for o in mentioned(c, words)})),
                facts={"words": words},
            )
            for id_ in sorted(objects)
            if id_ in files_of
        ]

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row of JSON lines with ``file_name`` and ``objects`` as an Item; None without a picture."""
        loads = pictures.of(row["file_name"])
        id_ = plain(row.get("id")) or place
        return (
            Item(id_, id_, loads, "", tuple(map(str, row["objects"])), facts={"words": built_in()}) if loads else None
        )

    def score_answers(self, items: Sequence[Item], answers: Sequence[str], protocol: Protocol) -> list[ScoredAnswer]:
        """The score of an item is the share of its mentions that are there (1 when it names nothing)."""
        out = []
        for item, answer in zip(items, answers, strict=True):
            named_ = mentioned(answer, lmms_words() if protocol.name == "lmms" else item.facts["words"])
            wrong = [o for o in named_ if o not in item.gold]
            there = len({*named_} & {*item.gold})
            extra = {"mentions": len(named_), "wrong": len(wrong), "there": there, "objects": len(item.gold)}
            found = protocol.parse(answer, item)
            score = 1 - len(wrong) / len(named_) if named_ else float(found.parsed)
            out.append(
                ScoredAnswer(
                    answer,
                    ParsedAnswer(", ".join(named_), "object words", None) if found.parsed else found,
                    score,
                    extra,
                )
            )
        return out

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """CHAIRi: share of mentions that are wrong; CHAIRs: share of descriptions with a wrong one; recall of the
        objects.
        """
        extras = [m.extra for g in groups for _, m in g]
        total = {k: sum(e[k] for e in extras) for k in ("mentions", "wrong", "there", "objects")}
        return {
            "CHAIRi": 100 * total["wrong"] / max(1, total["mentions"]),
            "CHAIRs": 100 * average(e["wrong"] > 0 for e in extras),
            "recall": 100 * total["there"] / max(1, total["objects"]),
            "objects a description": total["mentions"] / max(1, len(extras)),
        }


def vocabulary(text: str) -> Words:
    """The words of a list: a line a class, the class first; lines with # are remarks."""
    lines = [
        [w for part in line.split(",") if (w := part.strip().lower())]
        for line in text.splitlines()
        if not line.startswith("#")
    ]
    classes = _PHRASES | {w: line[0] for line in lines for w in line}
    return Words(classes, frozenset(w for phrase in classes for w in phrase.split()))


@cache
def built_in() -> Words:
    """The vocabulary of ``chair_synonyms.txt``."""
    return vocabulary(_LIST.read_text(encoding="utf-8"))


@cache
def lmms_words() -> Words:
    """The list as lmms-eval's code comes to read it."""
    whole = built_in()
    classes = {w: c for w, c in whole.classes.items() if w not in _LOST_THERE}
    return Words(classes | {"motor bike": ""}, whole.known - _NO_PLURAL_THERE | _TAKEN_THERE)


def mentioned(text: str, words: Words) -> list[str]:
    """The classes a text names, once each mention, two words before one: a "hot dog" is no dog, and the seat of a
    toilet no chair.
    """
    apart = _CLITIC.sub(r" \1 ", _MARK.sub(r" \1 ", text.lower().strip()))
    said = [_singular(w, words.known) for w in apart.split()]
    phrases: list[str] = []
    at = 0
    while at < len(said):
        longest = (" ".join(said[at : at + n]) for n in (3, 2, 1))
        phrases.append(next((p for p in longest if p in words.classes), said[at]))
        at += len(phrases[-1].split())
    if {"toilet", "toilet seat"} & {*phrases}:
        phrases = [p for p in phrases if p != "seat"]
    return [words.classes[p] for p in phrases if words.classes.get(p)]


def _singular(word: str, known: frozenset[str]) -> str:
    """The shortest known word that this may be the plural of, as NLTK's lemmatizer chooses."""
    if word in _IRREGULAR:
        forms = [_IRREGULAR[word]]
    else:
        forms = [word.removesuffix(ending) + instead for ending, instead in _ENDINGS if word.endswith(ending)]
    return min((f for f in (word, *forms) if f in known), key=len, default=word)


BENCHMARKS.register(Chair.name)(Chair())
