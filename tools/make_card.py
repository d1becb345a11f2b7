"""Write the embedded model's card and its training curve from the logs of a run and the JSON of an evaluation.

nunbit eval tiny-world --json > eval.json
python -m tools.make_card RUN_FOLDER eval.json [stage=batch ...] ["a note" ...]
"""

import json
import math
import sys
from pathlib import Path

from nunbit.evaluation.old_names import with_current_keys
from nunbit.training.aliases import stage_folder

ROOT = Path(__file__).parents[1]
CARD = ROOT / "src/nunbit/models/weights/nunbit-tiny/README.md"
LICENCE = "Licence: MIT, as nunbit. Trained on generated pictures; whose artwork they show is in `world/art/NOTICE.md`."
CURVE = ROOT / "docs/nunbit-tiny-curve.png"
FIGURES = {
    "encoder": ("glyph_ok", "name_ok", "colour_ok"),
    "language": ("token_ok", "answer_ok"),
    "connect": ("imitate",),
    "together": ("token_ok", "answer_ok", "glyph_ok", "name_ok"),
    "scene_text": ("token_ok", "answer_ok"),
    "object_aware": ("token_ok", "answer_ok"),
}


def stages(run: Path) -> dict[str, list[dict]]:
    """The log of each stage up to the checkpoint that the next stage began with."""
    import torch

    out = {}
    for stage in FIGURES:
        folder = stage_folder(run, stage)
        if (folder / "last.pt").exists():
            last = torch.load(folder / "last.pt", weights_only=True)["step"]
            rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
            out[stage] = sorted({r["step"]: r for r in rows if r["step"] <= last}.values(), key=lambda r: r["step"])
    return out


def draw_curve(logs: dict[str, list[dict]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(logs), figsize=(4 * len(logs), 3), layout="constrained")
    for axes, (stage, rows) in zip(panels, logs.items(), strict=True):
        for key in FIGURES[stage]:
            values = [(r["step"], r[key]) for r in rows if r.get(key) == r.get(key) and key in r]
            width = max(1, len(values) // 30)
            means = [
                sum(v for _, v in values[i : i + width]) / len(values[i : i + width])
                for i in range(0, len(values), width)
            ]
            axes.plot([values[i][0] for i in range(0, len(values), width)], means, label=key)
        axes.set_title(stage)
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8)
    figure.savefig(CURVE, dpi=80)


def millions(name: str) -> str:
    """Parameters in one of the model's files, in millions."""
    from safetensors import safe_open

    with safe_open(CARD.parent / f"{name}.safetensors", framework="pt") as held:
        sizes = [math.prod(held.get_slice(key).get_shape()) for key in held.keys()]  # noqa: SIM118 (not a dict)
        return f"{sum(sizes) / 1e6:.1f}"


def object_aware_part() -> str:
    """The size of the object-aware module, where the model has one."""
    files = [f for f in ("object_aware", "aware") if (CARD.parent / f"{f}.safetensors").exists()]
    return f" (and {millions(files[0])} in the object-aware module)" if files else ""


def card(logs: dict[str, list[dict]], result: dict, batches: dict[str, str], notes: list[str]) -> str:
    lines = [
        "---\nlicense: mit\n---",
        "# nunbit-tiny",
        "",
        f"{millions('model')} million parameters{object_aware_part()}, trained from scratch on pictures of the",
        "procedural world only, on a processor with two cores (Intel Xeon 2.5 GHz, no accelerator). It answers in",
        "English and Korean about pictures like those of the world. It was never trained on photographs.",
        "",
        "Recipe: `nunbit train tiny` (`src/nunbit/recipes/tiny/`); data: `nunbit.world.samples`, drawn as it goes.",
        "Optimiser steps and minutes of this version, read from its logs:",
        "",
        "| stage | steps | minutes | pictures a step |",
        "|---|--:|--:|--:|",
    ]
    for stage, rows in logs.items():
        lines.append(
            f"| {stage} | {rows[-1]['step']} | {sum(r['seconds'] for r in rows) / 60:.0f} | {batches.get(stage, '')} |"
        )
    lines += ["", *notes] if notes else []
    lines += [
        "",
        "![curve](../../../../../docs/nunbit-tiny-curve.png)",
        "",
        f"`nunbit eval tiny-world --seed {result['seed']} --limit {result['questions']}`, held-out "
        "pictures, 95 % intervals by pictures:",
        "",
        "| | n | right | interval | blank-image baseline | majority baseline |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for by, rows in result["tables"].items():
        for name, r in rows.items():
            low, high = r["interval"]
            label = "**all**" if by == "all" else f"{by}: {name}"
            right, interval = f"{100 * r['right']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f}"
            baselines = f"{100 * r['blank_image']:.1f} % | {100 * r['majority']:.1f} %"
            lines.append(f"| {label} | {r['n']} | {right} | {interval} | {baselines} |")
    lines += ["", LICENCE]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    logs = stages(Path(sys.argv[1]))
    draw_curve(logs)
    batches = dict(a.split("=") for a in sys.argv[3:] if "=" in a)
    notes = [a for a in sys.argv[3:] if "=" not in a]
    CARD.write_text(card(logs, with_current_keys(json.loads(Path(sys.argv[2]).read_text())), batches, notes))
    print(CARD)
