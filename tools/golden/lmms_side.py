"""One benchmark as lmms-eval has it, the base of `tools.golden.lmms`. Importing it replaces packages that go unused."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tools.golden.absent import SCORING, bare_package, stand_in

os.environ.setdefault("OPENAI_API_KEY", "EMPTY")
stand_in(SCORING)
TASKS = next(Path(p) / "lmms_eval" / "tasks" for p in sys.path if (Path(p) / "lmms_eval" / "tasks").is_dir())
for package in ("tasks", "models"):
    bare_package(f"lmms_eval.{package}", TASKS.with_name(package))
Answers = tuple[dict[str, float], dict[str, float]]
"""Scores by item or unit, and totals by the name of the figure."""


class _Loader(yaml.SafeLoader):
    """Task files name functions by a tag; what is wanted here are their plain settings."""


_Loader.add_constructor("!function", lambda loader, node: node.value)


def settings(file: str) -> dict[str, Any]:
    """``lmms_eval_specific_kwargs: default`` of a task file."""
    content = yaml.load((TASKS / file).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return dict(content.get("lmms_eval_specific_kwargs", {}).get("default", {}))


class Side:
    """One benchmark as lmms-eval has it."""

    module: str
    file: str = ""

    def __init__(self, table: Path, items: Sequence[Any]) -> None:
        self.items = items
        self.task = importlib.import_module(f"lmms_eval.tasks.{self.module}")
        self.settings = settings(self.file) if self.file else {}
        self.docs = {i.id: self.doc(i) for i in items}

    def doc(self, item: Any) -> dict[str, Any]:
        raise NotImplementedError

    def prompt(self, doc: dict[str, Any]) -> str:
        raise NotImplementedError

    def prompts(self) -> dict[str, str]:
        return {k: self.prompt(d) for k, d in self.docs.items()}

    def score(self, replies: dict[str, str]) -> Answers:
        raise NotImplementedError


class PerItem(Side):
    """Tasks whose every reply has a score of its own under one name."""

    figure = "accuracy"

    def one(self, doc: dict[str, Any], reply: str) -> float:
        raise NotImplementedError

    def score(self, replies: dict[str, str]) -> Answers:
        scores = {k: self.one(dict(d), replies[k]) for k, d in self.docs.items()}
        return scores, {self.figure: mean(scores)}


def mean(scores: dict[str, float]) -> float:
    return 100 * sum(scores.values()) / len(scores)
