"""What writing in a picture means in the other language, where it is a word that papers often hold: `glosses.tsv`,
goods, and the labels and heads of `sheets` and `tables`. So that a question in Korean finds its row on an English
receipt, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from nunbit.world import sheets, tables, values
from nunbit.world.base import Language
from nunbit.world.tsv import rows

_PIECES = re.compile(r"^\d{1,3}\s?[x×]\s+")
_LISTS = (values.DAYS, values.EVENTS)
"""Lists of values that stand in the same order in both languages."""


def gloss(text: str, language: Language) -> str:
    """The meaning of a whole cell of writing in ``language``; "" where it is not known or in that language already."""
    known = _glosses()[language].get(_plain(text), "")
    return "" if _plain(known) == _plain(text) else known


def _plain(text: str) -> str:
    """Without a colon behind it, and without a number of pieces before it (``2 x Latte``)."""
    return _PIECES.sub("", text.strip().rstrip(":").strip().casefold())


@lru_cache(maxsize=1)
def _glosses() -> dict[Language, dict[str, str]]:
    """By language, writing in the other one -> its meaning; the first of several."""
    english: dict[str, str] = {}
    korean: dict[str, str] = {}
    for en, ko in _pairs():
        for word in en:
            korean.setdefault(_plain(word), ko[0])
        for word in ko:
            english.setdefault(_plain(word), en[0])
    return {"en": english, "ko": korean}


def _pairs() -> Iterable[tuple[tuple[str, ...], tuple[str, ...]]]:
    """English and Korean words of one meaning."""
    yield from (((r["en"],), (r["ko"],)) for r in rows("glosses"))
    yield from (((en,), (ko,)) for en, ko in values.goods().items())
    for words in _LISTS:
        yield from (((en,), (ko,)) for en, ko in zip(words["en"], words["ko"], strict=True))
    fields = [f for known in sheets.kinds().values() for f in known if f.key != "title"]
    labels = [f.labels for f in fields if not f.labels["en"][0].startswith("*")]
    heads = [c.heads for columns in tables.kinds().values() for c in columns if c.role != "name"]
    for one in (*labels, *heads):
        en, ko = (tuple(w for w in one[x] if len(w) > 1 or not w.isascii()) for x in tables.LANGUAGES)
        if en and ko:
            yield en, ko
