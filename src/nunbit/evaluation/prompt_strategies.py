"""Ways to ask beyond the protocol: solved examples (the first, or those most alike), chain of thought, and being told what is in the picture.

A `PromptStrategy` turns a Target into another Target, so that any model, any benchmark and any protocol can be asked in it. Its name and the hash of its
examples are part of the target, hence of the key of every answer.

Source: Flamingo, arXiv 2204.14198, sec. 2.4 (shots, RICES); arXiv 2201.11903 and 2205.11916 (chain of thought); MoAI, arXiv 2403.07508 (words).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from nunbit.errors import UserError, unknown_name
from nunbit.evaluation.target import Answers, Failure, Target, decoded, encoded
from nunbit.messages import Message, Part, assistant, user
from nunbit.prompting.chain_of_thought import CONCLUDE, THINK, final_answer, language_of, with_words
from nunbit.prompting.shots import Shot, few_shot

THINKING = ("no", "zero-shot", "worked")
TOLD = ("nothing", "objects", "plain")
Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True)
class PromptStrategy:
    """How to ask.

    Args:
        shots: so many solved examples before the question.
        rices: the examples whose pictures are most alike, the likest last; else the first ones.
        thinking: ``zero-shot`` asks for the reasoning and then for the answer; ``worked`` shows examples with their reasoning.
        told: what is said of each picture before the question: ``objects`` CoLLaVO's numbered list, ``plain`` the Scene in words.
    """

    shots: int = 0
    rices: bool = False
    thinking: str = "no"
    told: str = "nothing"

    def __post_init__(self) -> None:
        for kind, name, choices in (("chain of thought", self.thinking, THINKING), ("perception", self.told, TOLD)):
            if name not in choices:
                raise unknown_name(kind, name, choices)
        if self.thinking == "worked" and not self.shots:
            raise UserError("worked solutions without examples", allowed="worked together with one shot or more")

    @property
    def name(self) -> str:
        parts = [f"{self.shots} shots" + (" by likeness" if self.rices else "")] if self.shots else []
        parts += [f"{self.thinking} reasoning"] if self.thinking != "no" else []
        parts += [f"told {self.told}"] if self.told != "nothing" else []
        return ", ".join(parts) or "as it is"


def ways(shots: Sequence[int], rices: Sequence[bool], thinking: Sequence[str], told: Sequence[str]) -> list[PromptStrategy]:
    """Every combination that makes sense: without examples there is nothing to liken and nothing worked."""
    made = [PromptStrategy(k, r and k > 0, "no" if t == "worked" and not k else t, s) for k, r, t, s in product(shots, rices, thinking, told)]
    return [*dict.fromkeys(made)]


@dataclass(frozen=True, slots=True)
class Helpers:
    """What ways need beside the model.

    Args:
        shots: solved examples, in the order of their file.
        nearest: picture, k -> the likest examples, the likest last.
        describe: pictures, kind of words -> what is said of each.
    """

    shots: Sequence[Shot] = ()
    nearest: Callable[[Any, int], Sequence[Shot]] | None = None
    describe: Callable[[Sequence[Any], str], list[str]] | None = None


def asked_in(way: PromptStrategy, target: Target, helpers: Helpers) -> Target:
    """The target asked in this way; the plain way is the target itself."""
    if way == PromptStrategy():
        return target
    if len(helpers.shots) < way.shots:
        raise UserError(f"{way.shots} shots with {len(helpers.shots)} examples", allowed=f"at most {len(helpers.shots)}",
                        todo="name a file of solved examples with --examples, or fewer shots")  # fmt: skip
    prepare = _preparation(way, helpers)

    def answer(batch: Sequence[Conversation]) -> Answers:
        prepared = prepare(batch)
        if way.thinking == "zero-shot":
            return _two_steps(target, prepared)
        said = target.answer(prepared)
        return [final_answer(s) if way.thinking == "worked" and isinstance(s, str) else s for s in said]

    examples = {"examples": _digest(helpers.shots)} if way.shots else {}
    return replace(target, name=f"{target.name}, {way.name}", answer=answer, settings={**target.settings, **examples})


def _preparation(way: PromptStrategy, helpers: Helpers) -> Callable[[Sequence[Conversation]], list[list[Message]]]:
    worked = way.thinking == "worked"
    first = few_shot(helpers.shots[: way.shots], reasoning=worked)

    def examples(messages: Conversation) -> list[Message]:
        if way.rices and helpers.nearest is not None and messages[-1].images:
            return few_shot(helpers.nearest(messages[-1].images[0], way.shots), reasoning=worked)(messages)
        return first(messages)

    def prepare(batch: Sequence[Conversation]) -> list[list[Message]]:
        opened = [decoded(m) for m in batch]
        if way.told != "nothing" and helpers.describe is not None:
            opened = _told(opened, helpers.describe, way.told)
        return [encoded(examples(m), sources) for m, sources in zip(opened, batch, strict=True)]

    return prepare


def _told(batch: Sequence[Conversation], describe: Callable[[Sequence[Any], str], list[str]], how: str) -> list[list[Message]]:
    """What is seen in each picture, said right after it."""
    said = iter(describe([image for m in batch for turn in m for image in turn.images], how))

    def after(part: Part) -> list[Part]:
        words = next(said) if part.kind == "image" else ""
        return [part, Part.text(words + "\n")] if words else [part]

    return [[replace(turn, parts=tuple(p for part in turn.parts for p in after(part))) for turn in m] for m in batch]


def _two_steps(target: Target, batch: Sequence[Conversation]) -> Answers:
    """First the reasoning, then the answer that follows from it; a failed first step stays a failure."""
    tongues = [language_of(m[-1].text) for m in batch]
    thinking = [[*m[:-1], with_words(m[-1], THINK[t])] for m, t in zip(batch, tongues, strict=True)]
    reasons = target.answer(thinking)
    going = [n for n, r in enumerate(reasons) if not isinstance(r, Failure)]
    then = [[*thinking[n], assistant(str(reasons[n])), user(CONCLUDE[tongues[n]])] for n in going]
    answers = dict(zip(going, target.answer(then) if then else [], strict=True))
    return [answers.get(n, reasons[n]) for n in range(len(batch))]


def _digest(shots: Sequence[Shot]) -> str:
    told = repr([(s.question, s.answer, s.reasoning, str(s.image)) for s in shots])
    return hashlib.sha256(told.encode()).hexdigest()[:12]
