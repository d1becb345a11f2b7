"""``nunbit see``: what perception finds in a picture, in lines, in JSON, and drawn over it."""

from __future__ import annotations

import json
from pathlib import Path

from nunbit.cli.output import say
from nunbit.evidence.drawing import FONT
from nunbit.media import decode
from nunbit.media.heap import use_single_heap
from nunbit.media.saving import save_picture
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.overlay import draw, with_legend
from nunbit.perception.pipeline import failed_parts, missing_parts
from nunbit.perception.report import report
from nunbit.verbalise import moai_text


def see_picture(picture: str, config: PerceptionConfig, out: Path | None = None, as_json: bool = False) -> None:
    """Print what perception finds in a picture.

    Args:
        picture: a file or whatever else `nunbit.media.decode` takes.
        config: the parts of perception.
        out: where to write the picture with its Scene drawn on it.
        as_json: print the Scene and its words as JSON instead of lines.

    Raises:
        UserError: a part that cannot be opened, no readable picture, or ``out`` cannot be written.
    """
    use_single_heap()
    perception = build_perception(config).load()
    image = decode(picture)
    [scene] = perception([image])
    lines = report(scene)
    if out is not None:
        save_picture(with_legend(draw(image, scene, font=str(FONT)), lines, font=str(FONT)), out)
    if as_json:
        words = " ".join(moai_text(scene).split())
        print(json.dumps(scene.to_json() | {"words": words}, ensure_ascii=False))
    else:
        print("\n".join(lines))
    for part, reason in failed_parts(scene).items():
        say(f"note: {part} failed: {reason}")
    for sentence in missing_parts(scene):
        say(f"note: {sentence}")
