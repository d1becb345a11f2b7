"""``nunbit see``: what perception finds in a picture, in words, in JSON, and drawn over it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.overlay import draw
from nunbit.perception.pipeline import failed_parts
from nunbit.verbalise import moai_text

if TYPE_CHECKING:
    from PIL.Image import Image

FONT = Path(__file__).parents[1] / "world" / "fonts" / "gothic.ttf"


def see_picture(picture: str, config: PerceptionConfig, out: Path | None = None, as_json: bool = False) -> None:
    """Print what perception finds in a picture.

    Args:
        picture: a file or whatever else `nunbit.media.decode` takes.
        config: the parts of perception.
        out: where to write the picture with its Scene drawn on it.
        as_json: print the Scene and its words as JSON instead of the words alone.

    Raises:
        UserError: a part that cannot be opened, no readable picture, or ``out`` cannot be written.
    """
    perception = build_perception(config).load()
    image = decode(picture)
    [scene] = perception([image])
    if out is not None:
        _write(out, draw(image, scene, font=str(FONT)))
    words = " ".join(moai_text(scene).split())
    if as_json:
        print(json.dumps(scene.to_json() | {"words": words}, ensure_ascii=False))
        return
    print(words or "Nothing was found.")
    for part, reason in failed_parts(scene).items():
        print(f"note: {part} failed: {reason}", file=sys.stderr)


def _write(out: Path, image: Image) -> None:
    try:
        image.save(out)
    except (OSError, ValueError) as e:
        allowed = "a .png or .jpg file in a folder that exists"
        raise UserError(f"'{out}' cannot be written ({e})", allowed=allowed) from None
