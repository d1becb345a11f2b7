"""Instruction data in each layout, read by the readers that others wrote: datasets, webdataset, TRL.

    make data-peers        installs them into a folder of their own, beside the environment, and runs this

Every row is compared with the samples that were written: turns, pictures pixel by pixel, ids.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nunbit.data.formats import Dataset, Sample, Turn, write
from nunbit.world.samples import sample

SAMPLES = 24


def samples(folder: Path) -> Dataset:
    """World pictures with their questions: one picture, two, and text alone."""
    out = []
    for number in range(SAMPLES):
        names, many = [], (1, 1, 2, 0)[number % 4]
        drawn = [sample(10 * number + i, seed=7) for i in range(max(1, many))]
        for i in range(many):
            names.append(f"pictures/{number}-{i}.png")
            (folder / "pictures").mkdir(exist_ok=True)
            Image.fromarray(drawn[i].picture.pixels).save(folder / names[-1])
        turns: list[Turn] = []
        for i, qa in enumerate(drawn[0].questions[:2]):
            marks = "<image>\n" * many if i == 0 else ""
            turns += [Turn("user", marks + qa.question), Turn("assistant", qa.answer)]
        out.append(Sample(turns, names, f"w{number}", {"source": "world"}))
    return Dataset(out, "", folder)


def same_picture(shown: Any, file: Path) -> bool:
    """Whether a decoded picture is that of a file."""
    return bool(np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(Image.open(file).convert("RGB"))))


def check_parquet(data: Dataset, folder: Path) -> int:
    """`datasets` decodes pictures and turns."""
    from datasets import load_dataset

    write(data, folder / "a.parquet", "parquet")
    rows = load_dataset("parquet", data_files=str(folder / "a.parquet"), split="train", cache_dir=str(folder / "c1"))
    for row, s in zip(rows, data.samples, strict=True):
        assert row["id"] == s.id and json.loads(row["extra"]) == s.extra
        assert [(m["role"], m["content"]) for m in row["messages"]] == [(t.role, t.text) for t in s.turns]
        assert len(row["images"]) == len(s.images)
        assert all(same_picture(i, folder / n) for i, n in zip(row["images"], s.images, strict=True))
    return len(rows)


def check_json(data: Dataset, folder: Path, layout: str) -> int:
    """`datasets` reads our JSON, as TRL, LLaMA-Factory and ms-swift let it."""
    from datasets import load_dataset

    file = folder / f"{layout}.json"
    write(data, file, layout)
    rows = load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / f"c-{layout}"))
    key = "conversations" if layout == "llava" else "messages"
    assert all(len(row[key]) == len(s.turns) for row, s in zip(rows, data.samples, strict=True))
    return len(rows)


def check_webdataset(data: Dataset, folder: Path) -> int:
    """`webdataset` groups records and pictures."""
    import webdataset

    write(data, folder / "shards", "webdataset")
    seen = 0
    opened = webdataset.WebDataset(str(folder / "shards/00000.tar"), shardshuffle=False)
    for row, s in zip(opened, data.samples, strict=True):
        assert json.loads(row["json"])["id"] == s.id
        shown = [row[k] for k in sorted(k for k in row if k.endswith("png"))]
        assert len(shown) == len(s.images)
        assert all(same_picture(Image.open(io.BytesIO(b)), folder / n) for b, n in zip(shown, s.images, strict=True))
        seen += 1
    return seen


def check_trl(data: Dataset, folder: Path) -> int:
    """TRL fills our picture parts with pictures, and takes the rows for conversations."""
    from trl.data_utils import is_conversational, prepare_multimodal_messages

    file = folder / "messages.jsonl"
    write(data, file, "messages")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for row, s in zip(rows, data.samples, strict=True):
        pictures = [Image.open(folder / n) for n in row.get("images", [])]
        assert is_conversational(row)
        filled = prepare_multimodal_messages(row["messages"], pictures)
        shown = [p["image"] for m in filled for p in m["content"] if p["type"] == "image"]
        assert shown == pictures and len(filled) == len(s.turns)
        words = ["".join(p["text"] for p in m["content"] if p["type"] == "text") for m in filled]
        assert words == [t.text.replace("<image>\n", "") for t in s.turns]
    return len(rows)


def main() -> int:
    """Run every check; exit code 1 if one fails or a reader is not there."""
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        data = samples(folder)
        checks: dict[str, Any] = {
            "parquet by datasets": lambda: check_parquet(data, folder),
            **{f"{x} by datasets": lambda x=x: check_json(data, folder, x) for x in ("llava", "llamafactory", "swift")},
            "webdataset by webdataset": lambda: check_webdataset(data, folder),
            "messages by TRL": lambda: check_trl(data, folder),
        }
        for name, run in checks.items():
            try:
                print(f"{name}: {run()} of {SAMPLES} rows")
            except Exception as e:  # the next reader still has its turn
                failed += 1
                print(f"{name}: FAILED ({type(e).__name__}: {str(e)[:300]})")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
