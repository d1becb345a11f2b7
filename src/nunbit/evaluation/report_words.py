"""Words of evaluation reports in the reader's language: single labels from here, sentences from the catalogue.

Labels stay out of the catalogue of sentences: a word as short as "right" means something else elsewhere.
"""

from __future__ import annotations

from nunbit.translation import Language, translated

KOREAN = {
    "nunbit evaluation": "nunbit 평가",
    "Evaluation": "평가",
    "Model": "모델",
    "Protocol": "방식",
    "Figure": "지표",
    "Value": "값",
    "Items": "문항",
    "Unparsed": "해석 못 함",
    "no gold answers": "정답 없음",
    "Side by side": "나란히 보기",
    "Difference": "차이",
    "all": "모두",
    "wrong": "틀림",
    "unparsed": "해석 못 함",
    "right": "맞음",
    "unscored": "채점 안 함",
    "runs differ": "실행마다 다름",
    "Samples": "문항 보기",
    "Outcome": "결과",
    "Category": "분류",
    "every category": "모든 분류",
    "words": "검색어",
    "picture not available": "그림을 쓸 수 없음",
    "no picture": "그림 없음",
    "gold": "정답",
    "empty": "비어 있음",
    "read as": "읽은 답:",
    "credit": "점수",
    "rule": "규칙",
    "score": "점수",
}


def in_words(text: str, language: Language) -> str:
    """A label or sentence of a report in a language."""
    return KOREAN.get(text) or translated(text, language) if language == "ko" else text
