"""The validator on labelled items: precision and recall of "something is wrong", and of each reason code.

python -m tests.load.validator            # 1,200 items of template text in English and Korean
python -m tests.load.validator --free FILE   # free text, labelled by hand: JSON lines with "good"
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from tests.data.teacher.spoiled import labelled

from nunbit.data.validation.items import problems_of, problems_of_text
from nunbit.scene import Scene


def score(pairs: list[tuple[bool, bool]]) -> str:
    """``precision 0.99 recall 0.98`` of pairs of (is bad, was called bad)."""
    hit = sum(bad and called for bad, called in pairs)
    precision = hit / max(1, sum(called for _, called in pairs))
    recall = hit / max(1, sum(bad for bad, _ in pairs))
    return f"{len(pairs)} items, {sum(b for b, _ in pairs)} bad: precision {precision:.3f}, recall {recall:.3f}"


def template(items: int, seed: int, show: bool) -> None:
    """Template text: good, and spoiled in ways that are known."""
    pairs, found, asked, right = [], Counter[str](), Counter[str](), Counter[str]()
    for one in labelled(items, seed):
        problems = problems_of_text(one.text, one.kind, one.language, one.scene)
        codes = {p.code for p in problems}
        pairs.append((one.code != "", bool(codes)))
        asked[one.code or "good"] += 1
        right[one.code or "good"] += one.code in codes if one.code else not codes
        found.update(codes)
        if show and (one.code not in codes if one.code else codes):
            facts = [(o.name, o.attributes.get("colour")) for o in one.scene.objects]
            print(
                one.code or "good",
                one.kind,
                "->",
                [(p.code, p.words) for p in problems],
                one.text.replace("\n", " "),
                facts,
            )
    print("template text:", score(pairs))
    for code, n in sorted(asked.items()):
        print(f"  {code:24} {right[code]:4} of {n:4} as labelled")


def free(file: Path, show: bool) -> None:
    """Free text of a local model with labels by hand."""
    pairs = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        scene = Scene.from_json(row["scene"])
        scene.meta["complete"] = "all"
        problems = problems_of(
            [(row["question"], row["reply"])], "conversation" if row["question"] else "detail", "en", scene
        )
        pairs.append((not row["good"], bool(problems)))
        if show and bool(problems) == row["good"]:
            facts = [(o.name, o.attributes.get("colour")) for o in scene.objects]
            print(
                row["id"],
                "good" if row["good"] else "BAD",
                row["question"],
                "|",
                row["reply"],
                [(p.code, p.words) for p in problems],
                facts,
            )
    print("free text:", score(pairs))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--free", type=Path)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    if given.free:
        free(given.free, given.show)
    else:
        template(given.items, given.seed, given.show)
