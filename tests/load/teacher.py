"""``nunbit data make`` against a teacher that misbehaves, whole and with ``kill -9``: nothing lost, nothing doubled.

    python -m tests.load.teacher                # 1,000 pictures in COCO's layout, 10 kills
    python -m tests.load.teacher --pictures 100 --kills 3

A first run makes everything undisturbed; a second one is killed at random moments and resumed. Both must give the same
bytes, with every planned item once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.data.teacher.bad_server import BadServer

from nunbit.data.teacher.plan import default_count, plan
from nunbit.data.teacher.prompting import KINDS
from nunbit.data.teacher.sources import world_picture


def write_coco(folder: Path, pictures: int, seed: int) -> list[str]:
    """World pictures with captions, instances and panoptic segments in COCO's layout; the ids of the pictures."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    categories: dict[str, int] = {}
    images, captions, instances, panoptic = [], [], [], []
    for i in range(1, pictures + 1):
        pixels, scene = world_picture(i, seed)
        name = f"{i:012}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        images.append({"id": i, "file_name": name, "width": scene.width, "height": scene.height})
        captions.append({"id": i, "image_id": i, "caption": f"A picture of {len(scene.objects)} things."})
        segments = []
        for n, o in enumerate(scene.objects):
            category = categories.setdefault(o.name, len(categories) + 1)
            x1, y1, x2, y2 = o.box
            box = [x1, y1, x2 - x1, y2 - y1]
            row = {"id": 100 * i + n, "image_id": i, "category_id": category, "bbox": box, "iscrowd": 0}
            instances.append(row)
            segments.append({"id": n + 1, "category_id": category, "bbox": box})
        panoptic.append({"image_id": i, "file_name": name, "segments_info": segments})
    named: list[dict[str, Any]] = [{"id": k, "name": n, "isthing": 1} for n, k in categories.items()]
    for part, rows in (("captions", captions), ("instances", instances), ("panoptic", panoptic)):
        data = {"images": images, "annotations": rows} | ({} if part == "captions" else {"categories": named})
        (folder / "annotations" / f"{part}_world.json").write_text(json.dumps(data))
    return [str(r["id"]) for r in images]


def start(coco: Path, out: Path, url: str) -> subprocess.Popen[bytes]:
    """A process of the command."""
    command = [sys.executable, "-m", "nunbit", "data", "make", str(coco), "--teacher", url, "--out", str(out)]
    command += ["--language", "en,ko", "--concurrency", "64", "--retries", "50", "--timeout", "2"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def kill_and_resume(coco: Path, out: Path, url: str, kills: int, seconds: float, chance: random.Random) -> int:
    """Kill the command at random moments, then let it end; how many kills hit it at work."""
    hit = 0
    while hit < kills:
        process = start(coco, out, url)
        before = (out / "journal.jsonl").stat().st_size if (out / "journal.jsonl").exists() else 0
        while process.poll() is None and not (out / "journal.jsonl").exists():
            time.sleep(0.02)
        while process.poll() is None and (out / "journal.jsonl").stat().st_size == before:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, seconds / (2 * kills + 2)))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        hit += 1
    while (code := start(coco, out, url).wait()) not in (0, 1):
        raise SystemExit(f"the command ended with {code}")
    return hit


def main() -> None:
    """Run it and say what came out; exit code 1 where anything was lost, doubled or different."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, BadServer(hang_s=4.0, retry_after="0.2").start() as server:
        coco = Path(folder) / "coco"
        ids = write_coco(coco, given.pictures, given.seed)
        wanted = [i.id for i in plan(ids, default_count(len(ids), KINDS), KINDS, ("en", "ko"), 0)]
        began = time.monotonic()
        code = start(coco, Path(folder) / "whole", server.url).wait()
        seconds = time.monotonic() - began
        print(f"undisturbed: exit code {code}, {len(wanted)} items in {seconds:.1f} s, replies {dict(server.did)}")
        hit = kill_and_resume(coco, Path(folder) / "cut", server.url, given.kills, seconds, random.Random(given.seed))
        texts = [(Path(folder) / run / "instruct.json").read_bytes() for run in ("whole", "cut")]
        made = [r["id"] for r in json.loads(texts[1])]
        journal = [json.loads(line) for line in (Path(folder) / "cut/journal.jsonl").open(encoding="utf-8")]
        doubled = sum(r["ok"] for r in journal) - len(made)
        same = texts[0] == texts[1]
        print(f"killed {hit} times: {len(made)} items, {len(set(wanted) - set(made))} lost, {doubled} accepted twice, "
              f"the same bytes: {same} ({hashlib.sha256(texts[1]).hexdigest()[:12]})")  # fmt: skip
        server.shutdown()
    if made != wanted or doubled or not same or code or hit < given.kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
