"""Scenes in words, inside a conversation: what a picture holds stands right after the picture, in the question's
language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from nunbit import scene_prompt
from nunbit.errors import unknown_name
from nunbit.evidence.question_facts import QuestionFacts
from nunbit.messages import Message, Part
from nunbit.models.object_aware.config import SCENE_PROMPTS, ObjectAwareConfig
from nunbit.scene import Scene
from nunbit.verbalise import object_list, transcribe
from nunbit.world.base import Language
from nunbit.world.names import names_in

MAX_ITEMS = (40, 30, 24, 18, 14, 11, 8, 6, 4, 3, 2, 1)
"""Objects and lines in words, tried in this order until the words fit."""
MAX_FACT_TOKENS = 300
"""Tokens of what a question names; what does not fit is left out from the end."""
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」")


class SceneText:
    """Writes Scenes into conversations.

    Args:
        config: which words, in how many tokens, with which translations.
        count_tokens: tokens of a text for this model.
    """

    def __init__(self, config: ObjectAwareConfig, count_tokens: Callable[[str], int]) -> None:
        self.config, self.count_tokens = config, count_tokens

    def add(self, messages: Sequence[Message], scenes: Sequence[Scene]) -> list[Message]:
        """The conversation with the words of each picture's Scene right after the picture; with `question_facts`, what
        each question names stands after the last picture of its turn."""
        if self.config.scene_prompt == "none":
            return list(messages)
        left = iter(self._numbered(scenes))
        out: list[Message] = []
        shown = 0
        for m in messages:
            language = language_of(m)
            parts = [part for p in m.parts for part in self._parts(p, left, language, m.data_mark)]
            shown += len(m.images)
            if self.config.question_facts and m.role == "user" and (facts := self._facts(m, scenes[:shown], language)):
                facts = scene_prompt.as_data(facts, language, m.data_mark) if m.data_mark else facts
                parts.insert(_after_pictures(parts), Part.text(facts))
            out.append(replace(m, parts=tuple(parts)))
        return out

    def _facts(self, message: Message, scenes: Sequence[Scene], language: Language) -> str:
        """What the words of a turn name in the pictures so far; "" beyond `MAX_FACT_TOKENS`, from the last line on."""
        words = " ".join(p.content for p in message.parts if p.kind == "text")
        lines = QuestionFacts(scenes, language).words(words).splitlines(keepends=True) if scenes else []
        while lines and self.count_tokens("".join(lines)) > MAX_FACT_TOKENS:
            lines.pop()
        return "".join(lines)

    def words(self, scene: Scene, language: str = "en") -> str:
        """A Scene in words, with as many of its objects and lines as fit; in English where the language has no
        translations."""
        if self.config.scene_prompt == "compact":
            return self._compact(scene, language)
        known = self.config.translations.get(language)
        for most in MAX_ITEMS:
            words = scene_words(scene, self.config.scene_prompt, most, language if known else "en", known)
            if self.count_tokens(words) <= self.config.max_scene_tokens:
                return words
        return ""

    def _compact(self, scene: Scene, language: str) -> str:
        """Short lines, the last ones left out where they do not fit."""
        lines = scene_prompt.scene_words(scene, language, names_in("ko" if language == "ko" else "en")).split("\n")
        while len(lines) > 1 and self.count_tokens("\n".join(lines)) > self.config.max_scene_tokens:
            lines.pop()
        return "\n".join(lines)

    def _numbered(self, scenes: Sequence[Scene]) -> list[tuple[int, Scene]]:
        """Scenes with the number of their picture; 0 where a number says nothing: alone, or in other words."""
        several = self.config.scene_prompt == "compact" and len(scenes) > 1
        return [(i if several else 0, s) for i, s in enumerate(scenes, 1)]

    def _parts(self, part: Part, scenes: Iterator[tuple[int, Scene]], language: str, mark: str) -> list[Part]:
        if part.kind != "image":
            return [part]
        number, scene = next(scenes)
        words = self.words(scene, language)
        if number:
            words = f"{scene_prompt.picture_heading(number, language)}\n{words}"
        if mark and words:
            return [part, Part.text(scene_prompt.as_data(words, language, mark))]
        return [part, Part.text(words + "\n")] if words else [part]


def scene_words(
    scene: Scene,
    style: str,
    max_items: int = MAX_ITEMS[0],
    language: str = "en",
    translations: Mapping[str, str] | None = None,
) -> str:
    """A Scene in words; empty where nothing was found.

    Args:
        style: see `ObjectAwareConfig.scene_prompt`, "compact" aside; the numbered list is English, as published.
        max_items: objects and lines at most.
        language, translations: of `nunbit.verbalise.transcribe`.
    """
    if style == "objects":
        found = object_list(scene.segment_map, scene.segments[:max_items])
        return f"The image includes {found}." if found else ""
    if style == "plain":
        known = scene.objects or scene.text_lines
        return transcribe(scene, language, translate=translations, max_items=max_items) if known else ""
    if style == "none":
        return ""
    raise unknown_name("scene prompt", style, SCENE_PROMPTS)


def _after_pictures(parts: Sequence[Part]) -> int:
    """The place behind the last picture and its words; 0 if there is none."""
    images = [i for i, p in enumerate(parts) if p.kind == "image"]
    return min(images[-1] + 2, len(parts)) if images else 0


def language_of(message: Message) -> Language:
    """The language of a question, "ko" or "en", by its letters outside of quotes: a Hangul syllable counts for two
    letters."""
    words = QUOTED.sub("", " ".join(p.content for p in message.parts if p.kind == "text"))
    korean, latin = sum("가" <= c <= "힣" for c in words), sum(c.isascii() and c.isalpha() for c in words)
    return "ko" if korean and 2 * korean >= latin else "en"
