"""A reply as the rules of `nunbit.evaluation.extraction` read it: without thoughts, with narrow characters, and with
what its final-answer marks hold.

Every folding keeps the length of the text, so that a span always points into the reply as it was given.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

BLANK = "\0"
"""Stands for each character of a thought. No white space: no rule may run over thousands of them."""
FULL_WIDTH = {c: chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)} | {0x3000: " "}
_TAGS = "think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|seed:think"
_OPENS = rf"<\s*(?:{_TAGS})\s*>|◁think▷|\[think\]|<\|begin_of_thought\|>|<\|channel\|>\s*analysis\s*<\|message\|>"
_CLOSES = (
    rf"<\s*/\s*(?:{_TAGS})\s*>|◁/think▷|\[/think\]|<\|end_of_thought\|>"
    r"|<\|channel\|>\s*final\s*<\|message\|>"
)
_PAIR = re.compile(rf"(?:{_OPENS})(?:(?!{_OPENS}).)*?(?:{_CLOSES})", re.DOTALL | re.IGNORECASE)
_OPEN, _CLOSE = (re.compile(p, re.IGNORECASE) for p in (_OPENS, _CLOSES))
_FINAL = re.compile(
    r"<answer>(.*?)</answer>|<\|begin_of_box\|>(.*?)<\|end_of_box\|>|<\|begin_of_solution\|>(.*?)<\|end_of_solution\|>",
    re.DOTALL | re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_BRACE = re.compile(r"[{}]")
_WRAPPED = re.compile(r"\s*(?:\\(?:text|mathrm|mathbf|textbf|bf|rm)\s*)?\{([^{}]*)\}\s*")
_REFUSALS = re.compile(
    r"\b(?:i(?:'m| am) sorry|sorry, (?:but )?i|i (?:can ?not|can't|am unable to|do not|don't) "
    r"(?:see|view|help|know|answer|determine|process))"
    r"|죄송|알 수 없|모르겠|抱歉|对不起|无法(?:确定|回答|看到|判断)|不知道",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Boxed:
    r"""What a ``\boxed{...}`` holds, without a wrapper such as ``\text{}``, and where it stands."""

    text: str
    span: tuple[int, int]


def prepare(reply: str) -> str:
    """The reply as the rules read it: thoughts left out, full-width characters narrowed.

    A thought may lack its beginning (templates that open it themselves) or its end (a reply that was cut off). Where a
    pair of final-answer tags is there, only what the last one holds is left. The length stays the same.
    """
    text, before = reply, ""
    while text != before:  # a thought inside a thought goes first
        text, before = _PAIR.sub(_blank, text), text
    closed = [m.end() for m in _CLOSE.finditer(text)]
    if closed:
        text = BLANK * closed[-1] + text[closed[-1] :]
    if opened := _OPEN.search(text):
        text = text[: opened.start()] + BLANK * (len(text) - opened.start())
    for final in reversed([*_FINAL.finditer(text)]):
        start, stop = final.span(final.lastindex or 0)
        if text[start:stop].strip():
            text = BLANK * start + text[start:stop] + BLANK * (len(text) - stop)
            break
    return text.translate(FULL_WIDTH)


def boxed(text: str) -> list[Boxed]:
    r"""The contents of every ``\boxed{}`` of a prepared reply, in order; braces inside are matched."""
    begins = {found.end() for found in _BOX.finditer(text)}
    open_at: list[int] = []
    out = []
    for brace in _BRACE.finditer(text) if begins else ():
        if brace[0] == "{":
            open_at.append(brace.start())
        elif open_at and (start := open_at.pop()) in begins:
            out.append(_unwrapped(text, start + 1, brace.start()))
    return sorted(out, key=lambda b: b.span)


def inner_span(text: str) -> tuple[int, int]:
    """Where a prepared text's own characters begin and end."""
    around = BLANK + string.whitespace
    return len(text) - len(text.lstrip(around)), len(text.rstrip(around))


def refused(reply: str) -> bool:
    """Whether the reply declines to answer instead of answering."""
    return bool(_REFUSALS.search(prepare(reply)))


def _blank(m: re.Match[str]) -> str:
    return BLANK * len(m[0])


def _unwrapped(text: str, start: int, stop: int) -> Boxed:
    if wrapped := _WRAPPED.fullmatch(text, start, stop):
        start, stop = wrapped.span(1)
    held = text[start:stop]
    start += len(held) - len(held.lstrip())
    return Boxed(held.strip(), (start, start + len(held.strip())))
