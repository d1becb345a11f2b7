"""Many conversations answered by an engine, in the order given, never more at once than it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from nunbit.engine.request import Event, RequestOutput
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.messages import Message

Conversation = Sequence[Message]


def ask_all(
    engine: Engine,
    conversations: Iterable[Conversation],
    sampling: SamplingParams | Callable[[int], SamplingParams] = SamplingParams(),
) -> Iterator[RequestOutput]:
    """Ask all, and yield the answers in order as they are there. Conversations are drawn as slots become free.

    The engine must have no other callers: they could fill its queue.

    Args:
        sampling: of all, or a function of the prompt's length in tokens.

    Raises:
        UserError: a conversation that the model cannot take; answers under way are then left to end by themselves.
    """
    room = threading.Semaphore(engine.slots + min(engine.max_queue, engine.slots))
    done: dict[int, RequestOutput] = {}
    ready = threading.Condition()

    def submit(at: int, conversation: Conversation) -> None:
        def on_event(event: Event) -> None:
            if isinstance(event, RequestOutput):
                with ready:
                    done[at] = event
                    ready.notify_all()
                room.release()

        prompt = engine.prepare(conversation)
        room.acquire()
        engine.submit(prompt, sampling(len(prompt.ids)) if callable(sampling) else sampling, on_event)

    sent = following = 0
    for conversation in conversations:
        submit(sent, conversation)
        sent += 1
        while following in done:
            yield done.pop(following)
            following += 1
    while following < sent:
        with ready:
            while following not in done:
                ready.wait()
        yield done.pop(following)
        following += 1
