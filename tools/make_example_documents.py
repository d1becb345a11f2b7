"""Make the example photographs, and the example documents as real programs show them: a browser and matplotlib.

    python -m tools.make_example_documents       needs chromium, matplotlib and scikit-image

Nothing here is shared with the training world, which draws with Pillow and canvases of its own. The photographs are
those of scikit-image whose licence allows it, made smaller; `examples/NOTICE` says whose they are.
"""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path

from tools.make_examples import OUT, shot

FONTS = OUT.parent / "src" / "nunbit" / "world" / "fonts"
FONT_FILES = {"Sans": "sans.ttf", "Sans Bold": "sans-bold.ttf", "Mono": "mono.ttf", "Gothic": "gothic.ttf"}
FONT_FILES |= {"Gothic Bold": "gothic-bold.ttf", "Round": "round.ttf"}
PHOTOGRAPHS = {
    "cat.jpg": "chelsea.png",
    "coffee.jpg": "coffee.png",
    "astronaut.jpg": "astronaut.png",
    "rocket.jpg": "rocket.jpg",
    "photographer.jpg": "camera.png",
    "coins.jpg": "coins.png",
}
"""Our file and the one of scikit-image."""
LONGEST_PX, QUALITY = 640, 85


def main() -> None:
    """Write all of them."""
    photographs()
    shot("receipt.png", faces("Mono") + RECEIPT, 420, 600)
    shot("menu.png", faces("Round", "Gothic", "Gothic Bold") + MENU, 560, 640)
    shot("flights.png", faces("Sans", "Sans Bold") + FLIGHTS, 720, 330)
    shot("road.png", faces("Sans Bold", "Gothic Bold") + ROAD, 640, 420)
    shot("hours.png", faces("Sans", "Sans Bold") + HOURS, 480, 480)
    shot("settings.png", faces("Sans", "Sans Bold") + SETTINGS, 400, 640)
    rainfall()


def photographs() -> None:
    """The photographs as JPEG, at most `LONGEST_PX` wide or high."""
    from PIL import Image

    found = importlib.util.find_spec("skimage")
    assert found and found.origin, "scikit-image is not installed"
    for name, source in PHOTOGRAPHS.items():
        image = Image.open(Path(found.origin).parent / "data" / source).convert("RGB")
        image.thumbnail((LONGEST_PX, LONGEST_PX))
        image.save(OUT / name, quality=QUALITY, optimize=True)


def faces(*names: str) -> str:
    """A style element with the named fonts inside, so that the page looks the same on every machine."""
    rules = []
    for name in names:
        data = base64.b64encode((FONTS / FONT_FILES[name]).read_bytes()).decode()
        rules.append(f"@font-face{{font-family:'{name}';src:url(data:font/ttf;base64,{data})}}")
    return f"<style>{''.join(rules)}*{{box-sizing:border-box}}</style>"


def _rows(*rows: tuple[str, ...], tag: str = "td") -> str:
    return "".join("<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in row) + "</tr>" for row in rows)


RECEIPT = f"""<style>
  body {{ background: #8a8378; font: 17px Mono; color: #222 }}
  main {{ width: 340px; margin: 18px auto; padding: 22px; background: #fbfaf6; box-shadow: 2px 4px 14px #0006 }}
  h1 {{ font: 26px Mono; letter-spacing: 3px; margin: 0 0 4px }} p {{ margin: 2px 0 }} .c {{ text-align: center }}
  table {{ width: 100%; border-collapse: collapse }} td:last-child {{ text-align: right }} td {{ padding: 3px 0 }}
  hr {{ border: 0; border-top: 2px dashed #777; margin: 12px 0 }} .total td {{ font-size: 23px; padding-top: 8px }}
</style><main>
  <div class=c><h1>CORNER CAFE</h1><p>12 Mill Street</p><p>2026-03-14  10:42</p></div><hr>
  <table>{
    _rows(
        ("2 x Latte", "8.40"),
        ("1 x Green tea", "3.10"),
        ("1 x Cheese bagel", "4.25"),
        ("3 x Cookie", "5.70"),
    )
}</table><hr>
  <table>{_rows(("Subtotal", "21.45"), ("Tax 8%", "1.72"))}<tr class=total><td>TOTAL<td>$23.17</tr></table><hr>
  <table>{_rows(("Cash", "$30.00"), ("Change", "$6.83"))}</table>
  <p class=c style="margin-top:18px">Thank you!</p></main>"""

MENU = f"""<style>
  body {{ background: #f6ecd9; color: #3b2414; margin: 0; padding: 26px 44px; font: 30px Gothic }}
  h1 {{ font: 50px Round; text-align: center; margin: 0 0 6px; color: #8c1d18 }}
  h2 {{ font: 25px 'Gothic Bold'; border-bottom: 3px solid #8c1d18; padding-bottom: 4px; margin: 24px 0 6px }}
  table {{ width: 100%; border-collapse: collapse }} td:last-child {{ text-align: right }} td {{ padding: 7px 0 }}
</style><h1>한솔식당</h1>
  <h2>식사</h2><table>{
    _rows(("김치찌개", "9,000원"), ("된장찌개", "8,500원"), ("비빔밥", "10,000원"), ("물냉면", "9,500원"))
}</table>
  <h2>요리와 음료</h2><table>{_rows(("불고기", "16,000원"), ("해물파전", "14,000원"), ("식혜", "3,000원"))}</table>"""

FLIGHTS = f"""<style>
  body {{ background: #fff; margin: 26px; font: 21px Sans; color: #111 }}
  h1 {{ font: 25px 'Sans Bold'; margin: 0 0 16px }} table {{ border-collapse: collapse; width: 100% }}
  th {{ font-family: 'Sans Bold'; font-weight: 400; text-align: left; background: #dfe6ee }}
  td, th {{ border: 1.5px solid #55606c; padding: 9px 14px }}
</style><h1>Departures</h1><table>{_rows(("Flight", "To", "Time", "Gate", "Status"), tag="th")}{
    _rows(
        ("KE 905", "Frankfurt", "12:25", "23", "Boarding"),
        ("OZ 102", "Tokyo", "13:10", "8", "On time"),
        ("AF 267", "Paris", "13:40", "31", "Delayed"),
        ("SQ 607", "Singapore", "14:05", "17", "On time"),
    )
}</table>"""

ROAD = """<style>
  body { margin: 0; height: 100vh; background: linear-gradient(#8fb8dd, #dfeaf2 62%, #6d7f5a 62%, #58694a) }
  i { position: absolute; width: 18px; height: 330px; top: 100px; background: #8e9499 }
  main { position: absolute; left: 70px; top: 44px; width: 500px; padding: 22px 34px; background: #00704a;
    border: 6px solid #fff; outline: 4px solid #00704a; border-radius: 14px; color: #fff }
  div { display: flex; justify-content: space-between; align-items: baseline; font: 44px 'Gothic Bold' }
  small { display: block; font: 24px 'Sans Bold'; margin-bottom: 12px }
</style><i style="left:150px"></i><i style="left:470px"></i>
<main><div><span>대구</span><span>48 km</span></div><small>Daegu</small>
<div><span>부산</span><span>125 km</span></div><small style="margin:0">Busan</small></main>"""

HOURS = f"""<style>
  body {{ margin: 0; height: 100vh; background: #c3ced2 }}
  main {{ position: absolute; left: 65px; top: 60px; width: 350px; padding: 22px 26px; background: #1f2a37; color: #fff;
    border-radius: 6px; transform: rotate(-2deg); box-shadow: 0 6px 18px #0007; font: 24px Sans }}
  h1 {{ font: 46px 'Sans Bold'; text-align: center; margin: 0 0 16px; color: #ffd166 }}
  table {{ width: 100%; border-collapse: collapse }} td {{ padding: 8px 0 }} td:last-child {{ text-align: right }}
  p {{ text-align: center; margin: 16px 0 0; font: 22px 'Sans Bold' }}
</style><main><h1>OPEN</h1><table>{
    _rows(("Mon - Fri", "9:00 - 18:00"), ("Saturday", "10:00 - 14:00"), ("Sunday", "closed"))
}</table><p>Please ring the bell</p></main>"""


def _setting(name: str, value: str) -> str:
    if value in ("on", "off"):
        value = f"<b class={value}><u></u></b>"
    return f"<li><span>{name}</span><em>{value}</em></li>"


SETTINGS = f"""<style>
  body {{ margin: 0; background: #f2f2f7; font: 21px Sans; color: #111 }}
  header {{ display: flex; justify-content: space-between; padding: 10px 20px; font: 17px 'Sans Bold' }}
  h1 {{ font: 33px 'Sans Bold'; margin: 14px 20px }}
  ul {{ list-style: none; margin: 0 14px 20px; padding: 0 16px; background: #fff; border-radius: 12px }}
  li {{ display: flex; justify-content: space-between; align-items: center; height: 58px; border-top: 1px solid #ddd }}
  li:first-child {{ border: 0 }} em {{ font-style: normal; color: #6c6c70 }}
  b {{ display: block; width: 52px; height: 31px; border-radius: 16px; padding: 2px; background: #d9d9de }}
  u {{ display: block; width: 27px; height: 27px; border-radius: 14px; background: #fff; box-shadow: 0 1px 3px #0005 }}
  b.on {{ background: #34c759 }} b.on u {{ margin-left: 21px }}
</style><header><span>9:41</span><span>82%</span></header><h1>Settings</h1>
<ul>{_setting("Airplane mode", "off")}{_setting("Wi-Fi", "Maple_5G")}{_setting("Bluetooth", "Off")}</ul>
<ul>{_setting("Night light", "on")}{_setting("Text size", "Medium")}{_setting("Auto-lock", "2 minutes")}</ul>
<ul>{_setting("Language", "English")}{_setting("Storage", "51 GB free")}</ul>"""


def rainfall() -> None:
    """A bar chart with axes, as matplotlib draws it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MultipleLocator

    figure, axes = plt.subplots(figsize=(6.4, 4.4), dpi=100)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#dddddd")
    axes.bar(["Apr", "May", "Jun", "Jul", "Aug", "Sep"], [60, 80, 120, 320, 280, 140], color="#4c78a8", width=0.65)
    axes.set_title("Monthly rainfall", fontsize=17)
    axes.set_xlabel("Month", fontsize=14)
    axes.set_ylabel("Rainfall (mm)", fontsize=14)
    axes.tick_params(labelsize=13)
    axes.yaxis.set_major_locator(MultipleLocator(40))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(OUT / "rainfall.png")


if __name__ == "__main__":
    main()
