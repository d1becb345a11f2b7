"""Encoded conversations on disk: of a part of a data set the ids of all conversations end to end, which are read as
memory maps, so that memory holds what a step shows.

    KEY/00000-of-00002/STREAM.ids.npy  .loss_mask.npy  .repeats.npy
    KEY/00000-of-00002/STREAM.json     length, pictures and name of each conversation; how many were left out and why

Letters: N ids of all conversations of a part.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import nunbit
from nunbit.files import whole_folder
from nunbit.models.prompt import Prompt, PromptBuilder

ARRAYS = ("ids", "loss_mask", "repeats")
_PART = re.compile(r"(\d{5})-of-(\d{5})")


@dataclass(slots=True)
class Encoded:
    """Prompts, and how many conversations were left out for which reason."""

    prompts: list[Prompt] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def part_name(rank: int, size: int) -> str:
    """The folder of a process's part."""
    return f"{rank:05}-of-{size:05}"


def complete_parts(folder: Path) -> list[str]:
    """Names of the parts in order, if all are there that some number of processes wrote; else none."""
    found = [m for p in folder.glob("*-of-*") if (m := _PART.fullmatch(p.name))]
    for size in {int(m[2]) for m in found}:
        if sum(int(m[2]) == size for m in found) == size:
            return [part_name(rank, size) for rank in range(size)]
    return []


def write_part(folder: Path, streams: Mapping[str, Encoded]) -> None:
    """Write a part, whole or not at all. Pictures must be paths."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as aside:
        aside.mkdir()
        for name, held in streams.items():
            for array in ARRAYS:
                every = [getattr(p, array) for p in held.prompts]
                np.save(aside / f"{name}.{array}.npy", np.concatenate(every) if every else np.zeros(0, np.int32))
            rows = [[len(p.ids), [str(m) for m in p.media], p.name] for p in held.prompts]
            facts = {"samples": rows, "dropped": dict(held.dropped)}
            (aside / f"{name}.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def read_parts(folder: Path, parts: Sequence[str], name: str) -> Encoded:
    """A stream of all parts, in order; the arrays ``(N,)`` stay on disk."""
    out = Encoded()
    for part in parts:
        facts: dict[str, Any] = json.loads((folder / part / f"{name}.json").read_text(encoding="utf-8"))
        out.dropped.update(facts["dropped"])
        if not facts["samples"]:
            continue
        ids, mask, repeats = (np.load(folder / part / f"{name}.{a}.npy", mmap_mode="r") for a in ARRAYS)
        at = 0
        for length, media, called in facts["samples"]:
            here = slice(at, at + length)
            out.prompts.append(Prompt(ids[here], mask[here], repeats[here], tuple(map(Path, media)), called))
            at += length
    return out


def key_of(*facts: Any) -> str:
    """Sixteen hex digits of all that decides what is encoded, and of the code that does it."""
    return hashlib.sha256(repr((code_digest(), *facts)).encode()).hexdigest()[:16]


def builder_facts(builder: PromptBuilder, config: Any) -> list[str]:
    """What decides the ids that a builder makes for a model of this config."""
    tokenizer = builder.template.tokenizer
    counts = config.to_json_string() if callable(builder.image_tokens) else str(builder.image_tokens)
    return [tokenizer.backend_tokenizer.to_str(), str(builder.template.template), builder.image_token, counts]


def file_facts(file: str | Path, pictures: Iterable[Path]) -> list[Any]:
    """What decides the content of a data file and of its pictures: the file's digest, their sizes and times."""
    return [hashlib.sha256(Path(file).read_bytes()).hexdigest(), [_stamp(p) for p in sorted(set(pictures))]]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), facts.st_size, facts.st_mtime_ns


@lru_cache
def code_digest() -> str:
    """Of the package's source files: what other code encoded is encoded again."""
    root = Path(nunbit.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.glob("**/*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
