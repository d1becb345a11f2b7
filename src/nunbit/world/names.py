"""What things are called: a table of everyday English names with their Korean name and what kind of thing each is."""

from __future__ import annotations

from functools import lru_cache

from nunbit.english import plural
from nunbit.scene_phrases import Names
from nunbit.world import things
from nunbit.world.base import COLOURS, Language
from nunbit.world.glosses import gloss
from nunbit.world.panels import SCRIPTS
from nunbit.world.tsv import rows

KINDS_KO = {
    "animal": "동물",
    "vehicle": "탈것",
    "food": "음식",
    "clothing": "옷",
    "instrument": "악기",
    "plant": "식물",
    "person": "사람",
    "place": "장소",
    "shape": "도형",
    "thing": "물건",
}
MORE_COLOURS_KO = {
    "beige": "베이지색",
    "grey": "회색",
    "gold": "금색",
    "silver": "은색",
    "cyan": "하늘색",
    "navy": "남색",
    "golden": "금색",
    "light blue": "하늘색",
    "dark green": "진한 초록색",
    "dark blue": "남색",
    "dark brown": "진한 갈색",
    "light brown": "연한 갈색",
    "happy": "기쁨",
    "sad": "슬픔",
    "angry": "화남",
    "surprised": "놀람",
    "neutral": "무표정",
    "dark": "어두움",
    "bright": "밝음",
    "black and white": "흑백",
    "colour": "컬러",
}


@lru_cache(maxsize=1)
def table() -> dict[str, tuple[str, str]]:
    """English name -> (Korean name, kind)."""
    listed = {r["en"]: (r["ko"], r["kind"]) for r in rows("names")}
    drawn = {
        n: (ko, listed.get(n, ("", "shape" if n in things.SHAPES else "thing"))[1])
        for n, (_, ko) in things.names().items()
    }
    return listed | drawn


@lru_cache(maxsize=1)
def _rarer() -> dict[str, str]:
    """English name -> Korean name of what perception may find and the makers do not draw."""
    return {r["en"]: r["ko"] for r in rows("rarer_names")}


def korean_thing(name: str) -> str:
    """The Korean name of a thing, never of a colour ("orange"); "" where it is not known."""
    return table().get(name, ("",))[0] or _rarer().get(name, "")


@lru_cache(maxsize=1)
def _korean() -> dict[str, str]:
    colours = {c: v[0] for c, v in COLOURS.items()}
    wide = {r["broader"]: r["ko"] for r in rows("broader")}
    return (
        wide
        | _rarer()
        | {n: ko for n, (ko, _) in table().items()}
        | MORE_COLOURS_KO
        | colours
        | {s: v[0] for s, v in SCRIPTS.items()}
    )


@lru_cache(maxsize=1)
def _broader() -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for row in rows("broader"):
        for name in row["names"].split(","):
            out[name] = (*out.get(name, ()), row["broader"])
    return out


def broader(name: str) -> tuple[str, ...]:
    """What a thing is as well: a daisy is a flower, a cup of coffee is a cup, and coffee."""
    return _broader().get(name, ())


def kind_of(name: str) -> str:
    """What kind of thing a name is: animal, vehicle, food ...; "thing" where nothing is known."""
    return table().get(name, ("", "thing"))[1]


def korean(name: str) -> str:
    """The Korean name; a name that is not in the table stays as it is."""
    return _korean().get(name, name)


def counter(name: str) -> str:
    """The word that Korean counts a thing with."""
    return {"person": "명", "animal": "마리"}.get(kind_of(name), "개")


def english_plural(name: str) -> str:
    """``wolf`` -> ``wolves``; the world's own plurals first, then the rule. The last word of several takes it."""
    known = things.names()
    if name in known:
        return known[name][0]
    if " of " in name:
        return plural(name)
    *head, last = name.split(" ")
    return " ".join([*head, known[last][0] if last in known else plural(last)])


def names_in(language: Language) -> Names:
    """How `scene_prompt` calls things in a language."""
    return Names(korean if language == "ko" else str, english_plural, lambda text: gloss(text, language))
