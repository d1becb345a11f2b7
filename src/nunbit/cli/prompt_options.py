"""The options of `nunbit ask` about how a question is to be asked, and an assistant that follows them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.messages import Message
from nunbit.models.assistant import Answer, Assistant
from nunbit.prompting import Ask, Transform, chain, show
from nunbit.prompting.chain_of_thought import final_answer, final_only, self_consistency, zero_shot
from nunbit.prompting.marks import Numbers, number_all
from nunbit.prompting.pointing import parse, point_at
from nunbit.prompting.rices import Rices, fingerprint, index_file, picture_embedder, vision_encoder
from nunbit.prompting.shots import few_shot, load_shots
from nunbit.scene import Scene


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How a question is to be asked: see the options of `nunbit ask`."""

    shots: Path | None = None
    k: int = 4
    rices: bool = False
    text_only: bool = False
    cot: bool = False
    zero_shot_cot: bool = False
    votes: int = 0
    marks: bool = False
    show_prompt: bool = False
    pointers: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """The words of the model are the answer, as they come."""
        return not (self.cot or self.zero_shot_cot or self.votes)

    def check(self) -> None:
        """Raise a UserError for wishes that do not go together."""
        if self.shots is None:
            for name, wished in {"--rices": self.rices, "--text-only": self.text_only, "--cot": self.cot}.items():
                if wished:
                    raise UserError(f"{name} without examples", allowed="together with --shots FILE")
        if self.cot and self.zero_shot_cot:
            raise UserError("both --cot and --zero-shot-cot", allowed="one of the two")


class PromptedAssistant:
    """An assistant that asks as wished. PromptOptions and examples are read before the model, which takes longer."""

    def __init__(self, wishes: PromptOptions, model: str | None = None, device: str = "cpu") -> None:
        wishes.check()
        self.wishes, self._shown = wishes, set[str]()
        self._see: Callable[[list[Any]], list[Scene]] | None = None
        self.pointers = [point_at(parse(kind, at)) for kind, at in wishes.pointers.items()]
        self.shots = load_shots(wishes.shots) if wishes.shots is not None else []
        few_shot(self.shots[: wishes.k], reasoning=wishes.cot)  # complains now rather than after the model has come
        self.helper = Assistant(model, device)
        self.index = self._index() if wishes.rices else None

    def ask(self, turns: Sequence[Message], max_new_tokens: int, say: Callable[[str], None] | None = None) -> Answer:
        """Answer as wished; ``say`` receives the words of the answer. Reasoning goes to stderr."""
        prepared = self.prepare(turns)
        made: list[Answer] = []

        def once(messages: Sequence[Message], seed: int | None = None, on_text: Any = None) -> str:
            self._show(messages)
            made.append(self.helper.ask(messages, max_new_tokens=max_new_tokens, on_text=on_text, seed=seed))
            return made[-1].text

        if self.wishes.plain:
            once(prepared, on_text=say)
            return made[-1]
        text = self._reasoned(once)(prepared)
        if say:
            say(text)
        return Answer(text, made[0].ttft_ms, sum(a.tokens for a in made))

    def prepare(self, turns: Sequence[Message]) -> list[Message]:
        """The conversation with solved examples, numbers and pointers."""
        numbers = [number_all(self._seen, _tell)] if self.wishes.marks else []
        # Examples first: what they are likened to is the picture before anything is drawn on it.
        return chain(self._examples, *numbers, *self.pointers)(turns)

    def _examples(self, turns: Sequence[Message]) -> list[Message]:
        chosen = self.shots[: self.wishes.k]
        if self.index is not None:
            if not turns[-1].images:
                raise UserError(
                    "--rices for a question without a picture", allowed="a picture to look for similar ones"
                )
            chosen = self.index.nearest(turns[-1].images[0], self.wishes.k)
        transform: Transform = few_shot(chosen, text_only=self.wishes.text_only, reasoning=self.wishes.cot)
        return transform(turns)

    def _reasoned(self, once: Callable[..., str]) -> Ask:
        """Reasoning first, or a vote, or a vote over reasoned answers."""

        def think(said: str) -> None:
            print(f"thinking: {said}", file=sys.stderr)

        def reasoned(messages: Sequence[Message], seed: int | None = None) -> str:
            ask = partial(once, seed=seed)
            if self.wishes.zero_shot_cot:
                return zero_shot(ask, think)(messages)
            return final_only(ask, think)(messages) if self.wishes.cot else ask(messages)

        if not self.wishes.votes:
            return reasoned
        return self_consistency(reasoned, self.wishes.votes, final_answer if self.wishes.zero_shot_cot else str)

    def _index(self) -> Rices:
        assert self.wishes.shots is not None
        model, images = self.helper.model, self.helper.processor.image_processor
        return Rices(self.shots, picture_embedder(model, images), file=index_file(self.wishes.shots),
                     encoder=f"{self.helper.name} {fingerprint(vision_encoder(model))}")  # fmt: skip

    def _seen(self, image: Any) -> Scene:
        if self._see is None:
            from nunbit.perception.build import PerceptionConfig, build_perception

            self._see = build_perception(PerceptionConfig(ocr="none"))
        return self._see([image])[0]

    def _show(self, messages: Sequence[Message]) -> None:
        """Print what is sent, each conversation once."""
        words = show(messages)
        if self.wishes.show_prompt and words not in self._shown:
            self._shown.add(words)
            print(words, file=sys.stderr)


def _tell(numbers: Numbers) -> None:
    print(", ".join(f"{n}: {thing.name}" for n, thing in numbers.items()) or "nothing to number", file=sys.stderr)
