"""Responses that ``previous_response_id`` may name: in memory, bounded, each for the caller that made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nunbit.engine.cache import LRUCache
from nunbit.serving.errors import RequestError
from nunbit.serving.responses_api.items import response_of_item, turns_of_output
from nunbit.serving.schemas import ChatMessage

ALLOWED = "responses that this server still holds in memory and that were not sent with store=false"
TODO = "send the conversation so far in 'input'"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response and the conversation up to and with it.

    Attributes:
        owner: who may name it.
        turns: without the ``instructions``, which belong to one request.
    """

    owner: str
    response: dict[str, Any]
    turns: tuple[ChatMessage, ...]
    nbytes: int


class ResponseStore:
    """The latest responses, never more than ``max_bytes``, with pictures as they were sent."""

    def __init__(self, max_bytes: int) -> None:
        self.held = LRUCache(max_bytes)

    def keep(self, owner: str, response: dict[str, Any], turns: Sequence[ChatMessage]) -> None:
        """Hold a response with the turns that led to it."""
        turns = (*turns, *turns_of_output(response["output"]))
        nbytes = sum(len(t.model_dump_json()) for t in turns) + 4096
        self.held.put(response["id"], StoredResponse(owner, response, turns, nbytes))

    def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """The response of that id, if it is held and the caller's own."""
        found: StoredResponse | None = self.held.get(response_id)
        return found if found is not None and found.owner == owner else None

    def previous(self, response_id: str, owner: str) -> StoredResponse:
        """The response that a request continues.

        Raises:
            RequestError: it is not held.
        """
        found = self.get(response_id, owner)
        if found is None:
            raise RequestError(
                f"previous response with id '{response_id[:80]}' not found",
                allowed=ALLOWED,
                todo=TODO,
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return found

    def item(self, item_id: str, owner: str) -> list[ChatMessage]:
        """The turn of an output item that a request refers to.

        Raises:
            RequestError: no response that is held has it.
        """
        stored = self.get(response_of_item(item_id), owner)
        output = [o for o in stored.response["output"] if o["id"] == item_id] if stored else []
        if output:
            return turns_of_output(output)
        raise RequestError(f"item '{item_id[:80]}' not found", allowed=ALLOWED, todo=TODO, param="input")
