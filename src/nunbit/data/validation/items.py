"""Everything that is wrong with one item, from its form to what it says of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nunbit.data.teacher.prompting import Kind
from nunbit.data.teacher.reply_format import Turn, parse, stray_marker
from nunbit.data.validation.form import is_empty, repeated_words, too_long, wrong_language
from nunbit.data.validation.leaks import leak
from nunbit.data.validation.phrases import refusal_words, source_words
from nunbit.data.validation.problems import Problem
from nunbit.data.validation.scene_check import contradictions
from nunbit.evidence.names import Lexicon
from nunbit.scene import Scene
from nunbit.world.base import Language

LEAST_DETAIL_CHARS = 20


def problems_of_text(text: str, kind: Kind, language: Language, scene: Scene | None) -> list[Problem]:
    """What is wrong with a teacher's raw text.

    Args:
        scene: of the picture; None where nothing is known of it, so that nothing is compared with it.
    """
    if is_empty(text):
        return [Problem("empty", 0, "", "There is no text.")]
    parsed = parse(text, kind)
    if parsed.turns:
        return problems_of(parsed.turns, kind, language, scene)
    found = [Problem("breaks-format", 0, parsed.words, f"{parsed.why[:1].upper()}{parsed.why[1:]}.")]
    if words := refusal_words(text):
        found.insert(0, Problem("refuses", 0, words, "It refuses, or says that it sees no picture."))
    return found


def problems_of(turns: Sequence[Turn], kind: Kind, language: Language, scene: Scene | None) -> list[Problem]:
    """What is wrong with the turns of an item. A question may be empty where a description has none of its own."""
    found = [p for n, turn in enumerate(turns) for p in _of_turn(n, turn, kind, language, scene)]
    found += _repeated_turns(turns)
    if scene is not None and not any(p.code in ("empty", "wrong-language") for p in found):
        found += contradictions(turns, scene, language)
    return found


def _of_turn(n: int, turn: Turn, kind: Kind, language: Language, scene: Scene | None) -> Iterator[Problem]:
    question, answer = turn
    if is_empty(answer) or (kind != "detail" and is_empty(question)):
        yield Problem("empty", n, "", "A question or an answer without words.")
        return
    for part in turn:
        if words := stray_marker(part):
            yield Problem("breaks-format", n, words, "A mark of a format is left inside.")
        if words := source_words(part):
            yield Problem("mentions-source", n, words, "It names captions, boxes or given facts as its source.")
        if words := refusal_words(part):
            yield Problem("refuses", n, words, "It refuses, or says that it sees no picture.")
    written = [t.text for t in scene.text_lines] if scene else []
    for part in (question, answer):
        if words := wrong_language(part, language, written):
            yield Problem("wrong-language", n, words, f"It is not in {'English' if language == 'en' else 'Korean'}.")
            break
    if words := too_long(question, answer, kind, language):
        yield Problem("too-long", n, words, "It is longer than an item of its kind should be.")
    if words := repeated_words(answer):
        yield Problem("repeats", n, words, "It says the same again and again.")
    names = [o.name for o in scene.objects] if scene else []
    if words := leak(question, answer, kind, Lexicon(names)):
        yield Problem("leaks-answer", n, words, "The question holds its answer, or gives away what is in the picture.")


def _repeated_turns(turns: Sequence[Turn]) -> Iterator[Problem]:
    """A question that was asked before."""
    asked: set[str] = set()
    for n, (question, _) in enumerate(turns):
        plain = " ".join(question.casefold().split()).rstrip("?!. ")
        if plain and plain in asked:
            yield Problem("repeats", n, question[:80], "The same question was asked before.")
        asked.add(plain)
