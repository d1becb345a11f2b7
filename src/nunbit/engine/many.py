"""Many conversations answered by an engine, in the order given, never more at once than it takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, Event, RequestOutput
from nunbit.messages import Message


def answer_all(engine: Engine, conversations: Sequence[Sequence[Message]], sampling: SamplingParams = SamplingParams()) -> list[RequestOutput]:
    """Ask all and wait. The engine must have no other callers: they could fill its queue.

    Raises:
        UserError: a conversation that the model cannot take; answers under way are then left to end by themselves.
    """
    room, done = threading.Semaphore(engine.slots + engine.max_queue), threading.Semaphore(0)
    results: dict[int, RequestOutput] = {}

    def ask(at: int) -> None:
        def hear(event: Event) -> None:
            if isinstance(event, RequestOutput):
                results[at] = event
                room.release()
                done.release()

        room.acquire()
        engine.submit(conversations[at], sampling, hear)

    for at in range(len(conversations)):
        ask(at)
    for _ in conversations:
        done.acquire()
    return [results[at] for at in range(len(conversations))]
