"""see: what perception finds in a picture, in words, in JSON, and drawn over it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.perception import GeometricRelations, Perception, TesseractReader, ZeroShotDetector
from nunbit.perception.build import build_segmenter
from nunbit.perception.overlay import draw
from nunbit.scene import Scene
from nunbit.verbalise import moai_text

FONT = Path(__file__).parents[1] / "world" / "fonts" / "gothic.ttf"


def see_picture(
    picture: str,
    out: Path | None,
    as_json: bool,
    panoptic: str | None,
    detector: str | None,
    queries: list[str],
    ocr: bool,
) -> None:
    if bool(detector) != bool(queries):
        raise UserError("a detector without names to look for" if detector else "names to look for without a detector",
                        allowed="--detector FOLDER together with --queries a,b,c")  # fmt: skip
    image = decode(picture)
    perception = Perception(
        panoptic=build_segmenter(panoptic or "", read=not ocr),
        detection=ZeroShotDetector.from_pretrained(detector, queries) if detector else None,
        relations=GeometricRelations(), ocr=TesseractReader() if ocr else None,
    )  # fmt: skip
    scene: Scene = perception([image])[0]
    if out is not None:
        try:
            draw(image, scene, font=str(FONT)).save(out)
        except (OSError, ValueError) as e:
            raise UserError(
                f"'{out}' cannot be written ({e})", allowed="a .png or .jpg file in a folder that exists"
            ) from None
    words = " ".join(moai_text(scene).split())
    if as_json:
        report: dict[str, Any] = scene.to_json() | {"words": words}
        print(json.dumps(report, ensure_ascii=False))
        return
    print(words or "Nothing was found.")
    for part, note in scene.meta.get("perception", {}).items():
        if note.get("status") != "ok":
            print(f"note: {part}: {note.get('reason', note.get('status'))}", file=sys.stderr)
