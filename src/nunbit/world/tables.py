"""Tables of many columns (departures, stock lists, standings ...) and questions that look up, compare and count in
them, asked in either language; what they hold is in `tables.tsv`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nunbit.world import tsv
from nunbit.world.base import Language, pick
from nunbit.world.paper_words import items
from nunbit.world.papers import Asked, Paper, some, tongue
from nunbit.world.values import ORDERED, style, translated
from nunbit.world.wordings import Word

ROWS_MIN, ROWS_MAX = 2, 8
LANGUAGES: tuple[Language, Language] = ("en", "ko")
Phrases = dict[Language, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind of table: heads, sort of the values, phrases for a row by its value, and wordings that ask
    for it."""

    key: str
    role: str
    heads: Phrases
    sort: str
    phrases: Phrases
    ask: Phrases


@lru_cache(maxsize=1)
def kinds() -> dict[str, list[Column]]:
    """Kind of table -> its columns; the first holds the titles, the second the names of the rows."""
    out: dict[str, list[Column]] = {}
    for row in tsv.rows("tables"):
        pairs = [{lang: tuple(row[f"{p}{lang}"].split(";")) for lang in LANGUAGES} for p in ("", "phrase_", "ask_")]
        out.setdefault(row["kind"], []).append(Column(row["key"], row["role"], pairs[0], row["value"], *pairs[1:]))
    return out


@dataclass(slots=True)
class _Drawn:
    """A drawn column: its written head, the values as they are written and as numbers."""

    column: Column
    head: str
    texts: list[str]
    numbers: list[float]

    @property
    def unique(self) -> bool:
        return len({t.casefold() for t in self.texts}) == len(self.texts)

    @property
    def ordered(self) -> bool:
        return self.column.sort.partition(":")[0] in ORDERED and len(set(self.numbers)) == len(self.numbers) > 1


def draw(rng: np.random.Generator, hangul: bool) -> Paper:
    """A table with 2 to 8 rows and 1 to 4 columns beside the names of the rows."""
    kind = pick(rng, [*kinds()])
    name, key, *columns = kinds()[kind]
    language = tongue(hangul)
    many = int(rng.integers(ROWS_MIN, ROWS_MAX))
    drawn = [_column(key, rng, language, many)]
    many = len(drawn[0].texts)
    chosen = sorted(rng.permutation(len(columns))[: int(rng.integers(1, len(columns) + 1))])
    drawn += [_column(columns[int(i)], rng, language, many) for i in chosen]
    if rng.random() < 0.15:
        drawn[0], drawn[1] = drawn[1], drawn[0]
    paper = Paper("table", hangul)
    if rng.random() < 0.75:
        paper.facts["title"] = pick(rng, name.heads[language])
        paper.rows.append([paper.facts["title"]])
    heads = [d.head for d in drawn]
    paper.rows.append(heads if all(heads) else [h for h in heads if h])
    paper.rows += [[d.texts[i] for d in drawn] for i in range(many)]
    noun: dict[Language, str] = {"en": name.key, "ko": key.heads["ko"][0]}
    paper.asked = _Questions(drawn, key, noun, rng).all()
    return paper


def _column(column: Column, rng: np.random.Generator, language: Language, many: int) -> _Drawn:
    """A column of ``many`` values; the names of the rows differ from each other, others mostly."""
    write = style(column.sort, rng, language)
    values: dict[str, float] = {}
    texts: list[str] = []
    numbers: list[float] = []
    unique = column.role == "key" or column.sort.partition(":")[0] in ORDERED
    for tried in range(many * 6):
        text, number = write()
        if text in values and unique and (column.role == "key" or tried < 4 * many):
            continue
        values[text] = number
        texts.append(text)
        numbers.append(number)
        if len(texts) == many:
            break
    heads = column.heads[language]
    return _Drawn(column, pick(rng, heads), texts, numbers)


class _Questions:
    """Questions about one table.

    Args:
        drawn: its columns; ``key`` says which of them names the rows; ``noun``: what a row is called.
    """

    def __init__(self, drawn: list[_Drawn], key: Column, noun: dict[Language, str], rng: np.random.Generator) -> None:
        self.key = next(d for d in drawn if d.column is key)
        self.others = [d for d in drawn if d is not self.key]
        self.rows, self.noun, self.rng = len(self.key.texts), noun, rng

    def all(self) -> list[Asked]:
        """Look-ups three times as often as all else."""
        out = [self.lookup() for _ in range(6)]
        out += [self.followed(), self.gone(), self.rows_in_all()]
        for d in self.others:
            if d.ordered:
                out += [self.extreme(d, most) for most in (True, False)]
            out += [*self.holder(d), *self.counted(d)]
        return [a for a in out if a]

    def phrase(self, row: int, by: _Drawn, language: Language) -> Word:
        """A row by its value in a column: ``the flight to Paris``."""
        value = by.texts[row]
        if by.column.sort in ("goods", "dish") and self.rng.random() < 0.6:
            value = translated(value, language)
        return Word(pick(self.rng, by.column.phrases[language]).format(v=Word(value)))

    def lookup(self) -> Asked | None:
        """The value of one row in one column, the row named by another column."""
        row = int(self.rng.integers(self.rows))
        asked = pick(self.rng, self.others)
        by = self.key
        if self.rng.random() < 0.3:
            by = pick(self.rng, [d for d in [*self.others, self.key] if d is not asked and d.unique] or [self.key])
            if self.rng.random() < 0.3 and by is not self.key:
                asked = self.key
        if asked is by or not by.unique:
            return None
        generic: Phrases = {
            "en": ("What is the {h} of {p}?", "Which {h} belongs to {p}?"),
            "ko": ("{p}의 {h:은/는} 무엇인가요?",),
        }
        if asked is self.key:
            generic = {
                "en": ("Which {r} is {p}?", "What is the name of {p}?"),
                "ko": ("{p:은/는} 무엇인가요?",),
            }
        own = asked.column.ask
        wordings = own if own["en"][0] and own["ko"][0] and self.rng.random() < 0.8 else generic
        fields = {
            lang: {"p": self.phrase(row, by, lang), "h": self.head(asked, lang), "r": self.noun[lang]}
            for lang in LANGUAGES
        }
        return Asked("lookup", wordings, fields, dict.fromkeys(LANGUAGES, asked.texts[row]))

    def head(self, d: _Drawn, language: Language) -> Word:
        """A column's head: as it is written, or what it means in the other language."""
        same = d.head in d.column.heads[language] and d.head
        return Word(
            d.head.lower() if same and self.rng.random() < 0.5 else d.head if same else d.column.heads[language][0]
        )

    def followed(self) -> Asked | None:
        """A look-up, then the same of another row."""
        first = self.lookup()
        if first is None or self.rows < 2:
            return None
        asked = next((d for d in self.others if first.answer["en"] in d.texts), None)
        if asked is None or not self.key.unique:
            return None
        row = int(self.rng.integers(self.rows))
        more: Phrases = {"en": ("And {p}?", "What about {p}?"), "ko": ("그럼 {p:은/는}요?", "{p:은/는} 어때요?")}
        fields = {lang: {"p": self.phrase(row, self.key, lang)} for lang in LANGUAGES}
        first.then = Asked("follow-up", more, fields, dict.fromkeys(LANGUAGES, asked.texts[row]))
        return first

    def gone(self) -> Asked | None:
        """A row that is not there."""
        if self.key.column.sort not in ("place", "goods", "dish", "person"):
            return None
        asked = pick(self.rng, self.others)
        if not asked.column.ask["en"][0]:
            return None
        for _ in range(20):
            write = style(self.key.column.sort, self.rng, "ko" if self.rng.random() < 0.5 else "en")
            value = write()[0]
            names = {translated(t, lang).casefold() for t in self.key.texts for lang in LANGUAGES}
            if value.casefold() not in names | {t.casefold() for t in self.key.texts}:
                break
        else:
            return None
        called = {lang: Word(translated(value, lang)) for lang in LANGUAGES}
        if called["en"] == called["ko"] and not value.isascii():
            called["en"] = called["ko"]
        answer: dict[Language, str] = {
            "en": f"{called['en']} is not listed.",
            "ko": f"{called['ko']}: 목록에 없습니다.",
        }
        return Asked("false premise", asked.column.ask, {lang: {"p": called[lang]} for lang in LANGUAGES}, answer)

    def rows_in_all(self) -> Asked:
        """The number of rows."""
        wordings: Phrases = {
            "en": ("How many {r}s are listed?", "How many {r}s are there?", "How many rows does the table have?"),
            "ko": ("표에 {r:이/가} 몇 개 있나요?", "몇 개의 {r:이/가} 있나요?", "{r:은/는} 모두 몇 개인가요?"),
        }
        return Asked("count", wordings, self._row_fields(), {lang: str(self.rows) for lang in LANGUAGES})

    def _row_fields(self, **more: dict[Language, str]) -> dict[Language, dict[str, str]]:
        return {lang: {"r": Word(self.noun[lang]), **{k: v[lang] for k, v in more.items()}} for lang in LANGUAGES}

    def extreme(self, d: _Drawn, most: bool) -> Asked:
        """The row with the largest or the smallest value of a column."""
        row = int((np.argmax if most else np.argmin)(d.numbers))
        sort = d.column.sort.partition(":")[0]
        wordings: Phrases = {
            "en": ("Which {r} has the {m} {h}?", "Which one has the {m} {h}?", "What has the {m} {h}?"),
            "ko": ("{h:이/가} 가장 {m} {r:은/는} 무엇인가요?", "{h:이/가} 제일 {m} 것은 무엇인가요?"),
        }
        words = (
            ("highest", "lowest", "높은", "낮은") if self.rng.random() < 0.5 else ("largest", "smallest", "큰", "작은")
        )
        if sort == "price":
            words = ("most expensive", "cheapest", "비싼", "싼")
            wordings = {
                "en": ("Which {r} is the {m}?", "What is the {m} {r}?", "Which is the {m} one?"),
                "ko": ("가장 {m} {r:은/는} 무엇인가요?", "제일 {m} {r:이/가} 뭐예요?"),
            }
        elif sort == "time":
            words = ("latest", "earliest", "늦은", "이른")
            wordings = {
                "en": ("Which {r} has the {m} {h}?", "Which {r} is the {m}?"),
                "ko": ("{h:이/가} 가장 {m} {r:은/는} 무엇인가요?", "가장 {m} {r:은/는} 무엇인가요?"),
            }
        says: dict[Language, str] = {"en": words[0 if most else 1], "ko": words[2 if most else 3]}
        fields = self._row_fields(m=says, h={lang: self.head(d, lang) for lang in LANGUAGES})
        return Asked("compare", wordings, fields, dict.fromkeys(LANGUAGES, self.key.texts[row]))

    def holder(self, d: _Drawn) -> list[Asked]:
        """The row that holds a value that no other holds."""
        alone = [i for i, t in enumerate(d.texts) if d.texts.count(t) == 1]
        if not alone:
            return []
        row = pick(self.rng, alone)
        wordings: Phrases = {
            "en": ("Which {r} has {h} {v}?", "Which one has {v} as {h}?", "Which {r} is {v}?"),
            "ko": ("{h:이/가} {v}인 {r:은/는} 무엇인가요?", "{v}인 {r:은/는} 무엇인가요?"),
        }
        fields = self._row_fields(
            v={lang: Word(d.texts[row]) for lang in LANGUAGES}, h={lang: self.head(d, lang) for lang in LANGUAGES}
        )
        return [Asked("lookup", wordings, fields, dict.fromkeys(LANGUAGES, self.key.texts[row]))]

    def counted(self, d: _Drawn) -> list[Asked]:
        """How many rows hold one of the values of a column of few values."""
        if not d.column.sort.startswith("choice"):
            return []
        value = pick(self.rng, d.texts)
        wordings: Phrases = {
            "en": ("How many {r}s are {v}?", "How many {r}s have the {h} {v}?", "Count the {r}s with {v}."),
            "ko": ("{v}인 {r:은/는} 몇 개인가요?", "{h:이/가} {v}인 것은 몇 개인가요?"),
        }
        fields = self._row_fields(
            v={lang: Word(value) for lang in LANGUAGES}, h={lang: self.head(d, lang) for lang in LANGUAGES}
        )
        return [Asked("count", wordings, fields, {lang: str(d.texts.count(value)) for lang in LANGUAGES})]


def sellers(rng: np.random.Generator, hangul: bool, n: int) -> list[str]:
    """Names of ``n`` different goods for a receipt."""
    write = style(pick(rng, ("goods", "goods", "dish")), rng, tongue(hangul))
    names = list(dict.fromkeys(write()[0] for _ in range(3 * n)))
    return some(rng, names or items("dishes", tongue(hangul)), n)
