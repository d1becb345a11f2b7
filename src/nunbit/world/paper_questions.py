"""Questions about papers (`nunbit.world.papers`), in many wordings, whose answers stand in the rows."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Scene
from nunbit.scene_phrases import hundredths
from nunbit.world.base import Language, pick
from nunbit.world.paper_words import KINDS, items
from nunbit.world.papers import Asked, Paper, some, tongue
from nunbit.world.question_base import Conversation
from nunbit.world.values import translated
from nunbit.world.wordings import Word, fixed_sentence, wordings


def ask(paper: Paper, scene: Scene, rng: np.random.Generator, language: Language, many: int) -> list[Conversation]:
    """Up to ``many`` questions about a paper."""
    made = _PaperQuestions(paper, scene, rng, language).all()
    return [made[int(i)] for i in rng.permutation(len(made))[:many]]


class _PaperQuestions:
    def __init__(self, paper: Paper, scene: Scene, rng: np.random.Generator, language: Language) -> None:
        self.paper, self.scene, self.rng, self.language = paper, scene, rng, language

    def question(self, kind: str, answer: str, sort: str, **fields: str) -> Conversation:
        """One question in one of the wordings of its kind."""
        given = {k: Word(v) if self.language == "ko" else v for k, v in fields.items()}
        return Conversation([(pick(self.rng, wordings()["paper"][kind][self.language]).format(**given), answer)], sort)

    def yes_no(self, value: bool) -> str:
        return ("Yes" if value else "No") if self.language == "en" else ("네" if value else "아니요")

    def all(self) -> list[Conversation]:
        paper, out = self.paper, list[Conversation]()
        out.append(self.question("kind", KINDS[paper.kind] if self.language == "ko" else paper.kind, "naming"))
        for fact, value in paper.facts.items():
            if fact != "button":
                out.append(self.question(fact, value, "reading"))
        priced = paper.kind in ("receipt", "menu", "price list")
        for key in some(self.rng, list(paper.pairs), 4):
            kind = (
                "price"
                if priced
                else "departure"
                if paper.kind == "timetable"
                else "chart"
                if paper.kind == "chart"
                else "field"
            )
            named = translated(key, self.language) if priced and self.rng.random() < 0.5 else key
            out.append(self.question(kind, paper.pairs[key], "lookup", k=named))
        if paper.pairs:
            out += self._pairs(priced)
        if paper.numbers:
            out += self._numbers(priced)
        out += self._cells() + self._lines()
        out += [self._brought(a) for a in paper.asked]
        if "button" in paper.facts:
            label = paper.facts["button"]
            line = next((t for t in self.scene.text_lines if t.text == label), None)
            if line:  # a page may have been read in part
                out.append(self.question("button", hundredths(line.box, self.scene), "place", k=label))
        return out

    def _brought(self, asked: Asked) -> Conversation:
        """A question that the paper brings with it."""
        turns: list[tuple[str, str]] = []
        one: Asked | None = asked
        while one:
            wording = pick(self.rng, one.wordings[self.language])
            text = wording.format(**one.fields[self.language])
            turns.append((text[:1].upper() + text[1:], one.answer[self.language]))
            one = one.then
        return Conversation(turns, asked.sort)

    def _pairs(self, priced: bool) -> list[Conversation]:
        paper = self.paper
        key = pick(self.rng, list(paper.pairs))
        unique = list(paper.pairs.values()).count(paper.pairs[key]) == 1
        out = [self.question("which", key, "lookup", v=paper.pairs[key])] if unique else []
        gone = self._missing()
        out.append(self.question("has", self.yes_no(True), "exists", k=key))
        out.append(self.question("has", self.yes_no(False), "exists", k=gone))
        if priced:
            absent = {"en": f"{gone} is not listed.", "ko": f"{gone}: 목록에 없습니다."}[self.language]
            out.append(self.question("price", absent, "false premise", k=gone))
        out.append(self.question("how_many", str(len(paper.pairs)), "count"))
        out.append(self.question("unknown", fixed_sentence("unknown", self.language), "unanswerable"))
        first, second = (pick(self.rng, list(paper.pairs)) for _ in range(2))
        if priced and first != second:
            more = {"en": "And {k}?", "ko": "그럼 {k:은/는}요?"}[self.language].format(k=Word(second))
            conversation = self.question("price", paper.pairs[first], "follow-up", k=first)
            out.append(Conversation([*conversation.turns, (more, paper.pairs[second])], "follow-up"))
        return out

    def _missing(self) -> str:
        named = {"timetable": "places", "chart": "places", "form": "fields"}.get(self.paper.kind, "dishes")
        words = items(named, tongue(self.paper.hangul))
        text = " ".join(c for r in self.paper.rows for c in r).casefold()
        return pick(self.rng, [w for w in words if w.casefold() not in text])

    def _numbers(self, priced: bool) -> list[Conversation]:
        numbers, rng = self.paper.numbers, self.rng
        most, least = max(numbers, key=lambda k: numbers[k]), min(numbers, key=lambda k: numbers[k])
        out = [
            self.question("dearest" if priced else "highest", most, "compare"),
            self.question("cheapest" if priced else "lowest", least, "compare"),
        ]
        a, b = (list(numbers)[int(i)] for i in rng.permutation(len(numbers))[:2])
        out.append(
            self.question("dearer" if priced else "higher", a if numbers[a] > numbers[b] else b, "compare", a=a, b=b)
        )
        if not priced and len(numbers) <= 5:
            out.append(self.question("ranked", ", ".join(sorted(numbers, key=lambda k: -numbers[k])), "order"))
        return out

    def _cells(self) -> list[Conversation]:
        cells = self.paper.cells
        if not cells:
            return []
        out = []
        keys = list(cells)
        for i in self.rng.permutation(len(keys))[:4]:
            p, h = keys[int(i)]
            out.append(self.question("cell", cells[p, h], "lookup", p=p, h=h))
        h = pick(self.rng, keys)[1]
        column = {p: float(v) for (p, q), v in cells.items() if q == h}
        out.append(self.question("cell_most", max(column, key=lambda p: column[p]), "compare", h=h))
        out.append(self.question("cell_least", min(column, key=lambda p: column[p]), "compare", h=h))
        p = pick(self.rng, list(column))
        out.append(self.question("cell_who", p, "lookup", h=h, v=cells[p, h]))
        if len(column) > 1:
            a, b = (list(column)[int(i)] for i in self.rng.permutation(len(column))[:2])
            out.append(self.question("cell_more", a if column[a] > column[b] else b, "compare", a=a, b=b, h=h))
        out.append(self.question("cell_rows", str(len(column)), "count"))
        return out

    def _lines(self) -> list[Conversation]:
        rows = self.paper.rows
        i = int(self.rng.integers(len(rows)))
        out = [self.question("line", " ".join(rows[i]), "reading", i=str(i + 1))]
        if sum(len(" ".join(r)) for r in rows) < 60 and not self.paper.colours:
            out.append(
                self.question(
                    "read", " / ".join(" ".join(r) for r in rows) if len(rows) > 1 else " ".join(rows[0]), "reading"
                )
            )
        return out
