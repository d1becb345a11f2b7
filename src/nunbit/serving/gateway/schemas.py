"""The fields of a request that the gateway itself reads. All others are the backend's matter: they go on unread."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from nunbit.serving.schemas import RequestModel


class GatewayRequest(RequestModel):
    """What chats and responses share."""

    stream: bool = False
    tool_choice: Any = None
    evidence: bool = False
    verify: bool | None = None
    guard: str | None = None

    @property
    def forces_call(self) -> bool:
        """Whether the answer is a call of a function, and nothing that could be corrected."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, dict)


class GatewayChat(GatewayRequest):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Any], Field(min_length=1)]
    response_format: Any = None
    logprobs: Any = None

    @property
    def formed(self) -> bool:
        """Whether the answer has a form that a correction could break."""
        return _formed(self.response_format)


class GatewayResponse(GatewayRequest):
    """POST /v1/responses."""

    input: str | list[Any] | None = None
    text: Any = None
    previous_response_id: Any = None

    @property
    def formed(self) -> bool:
        """As of a chat."""
        return _formed(self.text.get("format") if isinstance(self.text, dict) else None)


def _formed(form: Any) -> bool:
    return form is not None and not (isinstance(form, dict) and form.get("type") == "text")
