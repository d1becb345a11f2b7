"""English nouns: articles and plurals by rule."""

from __future__ import annotations


def article(noun: str) -> str:
    """The indefinite article that fits."""
    word = noun.lower()
    vowel = word[:1] in "aeiou" and not word.startswith(("uni", "eu", "one ", "ukulele"))
    return "an" if vowel or word.startswith(("hour", "honest")) else "a"


_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
    "knife": "knives",
    "leaf": "leaves",
    "wolf": "wolves",
    "loaf": "loaves",
    "shelf": "shelves",
    "skis": "skis",
    "scissors": "scissors",
    "glasses": "glasses",
    "pants": "pants",
}


def plural(noun: str) -> str:
    """An English plural by rule: ``box`` -> ``boxes``; the last word of several takes it."""
    if " of " in noun:
        first, _, rest = noun.partition(" of ")
        return f"{plural(first)} of {rest}"
    *head, last = noun.split(" ")
    if last in _IRREGULAR:
        many = _IRREGULAR[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        many = last + "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        many = last[:-1] + "ies"
    else:
        many = last + "s"
    return " ".join([*head, many])


def singular(noun: str) -> str:
    """The noun of which a word is the plural by rule; the word itself where it is none. The last word of several."""
    *head, last = noun.split(" ")
    known = next((one for one, many in _IRREGULAR.items() if many == last), "")
    tried = (known, last[:-3] + "y", last[:-2], last[:-1]) if last.endswith("s") else (known,)
    return " ".join([*head, next((w for w in tried if w and plural(w) == last), last)])
