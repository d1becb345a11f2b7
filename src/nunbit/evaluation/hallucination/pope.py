"""POPE's questions from any Scenes: three things that are there, and for each one that is not, of three kinds.

Source: arXiv 2305.10355, sec. 4: ``random`` takes any absent thing, ``popular`` the most frequent one of all Scenes,
``adversarial`` the one that most often stands beside the thing that is there. A thing is asked for once a picture;
where a kind has none left, a random one takes its place. Ours: a thing that is also called by the name (a taxi by
"car") does not count as absent; English and Korean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from nunbit.english import article
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.benchmarks.base import axes
from nunbit.evaluation.hallucination.lying import is_there
from nunbit.evaluation.items import Item
from nunbit.scene import Scene
from nunbit.world.base import Language
from nunbit.world.names import korean
from nunbit.world.wording import josa

KINDS = ("random", "popular", "adversarial")
MOST_YES = 3


def question_about(name: str, language: Language) -> str:
    """``Is there a dog in the image?`` / ``이미지에 개가 있나요?``"""
    if language == "ko":
        return f"이미지에 {josa(korean(name), '이/가')} 있나요?"
    return f"Is there {article(name)} {name} in the image?"


def pope_items(
    scenes: Sequence[Scene], languages: Sequence[Language], *, seed: int = 0, kinds: Sequence[str] = KINDS
) -> list[Item]:
    """Questions about Scenes, as many with the answer yes as with no of each kind; `Item.group` is the Scene's number.

    Args:
        languages: of the questions about each Scene.
    """
    rng = np.random.default_rng(seed)
    shown = [list(dict.fromkeys(o.name for o in s.objects)) for s in scenes]
    often = Counter(n for names in shown for n in names)
    beside: dict[str, Counter[str]] = {n: Counter() for n in often}
    for names in shown:
        for a, b in combinations(names, 2):
            beside[a][b] += 1
            beside[b][a] += 1
    out: list[Item] = []
    for number, (scene, language) in enumerate(zip(scenes, languages, strict=True)):
        absent = [n for n in often if not is_there(n, scene)]
        for kind in kinds:
            left = list(absent)
            for name in shown[number][:MOST_YES]:
                if not left:
                    break
                ranked = {"popular": often, "adversarial": beside[name]}.get(kind)
                best = max(left, key=lambda n: (ranked[n], n)) if ranked else ""
                other = best if ranked and ranked[best] else str(rng.choice(left))
                left.remove(other)
                for asked, gold in ((name, "yes"), (other, "no")):
                    id_ = f"{kind}/{number}/{len(out)}"
                    text = question_about(asked, language)
                    out.append(Item(id_, str(number), (), text, (gold,), categories=axes(category=[kind])))
    return out


def pope_figures(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """The benchmark's own figures (F1, accuracy, precision, recall, yes ratio; of all and of each kind), and the share
    of replies that were neither yes nor no."""
    benchmark = BENCHMARKS["pope"]
    scored = benchmark.score_answers(items, answers, benchmark.protocols["nunbit"])
    unparsed = sum(not s.found.parsed for s in scored)
    pairs = list(zip(items, scored, strict=True))
    return benchmark.figures([pairs]) | {"unparsed": 100 * unparsed / max(1, len(items))}
