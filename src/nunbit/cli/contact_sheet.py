"""``nunbit world show``: a contact sheet of world pictures with their questions."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from nunbit.errors import unknown_name
from nunbit.evidence.drawing import FONT
from nunbit.media.saving import save_picture
from nunbit.world import DOMAINS
from nunbit.world.base import Split

COLUMNS, TILE_W, TILE_H = 3, 560, 200


def write_sheet(out: Path, domain: str | None, seed: int, count: int, split: str) -> None:
    """Write a contact sheet of the first pictures of a stream.

    Args:
        out: a picture file.
        domain: of all pictures; None for the training mixture.

    Raises:
        UserError: an unknown domain or split, or a file that cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    from nunbit.world.samples import MIXTURE, sample

    if split not in get_args(Split):
        raise unknown_name("split", split, get_args(Split))
    mixture = MIXTURE if domain is None else {domain: 1.0}
    for name in mixture:
        DOMAINS[name]
    font = ImageFont.truetype(str(FONT), 14)
    sheet = Image.new("RGB", (COLUMNS * TILE_W, -(-count // COLUMNS) * TILE_H), "white")
    pen = ImageDraw.Draw(sheet)
    for i in range(count):
        drawn = sample(i, seed=seed, split=cast(Split, split), mixture=mixture)
        x, y = i % COLUMNS * TILE_W, i // COLUMNS * TILE_H
        sheet.paste(Image.fromarray(drawn.picture.pixels), (x, y))
        for k, qa in enumerate(drawn.questions[:10]):
            pen.text((x + 200, y + 18 * k), f"{qa.question}  {qa.answer}"[:48], fill="black", font=font)
    save_picture(sheet, out)
