"""Which items are made of which pictures, and in which order: a function of the settings and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nunbit.data.teacher.prompting import KINDS, Kind
from nunbit.world.base import Language

PAPER_MIX: Mapping[Kind, float] = {"conversation": 58.0, "detail": 23.0, "reasoning": 77.0}
"""Thousands of items of each kind in LLaVA-Instruct-158K."""
MOST_ITEMS = 20_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One item to be made.

    Attributes:
        id: picture, kind, language, and a number where a picture has several of a kind.
        picture: its position among the pictures of the source.
    """

    id: str
    picture: int
    kind: Kind
    language: Language


def apportion(many: int, kinds: Sequence[Kind]) -> dict[Kind, int]:
    """How many items of each kind, in the paper's proportion, by largest remainders."""
    total = sum(PAPER_MIX[k] for k in kinds)
    exact = {k: many * PAPER_MIX[k] / total for k in kinds}
    out = {k: int(v) for k, v in exact.items()}
    for kind in sorted(kinds, key=lambda k: (out[k] - exact[k], KINDS.index(k)))[: many - sum(out.values())]:
        out[kind] += 1
    return out


def default_count(pictures: int, kinds: Sequence[Kind]) -> int:
    """Items by which every picture gets one of the most frequent kind."""
    return round(pictures * sum(PAPER_MIX[k] for k in kinds) / max(PAPER_MIX[k] for k in kinds))


def pictures_needed(many: int, kinds: Sequence[Kind]) -> int:
    """Pictures by which no picture gets two items of a kind."""
    return max(apportion(many, kinds).values())


def plan(ids: Sequence[str], many: int, kinds: Sequence[Kind], languages: Sequence[Language], seed: int) -> list[Item]:
    """The items, by picture, then by kind.

    Args:
        ids: of the pictures, each once.
    """
    found: list[tuple[tuple[int, int, int], Item]] = []
    for kind, count in apportion(many, kinds).items():
        order = sorted(range(len(ids)), key=lambda i: mixed(seed, kind, ids[i]))
        for n in range(count):
            round_, at = divmod(n, len(ids))
            picture = order[at]
            language = languages[(at + round_) % len(languages)]
            name = f"{ids[picture]}-{kind}-{language}" + (f"-{round_ + 1}" if round_ else "")
            found.append(((picture, KINDS.index(kind), round_), Item(name, picture, kind, language)))
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def mixed(*parts: object) -> int:
    """A number of 64 bits that depends on the parts alone."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")
