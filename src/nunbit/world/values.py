"""Values as they stand in tables and on forms: prices, times, names, codes ... by sort, in one language and one style a
column."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from nunbit.world import lexicon
from nunbit.world.base import Language, pick
from nunbit.world.paper_words import items
from nunbit.world.tsv import rows

DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "ko": ("월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"),
}
SUBJECTS = {
    "en": ("Math", "English", "History", "Physics", "Music", "Art", "Biology", "Chemistry", "Drawing", "Yoga"),
    "ko": ("수학", "영어", "역사", "물리", "음악", "미술", "생물", "화학", "국어", "체육"),
}
NUTRIENTS = {
    "en": ("Fat", "Protein", "Sugar", "Salt", "Fiber", "Carbohydrate", "Sodium", "Calcium", "Cholesterol"),
    "ko": ("지방", "단백질", "당류", "나트륨", "식이섬유", "탄수화물", "칼슘", "콜레스테롤"),
}
EVENTS = {
    "en": ("Concert", "Flea market", "Exhibition", "Workshop", "Film night", "Marathon", "Book fair", "Lecture"),
    "ko": ("음악회", "벼룩시장", "전시회", "워크숍", "영화의 밤", "마라톤", "도서전", "강연"),
}
HALLS = {
    "en": ("Main hall", "Library", "City park", "Room 12", "Town square", "Museum", "Gym", "Harbour", "Theater"),
    "ko": ("대강당", "도서관", "시민공원", "광장", "박물관", "체육관", "소극장", "강당", "미술관"),
}
ORDERED = frozenset(("int", "price", "degrees", "percent", "grams", "time", "km", "minutes", "small", "gigabytes"))
"""Sorts whose values can be compared."""

Style = Callable[[], tuple[str, float]]
"""Draws a value: as it is written, and as a number (0.0 where it is none)."""


@lru_cache(maxsize=1)
def goods() -> dict[str, str]:
    """What shops sell: English name -> Korean name."""
    return {r["en"]: r["ko"] for r in rows("goods")}


def style(sort: str, rng: np.random.Generator, language: Language) -> Style:
    """One way of writing values of a sort (``price``, ``int:1:99``, ``choice:On=켜짐``), for a whole column."""
    name, _, rest = sort.partition(":")
    if name == "choice":
        pairs = [c.split("=") for c in rest.split(",")]
        return lambda: (pick(rng, pairs)[language == "ko"], 0.0)
    if name in _NUMBERS:
        low, high, forms = _NUMBERS[name]
        if rest:
            low, high = (int(v) for v in rest.split(":"))
        form = pick(rng, forms[language])
        return lambda: _numbered(int(rng.integers(low, high)), form)
    if name == "price":
        return _price(rng, language)
    if name == "time":
        form = pick(rng, ("{h:02d}:{m:02d}", "{h:02d}:{m:02d}", "{h}:{m:02d}"))
        return lambda: _time(rng, form)
    return lambda: (_WORDS[name](rng, language), 0.0)


def _numbered(n: int, form: str) -> tuple[str, float]:
    return form.format(n=n), float(n)


_NUMBERS: dict[str, tuple[int, int, dict[Language, tuple[str, ...]]]] = {
    "int": (0, 100, {"en": ("{n}",), "ko": ("{n}",)}),
    "small": (1, 61, {"en": ("{n}", "{n}", "{n:02d}"), "ko": ("{n}", "{n}")}),
    "degrees": (-15, 38, {"en": ("{n}", "{n}°", "{n} °C"), "ko": ("{n}", "{n}°", "{n}도")}),
    "percent": (1, 101, {"en": ("{n}%", "{n}%", "{n} %"), "ko": ("{n}%", "{n}%")}),
    "grams": (1, 950, {"en": ("{n} g", "{n}g"), "ko": ("{n} g", "{n}g")}),
    "km": (2, 460, {"en": ("{n} km", "{n} km", "{n}km", "{n}"), "ko": ("{n} km", "{n}km", "{n}")}),
    "minutes": (1, 61, {"en": ("{n} min", "{n} minutes"), "ko": ("{n}분", "{n}분")}),
    "gigabytes": (2, 500, {"en": ("{n} GB free", "{n} GB"), "ko": ("{n}GB 남음", "{n} GB")}),
}


def _price(rng: np.random.Generator, language: Language) -> Style:
    if language == "ko":
        form = pick(rng, ("{:,}원", "{:,}원", "{:,}", "{}원", "₩{:,}"))
        return lambda: _won(int(rng.integers(5, 500)) * 100, form)
    form = pick(rng, ("${:.2f}", "${:.2f}", "{:.2f}", "£{:.2f}", "€{:.2f}", "{:.2f} €"))
    return lambda: _cents(int(rng.integers(20, 900)) * 5, form)


def _won(n: int, form: str) -> tuple[str, float]:
    return form.format(n), float(n)


def _cents(n: int, form: str) -> tuple[str, float]:
    return form.format(n / 100), n / 100


def _time(rng: np.random.Generator, form: str) -> tuple[str, float]:
    hour, minute = int(rng.integers(5, 24)), 5 * int(rng.integers(12))
    return form.format(h=hour, m=minute), 60.0 * hour + minute


def _date(rng: np.random.Generator, language: Language) -> str:
    year, month, day = int(rng.integers(2018, 2030)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    english = ("Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sep", "Oct", "Nov", "Dec")[month - 1]
    plain = f"{year}-{month:02d}-{day:02d}"
    if language == "en":
        return pick(rng, (f"{day} {english}", f"{english} {day}", plain, f"{day:02d}/{month:02d}/{year}"))
    return pick(rng, (f"{month}월 {day}일", f"{year}.{month:02d}.{day:02d}", plain))


def _code(rng: np.random.Generator) -> str:
    return chr(65 + int(rng.integers(26))) + str(int(rng.integers(1, 100)))


def _capitals(rng: np.random.Generator, n: int) -> str:
    return "".join(chr(65 + int(c)) for c in rng.integers(0, 26, n))


def _phone(rng: np.random.Generator) -> str:
    area = pick(rng, ("010", "02", "031", "555", "030"))
    return pick(rng, (f"{area}-{int(rng.integers(100, 10000))}-{int(rng.integers(1000, 10000))}",
                      str(int(rng.integers(100, 10000)))))  # fmt: skip


def _title(rng: np.random.Generator, language: Language) -> str:
    return " ".join(lexicon.word(rng, language == "ko") for _ in range(int(rng.integers(1, 4))))


def _network(rng: np.random.Generator) -> str:
    word = pick(rng, (lexicon.random_latin(rng), pick(rng, lexicon.ENGLISH).capitalize(), "iptime", "KT_GiGA"))
    return word + pick(rng, ("_5G", "-Guest", "_2G", " WiFi", str(int(rng.integers(10, 9999))), "", "-Home"))


def _span(rng: np.random.Generator) -> str:
    start, end = int(rng.integers(6, 12)), int(rng.integers(13, 24))
    half = pick(rng, ("00", "00", "30"))
    return pick(rng, (f"{start}:00 - {end}:{half}", f"{start:02d}:00 - {end}:{half}", f"{start} am - {end - 12} pm",
                      f"{start:02d}:00~{end}:{half}"))  # fmt: skip


_WORDS: dict[str, Callable[[np.random.Generator, Language], str]] = {
    "flight": lambda r, _: f"{_capitals(r, 2)}{pick(r, (' ', ' ', ''))}{int(r.integers(100, 2000))}",
    "busline": lambda r, _: pick(r, (str(int(r.integers(1, 999))), _code(r))),
    "room": lambda r, _: str(int(r.integers(1, 10)) * 100 + int(r.integers(1, 30))),
    "seat": lambda r, _: f"{int(r.integers(1, 60))}{_capitals(r, 1)}",
    "code": lambda r, _: pick(r, (_code(r), f"{_code(r)}-{int(r.integers(1, 30))}")),
    "cardno": lambda r, _: f"**** {int(r.integers(1000, 9999))}",
    "version": lambda r, _: f"{int(r.integers(1, 20))}.{int(r.integers(0, 10))}.{int(r.integers(0, 10))}",
    "phone": lambda r, _: _phone(r),
    "date": _date,
    "network": lambda r, _: _network(r),
    "span": lambda r, _: _span(r),
    "words": _title,
    "onoff": lambda r, lang: pick(r, ("On", "Off", "on", "off") if lang == "en" else ("켬", "끔", "켜짐", "꺼짐")),
    "day": lambda r, lang: pick(r, DAYS[lang]),
    "subject": lambda r, lang: pick(r, SUBJECTS[lang]),
    "nutrient": lambda r, lang: pick(r, NUTRIENTS[lang]),
    "event": lambda r, lang: pick(r, EVENTS[lang]),
    "hall": lambda r, lang: pick(r, HALLS[lang]),
    "place": lambda r, lang: pick(r, items("places", lang)),
    "person": lambda r, lang: pick(r, lexicon.PEOPLE_EN if lang == "en" else lexicon.PEOPLE_KO),
    "dish": lambda r, lang: pick(r, items("dishes", lang)),
    "goods": lambda r, lang: _good(r, lang),
}  # fmt: skip


def _good(rng: np.random.Generator, language: Language) -> str:
    name = pick(rng, [*goods().items()])
    return name[1] if language == "ko" else name[0][:1].upper() + name[0][1:] if rng.random() < 0.7 else name[0]


def translated(value: str, language: Language) -> str:
    """A good's name in another language; what is not known stays as it is."""
    if language == "ko":
        known = {k.casefold(): v for k, v in goods().items()}
        return known.get(value.casefold(), value)
    return {v: k for k, v in goods().items()}.get(value, value)
