"""Any resolution: a picture is shown whole, and again in tiles of the encoder's size, in the arrangement that fits it
best.

Source: LLaVA-NeXT (the LLaVA-1.6 release, ``anyres`` with ``spatial_unpad``), as transformers' native `llava_next` does
    it: rows and columns
that only pad are taken out again, and a learned token ends every row.
"""

from __future__ import annotations

import re
from typing import Any

from nunbit.errors import UserError

NEXT = "1x2,2x1,2x2,3x1,1x3"
"""LLaVA-NeXT's arrangements, rows x columns, in the order of its config."""
MOST_TILES = 64


def pinpoints(tiles: str, side_px: int) -> list[list[int]]:
    """Arrangements like ``1x2,2x2`` (rows x columns) as the heights and widths, in pixels, that they cover."""
    out = []
    for one in tiles.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})x(\d{1,2})\s*", one)
        rows, columns = map(int, found.groups()) if found else (0, 0)
        if not 1 <= rows * columns <= MOST_TILES:
            raise UserError(f"tiles={tiles}", allowed=f"rows x columns of 1 to {MOST_TILES} tiles, such as {NEXT}",
                            todo="separate arrangements by commas")  # fmt: skip
        out.append([rows * side_px, columns * side_px])
    return out


def tile_grid(config: Any, size_px: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the tiles that a picture of this height and width is cut into."""
    from transformers.image_processing_utils import select_best_resolution

    height, width = select_best_resolution(size_px, config.image_grid_pinpoints)
    side = config.vision_config.image_size
    return height // side, width // side


def tiled_tokens(config: Any, size_px: tuple[int, int]) -> int:
    """Tokens of a picture of this height and width: those of the whole, those of the tiles without padding, one
    a row."""
    rows, columns = tile_grid(config, size_px)
    across = config.vision_config.image_size // config.vision_config.patch_size
    rows, columns = rows * across, columns * across
    height, width = size_px
    # The arithmetic of transformers, rounding included: one rounded otherwise is off by a row for some sizes.
    if width / height > columns / rows:
        rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
    return int(config.image_seq_length) + rows * (columns + 1)


def most_tiled(config: Any) -> tuple[int, int]:
    """(tokens, tiles with the whole) of the picture that has most of them."""
    sizes = [(h, w) for h, w in config.image_grid_pinpoints]
    grids = [tile_grid(config, size) for size in sizes]
    return max(tiled_tokens(config, size) for size in sizes), 1 + max(rows * columns for rows, columns in grids)
