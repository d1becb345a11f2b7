"""What ``nunbit ask`` says of an answer's evidence: a list, a line for each contradiction, JSON, a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.assistant import Answer, Assistant
from nunbit.cli.output import say
from nunbit.evidence import Claim, claims_of, contradictions
from nunbit.evidence.drawing import draw_claims
from nunbit.evidence.wording import contradiction, language_of, lines_of, report
from nunbit.media.saving import save_picture
from nunbit.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

HEADINGS = {
    "en": "Evidence (where the words of the answer are in the picture):",
    "ko": "근거 (답변의 말이 이미지의 어디에 있는지):",
}
NOTHING = {
    "en": "the answer names nothing that can be compared with the picture",
    "ko": "이미지와 비교할 수 있는 말이 없습니다",
}


class AnswerEvidence:
    """The claims of one answer about pictures.

    Args:
        assistant: its perception is used where the answer came without Scenes.
        images: the pictures of the question, decoded.
        question: its words.
        answer: of the assistant; Scenes of examples that were shown before the question are left out.
    """

    def __init__(self, assistant: Assistant, images: Sequence[Image], question: str, answer: Answer) -> None:
        self.images, self.question, self.answer = images, question, answer.text
        self.scenes = scenes_of(assistant, images, answer)
        self.claims: list[Claim] = claims_of(question, answer.text, self.scenes)

    def print(self) -> None:
        """Print the list on stdout."""
        print("\n" + HEADINGS[language_of(self.question)], *self.lines(), sep="\n  ")

    def lines(self) -> list[str]:
        """A line for each claim, or one that says that there is none, in the question's language."""
        language = language_of(self.question)
        return lines_of(self.claims, language, pictures=len(self.images)) or [NOTHING[language]]

    def warn(self) -> None:
        """Print a line on stderr for each contradiction."""
        for claim in contradictions(self.claims):
            say(f"note: {contradiction(claim, language_of(self.question))}")

    def json(self) -> dict[str, Any]:
        """The claims, what they rest on, and a sentence in two languages for each contradiction."""
        return report(self.claims)

    def draw(self, out: Path) -> list[Path]:
        """Write the pictures with the claims drawn over them: OUT.png, then OUT-2.png ...; returns the files.

        Raises:
            UserError: a file that cannot be written.
        """
        drawn = draw_claims(self.images, self.scenes, self.claims, question=self.question, answer=self.answer)
        files = [out if i == 1 else out.with_name(f"{out.stem}-{i}{out.suffix}") for i in range(1, len(drawn) + 1)]
        for file, image in zip(files, drawn, strict=True):
            save_picture(image, file)
        return files


def scenes_of(assistant: Assistant, images: Sequence[Image], answer: Answer) -> list[Scene]:
    """The Scenes of a question's pictures: those that the answer came with, else what perception finds now."""
    known = answer.scenes[len(answer.scenes) - len(images) :] if len(answer.scenes) >= len(images) else ()
    return [*known] or _perceived(assistant, images)


def _perceived(assistant: Assistant, images: Sequence[Image]) -> list[Scene]:
    if assistant.aware is not None:
        return assistant.aware.perceive(images)
    from nunbit.perception.build import PerceptionConfig, build_perception

    return build_perception(PerceptionConfig())(images)
