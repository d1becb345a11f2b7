"""The oracle encoder: a table that turns each cell's labels into one token, as a perfect encoder would.

Letters: C cells, D width, K glyph slots, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nunbit.models.text_encoder import encode_words
from nunbit.perception.cells import COLOUR_NAMES, FINAL, LEAD, SLOTS, VOWEL
from nunbit.recipes.tiny.tokenizer import SPACE

WAVES = 6
GRID = 12
LOUDNESS = 5.0


class OracleEncoder(nn.Module):
    """Labels of cells to one token each: the sum of a table row for each fact, the box as sines and cosines.

    Args:
        width: D.
        names: how many classes there are.
    """

    def __init__(self, width: int, names: int) -> None:
        super().__init__()
        self.name, self.colour = nn.Embedding(names, width), nn.Embedding(len(COLOUR_NAMES), width)
        self.box = nn.Linear(4 * 2 * WAVES, width)
        self.lead = nn.Embedding(SLOTS * LEAD, width)
        self.vowel, self.final = nn.Embedding(SLOTS * VOWEL, width), nn.Embedding(SLOTS * FINAL, width)
        self.row, self.column = nn.Embedding(GRID, width), nn.Embedding(GRID, width)
        for table in (self.name, self.colour, self.lead, self.vowel, self.final):
            nn.init.normal_(table.weight, std=0.2)
        # Box and place are about as loud as a word (rows of size 1) and stay so, as they do not learn: once the
        # optimiser may raise it, the box drowns what the cell holds, and after the decoder's norm nothing can be found
        # by its name. A place is a row and a column, so that "the same row" is a likeness too.
        nn.init.normal_(self.row.weight, std=0.4)
        nn.init.normal_(self.column.weight, std=0.4)
        # Slow waves are the loud ones, each in a direction of its own: read off along it, a coordinate stands well
        # above what the names add.
        nn.init.orthogonal_(self.box.weight)
        self.box.weight.data *= (LOUDNESS / (1 + torch.arange(WAVES)) ** 1.2).repeat(8)
        nn.init.zeros_(self.box.bias)
        for fixed in (self.row, self.column, self.box):
            fixed.requires_grad_(False)
        # One cell of each object and each line of writing says so: what is counted is those, not cells.
        self.anchor = nn.Parameter(0.8 * torch.randn(width), requires_grad=False)

    @torch.no_grad()
    def init_from_word_embeddings(
        self, table: torch.Tensor, tokenizer: Any, names: Sequence[Sequence[str]], colours: Sequence[Sequence[str]]
    ) -> None:
        """Start from the language model's word embeddings ``(V, D)``.

        A cell that holds a red dog then lies near the words "red" and "dog" in each language, so that finding what a
        question names is a dot product from the first step instead of a discovery.

        Args:
            names, colours: for each class its words (none: the row stays random).
        """
        for rows, classes in ((self.name, names), (self.colour, colours)):
            for row, words in enumerate(classes):
                ids = [i for word in words for i in encode_words(word, tokenizer)]
                if ids:
                    rows.weight[row] = table[ids].sum(0)
        self._init_characters(table, tokenizer)

    def _init_characters(self, table: torch.Tensor, tokenizer: Any) -> None:
        # A character's place in its cell is a turn of its word embedding, the same turn for all characters: to read the
        # second of a cell is one linear map, not one fact a character.
        turn = table.shape[1] // SLOTS
        jamo = (
            (self.lead, LEAD, [*map(chr, range(32, 127)), *map(chr, range(0x1100, 0x1113))]),
            (self.vowel, VOWEL, [*map(chr, range(0x1161, 0x1176))]),
            (self.final, FINAL, [*map(chr, range(0x11A8, 0x11C3))]),
        )
        for rows, size, chars in jamo:
            for slot in range(SLOTS):
                for number, char in enumerate(chars, start=1):
                    found = tokenizer.convert_tokens_to_ids(char if char != " " else SPACE)
                    if found is not None and found >= 0 and found != tokenizer.unk_token_id:
                        rows.weight[slot * size + number] = 0.5 * table[found].roll(turn * slot)

    def forward(self, truth: dict[str, torch.Tensor]) -> torch.Tensor:
        """Labels ``name``, ``colour`` ``(.., C)``, ``box`` ``(.., C, 4)``, ``glyph`` ``(.., C, K, 3)`` to tokens ``(..,
        C, D)``."""
        device = self.row.weight.device
        glyph, offset = truth["glyph"], torch.arange(SLOTS, device=device)
        covered = ((truth["name"] > 0) | (glyph[..., 0, 0] > 0)).unsqueeze(-1)
        full, hangul = (glyph[..., 0] > 0).unsqueeze(-1), (glyph[..., 1] > 0).unsqueeze(-1)
        waves = truth["box"].unsqueeze(-1) * (2.0 ** torch.arange(WAVES, device=device) * torch.pi)
        box = self.box(torch.cat([waves.sin(), waves.cos()], -1).flatten(-2))
        place = (self.row.weight[:, None] + self.column.weight[None]).flatten(0, 1)
        out = self.name(truth["name"]) + self.colour(truth["colour"]) + box * covered + place
        out = out + self.anchor * (covered & anchors(truth["box"], truth["name"]).unsqueeze(-1))
        out = out + (self.lead(glyph[..., 0] + offset * LEAD) * full).sum(-2)
        jamo = self.vowel(glyph[..., 1] + offset * VOWEL) + self.final(glyph[..., 2] + offset * FINAL)
        return out + (jamo * hangul).sum(-2)


def anchors(box: torch.Tensor, name: torch.Tensor) -> torch.Tensor:
    """Whether a cell holds the middle of its object, or, off the objects, the left end of its line of text.

    Args:
        box: ``(.., C, 4)`` of the cells; name: ``(.., C)`` classes, 0 for none.

    Returns:
        ``(.., C)`` bool.
    """
    x1, y1, x2, y2 = box.unbind(-1)
    across = torch.where(name > 0, (x1 + x2) / 2, x1 + 0.3 * (y2 - y1))
    column, row = ((v * GRID).long().clamp(0, GRID - 1) for v in (across, (y1 + y2) / 2))
    return row * GRID + column == torch.arange(GRID * GRID, device=box.device)
