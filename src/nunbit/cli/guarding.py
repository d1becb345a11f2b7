"""``--guard``: orders to a model in the pictures of a question, found before the model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nunbit.assistant import Assistant
from nunbit.cli.output import say
from nunbit.evidence.wording import language_of
from nunbit.messages import Message
from nunbit.models.model_view import model_view
from nunbit.trust.guard.conversation import GuardedConversation, guard_conversation
from nunbit.trust.guard.guard import Guard, GuardConfig
from nunbit.trust.guard.verdict import Policy, Verdict, notice


def guard_config(policy: str) -> GuardConfig:
    """The guard of an option.

    Raises:
        UserError: an unknown policy.
    """
    return GuardConfig(policy=cast(Policy, policy))  # it checks


class AskedGuard:
    """Guards the questions to one assistant.

    Args:
        config: what is done.
        assistant: its perception reads the pictures, and its processor says what it sees of them.
    """

    def __init__(self, config: GuardConfig, assistant: Assistant) -> None:
        self.guard, self.assistant = Guard(config), assistant

    def __call__(self, messages: Sequence[Message]) -> GuardedConversation:
        """A conversation as it may go to the model.

        Raises:
            BlockedPicture: an order to a model was found, and the policy is ``block``.
        """
        from nunbit.perception.build import PerceptionConfig, build_perception

        if self.guard.config.policy == "off":  # nothing is opened for it
            return GuardedConversation([*messages])
        aware = self.assistant.aware
        perceive = aware.shown if aware is not None else build_perception(PerceptionConfig())
        processor = getattr(self.assistant.processor, "image_processor", None)
        return guard_conversation(
            self.guard, messages, perceive, lambda p: None if processor is None else model_view(processor, p)
        )


def print_found(verdict: Verdict | None, question: str) -> None:
    """Print on stderr what was found and done, in the question's language; nothing where nothing was found."""
    if verdict is not None and verdict.found:
        say(f"note: {notice(verdict, language_of(question))}")
