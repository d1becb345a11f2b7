"""What `nunbit models list` shows: parts that can be fetched, and hub models that are known to work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nunbit.models.hub import list_parts
from nunbit.models.hub_parts import HUB_MODELS


def known_models() -> dict[str, Any]:
    """Rows of ``parts``, each with whether it is ``here``, and of ``hub`` models."""
    parts = [asdict(part) | {"here": here} for part, here in list_parts()]
    return {"parts": parts, "hub": [asdict(m) for m in HUB_MODELS]}


def as_text(report: dict[str, Any]) -> str:
    """`known_models` as a table."""
    lines = ["parts (nunbit models get NAME)"]
    for p in report["parts"]:
        size = f"{p['download_mb']:6.0f} MB to fetch, {p['size_mb']:4.0f} MB kept"
        lines.append(f"  {'*' if p['here'] else ' '} {p['name']:28} {size}  {p['licence']:11} {p['about']}")
    lines += ["  (* is here)", "hub models, for users with a network (--model ID)"]
    for m in report["hub"]:
        size = f"{m['size_gb']:5.1f} GB, {m['memory_gb']:4.1f} GB of memory"
        lines.append(f"    {m['id']:44} {size}  {m['about']}")
    return "\n".join(lines)
