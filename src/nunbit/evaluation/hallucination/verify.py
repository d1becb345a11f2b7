"""What verification changes: a lying model and a real one, before and after, judged by exact Scenes.

The liar is corrected twice: with the exact Scene, which shows what the rules can do, and with what perception finds,
which shows what is left of that in use. Drawings and photographs stand apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from nunbit.evaluation.hallucination.claims import ClaimCounts, exact_checks, kept
from nunbit.evaluation.hallucination.consistency import consistency, triples
from nunbit.evaluation.hallucination.lying import answer_about
from nunbit.evaluation.hallucination.pictures import ExactPicture, exact_pictures
from nunbit.evaluation.hallucination.pope import pope_figures, pope_items
from nunbit.messages import Message, question
from nunbit.scene import Scene
from nunbit.trust.asking import visual_questions
from nunbit.trust.trace import Verification
from nunbit.trust.woodpecker import EVERYTHING, verify

AnswerMany = Callable[[Sequence[Sequence[Message]]], list[str]]
Perceive = Callable[[Sequence[Any]], list[Scene]]
DESCRIBE = {"en": "What is in the picture?", "ko": "이 이미지에 무엇이 있나요?"}
BATCH = 8


@dataclass(slots=True)
class Change:
    """Answers of one kind before and after verification."""

    before: ClaimCounts = field(default_factory=ClaimCounts)
    after: ClaimCounts = field(default_factory=ClaimCounts)
    kept: int = 0
    true: int = 0
    corrections: int = 0
    seconds: float = 0.0

    def add(self, asked: str, made: Verification, scene: Scene, seconds: float) -> None:
        """Count one verified answer, judged by the exact Scene."""
        first, last = exact_checks(asked, made.original, scene), exact_checks(asked, made.answer, scene)
        self.before.add(made.original, first, scene)
        self.after.add(made.answer, last, scene)
        still, true = kept(first, last)
        self.kept, self.true = self.kept + still, self.true + true
        self.corrections += len(made.corrections)
        self.seconds += seconds

    def figures(self) -> dict[str, Any]:
        """Figures before and after, the coverage kept in hundredths, corrections, and milliseconds an answer."""
        return {
            "before": self.before.figures(),
            "after": self.after.figures(),
            "coverage kept": 100 * self.kept / max(1, self.true),
            "answers": self.before.answers,
            "corrections": self.corrections,
            "ms an answer": 1000 * self.seconds / max(1, self.before.answers),
        }


@dataclass(slots=True)
class Run:
    """One evaluation.

    Attributes:
        pictures: with exact Scenes; found: what perception finds in each.
        answer: the model; None to measure the liar alone.
        ask_model: whether verification may ask the model again.
    """

    pictures: list[ExactPicture]
    found: list[Scene]
    rate: float
    answer: AnswerMany | None = None
    ask_model: bool = True
    seed: int = 0
    say: Callable[[str], None] = lambda _: None

    def liar(self) -> dict[str, Any]:
        """The lying model, corrected with the exact Scenes and with perceived ones."""
        rng, pool = np.random.default_rng(self.seed), sorted({o.name for p in self.pictures for o in p.scene.objects})
        changes: dict[str, Change] = {}
        for p, found in zip(self.pictures, self.found, strict=True):
            asked = DESCRIBE[p.language]
            text, made = answer_about(p.scene, rng, p.language, self.rate, pool)
            if not made:
                continue
            image = Image.fromarray(p.pixels)
            for name, scenes, known in (("exact Scene", p.scene, [EVERYTHING]), ("perceived", found, None)):
                began = time.perf_counter()
                done = verify(asked, text, [scenes], [image], known=known)
                took = time.perf_counter() - began
                changes.setdefault(f"{p.source}, {name}", Change()).add(asked, done, p.scene, took)
        return {name: c.figures() for name, c in changes.items()}

    def model(self) -> dict[str, Any]:
        """The model's descriptions."""
        assert self.answer is not None
        changes: dict[str, Change] = {}
        asked = [question(DESCRIBE[p.language], [Image.fromarray(p.pixels)]) for p in self.pictures]
        for p, found, text in zip(self.pictures, self.found, self._answers(asked, "descriptions"), strict=True):
            began = time.perf_counter()
            done = self._verified(p, found, DESCRIBE[p.language], text)
            changes.setdefault(p.source, Change()).add(DESCRIBE[p.language], done, p.scene, time.perf_counter() - began)
        return {name: c.figures() for name, c in changes.items()}

    def pope(self) -> dict[str, Any]:
        """POPE's three kinds: the liar's yes and no, and the model's, before and after."""
        out: dict[str, Any] = {}
        rng = np.random.default_rng(self.seed)
        for source in dict.fromkeys(p.source for p in self.pictures):
            part = [(p, f) for p, f in zip(self.pictures, self.found, strict=True) if p.source == source]
            items = pope_items([p.scene for p, _ in part], [p.language for p, _ in part], seed=self.seed)
            rows = [part[int(i.group)] for i in items]
            words = {"yes": ("Yes.", "네."), "no": ("No.", "아니요.")}
            lying = []
            for item, (p, _) in zip(items, rows, strict=True):
                truth = item.gold[0] if rng.random() >= self.rate else {"yes": "no", "no": "yes"}[item.gold[0]]
                lying.append(words[truth][p.language == "ko"])
            answers = {"liar": lying}
            if self.answer is not None:
                asked = [
                    question(i.question, [Image.fromarray(p.pixels)]) for i, (p, _) in zip(items, rows, strict=True)
                ]
                answers["model"] = self._answers(asked, f"POPE, {source}")
            for who, given in answers.items():
                after = [
                    self._verified(p, f, i.question, text, who == "model").answer
                    for i, (p, f), text in zip(items, rows, given, strict=True)
                ]
                out[f"{source}, {who}"] = {
                    "before": pope_figures(items, given), "after": pope_figures(items, after), "n": len(items)
                }  # fmt: skip
        return out

    def consistency(self) -> dict[str, Any]:
        """The model's answers to a picture, an edited one and none."""
        found = triples(self.pictures)
        asked = []
        for t in found:
            whole, edited = Image.fromarray(t.picture.pixels), Image.fromarray(t.edited)
            asked.append([question(t.question, images) for images in ([whole], [edited], [])])
        flat = self._answers([c for three in asked for c in three], "consistency")
        return consistency([(a, b, c) for a, b, c in zip(flat[::3], flat[1::3], flat[2::3], strict=True)])

    def _verified(self, p: ExactPicture, found: Scene, asked: str, text: str, may_ask: bool = True) -> Verification:
        image = Image.fromarray(p.pixels)
        ask = None
        if may_ask and self.ask_model and self.answer is not None:
            answer = self.answer
            ask = visual_questions(lambda m: answer([m])[0], [image])
        return verify(asked, text, [found], [image], ask=ask)

    def _answers(self, asked: Sequence[Sequence[Message]], what: str) -> list[str]:
        assert self.answer is not None
        out: list[str] = []
        for i in range(0, len(asked), BATCH):
            out += self.answer(asked[i : i + BATCH])
            self.say(f"{what} {len(out)}/{len(asked)}")
        return out


def run(
    perceive: Perceive,
    answer: AnswerMany | None = None,
    *,
    pictures: int = 40,
    rate: float = 0.3,
    seed: int = 0,
    ask_model: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure the liar, and the model where there is one.

    Args:
        pictures: drawings, and as many composites.
        rate: how many of the liar's statements are false.
    """
    shown = exact_pictures(pictures, say)
    found = []
    for p in shown:
        found += perceive([Image.fromarray(p.pixels)])
        say(f"perceived {len(found)}/{len(shown)}")
    one = Run(shown, found, rate, answer, ask_model, seed, say)
    out: dict[str, Any] = {"pictures": len(shown), "rate": rate, "seed": seed, "liar": one.liar(), "pope": one.pope()}
    return out | ({"model": one.model(), "consistency": one.consistency()} if answer is not None else {})


def as_text(result: dict[str, Any]) -> str:
    """The report for a terminal."""
    lines = [f"verification, {result['pictures']} pictures, {result['rate']:.0%} of the liar's statements false"]
    for who in ("liar", "model"):
        for name, row in result.get(who, {}).items():
            lines.append(
                f"{who}, {name}: {row['answers']} answers, {row['corrections']} corrections, coverage kept "
                f"{row['coverage kept']:.1f} %, {row['ms an answer']:.0f} ms an answer"
            )
            for key in row["before"]:
                lines.append(f"  {key:26}{row['before'][key]:8.1f} ->{row['after'].get(key, 0.0):8.1f}")
    for name, row in result["pope"].items():
        lines.append(f"POPE, {name}: {row['n']} questions")
        for kind in ("random", "popular", "adversarial"):
            pairs = [
                (k, row["before"][f"{kind} {k}"], row["after"][f"{kind} {k}"]) for k in ("accuracy", "F1", "yes ratio")
            ]
            lines.append(f"  {kind:12}" + "  ".join(f"{k} {b:.1f} -> {a:.1f}" for k, b, a in pairs))
    if "consistency" in result:
        lines.append("consistency: " + ", ".join(f"{k} {v:.1f}" for k, v in result["consistency"].items()))
    return "\n".join(lines)
