"""LLaVA-OneVision's mixes: YAML ``datasets: [{json_path, sampling_strategy}]``.

A rule is ``all``, ``first:N``, ``end:N`` or ``random:N``, where N is a number or a share such as ``10%``.
Source: LLaVA-NeXT, scripts/train, and train.py, where a share is rounded up.
"""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from typing import Any

from nunbit.data.formats import llava
from nunbit.data.formats.json_text import read_json
from nunbit.data.formats.sample import Dataset
from nunbit.errors import UserError
from nunbit.files import decoded_text

RULES = "all, first:N, end:N, random:N, where N is a number or a share such as 10%"
_RULE = re.compile(r"^(first|end|random):(\d+(?:\.\d+)?)(%?)$")
YAML_BYTES_MAX, FILES_MAX = 1 << 20, 1_000


def read_mix(file: Path, images: Path, seed: int) -> Dataset:
    """The samples of all files of a mix, as its rules take them.

    Args:
        seed: of ``random`` rules.

    Raises:
        UserError: no such mix, or a rule that is none.
    """
    import yaml

    try:
        if file.stat().st_size > YAML_BYTES_MAX:
            raise UserError(f"'{file}' is no mix", allowed=f"a YAML file of at most {YAML_BYTES_MAX >> 20} MB")
        loaded = yaml.safe_load(decoded_text(file.read_bytes()))
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError) as e:
        raise UserError(f"'{file}' cannot be read ({type(e).__name__})", allowed="YAML in UTF-8") from None
    entries = loaded.get("datasets") if isinstance(loaded, dict) else None
    if not isinstance(entries, list) or not 0 < len(entries) <= FILES_MAX:
        raise UserError(f"'{file}' is no mix", allowed="datasets: a list of json_path and sampling_strategy")
    samples = []
    for number, entry in enumerate(entries):
        path = entry.get("json_path") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            raise UserError(f"'{file}' entry {number} names no json_path", allowed="a path")
        records = read_json(file.parent / path).records
        chosen = _chosen(records, str(entry.get("sampling_strategy") or "all"), seed + number)
        samples += [llava.from_record(r, f"{Path(path).name} sample {i}") for i, r in chosen]
    return Dataset(samples, "onevision", images)


def _chosen(records: list[Any], rule: str, seed: int) -> list[tuple[int, Any]]:
    numbered = [*enumerate(records)]
    if rule == "all":
        return numbered
    found = _RULE.match(rule.strip())
    if not found:
        raise UserError(f"the sampling strategy is {rule[:40]!r}", allowed=RULES)
    number = float(found[2])
    many = min(len(records), math.ceil(len(records) * number / 100 if found[3] else number))
    if found[1] == "random":
        random.Random(seed).shuffle(numbered)
    return numbered[len(numbered) - many :] if found[1] == "end" else numbered[:many]
