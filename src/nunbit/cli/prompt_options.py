"""The options of ``nunbit ask`` and ``nunbit chat``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.engine_options import EngineArguments
from nunbit.cli.options import AsJson, Model
from nunbit.errors import UserError

Verify = Annotated[
    bool, typer.Option("--verify", help="Check the answer against the picture and correct what does not hold.")
]
VerifyLLM = Annotated[
    bool,
    typer.Option("--llm/--no-llm", help="With --verify: ask the model again where perception knows nothing."),
]
GuardPolicy = Annotated[
    str,
    typer.Option(
        "--guard",
        metavar="off|mark|strip|block",
        help="Orders to a model that a picture holds: hand them on as data, mask them, or refuse the picture.",
    ),
]
POINTER_KINDS = ("point", "box", "circle", "arrow")


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How a question is prompted: examples, reasoning, marks and pointers."""

    shots: Annotated[
        Path | None,
        typer.Option(help="Examples with answers, shown before the question: JSON lines, or a folder of such files."),
    ] = None
    k: Annotated[int, typer.Option("--k", min=0, max=64, help="Number of examples.")] = 4
    rices: Annotated[
        bool, typer.Option("--rices", help="Choose the examples whose pictures are most similar (RICES).")
    ] = False
    text_only: Annotated[bool, typer.Option("--text-only", help="Leave out the pictures of the examples.")] = False
    cot: Annotated[bool, typer.Option("--cot", help="Show the examples with their reasoning (chain of thought).")] = (
        False
    )
    zero_shot_cot: Annotated[
        bool, typer.Option("--zero-shot-cot", help="Let the model reason step by step, then answer.")
    ] = False
    self_consistency: Annotated[
        int, typer.Option("--self-consistency", min=0, max=64, help="Sample N answers and keep the most common one.")
    ] = 0
    point: Annotated[str | None, typer.Option(help="Draw a point at x,y in pixels.")] = None
    box: Annotated[str | None, typer.Option(help="Draw a box x1,y1,x2,y2.")] = None
    circle: Annotated[str | None, typer.Option(help="Draw a circle x,y,radius.")] = None
    arrow: Annotated[str | None, typer.Option(help="Draw an arrow x1,y1,x2,y2.")] = None
    marks: Annotated[
        bool, typer.Option("--marks", help="Number all objects that perception finds (set-of-mark prompting).")
    ] = False
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Print the conversation that is sent.")] = False

    @property
    def pointers(self) -> dict[str, str]:
        """The shapes to draw, by kind, with their coordinates as typed."""
        given = {kind: getattr(self, kind) for kind in POINTER_KINDS}
        return {kind: at for kind, at in given.items() if at is not None}

    @property
    def single_pass(self) -> bool:
        """Whether the model's first text is the answer: no reasoning, no vote."""
        return not (self.cot or self.zero_shot_cot or self.self_consistency)

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            UserError: options that need examples without ``--shots``, or two kinds of chain of thought.
        """
        if self.shots is None:
            needs = {"--rices": self.rices, "--text-only": self.text_only, "--cot": self.cot}
            for name in (name for name, given in needs.items() if given):
                raise UserError(f"{name} without examples", allowed="together with --shots FILE")
        if self.cot and self.zero_shot_cot:
            raise UserError("both --cot and --zero-shot-cot", allowed="one of the two")


@dataclass(frozen=True, slots=True)
class AskOptions:
    """Arguments and options of ``nunbit ask``."""

    words: Annotated[list[str] | None, typer.Argument(help="PICTURE... QUESTION")] = None
    batch: Annotated[
        Path | None,
        typer.Option("--batch", help="A file of JSON lines with image, question and, if known, answers."),
    ] = None
    model: Model = None
    engine: EngineArguments = EngineArguments()
    as_json: AsJson = False
    max_new_tokens: Annotated[int, typer.Option(min=1, max=1024, help="Tokens of an answer, at most.")] = 96
    readable: Annotated[bool, typer.Option("--readable", help="With --batch: print text instead of JSON.")] = False
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence", help="List what the answer says of the pictures, and what in them each claim rests on."
        ),
    ] = False
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Write the picture with the claims drawn over it, e.g. out.png.")
    ] = None
    verify: Verify = False
    llm: VerifyLLM = True
    guard: GuardPolicy = "off"
    prompt: PromptOptions = PromptOptions()


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Arguments and options of ``nunbit chat``."""

    pictures: Annotated[list[str], typer.Argument(help="PICTURE...")]
    model: Model = None
    engine: EngineArguments = EngineArguments()
    max_new_tokens: Annotated[int, typer.Option(min=1, max=1024, help="Tokens of an answer, at most.")] = 96
    verify: Verify = False
    llm: VerifyLLM = True
    guard: GuardPolicy = "off"
