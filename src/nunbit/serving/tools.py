"""Tool calls: which tools the chat template shows, and answers that must be calls.

``tool_choice`` "none" hides the tools, "auto" leaves the decision to the model and its template, "required" or a named
function constrains the answer by a JSON schema, so that it is a call that fits the function's parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nunbit.serving.errors import RequestError
from nunbit.serving.schemas import ChatRequest

MAX_CALLS = 8
"""Calls in one answer, unless ``parallel_tool_calls`` is false."""
FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ALLOWED = '"none", "auto", "required" or {"type": "function", "function": {"name": ...}}'
DEFINITIONS = ("$defs", "definitions")
"""Where schemas keep what they refer to; the second is that of older drafts."""
_CALL = re.compile(r'[\[,\s]*\{\s*"name"\s*:\s*"([^"]*)"\s*,\s*"arguments"\s*:\s*')


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function; ``arguments`` is JSON text, incomplete where the answer was cut."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What a request's ``tools`` and ``tool_choice`` mean for its answer.

    Attributes:
        tools: what the chat template is given; None hides them.
        schema: JSON schema of the whole answer; None leaves it free.
        function: the function that must be called; empty where the answer names it.
    """

    tools: list[dict[str, Any]] | None = None
    schema: dict[str, Any] | None = None
    function: str = ""

    @property
    def forced(self) -> bool:
        """Whether the answer is a call and nothing else."""
        return self.schema is not None

    def calls(self, text: str) -> list[ToolCall]:
        """The calls that a constrained answer holds."""
        if self.function:
            return [ToolCall(self.function, text)]
        calls: list[ToolCall] = []
        at = 0
        while found := _CALL.match(text, at):
            try:
                _, at = json.JSONDecoder().raw_decode(text, found.end())
            except ValueError:  # the answer was cut here
                return [*calls, ToolCall(found[1], text[found.end() :])]
            calls.append(ToolCall(found[1], text[found.end() : at]))
            at = text.find("}", at) + 1 or len(text)
        return calls


def tool_choice_of(request: ChatRequest) -> ToolChoice:
    """Read the tools of a request.

    Raises:
        RequestError: a tool that is no function, an unknown form of ``tool_choice``, a function that is not among the
            tools, a forced call without tools or beside a ``response_format``.
    """
    choice, tools = request.tool_choice, request.tools or None
    if choice == "none":
        return ToolChoice()
    if choice is not None and tools is None:
        raise RequestError(
            "tool_choice without tools", todo="name the tools in 'tools', or leave tool_choice out", param="tool_choice"
        )
    functions = _functions(tools or [])
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice, names = _allowed_tools(choice, functions)
        tools = [tool for tool in tools or [] if _name_of(tool) in names]
        functions = {name: functions[name] for name in names}
    if choice is None or choice == "auto":
        return ToolChoice(tools)
    name = _function_named(choice)
    if request.response_format is not None and request.response_format.type != "text":
        raise RequestError(
            "both response_format and a tool_choice that forces a call", allowed="one of the two", param="tool_choice"
        )
    if name is None:
        return ToolChoice(tools, _calls_schema(functions, 1 if not request.parallel_tool_calls else MAX_CALLS))
    _check_known(name, functions)
    return ToolChoice(tools, functions[name], name)


def _allowed_tools(choice: dict[str, Any], functions: Collection[str]) -> tuple[str, list[str]]:
    """Mode and functions of a ``tool_choice`` that allows some of the tools."""
    allowed = choice.get("allowed_tools")
    given: dict[str, Any] = allowed if isinstance(allowed, dict) else {}
    mode, tools = given.get("mode"), given.get("tools")
    names = [_name_of(tool) for tool in tools] if isinstance(tools, list) else []
    if mode not in ("auto", "required") or not names or None in names:
        raise RequestError("a tool_choice that is not known", allowed=ALLOWED, param="tool_choice")
    known = [name for name in names if name is not None]
    for name in known:
        _check_known(name, functions)
    return mode, [*dict.fromkeys(known)]


def _check_known(name: str, functions: Collection[str]) -> None:
    if name not in functions:
        raise RequestError(
            f"tool_choice names the function '{name[:64]}'", allowed=", ".join(functions), param="tool_choice"
        )


def _name_of(tool: Any) -> str | None:
    """The name of the function that a tool or a ``tool_choice`` holds; None where it holds none."""
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _function_named(choice: str | dict[str, Any]) -> str | None:
    """The function that a forced call must name; None for "required"."""
    if choice == "required":
        return None
    name = _name_of(choice)
    if name is None:
        raise RequestError("a tool_choice that is not known", allowed=ALLOWED, param="tool_choice")
    return name


def _functions(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Parameter schemas of the tools by function name."""
    out: dict[str, dict[str, Any]] = {}
    for i, tool in enumerate(tools):
        name = _name_of(tool)
        if name is None or not FUNCTION_NAME.fullmatch(name):
            raise RequestError(
                f"tool {i} names no function",
                param="tools",
                allowed='{"type": "function", "function": {"name": ..., "parameters": {...}}}',
            )
        parameters = tool["function"].get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, dict) or any(not isinstance(parameters.get(k, {}), dict) for k in DEFINITIONS):
            raise RequestError(
                f"parameters of the function '{name}'", allowed="a JSON schema of type object", param="tools"
            )
        out[name] = parameters
    return out


def _calls_schema(functions: dict[str, dict[str, Any]], most: int) -> dict[str, Any]:
    """Schema of a list of calls. Definitions move to the root, where the references within the parameters look for
    them."""
    definitions: dict[str, dict[str, Any]] = {}
    calls = []
    for name, parameters in functions.items():
        for place in DEFINITIONS:
            for key, value in parameters.get(place, {}).items():
                if definitions.setdefault(place, {}).setdefault(key, value) != value:
                    raise RequestError(
                        f"two different definitions of '{key[:64]}' in the tools", allowed="one", param="tools"
                    )
        arguments = {k: v for k, v in parameters.items() if k not in DEFINITIONS}
        properties = {"name": {"enum": [name]}, "arguments": arguments}
        calls.append(
            {
                "type": "object",
                "properties": properties,
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    schema: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": most, "items": {"anyOf": calls}}
    return schema | definitions
