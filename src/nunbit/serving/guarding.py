"""The guard behind the API: which policy a request gets, and its pictures judged before a model sees them."""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.messages import Message
from nunbit.serving.errors import RequestError
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings
from nunbit.trust.guard.conversation import GuardedConversation, ModelView, guard_conversation
from nunbit.trust.guard.guard import Guard
from nunbit.trust.guard.verdict import POLICIES, Policy, notice

WEAKER = "'guard' has no effect: the operator's policy is stricter"


class GuardService:
    """Judges the pictures of requests, for one server.

    Args:
        settings: the operator's policy, which requests may make stricter but not weaker.
        perception: reads what is plain to see in the pictures.
    """

    def __init__(self, settings: ServerSettings, perception: PerceptionService) -> None:
        self.guard, self.perception = Guard(settings.guard), perception

    def policy_of(self, wish: str | None) -> Policy:
        """The policy of a request: the stricter one of its own and the operator's.

        Raises:
            RequestError: an unknown policy.
        """
        own = self.guard.config.policy
        if wish is None:
            return own
        if wish not in POLICIES:
            raise RequestError(f"guard '{str(wish)[:40]}'", allowed=", ".join(POLICIES), param="guard")
        wished = next(p for p in POLICIES if p == wish)
        return max(own, wished, key=POLICIES.index)

    def warnings(self, wish: str | None, guarded: GuardedConversation) -> list[str]:
        """Sentences that go along with the answer: what was found, and that a weaker policy was not granted."""
        ignored = [WEAKER] if wish is not None and self.policy_of(wish) != wish else []
        found = notice(guarded.verdict, "en") if guarded.verdict is not None else ""
        return ignored + ([found] if found else [])

    def judged(
        self, messages: Sequence[Message], policy: Policy, model_view: ModelView = lambda picture: None
    ) -> GuardedConversation:
        """A conversation as it may go to the model. It reads pictures: call it in a worker thread.

        Raises:
            BlockedPicture: an order to a model was found, and the policy is ``block``.
        """
        return guard_conversation(
            self.guard, messages, lambda pictures: self.perception.scenes_of(pictures, ()), model_view, policy
        )
