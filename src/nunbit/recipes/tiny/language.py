"""Stage "words": the language model alone, no pixels. A table (`OracleEncoder`) turns each cell's labels into one token, as a perfect
encoder would, and the model learns to answer from them. Stage "together" joins it with the real encoder.

Legend: B samples, C cells, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nunbit.data.packing import Pack, pack
from nunbit.models.chat import encode_text
from nunbit.models.tokenizer import ASSISTANT, BOS, EOS, IMAGE, SPACE, USER, spelt
from nunbit.perception.cells import COLOUR_NAMES, FINAL, LEAD, SLOTS, VOWEL, features
from nunbit.recipes.tiny.cells import Cells, cells_of
from nunbit.recipes.tiny.encoder import dense_loss, shared, stack, to_pixels
from nunbit.training.loop import Batch, Stage
from nunbit.world.base import QA
from nunbit.world.samples import MIXTURE, Sample, sample

WAVES = 6
GRID = 12
LOUDNESS = 5.0
COPIED = ("read", "lookup", "compare", "order")
"""Kinds of questions whose answer may be a string of the picture."""


class OracleEncoder(nn.Module):
    """Cell labels -> (.., C, D): the sum of a table row for each fact, the box as sines and cosines."""

    def __init__(self, width: int, names: int) -> None:
        super().__init__()
        self.name, self.colour = nn.Embedding(names, width), nn.Embedding(len(COLOUR_NAMES), width)
        self.box = nn.Linear(4 * 2 * WAVES, width)
        self.lead = nn.Embedding(SLOTS * LEAD, width)
        self.vowel, self.final = nn.Embedding(SLOTS * VOWEL, width), nn.Embedding(SLOTS * FINAL, width)
        self.row, self.column = nn.Embedding(GRID, width), nn.Embedding(GRID, width)
        for table in (self.name, self.colour, self.lead, self.vowel, self.final):
            nn.init.normal_(table.weight, std=0.2)
        # Box and place are about as loud as a word (rows of size 1) and stay so, as they do not learn: once the optimiser may raise it,
        # the box drowns what the cell holds, and after the decoder's norm nothing can be found by its name.
        # A place is a row and a column, so that "the same row" is a likeness too.
        nn.init.normal_(self.row.weight, std=0.4)
        nn.init.normal_(self.column.weight, std=0.4)
        # Slow waves are the loud ones, each in a direction of its own: read off along it, a coordinate stands well above what the names add.
        nn.init.orthogonal_(self.box.weight)
        self.box.weight.data *= (LOUDNESS / (1 + torch.arange(WAVES)) ** 1.2).repeat(8)
        nn.init.zeros_(self.box.bias)
        for fixed in (self.row, self.column, self.box):
            fixed.requires_grad_(False)
        # One cell of each object and each line of writing says so: what is counted is those, not cells.
        self.anchor = nn.Parameter(0.8 * torch.randn(width), requires_grad=False)

    @torch.no_grad()
    def speak(self, table: torch.Tensor, tokenizer: Any, names: Sequence[Sequence[str]], colours: Sequence[Sequence[str]]) -> None:  # fmt: skip
        """Say the rows in the LM's own word embeddings (V, D): a cell that holds a red dog starts out near the words "red" and "dog" in
        each language, so that finding what a question names is a dot product from the first step instead of a discovery.

        Args:
            names, colours: per class, what it is called (nothing: the row stays random).
        """
        for rows, classes in ((self.name, names), (self.colour, colours)):
            for row, called in enumerate(classes):
                ids = [i for word in called for i in encode_text(word, tokenizer)]
                if ids:
                    rows.weight[row] = table[ids].sum(0)
        # A character's place in its cell is a turn of its word embedding, the same turn for all characters: to read the second of a cell
        # is one linear map, not one fact a character.
        turn = table.shape[1] // SLOTS
        jamo = [(self.lead, LEAD, [*map(chr, range(32, 127)), *map(chr, range(0x1100, 0x1113))]),
                (self.vowel, VOWEL, [*map(chr, range(0x1161, 0x1176))]), (self.final, FINAL, [*map(chr, range(0x11A8, 0x11C3))])]  # fmt: skip
        for rows, size, chars in jamo:
            for slot in range(SLOTS):
                for number, char in enumerate(chars, start=1):
                    found = tokenizer.convert_tokens_to_ids(char if char != " " else SPACE)
                    if found is not None and found >= 0 and found != tokenizer.unk_token_id:
                        rows.weight[slot * size + number] = 0.5 * table[found].roll(turn * slot)

    def forward(self, truth: dict[str, torch.Tensor]) -> torch.Tensor:
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
    """(.., C, 4) boxes and (.., C) classes of the cells -> (.., C) bool: whether a cell holds the middle of its object, or, off the
    objects, the left end of its line of writing."""
    x1, y1, x2, y2 = box.unbind(-1)
    across = torch.where(name > 0, (x1 + x2) / 2, x1 + 0.3 * (y2 - y1))
    column, row = ((v * GRID).long().clamp(0, GRID - 1) for v in (across, (y1 + y2) / 2))
    return row * GRID + column == torch.arange(GRID * GRID, device=box.device)


def is_copied(qa: QA, drawn: Sample) -> bool:
    """Whether an answer is read off the picture."""
    return qa.kind in COPIED and any(qa.answer in line.text for line in drawn.picture.scene.text_lines)


def question_ids(samples: Sequence[Sample], tokenizer: Any) -> list[list[tuple[list[int], list[int]]]]:
    """Per sample, (given, learnt) ids of each question, as `nunbit.models.chat` renders them after a picture, except that an answer which
    is read off the picture is spelt out: what is seen are characters, and copying them is one rule for every word."""
    assistant, eos = tokenizer.convert_tokens_to_ids(ASSISTANT), tokenizer.convert_tokens_to_ids(EOS)

    def learnt(qa: QA, s: Sample) -> list[int]:
        return [*(spelt if is_copied(qa, s) else encode_text)(qa.answer, tokenizer), eos]

    return [[(encode_text(q.question, tokenizer) + [assistant], learnt(q, s)) for q in s.questions] for s in samples]


def answer_loss(model: Any, embeds: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropy on answer rows only: they are selected before the LM head, which is most of the cost at this size.

    A token of an answer of n tokens weighs n ** -0.7: counted by tokens, descriptions and boxes drown what "yes" and "red" could teach.
    """
    hidden = model.model.language_model(
        inputs_embeds=embeds, attention_mask=batch["mask"], position_ids=batch["positions"], use_cache=False
    ).last_hidden_state
    rows = batch["labels"] >= 0
    logits, wanted = model.lm_head(hidden[rows]), batch["labels"][rows]
    which, weight = answers_of(rows), even_weights(rows)
    each = F.cross_entropy(logits.float(), wanted, reduction="none")
    wrong = logits.argmax(-1) != wanted
    whole = torch.bincount(which, wrong) == 0
    figures = {"answer": each.mean(), "token_ok": 1 - wrong.float().mean(), "answer_ok": whole.float().mean()}
    return (each * weight).sum() / weight.sum(), {k: v.item() for k, v in figures.items()}


def answers_of(rows: torch.Tensor) -> torch.Tensor:
    """(B, T) bool, true where something is learnt -> for each such row the number of its answer, from 0."""
    begins = rows & ~F.pad(rows, (1, 0))[:, :-1]
    return (begins.flatten().cumsum(0) - 1)[rows.flatten()]


def even_weights(rows: torch.Tensor) -> torch.Tensor:
    """(B, T) bool, true where something is learnt -> for each such row the weight n ** -0.7, n being the tokens of its answer."""
    which = answers_of(rows)
    return (torch.bincount(which).float() ** -0.7)[which]


def _fitting(questions: list[tuple[list[int], list[int]]], room: int) -> list[tuple[list[int], list[int]]]:
    """The first of the questions, and those after it that the room still holds."""
    out: list[tuple[list[int], list[int]]] = []
    for given, learnt in questions:
        room -= len(given) + len(learnt)
        if room >= 0 or not out:
            out.append((given, learnt))
    return out


def cut(batch: Batch, size: int) -> Iterator[Batch]:
    """Rows of like length, ``size`` at a time, each piece as wide as its longest, with its ``share`` of the batch's answers."""
    long = (batch["positions"] > 0).sum(1) + 1  # only padding and the very first token stand at 0
    pieces = long.argsort(stable=True).split(size or len(long))
    weights = [even_weights(batch["labels"][rows] >= 0).sum() for rows in pieces]
    for rows, mine in zip(pieces, weights, strict=True):
        wide = int(long[rows].max())
        piece = {k: v[rows] for k, v in batch.items()}
        piece |= {k: piece[k][:, :wide] for k in ("ids", "positions", "labels")}
        yield piece | {"mask": piece["mask"][:, :, :wide, :wide], "share": mine / sum(weights)}


def vars_of(packed: Pack) -> Batch:
    return {f.name: getattr(packed, f.name) for f in fields(packed)}


@dataclass(frozen=True, slots=True)
class CurriculumStage:
    """What the LM is asked before step ``until``.

    Attributes:
        kinds: kinds of questions, all if empty.
        old: share of the pictures that are asked as in one of the lessons before.
        imagined: share of Scenes that were never drawn (`nunbit.world.things.imagine`).
        short: writing of at most so many characters, if above 0.
        mixture: shares of the domains, the task's own if empty.
        emphasis: how much likelier than others a kind of question is, by "domain/kind".
        empty, cells: share of the empty cells that is shown; cells shown of each object, on average at most.
    """

    until: float = float("inf")
    kinds: tuple[str, ...] = ()
    old: float = 0.0
    korean: float = 0.5
    imagined: float = 0.0
    short: int = 0
    mixture: Mapping[str, float] = field(default_factory=dict)
    emphasis: Mapping[str, float] = field(default_factory=dict)
    empty: float = 0.05
    cells: float = 3.0


class WordsTask:
    """The LM and its perfect eyes. Not every cell is shown (`_shown`): shorter sequences, same positions."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        names: Sequence[str],
        mixture: dict[str, float] = MIXTURE,
        questions: int = 12,
        lessons: Sequence[CurriculumStage] = (CurriculumStage(),),
        room: int = 0,
    ) -> None:
        """
        Args:
            questions: asked of a picture at most; room: and as many tokens, the picture's included, if above 0.
        """
        self.lessons, self.room = lessons, room
        self.model, self.tokenizer, self.names = model, tokenizer, names
        self.mixture, self.questions = mixture, questions
        self.eyes = OracleEncoder(model.config.text_config.hidden_size, len(names))
        self.ids = {t: tokenizer.convert_tokens_to_ids(t) for t in (BOS, USER, IMAGE)}

    def modules(self) -> dict[str, nn.Module]:
        return {"language": self.model.model.language_model, "eyes": self.eyes}

    def lesson(self, step: int) -> CurriculumStage:
        return next(lesson for lesson in self.lessons if step < lesson.until)

    def lessons_of(self, step: int, stage: Stage) -> list[CurriculumStage]:
        """The lesson that each picture of a step belongs to: the step's own, or an old one."""
        now = self.lesson(step)
        rng, before = np.random.default_rng((stage.seed, step, 1)), self.lessons[: self.lessons.index(now)]
        return [
            before[int(rng.integers(len(before)))] if before and rng.random() < now.old else now
            for _ in range(stage.batch)
        ]

    def samples(self, step: int, stage: Stage) -> list[Sample]:
        return [
            sample(step * stage.batch + i, seed=stage.seed, questions=self.questions, mixture=how.mixture or self.mixture, even=True,
                   kinds=how.kinds, korean=how.korean, imagined=how.imagined, short=how.short, emphasis=how.emphasis)
            for i, how in enumerate(self.lessons_of(step, stage))
        ]  # fmt: skip

    def batch(self, step: int, stage: Stage) -> Batch:
        samples = self.samples(step, stage)
        cells = [cells_of(s.picture, self.names) for s in samples]
        rng = np.random.default_rng((stage.seed, step))
        lessons = self.lessons_of(step, stage)
        shown = [_shown(c, rng, how.empty, how.cells) for c, how in zip(cells, lessons, strict=True)]
        head = [self.ids[BOS], self.ids[USER]]
        asked = question_ids(samples, self.tokenizer)
        if self.room:
            asked = [_fitting(qs, self.room - 2 - len(s)) for qs, s in zip(asked, shown, strict=True)]
        packed = pack([head + [self.ids[IMAGE]] * len(s) for s in shown], [[0, 1, *(s + 2)] for s in shown],
                      2 + len(cells[0].name), asked, self.tokenizer.pad_token_id)  # fmt: skip
        where = torch.zeros(len(cells), len(cells[0].name), dtype=torch.bool)
        for i, s in enumerate(shown):
            where[i, torch.from_numpy(s)] = True
        return stack(cells) | vars_of(packed) | {"shown": where}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        return cut(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        return shared(batch, *self.answers(batch, self.eyes(batch)[batch["shown"]]))

    def answers(self, batch: Batch, tokens: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """Splice picture tokens (all of the batch's, in order, by D) into the words and ask for the answers."""
        embeds = self.model.get_input_embeddings()(batch["ids"])
        embeds = embeds.masked_scatter((batch["ids"] == self.ids[IMAGE]).unsqueeze(-1), tokens.to(embeds.dtype))
        return answer_loss(self.model, embeds, batch)


def _shown(cells: Cells, rng: np.random.Generator, empty: float, each: float) -> np.ndarray:
    """All cells with characters, the middle of each object and some others of it, a few of the empty ones: a fifth of the tokens, the same
    facts."""
    chance = np.full(len(cells.name), empty)
    covered = cells.name > 0
    if covered.any():
        _, which, size = np.unique(cells.box[covered], axis=0, return_inverse=True, return_counts=True)
        chance[covered] = np.minimum(1.0, each / size[which.ravel()])
    chance[cells.glyph[:, 0, 0] > 0] = 1.0
    chance[covered & anchors(torch.from_numpy(cells.box), torch.from_numpy(cells.name)).numpy()] = 1.0
    return np.flatnonzero(rng.random(len(chance)) < chance)


class TogetherTask:
    """Encoder, connector and LM on pixels. ``imitate`` pulls the connector's tokens towards the perfect eyes' while it is above zero,
    ``dense`` keeps the encoder's read-outs alive."""

    def __init__(self, words: WordsTask, heads: nn.Module, *, imitate: float, dense: float, lm: bool = True) -> None:
        self.words, self.heads = words, heads
        self.imitate, self.dense, self.lm = imitate, dense, lm
        words.model.model.language_model.requires_grad_(lm)
        words.eyes.requires_grad_(False)

    def modules(self) -> dict[str, nn.Module]:
        return {"model": self.words.model, "heads": self.heads, "eyes": self.words.eyes}

    def batch(self, step: int, stage: Stage) -> Batch:
        w = self.words
        samples = w.samples(step, stage)
        out = {"pixels": to_pixels([s.picture.pixels for s in samples])} | stack(
            [cells_of(s.picture, w.names) for s in samples]
        )
        prefix = [w.ids[BOS], w.ids[USER]] + [w.ids[IMAGE]] * out["name"].shape[1]
        packed = pack([prefix] * len(samples), [range(len(prefix))] * len(samples), len(prefix),
                      question_ids(samples, w.tokenizer), w.tokenizer.pad_token_id)  # fmt: skip
        return out | vars_of(packed)

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        return cut(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        w = self.words
        seen = features(w.model.model.vision_tower, batch["pixels"])
        tokens = w.model.model.multi_modal_projector(seen)
        total, figures = seen.new_zeros(()), {}
        if self.imitate:
            wanted = w.eyes(batch)
            gap = F.mse_loss(tokens, wanted) / wanted.var()
            total, figures["imitate"] = total + self.imitate * gap, gap.item()
        if self.dense:
            dense, more = dense_loss(self.heads(seen), batch)
            total, figures = total + self.dense * dense, figures | more
        if self.lm:
            answer, more = w.answers(batch, tokens.flatten(0, 1))
            total, figures = total + answer, figures | more
        return shared(batch, total, figures)
