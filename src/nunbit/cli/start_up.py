"""The start of the commands that only ask. Most of it is imports, and half of those serve what asking never does: to
compile models, to spread them over processes, to train detectors (`python -m benchmarks.start_up` has the seconds)."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from nunbit.media.heap import without_collecting

COMPILER = "torch._dynamo"
GETITEM = f"{COMPILER}._trace_wrapped_higher_order_op"


@contextmanager
def quick_imports() -> Iterator[None]:
    """Inside, torch and transformers are imported without torch's compiler, DTensors and SciPy's optimisers.

    What is left out is imported when something calls for it later. Commands that train never use this.
    """
    if "transformers" in sys.modules:  # imported whole already, as in tests
        yield
        return
    with without_collecting():
        _read_libraries_aside()
        stand_ins = _put_stand_ins()
        try:
            _without_processes_and_optimisers()
            yield
        finally:
            for module in stand_ins:
                if sys.modules.get(module.__name__) is module:
                    del sys.modules[module.__name__]


def _read_libraries_aside() -> None:
    """Let a thread map torch's libraries while this one runs Python: the system's loader needs 0.3 s for them, without
    Python's lock."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None or not sys.platform.startswith("linux"):
        return
    library = Path(found.origin).parent / "lib" / "libtorch_python.so"
    if library.with_name("libtorch_cuda.so").exists():  # torch looks for CUDA's libraries first, in its own order
        return

    def read() -> None:
        with contextlib.suppress(OSError):  # importing torch says what is wrong
            ctypes.CDLL(str(library))

    threading.Thread(target=read, name="nunbit-libraries", daemon=True).start()


class _StandIn(ModuleType):
    """In the place of a module of the compiler while others are imported: marks on functions do nothing, and any other
    name brings the module itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for key in (COMPILER, GETITEM):
            if isinstance(sys.modules.get(key), _StandIn):
                del sys.modules[key]
        return getattr(importlib.import_module(self.__name__), name)


def _put_stand_ins() -> list[ModuleType]:
    def unmarked(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
        return function if callable(function) else lambda wrapped: wrapped

    class TransformGetItemToIndex:
        """Masks made by ``vmap`` need it; ours are not."""

        def __new__(cls) -> Any:
            return importlib.import_module(GETITEM).TransformGetItemToIndex()

    compiler, getitem = _StandIn(COMPILER), _StandIn(GETITEM)
    vars(compiler).update(dict.fromkeys(("disable", "allow_in_graph", "assume_constant_result"), unmarked), __path__=[])
    vars(getitem)["TransformGetItemToIndex"] = TransformGetItemToIndex
    modules: list[ModuleType] = [compiler, getitem]
    sys.modules.update({m.__name__: m for m in modules if m.__name__ not in sys.modules})
    return modules


def _without_processes_and_optimisers() -> None:
    """Let transformers take torch for a build without ``torch.distributed``, as there are, and its losses do without
    SciPy until they are computed."""
    rooms: list[Any] = [importlib.import_module(f"transformers.utils{name}") for name in ("", ".import_utils")]
    has_scipy = rooms[0].is_scipy_available
    for room in rooms:
        room.is_torch_distributed_available = room.is_scipy_available = lambda: False
    importlib.import_module("transformers.loss.loss_utils")
    for room in rooms:
        room.is_scipy_available = has_scipy
