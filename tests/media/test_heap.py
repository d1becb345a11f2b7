"""Memory is given back when the work is done, and only then; where the C library cannot, nothing happens."""

import threading

from nunbit.media import heap


class Stub:
    def __init__(self):
        self.trimmed = threading.Event()

    def mallopt(self, option, value):
        return 1

    def malloc_trim(self, keep):
        self.trimmed.set()


def test_trimmed_after_work_and_not_during_it_or_without_any(monkeypatch):
    stub, state = Stub(), {"asked": 0, "idle": False}
    monkeypatch.setattr(heap, "_libc", lambda: stub)
    monkeypatch.setattr(heap, "PAUSE_S", 0.01)
    heap.trim_when_idle(lambda: state["asked"], lambda: state["idle"])
    state["asked"] = 1
    assert not stub.trimmed.wait(0.2), "work is under way"
    state["idle"] = True
    assert stub.trimmed.wait(5)
    stub.trimmed.clear()
    assert not stub.trimmed.wait(0.2), "nothing was asked since"


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.sys, "platform", "win32")
    threads = threading.active_count()
    heap.use_single_heap()
    heap.trim_when_idle(lambda: 0, lambda: True)
    assert threading.active_count() == threads
