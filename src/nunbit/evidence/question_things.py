"""What of a Scene's things a question names: how many there are, which, where; what has the relation or the place that
is asked for; and whether what a "yes" would say holds.

    How many dogs are there?                2 dogs: brown dog 6% left [3,10,20,31], white dog 4% right [70,12,88,30]
    What is left of the cat?                left of cat: dog
    Is the red ball above the box?          ball above box: yes
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nunbit.evidence.index import Found, index_of
from nunbit.evidence.names import ANYTHING, WORD, Lexicon, Mention
from nunbit.evidence.questions import Asked, parse_question
from nunbit.evidence.statements import BOX, COLOURS, Statement, part_named
from nunbit.evidence.things import CLEAR, check
from nunbit.evidence.wording import PARTS_KO, SIDES_KO
from nunbit.scene import Scene, box_iou
from nunbit.scene_layout import Layout
from nunbit.scene_phrases import UNSURE, Names, facts_of
from nunbit.scene_prompt import SceneWriter
from nunbit.world.names import KINDS_KO

NAMES_MAX, THINGS_MAX = 4, 5
"""Names of a question that are looked up, and things that are listed of each."""
ENDS = {
    "left": re.compile(r"left\s?-?most|furthest (?:to the )?left|(?:맨|가장|제일) 왼쪽", re.I),
    "right": re.compile(r"right\s?-?most|furthest (?:to the )?right|(?:맨|가장|제일) 오른쪽", re.I),
    "top": re.compile(r"top\s?-?most|highest up|(?:맨|가장|제일) 위", re.I),
    "bottom": re.compile(r"bottom\s?-?most|lowest down|(?:맨|가장|제일) 아래", re.I),
}
TONE = re.compile(r"in colou?r\b|black[- ]and[- ]white|흑백|컬러", re.I)
WHOLE = re.compile(
    r"(?:photo|photograph|drawing|document|picture) or\b|(?:kind|sort|type) of (?:picture|image|photo)"
    r"|main(?:ly)? colou?rs?|colou?rs? (?:of|in) the (?:picture|image|photo)"
    r"|dark or bright|bright or dark|사진인가요|그림인가요|사진이에요|종류의 (?:그림|사진)|(?:그림|사진)은 어떤 종류"
    r"|주된 색|주요 색|주로 무슨 색|어두운|밝은",
    re.I,
)
"""Questions about the picture as a whole."""
IN_ORDER = re.compile(r"left to right|from the left|왼쪽부터|왼쪽에서 오른쪽|차례로|순서대로", re.I)
MARKED = re.compile(r"circle|box|square|arrow|point|mark|동그라미|네모|상자|화살표|점|표시", re.I)
NO_THING = re.compile(r"\b(?:bounding )?box(?:es)?\b|상자|\bfields?\b|\blists?\b|\btables?\b|표에|칸", re.I)
"""Words of questions that ask for a place or a page; that no such thing is seen says nothing."""
ROW = re.compile(
    r"\brow (?P<row>\d{1,2})\b(?:\W+(?:and )?column (?P<column>\d{1,2}))?"
    r"|(?P<row_ko>\d{1,2})행(?: (?P<column_ko>\d{1,2})열)?",
    re.I,
)
ORDER = re.compile(r"\border\b|\bfirst\b|\blast\b|before|after|next|순서|먼저|나중|첫|마지막|다음|앞|뒤", re.I)
SAME_BOX_IOU = 0.6
YES_NO = {"en": ("yes", "no"), "ko": ("네", "아니요")}


class QuestionThings:
    """The things of one Scene, asked about.

    Args:
        names: how things are called in ``language``, the question's.
    """

    def __init__(self, scene: Scene, layout: Layout, language: str, names: Names) -> None:
        self.scene, self.language, self.names = scene, language, names
        self.index, self.layout = index_of([scene]), layout
        self.lexicon = Lexicon(self.index.names)
        self.writer = SceneWriter(scene, language, names)
        self.objects = [f for f in self.index.by_label.get(ANYTHING, ()) if f.object >= 0]

    def lines(self, question: str, *, written: bool = False) -> list[str]:
        """What the question names, as few lines.

        Args:
            written: it names writing of the Scene, so that its words need not be names of things.
        """
        asked = parse_question(question, self.lexicon)
        mentions = [m for m in self.lexicon.mentions(question) if m.names != (ANYTHING,)]
        unlike = {(m.names, m.broader): m for m in mentions}
        out = [self._of(m, asked, written) for m in [*unlike.values()][:NAMES_MAX]]
        if asked.kind == "count" and not mentions and self.objects:
            out.append(self.writer.groups([t.thing for t in self.layout.things]))
        out += self._relation(asked) + self._yes(asked, question) + self._placed(asked, question)
        out += self._board(question) + self._steps(question)
        out += self._whole(question)
        return [line for line in (*out, *self._shown(question)) if line]

    def _of(self, m: Mention, asked: Asked, written: bool) -> str:
        """``2 dogs: ...``, ``no dog``."""
        found = [f for f in self.index.of(m) if f.object >= 0]
        colours = _colour_before(asked.text, m)
        fitting = [f for f in found if all(f.colour_verdict(c) == "same" for c in colours)]
        names = {f.evidence.text for f in fitting}
        name = (
            self._name(names.pop()) if len(names) == 1 else self._name(m.name) if names else asked.text[m.start : m.end]
        )
        coloured = " ".join([*map(self.names.word, colours), name])
        if not fitting:
            if written or NO_THING.fullmatch(name):
                return ""
            seen = [f for f in self.index.of(m) if f.object < 0]
            if seen and not colours:
                maybe = f"{self._word('maybe')} " if seen[0].evidence.score < UNSURE else ""
                return maybe + self.names.word(seen[0].evidence.text)
            return self._word("absent").format(coloured)
        sure = [f for f in fitting if f.evidence.score >= UNSURE]
        many = len(sure) or len(fitting)
        counted = f"{coloured} {many}개" if self.language == "ko" else f"{many} {self._plural(coloured, many)}"
        return f"{'' if sure else self._word('maybe') + ' '}{counted}: {self._listed(sure or fitting)}"

    def _name(self, name: str) -> str:
        return KINDS_KO.get(name) or self.names.word(name) if self.language == "ko" else name

    def _plural(self, name: str, many: int) -> str:
        return name if many == 1 else self.names.plural(name)

    def _word(self, key: str) -> str:
        return self.writer.words[key]

    def _listed(self, found: Sequence[Found]) -> str:
        """The things from left to right, with their colour, size and place."""
        ordered = sorted(found, key=lambda f: f.place[0])[:THINGS_MAX]
        return ", ".join(self.writer.thing(self.layout.things[f.object]) for f in ordered)

    def _short(self, found: Sequence[Found]) -> str:
        return ", ".join(self.names.word(f.evidence.text) for f in found[:THINGS_MAX])

    def _relation(self, asked: Asked) -> list[str]:
        """``left of cat: dog``: what has the relation that is asked for."""
        if asked.relation is None:
            return []
        side, mention = asked.relation
        others = [f for f in self.index.of(mention) if f.object >= 0]
        if not others:
            return []
        found = [f for f in self.objects if f.object != others[0].object and _is_at(side, f, others[0])]
        name = self.names.word(others[0].evidence.text)
        head = f"{name} {SIDES_KO.get(side, side)}" if self.language == "ko" else f"{side} {name}"
        return [f"{head}: {self._short(found)}"] if found else []

    def _yes(self, asked: Asked, question: str) -> list[str]:
        """``dog above cat: yes``, where perception can tell."""
        if asked.kind != "yes or no" or not asked.said or asked.said[0].kind not in ("relation", "place"):
            return []
        said = asked.said[0]
        verdict = check(said, question, self.index).verdict
        if verdict == "not found" or said.about is None:
            return []
        return [f"{self._statement(said)}: {YES_NO[self.language][verdict == 'contradicted']}"]

    def _statement(self, said: Statement) -> str:
        assert said.about is not None
        name, other = (self.names.word(m.name) if m else "" for m in (said.about, said.other))
        value = said.value
        if self.language == "ko":
            value = SIDES_KO.get(value, PARTS_KO.get(value, value))
            return " ".join(w for w in (name, other, value) if w)
        return " ".join(w for w in (name, value, other) if w)

    def _placed(self, asked: Asked, question: str) -> list[str]:
        """``leftmost: dog``; ``top left: cat``, where something is asked for by its place."""
        for side, pattern in ENDS.items():
            if pattern.search(question) and self.objects:
                best = min(self.objects, key=_along(side))
                return [f"{self._side_name(side)}: {self.names.word(best.evidence.text)}"]
        if IN_ORDER.search(question) and len(self.objects) > 1:
            return [", ".join(self.names.word(f.evidence.text) for f in sorted(self.objects, key=_along("left")))]
        if asked.kind != "what" or asked.relation is not None:
            return []
        part = part_named(question)
        inside = [f for f in self.objects if part and _inside(part, f)]
        shown = PARTS_KO.get(part, part) if self.language == "ko" else part
        return [f"{shown}: {self._short(inside)}"] if inside else []

    def _shown(self, question: str) -> list[str]:
        """What lies in a box that the question gives, and under the marks that it speaks of."""
        out = []
        if box := BOX.search(question):
            sides = (self.scene.width, self.scene.height) * 2
            x1, y1, x2, y2 = (int(v) * side / 100 for v, side in zip(box.groups(), sides, strict=True))
            scored = [(box_iou((x1, y1, x2, y2), f.evidence.box), f.object) for f in self.objects]
            best = max(scored, default=(0.0, -1))
            out = [self.writer.thing(self.layout.things[best[1]])] if best[0] >= SAME_BOX_IOU else []
        if facts_of(self.scene).get("marks") and MARKED.search(question):
            out += self.writer.marks()
        return out

    def _board(self, question: str) -> list[str]:
        """The row, or the cell, of a board that a question names."""
        board, place = self.layout.board, ROW.search(question)
        if not board or not place:
            return []
        row, column = (int(place[g] or 0) for g in ("row", "column"))
        row, column = (row or int(place["row_ko"] or 0)), (column or int(place["column_ko"] or 0))
        if not 1 <= row <= len(board):
            return []
        if 1 <= column <= len(board[row - 1]):
            return [f"{self._word('row')} {row} {self._word('column')} {column}: {board[row - 1][column - 1]}"]
        return [f"{self._word('row')} {row}: {' '.join(board[row - 1])}"]

    def _steps(self, question: str) -> list[str]:
        """The panels of a story in the order of its steps."""
        steps = [
            (s[2], t.labels[0]) for t in self.layout.things if t.labels and (s := t.thing.name.partition(" step "))[1]
        ]
        return [", ".join(label for _, label in sorted(steps))] if len(steps) > 1 and ORDER.search(question) else []

    def _whole(self, question: str) -> list[str]:
        """What was measured of the whole picture: whether it has colour, or what kind of picture it is."""
        tone = str(dict(facts_of(self.scene).get("picture") or {}).get("colour") or "")
        if tone and TONE.search(question):
            return [self.names.word(tone)]
        return self.writer.kind() if WHOLE.search(question) else []

    def _side_name(self, side: str) -> str:
        return f"맨 {PARTS_KO[side]}" if self.language == "ko" else f"{side}most"


def _colour_before(text: str, m: Mention) -> tuple[str, ...]:
    """The colour that stands right before a name ("red dogs", "빨간 개"), if one does."""
    before = WORD.findall(text[max(0, m.start - 20) : m.start].casefold())
    return (COLOURS[before[-1]],) if before and before[-1] in COLOURS else ()


def _along(side: str) -> Callable[[Found], float]:
    axis, sign = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}[side]
    return lambda f: sign * f.place[axis]


def _is_at(side: str, f: Found, other: Found) -> bool:
    dx, dy = other.place[0] - f.place[0], other.place[1] - f.place[1]
    return {"left of": dx, "right of": -dx, "above": dy, "below": -dy}.get(side, 0.0) >= CLEAR


def _inside(part: str, f: Found) -> bool:
    """Whether the middle of a thing lies in a part of the picture: a third of a side, both of a corner."""
    x, y = f.place
    if part == "center":
        return max(abs(x - 0.5), abs(y - 0.5)) <= 1 / 6
    low = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}
    most = 0.5 if " " in part else 0.4
    return all(low[w] < most for w in part.split())
