"""Prompting strategies beside the protocol: solved examples (the first, or the most similar), chain of thought, and
scene text.

A `PromptStrategy` turns a Target into another Target, so any model, benchmark and protocol can be run with it. The
strategy's name and the hash of its examples are part of the target, hence of the key of every answer.

Source: Flamingo, arXiv 2204.14198, sec. 2.4 (shots, RICES); arXiv 2201.11903 and 2205.11916 (chain of thought); MoAI,
arXiv 2403.07508 (the scene in words); CoLLaVO, arXiv 2402.11248 (the numbered list).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from nunbit.errors import UserError, check_names
from nunbit.evaluation.target import Answers, Conversation, Failure, Target, decoded, encoded, perception_names
from nunbit.messages import Message, assistant, user
from nunbit.prompting.chain_of_thought import CONCLUDE, THINK, final_answer, language_of, with_words
from nunbit.prompting.shots import Shot, few_shot
from nunbit.scene import Scene

COT_MODES = ("no", "zero-shot", "worked")
SCENE_PROMPTS = ("none", "objects", "plain", "compact")


@dataclass(frozen=True, slots=True)
class PromptStrategy:
    """How the question is put to the model.

    Attributes:
        shots: number of solved examples before the question.
        rices: take the examples whose pictures are most similar, the most similar last; otherwise the first ones.
        cot: chain of thought. ``zero-shot`` asks for the reasoning and then for the answer; ``worked`` shows examples
            with their reasoning; ``no`` asks for the answer at once.
        scene_prompt: text about each picture, right after it. ``objects`` is CoLLaVO's numbered list, ``plain`` the
            scene in words.
    """

    shots: int = 0
    rices: bool = False
    cot: str = "no"
    scene_prompt: str = "none"

    def __post_init__(self) -> None:
        check_names("chain of thought", [self.cot], COT_MODES)
        check_names("scene prompt", [self.scene_prompt], SCENE_PROMPTS)
        if self.cot == "worked" and not self.shots:
            raise UserError("worked solutions without examples", allowed="worked together with one shot or more")

    @property
    def name(self) -> str:
        """What the strategy adds to the protocol, for tables and folders."""
        parts = [f"{self.shots} shots" + (" by similarity" if self.rices else "")] if self.shots else []
        parts += [f"{self.cot} reasoning"] if self.cot != "no" else []
        parts += [f"scene prompt {self.scene_prompt}"] if self.scene_prompt != "none" else []
        return ", ".join(parts) or "plain prompt"

    @property
    def old_name(self) -> str:
        """The name in earlier versions, under which grids and answers may be kept."""
        changed = {"plain prompt": "as it is", " by similarity": " by likeness", "scene prompt ": "told "}
        name = self.name
        for new, old in changed.items():
            name = name.replace(new, old)
        return name


def strategies(
    shots: Sequence[int], rices: Sequence[bool], cot: Sequence[str], scene_prompts: Sequence[str]
) -> list[PromptStrategy]:
    """Every combination that makes sense: without examples, none can be chosen by similarity and none has worked
    reasoning.

    Raises:
        UserError: an unknown name.
    """
    made = [
        PromptStrategy(k, r and k > 0, "no" if c == "worked" and not k else c, s)
        for k, r, c, s in product(shots, rices, cot, scene_prompts)
    ]
    return [*dict.fromkeys(made)]


@dataclass(frozen=True, slots=True)
class StrategyResources:
    """What strategies need beside the model.

    Attributes:
        shots: solved examples, in the order of their file.
        nearest: picture, k -> the k most similar examples, the most similar last.
        perceive: pictures -> the Scene of each.
    """

    shots: Sequence[Shot] = ()
    nearest: Callable[[Any, int], Sequence[Shot]] | None = None
    perceive: Callable[[Sequence[Any]], Sequence[Scene]] | None = None


def with_strategy(strategy: PromptStrategy, target: Target, resources: StrategyResources) -> Target:
    """A target that asks ``target`` with the strategy. The default strategy gives ``target`` itself.

    Raises:
        UserError: more shots than there are examples.
    """
    if strategy == PromptStrategy():
        return target
    if len(resources.shots) < strategy.shots:
        raise UserError(
            f"{strategy.shots} shots with {len(resources.shots)} examples",
            allowed=f"at most {len(resources.shots)}",
            todo="name a file of solved examples with --examples, or fewer shots",
        )
    prepare = _preparation(strategy, resources)

    def answer(batch: Sequence[Conversation]) -> Answers:
        prepared = prepare(batch)
        if strategy.cot == "zero-shot":
            return _reason_then_answer(target, prepared)
        replies = target.answer(prepared)
        return [final_answer(r) if strategy.cot == "worked" and isinstance(r, str) else r for r in replies]

    settings = dict(target.settings)
    if strategy.shots:
        settings["examples"] = _digest(resources.shots)
    if strategy.rices and resources.nearest is not None:
        settings["similarity"] = getattr(getattr(resources.nearest, "__self__", None), "encoder", "")
    if strategy.scene_prompt != "none" and resources.perceive is not None:
        settings["scene_perception"] = perception_names(resources.perceive)
    name, old_name = (
        f"{t}, {s}" for t, s in ((target.name, strategy.name), (target.old_name or target.name, strategy.old_name))
    )
    return replace(target, name=name, old_name=old_name, answer=answer, settings=settings)


def _preparation(
    strategy: PromptStrategy, resources: StrategyResources
) -> Callable[[Sequence[Conversation]], list[list[Message]]]:
    worked = strategy.cot == "worked"
    first = few_shot(resources.shots[: strategy.shots], reasoning=worked)

    def with_examples(messages: Conversation) -> list[Message]:
        if strategy.rices and resources.nearest is not None and messages[-1].images:
            return few_shot(resources.nearest(messages[-1].images[0], strategy.shots), reasoning=worked)(messages)
        return first(messages)

    def prepare(batch: Sequence[Conversation]) -> list[list[Message]]:
        opened = [decoded(m) for m in batch]
        if strategy.scene_prompt != "none" and resources.perceive is not None:
            opened = _add_scene_text(opened, resources.perceive, strategy.scene_prompt)
        return [encoded(with_examples(m), sources) for m, sources in zip(opened, batch, strict=True)]

    return prepare


def _add_scene_text(
    batch: Sequence[Conversation], perceive: Callable[[Sequence[Any]], Sequence[Scene]], scene_prompt: str
) -> list[list[Message]]:
    """The conversations with the words of each picture's Scene right after the picture."""
    # Imported here as it needs torch, which a grid over servers does not.
    from nunbit.models.object_aware import ObjectAwareConfig
    from nunbit.models.object_aware.scene_text import SceneText

    writer = SceneText(ObjectAwareConfig(scene_prompt=scene_prompt), count_tokens=lambda _: 0)
    scenes = iter(perceive([image for m in batch for turn in m for image in turn.images]))
    return [writer.add(m, [next(scenes) for turn in m for _ in turn.images]) for m in batch]


def _reason_then_answer(target: Target, batch: Sequence[Conversation]) -> Answers:
    """Ask for the reasoning, then for the answer that follows from it. A failed first request stays a failure."""
    languages = [language_of(m[-1].text) for m in batch]
    thinking = [[*m[:-1], with_words(m[-1], THINK[lang])] for m, lang in zip(batch, languages, strict=True)]
    reasons = target.answer(thinking)
    alive = [n for n, r in enumerate(reasons) if not isinstance(r, Failure)]
    then = [[*thinking[n], assistant(str(reasons[n])), user(CONCLUDE[languages[n]])] for n in alive]
    answers = dict(zip(alive, target.answer(then) if then else [], strict=True))
    return [answers.get(n, reasons[n]) for n in range(len(batch))]


def _digest(shots: Sequence[Shot]) -> str:
    text = repr([(s.question, s.answer, s.reasoning, str(s.image)) for s in shots])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
