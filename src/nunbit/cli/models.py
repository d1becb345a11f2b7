"""What `nunbit models list` shows: our models, parts that can be fetched, and hub models that are known to work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nunbit.models.hub import is_here, list_parts
from nunbit.models.hub_parts import ASSEMBLED, HUB_MODELS
from nunbit.models.small import is_shipped


def known_models() -> dict[str, Any]:
    """Rows of our ``models`` and of ``parts``, each with whether it is ``here``, and of ``hub`` models."""
    parts = [asdict(part) | {"here": here} for part, here in list_parts()]
    ours = [asdict(model) | {"here": is_shipped() and is_here(name)} for name, model in ASSEMBLED.items()]
    return {"models": ours, "parts": parts, "hub": [asdict(m) for m in HUB_MODELS]}


def as_text(report: dict[str, Any]) -> str:
    """`known_models` as a table."""
    lines = ["models of nunbit (nunbit models get NAME, then --model NAME)"]
    for m in report["models"]:
        size = f"{m['size_mb']:.0f} MB kept, beside {m['base']}"
        lines.append(f"  {'*' if m['here'] else ' '} {m['name']:28} {size}  {m['licence']:11} {m['about']}")
    lines.append(f"  * {'nunbit-tiny':28} ships with nunbit  {'MIT':11} drawings only; needs no network")
    lines.append("parts (nunbit models get NAME)")
    for p in report["parts"]:
        size = f"{p['download_mb']:6.0f} MB to fetch, {p['size_mb']:4.0f} MB kept"
        lines.append(f"  {'*' if p['here'] else ' '} {p['name']:28} {size}  {p['licence']:11} {p['about']}")
    lines += ["  (* is here)", "hub models, for users with a network (--model ID)"]
    for m in report["hub"]:
        size = f"{m['size_gb']:5.1f} GB, {m['memory_gb']:4.1f} GB of memory"
        lines.append(f"    {m['id']:44} {size}  {m['about']}")
    return "\n".join(lines)
