"""The words of Scenes in a prompt of token ids, for a model that reads them after each picture.

Other programs render the conversation, so the words are put into the rendered ids: right after a picture, read by the
tokenizer together with the words that follow it, as `nunbit.models.prompt.PromptBuilder` reads them.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nunbit.messages import Message, Part
from nunbit.models.object_aware import is_object_aware
from nunbit.models.object_aware.checkpoint import CONFIG, OLD_CONFIG
from nunbit.models.object_aware.config import ObjectAwareConfig
from nunbit.models.object_aware.recent_scenes import RecentScenes
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.models.text_encoder import TextEncoder
from nunbit.perception.build import build_perception
from nunbit.scene import Scene


def object_aware_config(folder: Path) -> ObjectAwareConfig | None:
    """The config of the object-aware parts in a model's folder; None without any."""
    if not is_object_aware(folder):
        return None
    path = folder / CONFIG if (folder / CONFIG).is_file() else folder / OLD_CONFIG
    return ObjectAwareConfig.from_json(json.loads(path.read_text(encoding="utf-8")))


class SceneWords:
    """Puts the words of pictures' Scenes into prompts of one model.

    Args:
        config: of its object-aware parts.
        tokenizer: of the model; a fast one.
        image_id: the token that stands for a picture.
        perceive: PIL pictures to Scenes; what the config names if not given.
    """

    def __init__(
        self,
        config: ObjectAwareConfig,
        tokenizer: Any,
        image_id: int,
        perceive: Callable[[Sequence[Any]], list[Scene]] | None = None,
    ) -> None:
        self.encoder, self.image_id = TextEncoder(tokenizer), image_id
        self.tokenizer = tokenizer
        self.controls = {*self.encoder.control_ids} - {image_id}
        self.scene_text = SceneText(config, lambda text: len(self.encoder.words(text)))
        self.perceive = RecentScenes(perceive or build_perception(config.perception))

    def insert(self, ids: Sequence[int], pictures: Sequence[Any]) -> list[int]:
        """The prompt, with one token for each picture, and the words of each picture's Scene after it."""
        runs, left = self._runs(ids), iter(pictures)
        turns = [run for run in runs if self.image_id in run]
        messages = [Message("user", self._parts(run, left)) for run in turns]
        added = self.scene_text.add(messages, self.perceive(pictures))
        words = {id(run): self._words(m.parts) for run, m in zip(turns, added, strict=True)}
        return [i for run in runs for i in (self._written(run, words[id(run)]) if id(run) in words else run)]

    def _runs(self, ids: Sequence[int]) -> list[list[int]]:
        """The ids in order, cut before and after each control token."""
        runs: list[list[int]] = [[]]
        for i in ids:
            if i in self.controls:
                runs += [[i], []]
            else:
                runs[-1].append(i)
        return runs

    def _segments(self, run: Sequence[int]) -> list[list[int]]:
        """What stands before the first picture of a run, and after each."""
        found: list[list[int]] = [[]]
        for i in run:
            if i == self.image_id:
                found.append([])
            else:
                found[-1].append(i)
        return found

    def _parts(self, run: Sequence[int], pictures: Iterator[Any]) -> tuple[Part, ...]:
        """A run as the parts of a message: each picture with the text after it, which says the language. Before the
        first picture a template may have written its own words."""
        after = (self._decoded(s) for s in self._segments(run)[1:])
        return tuple(part for text in after for part in (Part.image(next(pictures)), Part.text(text)))

    def _words(self, parts: Sequence[Part]) -> list[str]:
        """The words that were added after each picture: where there are some, the part behind it."""
        images = [i for i, p in enumerate(parts) if p.kind == "image"]
        ends = [*images[1:], len(parts)]
        return [parts[i + 1].content if end - i > 2 else "" for i, end in zip(images, ends, strict=True)]

    def _written(self, run: Sequence[int], words: Sequence[str]) -> list[int]:
        out, *others = self._segments(run)
        for segment, said in zip(others, words, strict=True):
            out += [self.image_id, *self._joined(said, segment)]
        return out

    def _joined(self, words: str, segment: list[int]) -> list[int]:
        """Ids of the words and the text after them, read as one text where that text can be read again."""
        if not words:
            return segment
        text = self._decoded(segment)
        if self.encoder.words(text) != segment:
            return self.encoder.words(words) + segment
        rest = text.lstrip()  # a template may write a line break between a picture and the words about it
        return self.encoder.words(text[: len(text) - len(rest)] + words + rest)

    def _decoded(self, segment: Sequence[int]) -> str:
        """Ids as text, Hangul in syllables, whatever the tokenizer makes of it."""
        return unicodedata.normalize("NFC", self.tokenizer.decode(segment))
