"""A stage's conversations with the Scenes of their pictures: perceived in batches, by each process its share, and kept
on disk with what they were encoded to.

A run that was killed perceives no picture again: the cache of Scenes has those that were done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.data.conversations import Conversation, check_left, encode_some, read_conversations
from nunbit.data.crayon_instructions import instruction
from nunbit.data.encoded import Encoded, builder_facts, file_facts, key_of
from nunbit.data.mixture import sources
from nunbit.data.pictures import unusable
from nunbit.errors import UserError
from nunbit.evidence.wording import language_of
from nunbit.media.images import decode
from nunbit.messages import Message, Part
from nunbit.models.image_tokens import image_tokens
from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import PromptBuilder
from nunbit.perception.ahead import is_full
from nunbit.perception.pipeline import Perception
from nunbit.recipes.object_aware import ObjectAwareRecipe
from nunbit.scene import Scene
from nunbit.training.config import Phase
from nunbit.training.distributed import Group, join, own_device
from nunbit.training.encoding import agreed, encoded_together
from nunbit.training.options import RunOptions
from nunbit.training.stages import Data, encoded_folder

STREAMS = ("conversations", "instructions")


def read_with_scenes(
    phase: Phase,
    aware: ObjectAwareModule,
    config: ObjectAwareRecipe,
    folder: Path,
    options: RunOptions,
    instructions: bool = False,
) -> tuple[Data, Data]:
    """The stage's conversations, and crayon instructions about their pictures. One pass, since a Scene is too large to
    keep. All processes call it.

    Args:
        folder: of the stage, for ``data.json`` and what is encoded.
        instructions: make the crayon instructions: one a picture, in the language of its conversation.

    Returns:
        Crayon instructions (empty without), and conversations with the words of their Scenes where the model has a
        scene prompt.

    Raises:
        UserError: crayon instructions of a file without pictures; a part of perception that cannot be opened, or that
            fails on too many pictures (`Perception.check_failures`).
    """
    group = join(options.device)
    about, plain = Data(), Data()
    if isinstance(aware.perception, Perception):
        aware.perception.to(own_device(options.device))
    aware.load_perception()
    reader = SceneReader(phase, aware, config, instructions, group)
    for number, source in enumerate(sources(phase.data)):
        held = reader.read(source.file, encoded_folder(folder, number))
        for name, data, what in zip(STREAMS, (plain, about), ("conversations", "crayon instructions"), strict=True):
            if name == STREAMS[0] or instructions:
                check_left(len(held[name].prompts), held[name].dropped)
                data.add(source, held[name].prompts, held[name].dropped, options.say, what)
    with agreed(group):
        aware.training_scenes([], all_seen=True)
    if isinstance(aware.perception, Perception):
        aware.perception.to("cpu")  # the card is the model's now; workers that draw batches find Scenes in the cache
    if group.rank == 0:
        plain.write(folder)
    return about, plain


@dataclass(frozen=True, slots=True)
class SceneReader:
    """Reads data files of a stage, see `read_with_scenes`."""

    phase: Phase
    aware: ObjectAwareModule
    config: ObjectAwareRecipe
    instructions: bool
    group: Group

    def read(self, file: str, place: Path) -> dict[str, Encoded]:
        """Each of `STREAMS` of a file; what is encoded lies in the folder ``place``."""
        found = read_conversations(file, self.phase.images or None)
        if self.instructions and not any(c.images for c in found):
            raise UserError(f"'{file}' has no pictures", allowed="conversations with pictures")
        facts = [builder_facts(self.builder, self.aware.model.config), self.config.max_tokens, self.phase.plain]
        facts += [*_scene_facts(self.aware), self.config.seed, self.instructions]
        key = key_of(facts, file_facts(file, (path for c in found for path in c.images)))
        make, reuse = partial(self._encode, found), _may_reuse(self.aware, place)
        with _failures_of_all(self.aware, self.group) as failed:
            held = encoded_together(place, key, len(found), STREAMS, make, self.group, reuse)
        if failed and self.group.rank == 0:
            (place / AGAIN).touch()
        return held

    @property
    def builder(self) -> PromptBuilder:
        """Of the model's prompts."""
        return PromptBuilder.from_processor(self.aware.processor, image_tokens(self.aware.model.config))

    def _encode(self, found: Sequence[Conversation], first: int, last: int) -> dict[str, Encoded]:
        kept: list[Conversation] = []
        made: list[Conversation] = []
        for i, (c, scenes) in enumerate(_with_scenes(found[first:last], self.aware), first):
            kept.append(replace(c, messages=tuple(self.aware.add_scene_text(c.messages, scenes))) if scenes else c)
            if self.instructions:
                made += _crayon_instructions(c, scenes, np.random.default_rng((self.config.seed, 7, i)))
        how: dict[str, Any] = {"max_tokens": self.config.max_tokens, "plain": self.phase.plain}
        every = zip(STREAMS, (kept, made), strict=True)
        return {name: Encoded(*encode_some(some, self.builder, **how)) for name, some in every}


AGAIN = "again"
"""A file that says that perception failed on some pictures: the next run encodes them anew."""


def _may_reuse(aware: ObjectAwareModule, place: Path) -> bool:
    """Whether what an earlier run encoded may be taken: its perception is one that has a name, and failed nowhere."""
    return isinstance(aware.perception, Perception) and not (place / AGAIN).exists()


def _scene_facts(aware: ObjectAwareModule) -> list[Any]:
    """What decides the words of Scenes, and which Scenes there are."""
    parts = aware.perception.parts if isinstance(aware.perception, Perception) else {}
    return [aware.config.to_json(), [(part, provider and provider.name) for part, provider in parts.items()]]


def _with_scenes(
    conversations: Iterable[Conversation], aware: ObjectAwareModule
) -> Iterator[tuple[Conversation, list[Scene]]]:
    """Each conversation with the Scenes of its pictures; none where a picture cannot be used, which is left out later.
    Several conversations are perceived together."""
    waiting: list[Conversation] = []
    pictures: list[Any] = []
    for c in conversations:
        found = [decode(path) for path in c.images] if not unusable(c.images) else []
        if is_full(pictures, found):
            yield from _perceived(waiting, pictures, aware)
            waiting, pictures = [], []
        waiting.append(c)
        pictures += found
    yield from _perceived(waiting, pictures, aware)


def _perceived(
    conversations: Sequence[Conversation], pictures: Sequence[Any], aware: ObjectAwareModule
) -> Iterator[tuple[Conversation, list[Scene]]]:
    scenes = iter(aware.training_scenes(pictures))
    for c in conversations:
        yield c, [] if unusable(c.images) else [next(scenes) for _ in c.images]


@contextmanager
def _failures_of_all(aware: ObjectAwareModule, group: Group) -> Iterator[list[str]]:
    """Count in every process what perception looked at, and failed on, in all of them; yields a list that holds the
    failed parts afterwards."""
    failed: list[str] = []
    perception = aware.perception
    if not isinstance(perception, Perception):
        yield failed
        return
    before = perception.pictures, perception.failures.copy()
    yield failed
    own = perception.pictures - before[0], perception.failures - before[1], perception.reasons
    for rank, (pictures, failures, reasons) in enumerate(group.every(own)):
        failed += failures
        if rank != group.rank:
            perception.pictures += pictures
            perception.failures.update(failures)
            perception.reasons = reasons | perception.reasons


def _crayon_instructions(c: Conversation, scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Conversation]:
    if c.images and not scenes:
        yield c  # `encode_some` leaves it out, and counts it
        return
    language = language_of(" ".join(m.text for m in c.messages))
    for path, scene in zip(c.images, scenes, strict=True):
        question, answer = instruction(scene, rng, language)
        turns = Message("user", (Part.image(path), Part.text(question))), Message("assistant", (Part.text(answer),))
        yield Conversation(f"{c.name}, crayon", turns)
