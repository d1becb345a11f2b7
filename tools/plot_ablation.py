"""Draw an ablation: right answers of each variant with intervals for estimated and true Scenes, and the mixer's gates.

    nunbit eval ablation -o runs/ablation
    python -m tools.plot_ablation runs/ablation [PICTURE]    the picture is docs/ablation.png unless named

The tables, over all questions and by kind, are printed as Markdown.
"""

import json
import sys
from pathlib import Path

from nunbit.evaluation.old_names import with_current_keys

ROOT = Path(__file__).parents[1]
COLOURS = {"estimated": "#2a6fbb", "true": "#e08a2b"}
SIDES = {"image": ("aux", "language", "self"), "language": ("aux", "image", "self")}


def draw(rows: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    gated = next((r for r in rows if r["variant"] == "all" and r["gates"]), None) or next(
        (r for r in rows if r["gates"]), None
    )
    figure, panels = plt.subplots(
        1,
        3 if gated else 1,
        figsize=(15 if gated else 6, 4.6),
        layout="constrained",
        squeeze=False,
        width_ratios=(2.2, 1, 1) if gated else None,
    )
    bars(panels[0][0], rows)
    for axes, (side, experts) in zip(panels[0][1:], SIDES.items() if gated else (), strict=True):
        kinds = sorted(gated["gates"][side])
        values = [gated["gates"][side][k] for k in kinds]
        axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(3), experts)
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_title(f"{gated['variant']}, {gated['scenes']}: {side} rows attend to", fontsize=10)
        for y, row in enumerate(values):
            for x, v in enumerate(row):
                axes.text(x, y, f"{v:.2f}", ha="center", va="center", fontsize=8, color="white" if v > 0.6 else "black")
    figure.savefig(path, dpi=80)


def bars(axes, rows: list[dict]) -> None:
    """Two bars a variant: all questions, and the unseen style as a mark."""
    variants, scenes = list(dict.fromkeys(r["variant"] for r in rows)), list(dict.fromkeys(r["scenes"] for r in rows))
    for r in rows:
        x = variants.index(r["variant"]) + (scenes.index(r["scenes"]) - (len(scenes) - 1) / 2) * 0.38 * (
            r["variant"] != "plain"
        )
        right, (low, high) = 100 * r["all"]["right"], (100 * v for v in r["all"]["interval"])
        axes.bar(x, right, 0.36, color="#777777" if r["variant"] == "plain" else COLOURS[r["scenes"]])
        axes.errorbar(x, right, [[right - low], [high - right]], color="black", capsize=3, linewidth=1)
        if r["unseen"]:
            axes.plot(x, 100 * r["unseen"]["right"], "D", color="white", markeredgecolor="black", markersize=5)
    axes.set_xticks(range(len(variants)), variants)
    axes.set_ylim(0, 100)
    axes.set_ylabel("right answers, %")
    handles = [axes.bar(0, 0, color=COLOURS[s]) for s in scenes] + axes.plot(
        [], [], "D", color="white", markeredgecolor="black"
    )
    axes.legend(handles, [*(f"{s} Scenes" for s in scenes), "unseen style"], fontsize=8, loc="lower right")


def tables(rows: list[dict]) -> str:
    """Two tables: what each variant has and gains, and its right answers by kind of question."""

    def scenes_of(row: dict) -> str:
        return row["scenes"] if row["variant"] != "plain" else ""

    def with_interval(figure: dict | None, plus: str = "") -> str:
        if not figure:
            return ""
        value = figure["points"] if plus else 100 * figure["right"]
        low, high = figure["interval"] if plus else (100 * v for v in figure["interval"])
        return f"{value:{plus}.1f} ({low:{plus}.1f} to {high:{plus}.1f})"

    out = ["| variant | Scenes | right, % | unseen style | gain over plain | by seed |", "|---|---|---|--:|---|---|"]
    for r in rows:
        seeds = ", ".join(f"{100 * v:.1f}" for v in r["by_seed"])
        unseen = f"{100 * r['unseen']['right']:.1f}" if r["unseen"] else ""
        cells = (r["variant"], scenes_of(r), with_interval(r["all"]), unseen, with_interval(r["gain"], "+"), seeds)
        out.append(f"| {' | '.join(cells)} |")
    kinds = sorted({k for r in rows for k in r["kinds"]})
    out += ["", "| variant | Scenes | " + " | ".join(kinds) + " |", "|---|---|" + "--:|" * len(kinds)]
    for r in rows:
        cells = (r["variant"], scenes_of(r), *(f"{100 * r['kinds'][k]:.0f}" for k in kinds))
        out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out)


def main() -> None:
    folder = Path(sys.argv[1])
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/ablation.png"
    rows = with_current_keys(json.loads((folder / "ablation.json").read_text(encoding="utf-8")))["rows"]
    print(tables(rows))
    draw(rows, path)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
