"""Make the example pictures with software that shares nothing with our generator: Chromium and matplotlib.

    python -m tools.make_examples FOLDER_OF_ICON_SETS    as for tools.make_artwork; only fluent-emoji-flat is used

fluent-emoji-flat is the style that training never shows. Needs chromium, pdftoppm (poppler-utils) and matplotlib.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

OUT = Path(__file__).parents[1] / "examples"
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def chromium(html: str, *options: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(
            "<!doctype html><meta charset=utf-8><style>body{margin:0;font-family:'DejaVu Sans','NanumGothic'}</style>"
            + html
        )
        subprocess.run(
            [*CHROMIUM, f"--user-data-dir={folder}/profile", *options, page.as_uri()],
            check=True,
            capture_output=True,
            timeout=120,
        )


def shot(name: str, html: str, width: int, height: int) -> None:
    chromium(html, f"--screenshot={OUT / name}", f"--window-size={width},{height}", "--force-device-scale-factor=1")


def icon(sets: Path, name: str, size: int, x: int, y: int) -> str:
    data = json.loads((sets / "fluent-emoji-flat" / "icons.json").read_text())
    body = data["icons"][name]["body"]
    place = f"position:absolute;left:{x}px;top:{y}px"
    return f'<svg style="{place}" width="{size}" height="{size}" viewBox="0 0 32 32">{body}</svg>'


def main(sets: Path) -> None:
    OUT.mkdir(exist_ok=True)
    scene = (
        '<body style="background:linear-gradient(#bfe3ff 60%,#8ccf7e 60%)">'
        + icon(sets, "elephant", 190, 40, 250)
        + icon(sets, "automobile", 170, 420, 270)
        + icon(sets, "balloon", 120, 290, 40)
    )
    shot("animals.png", scene, 640, 480)
    page = """<body style="background:#fff">
      <div style="background:#2653c8;color:#fff;font-size:44px;padding:24px">NOTICE</div>
      <p style="font-size:40px;margin:24px">The library is closed</p>
      <p style="font-size:40px;margin:24px">Open: 9:30</p>"""
    shot("page.png", page, 520, 400)
    sign = """<body style="background:#6b8f71">
      <div style="margin:90px 50px;background:#fff;border:10px solid #1d4fa3;border-radius:20px;
      text-align:center;font:bold 92px NanumGothic;color:#1d4fa3;padding:50px 0">주차금지</div>"""
    shot("sign.png", sign, 560, 420)
    invoice = """<style>@page{size:110mm 110mm;margin:6mm}td{padding:1.6mm}table{width:100%;font-size:20pt}</style>
      <body>
      <div style="font-size:24pt">River Shop</div><table><tr><td>bread<td align=right>$3.20
      <tr><td>milk<td align=right>$2.45<tr><td>cheese<td align=right>$6.10
      <tr><td><b>Total</b><td align=right><b>$11.75</b></table>"""
    with tempfile.TemporaryDirectory() as folder:
        chromium(invoice, f"--print-to-pdf={folder}/i.pdf", "--no-pdf-header-footer")
        subprocess.run(
            ["pdftoppm", "-png", "-r", "120", "-singlefile", f"{folder}/i.pdf", str(OUT / "invoice")], check=True
        )
    grid = [[3, 0, 2, 4], [2, 4, 0, 3], [0, 2, 3, 1], [1, 3, 4, 2]]
    rows = "".join("<tr>" + "".join(f"<td>{d or ''}" for d in r) for r in grid)
    cell = "td{border:3px solid #222;width:100px;height:100px;text-align:center;font-size:64px}"
    style = f"<style>table{{border-collapse:collapse;margin:30px}}{cell}</style>"
    shot("sudoku.png", style + f"<body style='background:#fffdf5'><table>{rows}</table>", 480, 480)
    chart()


def chart() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.8, 4.8), dpi=100)
    bars = axes.bar(["Mon", "Tue", "Wed"], [12, 30, 22], color=["#d62828", "#2653c8", "#2e8c3c"])
    axes.bar_label(bars, fontsize=22)
    axes.tick_params(labelsize=22)
    axes.set_yticks([])
    axes.set_title("Visits", fontsize=24)
    figure.tight_layout()
    figure.savefig(OUT / "chart.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
