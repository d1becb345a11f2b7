"""Many wordings for each kind of question, English and Korean, from `wordings.tsv`.

Fields: ``{n}`` a thing, ``{ns}`` its plural, ``{an}`` with its article, ``{m}`` another thing, ``{c}`` a colour,
``{p}`` a part of the picture, ``{k}`` a kind of thing, ``{ks}`` its plural, ``{b}`` a box, ``{t}`` a text, ``{i}`` a
number. In Korean ``{n:이/가}`` takes the particle that fits.

The tables of the file: ``ask`` (questions about things), ``paper`` (about receipts, menus, tables ...), ``follow``
(second questions), ``sentence`` (parts of long answers), and ``fixed``: what is always written in the same words, so
that it is easily recognised ("There is no bicycle in the picture.").
"""

from __future__ import annotations

from functools import lru_cache

from nunbit.world.tsv import rows
from nunbit.world.wording import josa

Wordings = dict[str, dict[str, list[str]]]
"""Kind -> language -> wordings."""


class Word(str):
    """A Korean word that takes its particle from the format: ``f"{Word('개'):이/가}"`` is 개가."""

    def __format__(self, pair: str) -> str:
        return josa(str(self), pair) if pair else str(self)


@lru_cache(maxsize=1)
def wordings() -> dict[str, Wordings]:
    """Every table of the file."""
    out: dict[str, Wordings] = {}
    for row in rows("wordings"):
        kinds = out.setdefault(row["table"], {})
        kinds.setdefault(row["kind"], {}).setdefault(row["language"], []).append(row["text"])
    return out


def fixed_sentence(kind: str, language: str) -> str:
    """The fixed sentence of a kind."""
    return wordings()["fixed"][kind][language][0]
