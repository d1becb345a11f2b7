"""Plot a training run's loss, accuracy and held-out answers from its logs.

python -m tools.plot_run docs/nunbit-small-curve.png RUN/scene_text RUN/connect
"""

import json
import sys
from pathlib import Path

SMOOTHED = ("loss", "accuracy")
WINDOW = 10


def rows(folder: Path) -> list[dict]:
    """The log of a stage, each step once."""
    held = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return sorted({r["step"]: r for r in held}.values(), key=lambda r: r["step"])


def draw(out: Path, folders: list[Path]) -> None:
    """One panel a stage: means over `WINDOW` steps, and points where the run evaluated."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(folders), figsize=(5 * len(folders), 3.2), layout="constrained", squeeze=False)
    for axes, folder in zip(panels[0], folders, strict=True):
        log = rows(folder)
        for key in SMOOTHED:
            parts = [log[i : i + WINDOW] for i in range(0, len(log), WINDOW)]
            axes.plot([p[0]["step"] for p in parts], [sum(r[key] for r in p) / len(p) for p in parts], label=key)
        for key in sorted({k for r in log for k in r if k.startswith("eval/")}):
            points = [(r["step"], r[key]) for r in log if key in r]
            axes.plot(*zip(*points, strict=True), "o--", label=key)
        axes.set(title=folder.name, xlabel="step", ylim=(0, 1.5))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(out, dpi=90)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), [Path(f) for f in sys.argv[2:]])
