"""What the guard found in the pictures of a request, as one record that can be read and sent as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nunbit.scene import Box
from nunbit.world.base import Language

Policy = Literal["off", "mark", "strip", "block"]
POLICIES: tuple[Policy, ...] = ("off", "mark", "strip", "block")
"""Let everything pass; wrap what was read as data and say so; mask the lines; refuse the request."""
MOST_TEXT_CHARS = 600
REASONS = {
    "override": ("sets earlier orders aside", "이전 지시를 무시하게 합니다"),
    "distract": ("sets the question aside", "질문을 무시하게 합니다"),
    "address": ("addresses a model", "모델에게 말을 겁니다"),
    "role": ("gives the model another part", "모델에게 다른 역할을 줍니다"),
    "control": ("dictates the answer", "답변을 정해 줍니다"),
    "secrecy": ("asks the model to keep silent", "모델에게 말하지 말라고 합니다"),
    "reveal": ("asks for what is secret", "비밀을 요구합니다"),
    "user": ("says what to do to the user", "사용자에게 할 일을 시킵니다"),
    "image": ("says what the picture shall be called", "이미지를 무엇이라 부를지 정합니다"),
    "tags": ("poses as the system", "시스템인 척합니다"),
    "tokens": ("has marks of chat templates", "채팅 템플릿 표시가 있습니다"),
    "tool": ("orders an action", "행동을 시킵니다"),
    "reads": ("speaks to whoever reads the picture", "이미지를 읽는 쪽에 말합니다"),
    "speech": ("orders words to be said", "말을 하라고 시킵니다"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An order to a model, found in a picture.

    Attributes:
        picture: its position in the request, from 0.
        box: around its lines there, in pixels.
        view: in which the lines were read.
        text: the lines of this picture.
    """

    picture: int
    box: Box
    view: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "picture": self.picture,
            "box": [round(v, 1) for v in self.box],
            "view": self.view,
            "text": self.text[:MOST_TEXT_CHARS],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of the pictures of a request.

    Attributes:
        policy: what is done about a finding.
        score: how likely the most suspicious text is an order to a model, 0 to 1.
        signs: what speaks for it, in words of `REASONS`.
        findings: where it stands; empty where nothing was found.
        views: for each picture, how many new lines each view showed.
        ms: time for the views of each picture, reading included.
        unread: what could not be looked at, in sentences.
    """

    policy: Policy
    score: float = 0.0
    signs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    views: tuple[dict[str, int], ...] = ()
    ms: tuple[float, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether an order to a model was found."""
        return bool(self.findings)

    @property
    def action(self) -> str:
        """What was done: ``passed``, ``marked``, ``stripped`` or ``blocked``."""
        done = {"mark": "marked", "strip": "stripped", "block": "blocked"}
        return done.get(self.policy, "passed") if self.found else "passed"

    @property
    def text(self) -> str:
        """The found text of all pictures."""
        return "\n".join(f.text for f in self.findings)[:MOST_TEXT_CHARS]

    def reason(self, language: Language = "en") -> str:
        """Why, in a few words; "" where nothing was found."""
        return ", ".join(REASONS[s][language == "ko"] for s in self.signs if s in REASONS) if self.found else ""

    def boxes(self, picture: int) -> list[Box]:
        """The boxes of what was found in a picture."""
        return [f.box for f in self.findings if f.picture == picture]

    def found_in(self, picture: int) -> str:
        """The found text of one picture; "" where it has none."""
        return "\n".join(f.text for f in self.findings if f.picture == picture)[:MOST_TEXT_CHARS]

    def to_json(self) -> dict[str, Any]:
        """As JSON: what was found, where, in which view, and what was done."""
        return {
            "policy": self.policy,
            "found": self.found,
            "action": self.action,
            "score": round(self.score, 3),
            "signs": list(self.signs) if self.found else [],
            "reason": self.reason(),
            "reason_ko": self.reason("ko"),
            "text": self.text,
            "findings": [f.to_json() for f in self.findings],
            "views": [
                {"picture": i, "lines": dict(v), "ms": m}
                for i, (v, m) in enumerate(zip(self.views, self.ms, strict=True))
            ],
            "unread": list(self.unread),
        }


def notice(verdict: Verdict, language: Language) -> str:
    """One sentence for the reader of an answer: what was found and what was done; "" where nothing was."""
    if not verdict.found:
        return ""
    quoted = " ".join(verdict.text.split())
    quoted = quoted if len(quoted) <= 120 else quoted[:119] + "…"
    return _NOTICES[language][verdict.action].format(text=quoted)


_NOTICES = {
    "en": {
        "passed": 'the picture holds text that reads as an order to a model: "{text}"',
        "marked": 'the picture holds text that reads as an order to a model, and it was handed on as data: "{text}"',
        "stripped": 'the picture held text that reads as an order to a model, and it was masked: "{text}"',
        "blocked": 'the picture holds text that reads as an order to a model: "{text}"',
    },
    "ko": {
        "passed": '이미지에 모델에게 지시하는 글이 있습니다: "{text}"',
        "marked": '이미지에 모델에게 지시하는 글이 있어 자료로만 전달했습니다: "{text}"',
        "stripped": '이미지에 모델에게 지시하는 글이 있어 가렸습니다: "{text}"',
        "blocked": '이미지에 모델에게 지시하는 글이 있습니다: "{text}"',
    },
}


def around(boxes: Sequence[Box]) -> Box:
    """The box around boxes."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)
