"""CHAIR: which objects of a description are not in the picture. Source: arXiv 1809.02156.

The picture's objects are those of the COCO instance annotations, together with those its captions name. Words are matched, longest first,
against the 80 classes, their plurals and synonyms; a ``synonyms.txt`` beside the data (a line a class, comma-separated, the class first),
as the authors distribute it, takes the place of the built-in words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nunbit.coco import PANOPTIC_CLASSES, THINGS
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average
from nunbit.evaluation.items import Found, Item, Mark, Protocol
from nunbit.evaluation.protocols import RAW, named
from nunbit.evaluation.reading import Files, Pictures, documents, plain

_BUILT_IN = {
    "person": "man woman boy girl child kid baby people men women children guy lady player rider skier surfer", "bicycle": "bike",
    "motorcycle": "motorbike", "airplane": "plane jet aircraft", "car": "automobile taxi sedan", "truck": "pickup", "boat": "ship sailboat canoe",
    "dog": "puppy", "cat": "kitten", "cow": "cattle bull calf", "sheep": "lamb", "horse": "pony foal", "couch": "sofa", "tv": "television",
    "cell phone": "cellphone,smartphone,mobile phone", "donut": "doughnut", "potted plant": "houseplant", "refrigerator": "fridge",
    "dining table": "table", "hair drier": "hairdryer", "handbag": "purse", "bird": "duck seagull pigeon parrot owl goose",
    "laptop": "notebook computer".replace(" ", ","), "remote": "remote control".replace(" ", "_"), "wine glass": "wineglass",
}  # fmt: skip
_IRREGULAR = {"knives": "knife", "mice": "mouse", "people": "person", "men": "man", "women": "woman", "children": "child", "sheep": "sheep",
              "scissors": "scissors", "skis": "skis", "geese": "goose", "buses": "bus", "wine glasses": "wine glass", "glasses": "glasses"}  # fmt: skip


def _says(text: str) -> Any:
    return lambda item: text


def _no_credit(found: Found, item: Item) -> float:
    return 0.0


class Chair(Benchmark):
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
        ),
        Protocol(
            "short",
            _says("Provide a one-sentence caption for the provided image."),
            RAW,
            _no_credit,
            "the same for one sentence",
        ),
    )

    def read(self, path: str | Path) -> list[Item]:
        """instances_*.json (with captions_*.json, if there, beside it) and the pictures."""
        objects: dict[str, set[str]] = defaultdict(set)
        said: dict[str, list[str]] = defaultdict(list)
        files_of: dict[str, str] = {}
        found: Files | None = None
        words: dict[str, str] | None = None
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
        words = vocabulary(found.read(listed_[0]).decode("utf-8") if listed_ else "")
        pictures = Pictures(found, [])
        return [Item(id_, id_, pictures.of(files_of[id_]), "", tuple(sorted(objects[id_] | {o for c in said[id_] for o in mentioned(c, words)})),
                     facts={"words": words}) for id_ in sorted(objects) if id_ in files_of]  # fmt: skip

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        loads = pictures.of(row["file_name"])
        id_ = plain(row.get("id")) or place
        return (
            Item(id_, id_, loads, "", tuple(map(str, row["objects"])), facts={"words": vocabulary()}) if loads else None
        )

    def marks(self, items: Sequence[Item], answers: Sequence[str], protocol: Protocol) -> list[Mark]:
        """The score of an item is the share of its mentions that are there (1 when it names nothing)."""
        out = []
        for item, answer in zip(items, answers, strict=True):
            named_ = mentioned(answer, item.facts["words"])
            wrong = [o for o in named_ if o not in item.gold]
            there = len({*named_} & {*item.gold})
            extra = {"mentions": len(named_), "wrong": len(wrong), "there": there, "objects": len(item.gold)}
            found = protocol.parse(answer, item)
            score = 1 - len(wrong) / len(named_) if named_ else float(found.parsed)
            out.append(
                Mark(answer, Found(", ".join(named_), "object words", None) if found.parsed else found, score, extra)
            )
        return out

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """CHAIRi: share of mentions that are wrong; CHAIRs: share of descriptions with a wrong one; recall of the objects."""
        extras = [m.extra for g in groups for _, m in g]
        total = {k: sum(e[k] for e in extras) for k in ("mentions", "wrong", "there", "objects")}
        return {"CHAIRi": 100 * total["wrong"] / max(1, total["mentions"]), "CHAIRs": 100 * average(e["wrong"] > 0 for e in extras),
                "recall": 100 * total["there"] / max(1, total["objects"]), "objects a description": total["mentions"] / max(1, len(extras))}  # fmt: skip


def vocabulary(text: str = "") -> dict[str, str]:
    """Word or words -> class."""
    if text.strip():
        lines = [
            [w.strip().lower() for w in line.split(",") if w.strip()] for line in text.splitlines() if line.strip()
        ]
        return {w: line[0] for line in lines for w in line}
    out = {name: name for name in PANOPTIC_CLASSES[:THINGS]}
    for name, words in _BUILT_IN.items():
        out |= {w.replace("_", " "): name for w in (words.split(",") if "," in words else words.split())}
    return out


def mentioned(text: str, words: Mapping[str, str]) -> list[str]:
    """The classes a text names, once each mention, two words before one: a "hot dog" is no dog."""
    said = [_singular(w) for w in re.findall(r"[a-z]+", text.lower())]
    out, at = [], 0
    while at < len(said):
        for length in (3, 2, 1):
            phrase = " ".join(said[at : at + length])
            if at + length <= len(said) and phrase in words:
                out.append(words[phrase])
                at += length
                break
        else:
            at += 1
    return out


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, instead in (("ies", "y"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("sses", "ss")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


BENCHMARKS.register(Chair.name)(Chair())
