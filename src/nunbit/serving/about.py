"""What the served model can and cannot do, in the words that the web page shows beside its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nunbit.world.base import COLOURS
from nunbit.world.names import MORE_COLOURS_KO, english_plural, korean, table

SAMPLES = ("animals.png", "cat.jpg", "receipt.png", "menu.png")
"""Example pictures that the page offers; whose they are is in the NOTICE beside them."""
DRAWINGS = ("animals.png",)


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence in both languages of the page."""

    en: str
    ko: str

    def to_json(self) -> dict[str, str]:
        """The sentence under the code of each language."""
        return {"en": self.en, "ko": self.ko}


@dataclass(frozen=True, slots=True)
class About:
    """A model in words.

    Attributes:
        summary: a few words that stand beside its name.
        limits: one sentence each.
        samples: example pictures that it can answer about.
    """

    summary: Text
    limits: tuple[Text, ...]
    samples: tuple[str, ...] = SAMPLES


MISTAKES = Text(
    "Answers can be wrong. Check those that matter.", "답변이 틀릴 수 있습니다. 중요한 내용은 직접 확인하세요."
)
OTHER = About(Text("Answers can be wrong", "답변이 틀릴 수 있음"), (MISTAKES,))
KNOWN = {
    "nunbit-small": About(
        Text("Small model: check its answers", "작은 모델이니 답변을 확인하세요"),
        (
            Text(
                "It answers about photographs, documents and drawings, in English and Korean.",
                "사진, 문서, 그림에 대해 영어와 한국어로 답합니다.",
            ),
            Text(
                "It sees what perception finds: about a thousand everyday things, and printed text. Small things, what "
                "people are doing, handwriting, and line or pie charts are mostly beyond it.",
                "물체 인식이 찾아낸 것, 곧 흔한 사물 천여 가지와 인쇄된 글자를 봅니다. 작은 물체, 사람의 동작, 손글씨, "
                "꺾은선·원그래프는 대부분 알아보지 못합니다.",
            ),
            Text("It copies well and calculates badly.", "읽은 것을 옮겨 적는 데는 강하지만 계산에는 약합니다."),
            Text(
                "Questions in Korean about English documents, and the other way round, often fail.",
                "영어 문서를 한국어로 묻거나 한국어 문서를 영어로 물으면 틀리는 일이 많습니다.",
            ),
            MISTAKES,
        ),
    ),
    "nunbit-tiny": About(
        Text("Drawings only, no photographs", "그림 전용 (사진은 불가)"),
        (
            Text(
                "It answers in a few words about simple drawings, charts, forms and puzzles, in English and Korean.",
                "단순한 그림, 그래프, 서식, 퍼즐에 대해 영어와 한국어로 짧게 답합니다.",
            ),
            Text(
                "It was never trained on photographs: what it says about them means little.",
                "사진으로 학습한 적이 없어 사진에 대한 답변은 믿을 수 없습니다.",
            ),
            MISTAKES,
        ),
        DRAWINGS,
    ),
}


def about_model(name: str) -> dict[str, Any]:
    """JSON of what is known of a model; for one that nunbit does not ship only that answers can be wrong."""
    known = KNOWN.get(name, OTHER)
    return {
        "summary": known.summary.to_json(),
        "limits": [text.to_json() for text in known.limits],
        "samples": list(known.samples),
    }


@lru_cache(maxsize=1)
def names_of_things() -> dict[str, list[str]]:
    """English names of things and colours -> Korean name and English plural, for the page."""
    names = (*table(), *COLOURS, *MORE_COLOURS_KO)
    return {name: [korean(name), english_plural(name)] for name in names}


def samples_folder() -> Path | None:
    """Where the example pictures are: beside the page in an installed package, else in the repository; None where they
    are missing."""
    here = Path(__file__)
    folders = (here.parent / "page" / "samples", here.parents[3] / "examples")
    return next((f for f in folders if all((f / name).is_file() for name in SAMPLES)), None)
