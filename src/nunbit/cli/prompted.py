"""An assistant that prompts as `PromptOptions` say: examples, reasoning, votes, numbers and pointers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from nunbit.assistant import Answer
from nunbit.cli.engine_options import EngineArguments
from nunbit.cli.output import say, waiting
from nunbit.cli.prompt_options import PromptOptions
from nunbit.errors import UserError
from nunbit.media.heap import use_single_heap
from nunbit.messages import Message
from nunbit.models.loading import default_name
from nunbit.prompting import Ask, Transform, chain, show
from nunbit.prompting.chain_of_thought import final_answer, final_only, self_consistency, zero_shot
from nunbit.prompting.marks import Numbers, number_all
from nunbit.prompting.pointing import parse, point_at
from nunbit.prompting.rices import Rices, fingerprint, index_file, picture_embedder, vision_encoder
from nunbit.prompting.shots import few_shot, load_shots
from nunbit.scene import Scene


class PromptedAssistant:
    """Asks a model with prepared prompts. Options and examples are checked before the model loads, which takes longer.

    Args:
        options: how a question is prompted.
        model: folder or hub id; None for the embedded model.
        engine: where it runs, in which numbers, and how much it keeps.

    Raises:
        UserError: options that do not go together, or examples that cannot be read.
    """

    def __init__(
        self, options: PromptOptions, model: str | None = None, engine: EngineArguments = EngineArguments()
    ) -> None:
        options.check()
        use_single_heap()
        self.options, self._shown = options, set[str]()
        self._perceive: Callable[[list[Any]], list[Scene]] | None = None
        self.pointers = [point_at(parse(kind, at)) for kind, at in options.pointers.items()]
        self.shots = load_shots(options.shots) if options.shots is not None else []
        few_shot(
            self.shots[: options.k], reasoning=options.cot
        )  # a mistake in the examples is named before the model loads
        with waiting(f"loading {model or default_name()}"):
            self.assistant = engine.assistant(model)
        self.index = self._index() if options.rices else None

    def ask(
        self, turns: Sequence[Message], max_new_tokens: int, on_text: Callable[[str], None] | None = None
    ) -> Answer:
        """Answer a conversation.

        Args:
            turns: the conversation; its last turn is the question.
            max_new_tokens: tokens of each generated text, at most.
            on_text: receives the answer's text; a single pass is streamed. Reasoning goes to stderr.
        """
        prepared = self.prepare(turns)
        answers: list[Answer] = []

        def once(messages: Sequence[Message], seed: int | None = None, on_text: Any = None) -> str:
            self._show(messages)
            answers.append(self.assistant.ask(messages, max_new_tokens=max_new_tokens, on_text=on_text, seed=seed))
            return answers[-1].text

        if self.options.single_pass:
            once(prepared, on_text=on_text)
            return answers[-1]
        text = self._reasoned(once)(prepared)
        if on_text:
            on_text(text)
        last = answers[-1]
        tokens = sum(a.tokens for a in answers)
        return Answer(text, answers[0].ttft_ms, tokens, scenes=last.scenes, notices=last.notices)

    def stream_many(self, conversations: Iterable[Sequence[Message]], max_new_tokens: int) -> Iterator[Answer]:
        """Answers of many conversations, in order and as they are ready. Conversations are drawn as the engine takes
        them.

        Those that need reasoning or a vote are answered one after the other.
        """
        if not self.options.single_pass:
            yield from (self.ask(turns, max_new_tokens) for turns in conversations)
            return
        yield from self.assistant.stream_many(map(self._prepare_and_show, conversations), max_new_tokens=max_new_tokens)

    def _prepare_and_show(self, turns: Sequence[Message]) -> list[Message]:
        prepared = self.prepare(turns)
        self._show(prepared)
        return prepared

    def prepare(self, turns: Sequence[Message]) -> list[Message]:
        """The conversation with examples, numbers and pointers."""
        numbers = [number_all(self._scene_of, _print_numbers)] if self.options.marks else []
        # Examples first: they are compared with the picture as it is before anything is drawn on it.
        return chain(self._add_examples, *numbers, *self.pointers)(turns)

    def _add_examples(self, turns: Sequence[Message]) -> list[Message]:
        chosen = self.shots[: self.options.k]
        if self.index is not None:
            if not turns[-1].images:
                allowed = "a picture to look for similar ones"
                raise UserError("--rices for a question without a picture", allowed=allowed)
            chosen = self.index.nearest(turns[-1].images[0], self.options.k)
        transform: Transform = few_shot(chosen, text_only=self.options.text_only, reasoning=self.options.cot)
        return transform(turns)

    def _reasoned(self, once: Callable[..., str]) -> Ask:
        """Reasoning first, or a vote, or a vote over reasoned answers."""

        def print_reasoning(text: str) -> None:
            print(f"thinking: {text}", file=sys.stderr)

        def reasoned(messages: Sequence[Message], seed: int | None = None) -> str:
            ask = partial(once, seed=seed)
            if self.options.zero_shot_cot:
                return zero_shot(ask, print_reasoning)(messages)
            return final_only(ask, print_reasoning)(messages) if self.options.cot else ask(messages)

        votes = self.options.self_consistency
        if not votes:
            return reasoned
        return self_consistency(reasoned, votes, final_answer if self.options.zero_shot_cot else str)

    def _index(self) -> Rices:
        assert self.options.shots is not None
        model, images = self.assistant.model, self.assistant.processor.image_processor
        encoder = f"{self.assistant.name} {fingerprint(vision_encoder(model))}"
        file = index_file(self.options.shots)
        say(f"note: the index of the pictures of {len(self.shots)} examples is kept in {file}")
        with waiting("looking at the examples"):
            return Rices(self.shots, picture_embedder(model, images), file=file, encoder=encoder)

    def _scene_of(self, image: Any) -> Scene:
        if self._perceive is None:
            from nunbit.perception.build import PerceptionConfig, build_perception

            self._perceive = build_perception(PerceptionConfig(ocr="none"))
        return self._perceive([image])[0]

    def _show(self, messages: Sequence[Message]) -> None:
        """Print what is sent, each conversation once."""
        text = show(messages)
        if self.options.show_prompt and text not in self._shown:
            self._shown.add(text)
            print(text, file=sys.stderr)


def _print_numbers(numbers: Numbers) -> None:
    print(", ".join(f"{n}: {thing.name}" for n, thing in numbers.items()) or "nothing to number", file=sys.stderr)
