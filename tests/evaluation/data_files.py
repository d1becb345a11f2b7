"""Small data files and pictures for the layouts of the benchmarks."""

import base64
import csv
import io
import json
import zipfile

from PIL import Image

COLOURS = ["red", "green", "blue", "black", "white", "yellow", "orange", "purple", "pink", "brown", "gray", "cyan"]


def png(n):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), ((n * 37) % 256, (n * 91) % 256, (n * 13) % 256)).save(file, "PNG")
    return file.getvalue()


def b64(n):
    return base64.b64encode(png(n)).decode()


def tsv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json(path, content, *, lines=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (
        "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in content)
        if lines
        else json.dumps(content, ensure_ascii=False)
    )
    path.write_text(text, encoding="utf-8")
    return path


def picture(path, n):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(n))


def zipped(folder):
    out = folder.with_suffix(".zip")
    with zipfile.ZipFile(out, "w") as z:
        for f in sorted(folder.rglob("*")):
            if f.is_file():
                z.write(f, f.relative_to(folder).as_posix())
    return out


def options_of(n):
    return [COLOURS[(n + k) % 12] for k in range(4)]
