"""Turns in any order -> turns that a chat template takes.

The OpenAI API takes turns in any order: chat pages begin with a greeting, frameworks put a system turn late, trimmed
histories begin in the middle of a tool call. Nothing is left out; what is moved or added is named in a warning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nunbit.messages import Message, Part, ToolCall

SYSTEM_MOVED = "system turns after the first turn were put in front of the conversation"
GREETING = "an empty user turn was put before the assistant's first turn"
CALLS_AS_TEXT = "tool calls or results without their counterpart, or without a place in this model's template, are text"


def ordered(messages: Sequence[Message], *, template_takes_tools: bool) -> tuple[list[Message], list[str]]:
    """Bring turns into the order that `nunbit.messages.check_turns` asks for.

    Args:
        messages: turns in any order.
        template_takes_tools: whether the chat template has a place for tool calls; without one they become text.

    Returns:
        the turns, and what was changed, as warnings.
    """
    warnings: list[str] = []
    first_other = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    if any(m.role == "system" for m in messages[first_other:]):
        warnings.append(SYSTEM_MOVED)
    turns = _merged([*(m for m in messages if m.role == "system"), *(m for m in messages if m.role != "system")])
    with_tools = _paired(turns) if template_takes_tools else [_as_text(m) for m in turns]
    if any(a.role != b.role or a.tool_calls != b.tool_calls for a, b in zip(turns, with_tools, strict=True)):
        warnings.append(CALLS_AS_TEXT)
    out: list[Message] = []
    for m in _merged(with_tools):
        if m.role == "assistant" and (not out or out[-1].role == "system"):
            out.append(Message("user", (Part.text(""),)))
            warnings.append(GREETING)
        if m.role == "user" and out and out[-1].role == "tool":
            out.append(Message("assistant", (Part.text(""),)))
        out.append(m)
    return out, warnings


def _merged(turns: Sequence[Message]) -> list[Message]:
    """The turns with neighbours of one role as one turn; results of several tools stay apart."""
    out: list[Message] = []
    for m in turns:
        if out and out[-1].role == m.role and m.role != "tool":
            out[-1] = _joined(out[-1], m)
        else:
            out.append(m)
    return out


def _paired(turns: Sequence[Message]) -> list[Message]:
    """The turns, where calls without results and results without calls are text."""
    out: list[Message] = []
    for i, m in enumerate(turns):
        if m.tool_calls and [n.role for n in turns[i + 1 : i + 2]] != ["tool"]:
            m = _as_text(m)
        if m.role == "tool" and not (out and (out[-1].role == "tool" or out[-1].tool_calls)):
            m = _as_text(m)
        out.append(m)
    return out


def _as_text(message: Message) -> Message:
    """A turn whose tool calls are JSON after its words, or whose tool result is a user's turn."""
    if message.role == "tool":
        return Message("user", message.parts)
    if not message.tool_calls:
        return message
    calls = json.dumps([{"name": c.name, "arguments": c.arguments} for c in message.tool_calls], ensure_ascii=False)
    words = [Part.text("\n")] if message.text.strip() else []
    return replace(message, parts=(*message.parts, *words, Part.text(calls)), tool_calls=())


def _joined(first: Message, second: Message) -> Message:
    """Two neighbours of one role as one turn."""
    between = [Part.text("\n")] if first.parts and second.parts else []
    return replace(
        first, parts=(*first.parts, *between, *second.parts), tool_calls=first.tool_calls + second.tool_calls
    )


def tool_calls_of(calls: Sequence[dict[str, Any]]) -> tuple[ToolCall, ...]:
    """The calls of an assistant's turn. Arguments that are no JSON object, as of an answer that was cut, stay text."""
    out = []
    for call in calls:
        given = call.get("function")
        function: dict[str, Any] = given if isinstance(given, dict) else call
        arguments = function.get("arguments") or {}
        try:
            parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            parsed = None
        kept = parsed if isinstance(parsed, dict) else {"arguments": arguments}
        out.append(ToolCall(str(function.get("name") or "")[:64], kept, str(call.get("id") or "")[:200]))
    return tuple(out)
