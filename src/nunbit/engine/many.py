"""Many conversations answered by an engine, in the order given, never more at once than it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from nunbit.engine.request import Event, RequestOutput
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.messages import Message

Conversation = Sequence[Message]
SLOW_PREPARATION_S = 0.3
"""Where preparing a prompt takes longer, as perception of photographs does, a batch would gain less than the first
answers would wait: each is then answered before the next prompt is prepared."""


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
    most = engine.slots + min(engine.max_queue, engine.slots)
    done: dict[int, RequestOutput] = {}
    ready = threading.Condition()
    sent = ended = following = 0

    def submit(at: int, conversation: Conversation) -> None:
        def on_event(event: Event) -> None:
            nonlocal ended
            if isinstance(event, RequestOutput):
                with ready:
                    done[at] = event
                    ended += 1
                    ready.notify_all()

        began = time.perf_counter()
        prompt = engine.prepare(conversation)
        slow = not engine.background and time.perf_counter() - began > SLOW_PREPARATION_S
        wait(lambda: sent - ended < most)
        engine.submit(prompt, sampling(len(prompt.ids)) if callable(sampling) else sampling, on_event)
        if slow:
            engine.run_until(lambda: ended > at)

    def wait(until: Callable[[], bool]) -> None:
        if not engine.background:
            engine.run_until(until)
            return
        with ready:
            ready.wait_for(until)

    for conversation in conversations:
        submit(sent, conversation)
        sent += 1
        while following in done:
            yield done.pop(following)
            following += 1
    while following < sent:
        wait(partial(done.__contains__, following))
        yield done.pop(following)
        following += 1
