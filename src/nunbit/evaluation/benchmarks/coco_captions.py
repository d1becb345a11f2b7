"""COCO captions: one sentence a picture; CIDEr-D, BLEU-1 to BLEU-4, ROUGE-L. Source: arXiv 1504.00325."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation import captions
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol, ScoredAnswer
from nunbit.evaluation.protocols import RAW, named
from nunbit.evaluation.reading import Document, Pictures, listed, plain

Tokenise = Any


def _says(text: str) -> Any:
    return lambda item: text


def _no_credit(found: ParsedAnswer, item: Item) -> float:
    return 0.0


_LMMS = "Provide a one-sentence caption for the provided image."
_VLMEVALKIT = (
    "Please describe this image in general. Directly provide the description, "
    'do not include prefix like "This image depicts". '
)


class CocoCaptions(Benchmark):
    """COCO captions; CIDEr-D is the headline."""

    name, title, source = "coco-captions", "COCO captions", "arXiv 1504.00325"
    columns = (
        frozenset({"file_name", "captions"}),
        frozenset({"image", "answer"}),
        frozenset({"filename", "sentences"}),
    )
    splits = ("test", "val", "validation", "val2014", "val2017")
    headline = "CIDEr-D"
    protocols = named(
        Protocol(
            "official", _says(_LMMS), RAW, _no_credit, "captions tokenised in the manner of the COCO tools", version=2
        ),
        Protocol(
            "lmms",
            _says(_LMMS),
            RAW,
            _no_credit,
            "the same; lmms-eval tokenises with the COCO tools' Java program",
            version=2,
        ),
        Protocol(
            "vlmevalkit",
            _says(_VLMEVALKIT),
            RAW,
            _no_credit,
            "raw words, case and full stops kept, as VLMEvalKit: figures are far lower",
            version=2,
        ),
    )

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The released annotations name pictures and captions apart; Karpathy's file has its split in every row."""
        content = document.content
        if isinstance(content, dict) and "annotations" in content and "images" in content:
            said: dict[Any, list[str]] = defaultdict(list)
            for a in content["annotations"]:
                if "caption" in a:
                    said[a["image_id"]].append(a["caption"])
            return [
                {"id": i["id"], "file_name": i["file_name"], "captions": said[i["id"]]}
                for i in content["images"]
                if i["id"] in said
            ]
        if isinstance(content, dict) and isinstance(content.get("images"), list):
            return [r for r in content["images"] if r.get("split") == "test"]
        return super().rows(document)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("image") or row.get("file_name") or row.get("filename"))
        if not loads:
            return None
        golds = (
            [s["raw"] for s in row["sentences"]]
            if "sentences" in row
            else listed(row.get("captions") or row.get("answer"))
        )
        id_ = next((plain(row[c]) for c in ("id", "cocoid", "index", "question_id") if plain(row.get(c))), place)
        return Item(id_, id_, loads, "", tuple(golds))

    def score_answers(self, items: Sequence[Item], answers: Sequence[str], protocol: Protocol) -> list[ScoredAnswer]:
        """All at once: which phrases are rare is known from all references together."""
        raw = protocol.name == "vlmevalkit"
        split = str.split if raw else captions.tokens
        said = [split(a.strip()) for a in answers]
        refs = [[split(g) for g in i.gold] for i in items]
        ciders = captions.cider_d(said, refs)
        out = []
        for item, answer, words, golds, cider in zip(items, answers, said, refs, ciders, strict=True):
            # On raw text its ROUGE splits at every single space.
            line = (answer.split(" "), [g.split(" ") for g in item.gold]) if raw else (words, golds)
            extra = {"bleu": captions.bleu_counts(words, golds), "rouge": captions.rouge_l(*line)}
            out.append(ScoredAnswer(answer, protocol.parse(answer, item), cider, extra))
        return out

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """In hundredths, as papers print them."""
        marks = [m for g in groups for _, m in g]
        bleus = captions.bleu([m.extra["bleu"] for m in marks])
        return {
            "CIDEr-D": 100 * average(m.score for m in marks),
            **{f"BLEU-{n}": 100 * b for n, b in enumerate(bleus, start=1)},
            "ROUGE-L": 100 * average(m.extra["rouge"] for m in marks),
        }


BENCHMARKS.register(CocoCaptions.name)(CocoCaptions())
