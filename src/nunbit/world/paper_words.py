"""What papers say: shops, dishes, places, column heads, fields and buttons, from `papers.tsv`."""

from __future__ import annotations

from functools import lru_cache

from nunbit.world.base import Language
from nunbit.world.tsv import rows

KINDS = {
    "receipt": "영수증",
    "menu": "메뉴",
    "price list": "가격표",
    "table": "표",
    "form": "양식",
    "timetable": "시간표",
    "business card": "명함",
    "sign": "표지판",
    "screenshot": "화면",
    "chart": "차트",
}
"""Kinds of paper and their Korean names."""
SHOPS: dict[Language, tuple[str, ...]] = {
    "en": (" Mart", " Cafe", " Shop", " Market", " Bakery", " Diner", " Store", ""),
    "ko": ("마트", "상회", "카페", "식당", "분식", "빵집", "약국", "문구"),
}
"""What the name of a shop ends in."""


@lru_cache(maxsize=1)
def _rows() -> list[dict[str, str]]:
    return rows("papers")


@lru_cache(maxsize=32)
def items(name: str, language: Language) -> tuple[str, ...]:
    """A list of the file: dishes, places, heads, titles, buttons or fields."""
    return tuple(r["item"] for r in _rows() if r["list"] == name and r["language"] == language)


@lru_cache(maxsize=4)
def field_sorts(language: Language) -> dict[str, str]:
    """A form's fields and the sort of value each has: person, place, date, time, phone, code, mail, price or number."""
    return {r["item"]: r["sort"] for r in _rows() if r["list"] == "fields" and r["language"] == language}
