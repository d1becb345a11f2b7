"""An engine without threads does its work in the threads that ask, with the answers of one that has its own."""

import threading
from collections import deque

import pytest
from tests.engine.test_engine import ASKED

from nunbit.assistant import Assistant
from nunbit.engine.many import ask_all
from nunbit.engine.request import RequestOutput, TokenChunk
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Busy, Engine
from nunbit.messages import question

SHORT = SamplingParams(max_tokens=12)


@pytest.fixture(scope="module")
def loaded():
    return Assistant(object_aware=False)


@pytest.fixture
def inline(loaded):
    made = Engine(loaded.model, loaded.processor, slots=3, background=False)
    yield made
    made.close()


def test_same_ids_as_with_threads(loaded, inline):
    threaded = Engine(loaded.model, loaded.processor, slots=3)
    expected = [[t.token for t in threaded.ask(m, SHORT).tokens] for m in ASKED]
    threaded.close(5)
    assert [[t.token for t in inline.ask(m, SHORT).tokens] for m in ASKED] == expected
    assert [[t.token for t in r.tokens] for r in ask_all(inline, ASKED * 2, SHORT)] == expected * 2


def test_callers_of_many_threads_take_turns(inline):
    alone = [inline.ask(m, SHORT).text for m in ASKED]
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda i=i, m=m: found.__setitem__(i, inline.ask(m, SHORT).text))
        for i, m in enumerate(ASKED)
    ]
    [t.start() for t in threads]
    [t.join(120) for t in threads]
    assert [found[i] for i in range(len(ASKED))] == alone


def test_pieces_come_one_by_one_and_a_cancelled_request_frees_its_slot(inline):
    events: deque = deque()
    request = inline.submit(question("Say something."), SamplingParams(max_tokens=40), events.append)
    inline.run_until(lambda: bool(events))
    assert isinstance(events[0], TokenChunk) and not any(isinstance(e, RequestOutput) for e in events)
    request.cancel()
    inline.ask(ASKED[0], SHORT)
    assert events[-1].finish == "cancelled" and not inline.running


def test_waiting_for_nothing_is_an_error(inline):
    with pytest.raises(RuntimeError, match="no work left"):
        inline.run_until(lambda: False)


def test_closed(inline):
    events: deque = deque()
    inline.submit(question("Say something."), SHORT, events.append)
    inline.close()
    assert events[-1].finish == "cancelled" and not inline.alive
    with pytest.raises(Busy):
        inline.ask(ASKED[0], SHORT)


def test_a_slow_preparation_is_followed_by_its_answer(inline, monkeypatch):
    """The first answer does not wait until a whole batch is prepared."""
    from nunbit.engine import many

    expected = [r.text for r in ask_all(inline, ASKED, SHORT)]
    monkeypatch.setattr(many, "SLOW_PREPARATION_S", -1.0)
    prepared = []

    def conversations():
        for one in ASKED:
            prepared.append(one)
            yield one

    answers = ask_all(inline, conversations(), SHORT)
    first = next(answers).text
    assert len(prepared) == 1 and [first, *(r.text for r in answers)] == expected
