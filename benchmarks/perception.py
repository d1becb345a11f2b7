"""What perception costs and how well it reads.

    python -m benchmarks.perception                      milliseconds of each part on a photograph of 640 x 480
    python -m benchmarks.perception --threads 1
    python -m benchmarks.perception --pages 60           words of painted pages that are read exactly
    python -m benchmarks.perception --reading            48 documents of three renderers: character errors and lines
    found,
                                                         ours, tesseract alone, and rapidocr where it is installed
    python -m benchmarks.perception --picture FILE --json

Times are the median of five runs after one that warms up. The documents are made by tests/perception/rendered.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from nunbit.perception.attributes import ColourAttributes, picture_facts
from nunbit.perception.merge import build_parts
from nunbit.perception.ocr import TesseractReader
from nunbit.perception.picture_kind import kind_probabilities
from nunbit.perception.pipeline import Perception
from nunbit.perception.reading import LineReader, RapidRecogniser, TesseractRecogniser
from nunbit.perception.relations import GeometricRelations
from nunbit.perception.text_regions import find_regions

PHOTO = Path(__file__).parents[1] / "tests" / "perception" / "photos" / "astronaut.jpg"
RUNS = 5


def median_ms(run: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor time of this process in milliseconds, medians."""
    run()
    wall, cpu = [], []
    for _ in range(RUNS):
        start, used = time.perf_counter(), time.process_time()
        run()
        wall.append(1000 * (time.perf_counter() - start))
        cpu.append(1000 * (time.process_time() - used))
    return {"wall_ms": round(statistics.median(wall), 1), "cpu_ms": round(statistics.median(cpu), 1)}


def costs(picture: Path) -> dict[str, Any]:
    """Each part alone, and all of them with and without reading."""
    image = Image.open(picture).convert("RGB").resize((640, 480))
    reads, blind = build_parts(), build_parts("none")
    detector, namer = reads.photographs.detector, reads.photographs.namer
    regions, _ = find_regions(image)
    [scene] = reads.photographs([image])
    whole = {
        "without reading": Perception(panoptic=blind, relations=GeometricRelations()),
        "with reading": Perception(panoptic=reads, relations=GeometricRelations()),
    }
    report = {
        "coco detector": median_ms(lambda: detector.peaks(image)),
        "image names, whole picture": median_ms(lambda: namer.look(image, [])),
        "image names, one more crop": median_ms(lambda: namer.look(image, [(100, 100, 300, 300)])),
        "detector and names together": median_ms(lambda: reads.photographs([image])),
        "lines of letters found": median_ms(lambda: find_regions(image)),
        "kind of picture": median_ms(lambda: kind_probabilities(image, regions)),
        "facts of the picture": median_ms(lambda: picture_facts(image)),
        "colours of its objects": median_ms(
            lambda: [o.attributes.pop("colour", 0) for o in scene.objects] and ColourAttributes().annotate(image, scene)
        ),
    }
    return report | {f"all, {name}": median_ms(lambda p=perception: p([image])) for name, perception in whole.items()}


def reading() -> dict[str, Any]:
    """Character error, share of lines read and seconds a document, by reader and kind of document."""
    from tests.perception.reading_error import reading_scores
    from tests.perception.rendered import documents

    readers: dict[str, Callable[[Image.Image], Any]] = {
        "lines first, tesseract": LineReader(TesseractRecogniser()).read,
        "tesseract alone": lambda image: TesseractReader(timeout_s=300)([image])[0],
    }
    if importlib.util.find_spec("rapidocr"):
        readers["lines first, rapidocr"] = LineReader(RapidRecogniser()).read
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = {name: defaultdict(list) for name in readers}
    for document in documents(0, 2):
        for name, read in readers.items():
            start = time.perf_counter()
            lines = [t.text for t in read(document.image).text_lines]
            row = (*reading_scores(document.lines, lines), time.perf_counter() - start)
            for group in ("all", document.kind, document.renderer):
                found[name][group].append(row)
    return {name: {group: _means(rows) for group, rows in groups.items()} for name, groups in found.items()}


def painted_pages(many: int) -> dict[str, Any]:
    """How many words of painted pages (`nunbit.world.pages`) are read exactly; charts are left out."""
    from collections import Counter

    from PIL import Image

    from nunbit.world import pages, paper_kinds
    from nunbit.world.base import generator

    reader = LineReader(TesseractRecogniser())
    words, missing = 0, list[str]()
    for number in range(many):
        rng = generator(13, number, "test")
        paper = paper_kinds.draw(rng, "ko" if number % 2 else "en")
        if paper.colours or not pages.paintable(paper):
            continue
        read = reader.read(Image.fromarray(pages.render(paper, rng)))
        found = Counter(w.casefold() for t in read.text_lines for w in t.text.split())
        written = Counter(w.casefold() for row in paper.rows for cell in row for w in cell.split())
        words += sum(written.values())
        missing += (written - found).elements()
    return {"pages": many, "words": words, "read": 1 - len(missing) / max(1, words), "missing": missing[:60]}


def _means(rows: list[tuple[float, float, float]]) -> dict[str, float]:
    error, lines, seconds = (round(statistics.mean(v), 3) for v in zip(*rows, strict=True))
    return {"documents": len(rows), "character_error": error, "lines_read": lines, "s": seconds}


def main() -> None:
    """Print one report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, default=PHOTO)
    parser.add_argument("--reading", action="store_true")
    parser.add_argument("--pages", type=int, default=0, help="painted pages to read: words read exactly")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.pages:
        print(json.dumps(painted_pages(options.pages), ensure_ascii=False))
        return
    report = reading() if options.reading else costs(options.picture)
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name, row in report.items():
        if options.reading:
            print(name)
            for group, means in row.items():
                print(f"  {group:12}", *(f"{k} {v}" for k, v in means.items()))
        else:
            print(f"{name:30} {row['wall_ms']:8.1f} ms wall {row['cpu_ms']:8.1f} ms of this process")


if __name__ == "__main__":
    main()
