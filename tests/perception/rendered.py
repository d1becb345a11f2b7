"""Documents with known text from three renderers (PIL, a browser, matplotlib), for measuring how well perception reads.

Not a test: `benchmarks/perception.py --reading` and tests/perception/test_reading.py use it. Nothing here shares code
with the world's makers.
"""

from __future__ import annotations

import base64
import html
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parents[2] / "src" / "nunbit" / "world" / "fonts"
ITEMS_EN = [
    "Oat milk",
    "Rye bread",
    "Green tea",
    "Brown rice",
    "Apple juice",
    "Olive oil",
    "Black pepper",
    "Honey 250g",
    "Blue cheese",
    "Salmon",
]
ITEMS_KO = [
    "된장찌개",
    "비빔냉면",
    "불고기덮밥",
    "해물파전",
    "아이스 아메리카노",
    "녹차 라떼",
    "순두부찌개",
    "제육볶음",
    "떡만둣국",
    "유자차",
]
SHOPS = ["MAPLE STREET MARKET", "Corner Deli & Co", "NORTH PIER FOODS", "Sunrise Grocery"]
SIGNS = [
    "NO ENTRY",
    "PLATFORM 7",
    "WET PAINT",
    "LOST & FOUND",
    "Mind the step",
    "STAFF ONLY",
    "출입금지",
    "비상구",
    "주차장 입구",
    "PUSH BAR TO OPEN",
]
TOPICS = ["Quarter", "Region", "Planet", "City"]


@dataclass
class Document:
    """A picture with what is written on it: single lines or cells, in reading order."""

    name: str
    image: Image.Image
    lines: list[str]
    kind: str
    renderer: str


def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), size)


# ---- what is written


def receipt_rows(rng: np.random.Generator) -> tuple[list[str], list[tuple[str, str]]]:
    names = rng.choice(ITEMS_EN, 5, replace=False)
    prices = rng.integers(120, 1990, 5) / 100
    rows = [(str(n), f"{p:.2f}") for n, p in zip(names, prices, strict=True)]
    rows.append(("TOTAL", f"{prices.sum():.2f}"))
    return [str(rng.choice(SHOPS)), f"2026-0{rng.integers(1, 9)}-1{rng.integers(0, 9)} 14:{rng.integers(10, 59)}"], rows


def menu_rows(rng: np.random.Generator) -> tuple[str, list[tuple[str, str]]]:
    names = rng.choice(ITEMS_KO, 6, replace=False)
    prices = rng.integers(8, 30, 6)
    return "오늘의 메뉴", [(str(n), f"{int(p) * 500:,}원") for n, p in zip(names, prices, strict=True)]


def table_rows(rng: np.random.Generator) -> list[list[str]]:
    head = [str(rng.choice(TOPICS)), "Units", "Price", "Share"]
    labels = [f"Q{i}" for i in range(1, 5)] if head[0] == "Quarter" else ["Alpha", "Bravo", "Delta", "Omega"]
    return [head] + [
        [n, str(rng.integers(100, 999)), f"{rng.integers(10, 99)}.{rng.integers(0, 9)}", f"{rng.integers(2, 60)}%"]
        for n in labels
    ]


# ---- PIL


def pil_rows(
    title: list[str], rows: list[tuple[str, str]], *, ink: str, paper: str, face: str, size: int, dotted: bool
) -> Image.Image:
    width, step = size * 16, round(size * 1.7)
    image = Image.new("RGB", (width, step * (len(title) + len(rows) + 2)), paper)
    pen, letters = ImageDraw.Draw(image), font(face, size)
    y = step // 2
    for line in title:
        pen.text((width / 2, y), line, ink, letters, anchor="ma")
        y += step
    for left, right in rows:
        pen.text((size, y), left, ink, letters)
        pen.text((width - size, y), right, ink, letters, anchor="ra")
        if dotted:
            pen.line(
                (
                    size + pen.textlength(left, letters) + 6,
                    y + size,
                    width - size - pen.textlength(right, letters) - 6,
                    y + size,
                ),
                ink,
                1,
            )
        y += step
    return image


def pil_table(rows: list[list[str]], size: int, line_px: int, face: str) -> Image.Image:
    cell_w, cell_h = size * 6, size * 2
    image = Image.new("RGB", (cell_w * len(rows[0]) + 21, cell_h * len(rows) + 21), "white")
    pen, letters = ImageDraw.Draw(image), font(face, size)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            box = (10 + c * cell_w, 10 + r * cell_h, 10 + (c + 1) * cell_w, 10 + (r + 1) * cell_h)
            pen.rectangle(box, outline="black", width=line_px, fill="#dde6f0" if r == 0 else None)
            pen.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), text, "black", letters, anchor="mm")
    return image


def pil_sign(text: str, back: str, ink: str, face: str) -> Image.Image:
    letters = font(face, 54)
    width = int(letters.getlength(text)) + 120
    image = Image.new("RGB", (width, 190), "#8a9a86")
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((12, 12, width - 12, 178), 18, fill=back, outline=ink, width=5)
    pen.text((width / 2, 95), text, ink, letters, anchor="mm")
    return image


# ---- a browser


def browser() -> str | None:
    """A headless browser, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def html_picture(body: str, width: int, height: int) -> Image.Image:
    """A page as the browser draws it. The page names its own font file, so that Korean shows wherever this runs."""
    data = base64.b64encode((FONTS / "gothic.ttf").read_bytes()).decode()
    style = f"@font-face{{font-family:g;src:url(data:font/ttf;base64,{data})}}body{{margin:16px;font:18px g}}"
    page = f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}"
    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        source.write_text(page, encoding="utf-8")
        command = [
            browser() or "",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={width},{height}",
            f"--screenshot={shot}",
            source.as_uri(),
        ]
        subprocess.run(command, capture_output=True, timeout=120, check=True)
        return Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")


def html_rows(title: list[str], rows: list[tuple[str, str]], style: str) -> str:
    cells = "".join(f"<tr><td>{html.escape(a)}<td align=right>{html.escape(b)}" for a, b in rows)
    head = "<br>".join(map(html.escape, title))
    return f"<div style='{style};padding:20px'><h3>{head}</h3><table width=100%>{cells}</table></div>"


def html_table(rows: list[list[str]], style: str) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(c)}" for c in row) for row in rows)
    return f"<style>td{{{style};padding:8px 18px}}table{{border-collapse:collapse}}</style><table>{cells}</table>"


def html_settings(rng: np.random.Generator) -> tuple[str, list[str]]:
    names = ["Wi-Fi", "Bluetooth", "Display", "Battery saver", "Storage", "Language"]
    values = ["Connected", "Off", "Automatic", "On", f"{rng.integers(10, 90)} GB used", "English"]
    rows = "".join(
        f"<div style='display:flex;padding:12px;border-bottom:1px solid #ddd'><b style='flex:1'>{n}</b>"
        f"<span style='color:#666'>{v}</span></div>"
        for n, v in zip(names, values, strict=True)
    )
    bar = "<div style='background:#2457d6;color:#fff;padding:14px;font-size:22px'>Settings</div>"
    look = "margin:14px;background:#1b8a4b;color:#fff;border:0;padding:10px 24px;font:18px g"
    button = f"<button style='{look}'>Save changes</button>"
    return bar + rows + button, [
        "Settings",
        *[t for pair in zip(names, values, strict=True) for t in pair],
        "Save changes",
    ]


# ---- matplotlib


def plot_table(rows: list[list[str]]) -> Image.Image:
    figure, axes = _figure(6, 2.6)
    axes.axis("off")
    table = axes.table(cellText=rows[1:], colLabels=rows[0], loc="center")
    table.set_fontsize(13)
    table.scale(1, 1.7)
    return _drawn(figure)


def plot_text(title: list[str], rows: list[tuple[str, str]]) -> Image.Image:
    figure, axes = _figure(4.5, 5)
    axes.axis("off")
    for i, line in enumerate(title):
        axes.text(0.5, 0.97 - 0.09 * i, line, ha="center", fontsize=15, family="monospace")
    for i, (left, right) in enumerate(rows):
        y = 0.75 - 0.1 * i
        axes.text(0.02, y, left, fontsize=13, family="monospace")
        axes.text(0.98, y, right, fontsize=13, ha="right", family="monospace")
    return _drawn(figure)


def plot_bars(rng: np.random.Generator) -> tuple[Image.Image, list[str]]:
    figure, axes = _figure(5.5, 4)
    names = list(rng.choice(["Seoul", "Lagos", "Quito", "Perth", "Malmo", "Turin"], 4, replace=False))
    axes.bar(names, rng.integers(10, 90, 4), color="#c0562f")
    axes.set_title("Visitors by city")
    axes.set_ylabel("thousand")
    return _drawn(figure), ["Visitors by city", *map(str, names)]


def _figure(width: float, height: float):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), dpi=110)


def _drawn(figure) -> Image.Image:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


# ---- the set


def documents(seed: int = 0, rounds: int = 2, with_browser: bool = True) -> list[Document]:
    """24 documents a round with a browser, 15 without."""
    rng = np.random.default_rng(seed)
    out: list[Document] = []

    def add(kind: str, renderer: str, image: Image.Image, lines: list[str]) -> None:
        out.append(Document(f"{renderer}-{kind}-{len(out)}", image, lines, kind, renderer))

    for _ in range(rounds):
        for face, size, ink, paper in (("gothic", 22, "black", "white"), ("round", 18, "#333", "#fbf7ea")):
            title, rows = receipt_rows(rng)
            add(
                "receipt",
                "pil",
                pil_rows(title, rows, ink=ink, paper=paper, face=face, size=size, dotted=False),
                _flat(title, rows),
            )
        for face, ink, paper in (
            ("gothic", "#fff7d6", "#2b3a2e"),
            ("gothic-bold", "#40220f", "#f3e3c3"),
            ("round", "black", "white"),
        ):
            head, rows = menu_rows(rng)
            add(
                "menu",
                "pil",
                pil_rows([head], rows, ink=ink, paper=paper, face=face, size=24, dotted=face == "gothic"),
                _flat([head], rows),
            )
        for size, px in ((20, 1), (26, 2), (16, 1)):
            table = table_rows(rng)
            add("table", "pil", pil_table(table, size, px, "gothic"), [c for row in table for c in row])
        for back, ink in (("#c01820", "white"), ("#0b6b35", "white"), ("#f6c915", "black"), ("#1d3f8f", "#fdf4c8")):
            text = SIGNS[int(rng.integers(len(SIGNS)))]
            add("sign", "pil", pil_sign(text, back, ink, "gothic-bold"), [text])
        title, rows = receipt_rows(rng)
        add("receipt", "plot", plot_text(title, rows), _flat(title, rows))
        table = table_rows(rng)
        add("table", "plot", plot_table(table), [c for row in table for c in row])
        image, lines = plot_bars(rng)
        add("chart", "plot", image, lines)
        if with_browser and browser():
            _add_pages(rng, add)
    return out


def _add_pages(rng: np.random.Generator, add: Callable[[str, str, Image.Image, list[str]], None]) -> None:
    for style in ("background:#fff", "background:#111;color:#eee"):
        title, rows = receipt_rows(rng)
        add("receipt", "html", html_picture(html_rows(title, rows, style), 420, 420), _flat(title, rows))
    for style in ("background:#7a1f2b;color:#fff", "background:#fff;font-size:22px"):
        head, rows = menu_rows(rng)
        add("menu", "html", html_picture(html_rows([head], rows, style), 460, 460), _flat([head], rows))
    for style in ("border:1px solid #000", "border:1px solid #bbb;background:#f2f5fa", "border-bottom:2px solid #444"):
        table = table_rows(rng)
        add("table", "html", html_picture(html_table(table, style), 520, 290), [c for row in table for c in row])
    body, lines = html_settings(rng)
    add("screenshot", "html", html_picture(body, 480, 460), lines)
    text = SIGNS[int(rng.integers(len(SIGNS)))]
    look = "background:#d35400;color:#fff;font:bold 60px g;padding:40px;text-align:center"
    sign = f"<div style='{look}'>{html.escape(text)}</div>"
    add("sign", "html", html_picture(sign, 640, 220), [text])


def _flat(title: list[str], rows: list[tuple[str, str]]) -> list[str]:
    return [*title, *[t for row in rows for t in row]]
