"""Memory of pictures of every shape, in every type of model: ``make picture-shapes``.

200 shapes from 1 x 1 to 1 x 16,000, and headers of 16,000 x 16,000, are asked about with five types of models, and
shown to perception with a segmenter and a detector named by the user. A picture is answered with at most 300 MB above
what the process held before it, or refused with a sentence.

    python -m tests.load.picture_shapes                       all
    python -m tests.load.picture_shapes --shapes 12 --types llava next
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nunbit.media.heap import use_single_heap

MOST_MB = 300
SIDES = (1, 2, 3, 5, 8, 13, 28, 56, 64, 100, 224, 336, 500, 768, 1080, 1333, 2048, 3000, 4000, 6000, 8000, 11_000,
         12_000, 16_000)  # fmt: skip
ALWAYS = (
    (1, 1), (1, 12_000), (12_000, 1), (1, 16_000), (16_000, 1), (16_000, 16_000), (1080, 11_000), (12_000, 4000),
    (7000, 7000), (6300, 6300), (3330, 12_000), (4166, 12_000), (3500, 3500), (2, 9000), (640, 480),
)  # fmt: skip
Size = tuple[int, int]
Ask = Callable[[Path], object]


def shapes(count: int) -> list[Size]:
    """So many sizes, the extreme ones first."""
    others = [s for s in itertools.product(SIDES, SIDES) if s not in ALWAYS]
    random.Random(0).shuffle(others)
    return [*ALWAYS, *others][:count]


def write(path: Path, size: Size) -> Path:
    """A PNG of that size: shapes on a ground, or the header alone where the pixels would take minutes."""
    from PIL import Image, ImageDraw

    width, height = size
    if width * height > 60_000_000:
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
        chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
        return path
    picture = Image.new("RGB", size, (250, 250, 245))
    pen = ImageDraw.Draw(picture)
    if min(size) > 20:
        pen.ellipse((width // 8, height // 8, width // 2, height // 2), fill=(200, 40, 40))
        pen.rectangle((width // 2, height // 2, width - 5, height - 5), fill=(30, 60, 200))
        pen.text((4, 4), "Nunbit", fill=(0, 0, 0))
    picture.save(path, compress_level=1)
    return path


def asking(assistant: Any) -> Ask:
    """A question about a picture, as the command line asks it."""
    from nunbit.media import decode
    from nunbit.messages import question

    return lambda path: assistant.ask(question("What is it?", [decode(path)]), max_new_tokens=1)


def small_model(root: Path, **options: Any) -> Ask:
    """A random model of two small parts. ``short_edge``: its processor scales by the short side, as released folders
    have it."""
    from tests.families import language, vision

    from nunbit.assistant import Assistant
    from nunbit.models.build import build_model

    short_edge = options.pop("short_edge", False)
    model, processor = build_model(vision("clip", root / "v"), language("qwen3", root / "l"), **options)
    if short_edge:
        from transformers import CLIPImageProcessor

        crop = {"height": 56, "width": 56}
        processor.image_processor = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=crop)
    return asking(Assistant.from_loaded(model, processor))


def shipped(name: str) -> Ask:
    """A model of ours: object-aware, so that perception looks at the picture, too. nunbit-small is fetched once."""
    from nunbit.assistant import Assistant

    return asking(Assistant(name))


def shown(root: Path) -> Ask:
    """The Scene of the default perception as JSON and drawn over the picture, as ``/v1/perceive`` gives it."""
    from nunbit.media import decode
    from nunbit.perception.build import PerceptionConfig, build_perception
    from nunbit.serving.perception import PerceptionService

    service = PerceptionService(build_perception(PerceptionConfig()))
    return lambda path: service.describe(lambda: decode(path))


def named_parts(root: Path) -> Ask:
    """Perception with a segmenter and a detector of transformers."""
    from tests.perception.small_models import small_owl, small_segmenter

    from nunbit.media import decode
    from nunbit.perception import PanopticSegmenter, Perception, ZeroShotDetector

    parts = {"panoptic": PanopticSegmenter(*small_segmenter()), "detection": ZeroShotDetector(*small_owl(), ["dog"])}
    return lambda path: Perception(**parts)([decode(path)])


TYPES: dict[str, Callable[[Path], Ask]] = {
    "tiny": lambda root: shipped("nunbit-tiny"),
    "small": lambda root: shipped("nunbit-small"),
    "llava": small_model,
    "short-edge": lambda root: small_model(root, short_edge=True),
    "next": lambda root: small_model(root, tiles="1x2,2x1,2x2,3x1,1x3"),
    "gated": lambda root: small_model(root, connector="gated_cross_attention", options={"every": 2}),
    "perceive": shown,
    "named parts": named_parts,
}
"""Five types of models, then perception by itself."""


def field_mb(name: str) -> int:
    """A figure of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024


def peak_mb(ask: Ask, path: Path) -> tuple[int, str]:
    """Megabytes above what the process held, and the sentence of a refusal."""
    from nunbit.errors import UserError

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    idle, refusal = field_mb("VmRSS"), ""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    try:
        ask(path)
    except UserError as e:
        refusal = str(e)
    return field_mb("VmHWM") - idle, refusal


def measure(types: Sequence[str], sizes: Sequence[Size], out: Callable[[str], None]) -> list[str]:
    """What is over the bound, in lines."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for kind in types:
            (root / kind).mkdir()
            ask = TYPES[kind](root / kind)
            ask(write(root / "first.png", (640, 480)))  # what is opened when it is needed is open from here on
            most, refused = 0, 0
            for size in sizes:
                mb, refusal = peak_mb(ask, write(root / "picture.png", size))
                most, refused = max(most, mb), refused + bool(refusal)
                if mb > MOST_MB:
                    wrong.append(f"{kind}: {size[0]}x{size[1]} took {mb} MB {refusal[:80]}")
                    out(wrong[-1])
            out(
                f"{kind:<12} {len(sizes):>4} shapes, {refused:>3} refused with a sentence, at most {most} MB above idle"
            )
    return wrong


def main() -> None:
    """Measure, and exit with 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=int, default=200)
    parser.add_argument("--types", nargs="+", default=list(TYPES), choices=list(TYPES))
    arguments = parser.parse_args()
    if len(arguments.types) > 1:  # a process each: what another type left in memory is no part of the figures
        command = [sys.executable, *(f"-W{w}" for w in sys.warnoptions), "-m", "tests.load.picture_shapes"]
        done = [
            subprocess.run([*command, "--shapes", str(arguments.shapes), "--types", kind], check=False).returncode
            for kind in arguments.types
        ]
        sys.exit(any(done))
    use_single_heap()  # as the command line and the server do
    wrong = measure(arguments.types, shapes(arguments.shapes), lambda line: print(line, flush=True))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
