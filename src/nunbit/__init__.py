"""Nunbit: object-aware multimodal language models.

    import nunbit

    model = nunbit.load()                                   # the embedded model; or a folder, or a hub id
    answer = model.ask("a.png", "What is in the picture?")  # a path, PIL image, array, bytes or a list of them
    print(answer.text, answer.evidence, answer.claims, answer.timings)
    for piece in model.ask("a.png", "Describe the picture.", stream=True):
        print(piece, end="")
    scene = model.see("a.png")                              # objects, relations, text, segments

`nunbit.api` documents each. Importing nunbit is cheap: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nunbit.api import AnswerStream, Claim, Conversation, Evidence, GroundedAnswer, Model, Timings, load
    from nunbit.errors import UserError
    from nunbit.messages import Message, Part
    from nunbit.scene import Scene

__version__ = "0.1.0"
__all__ = [
    "AnswerStream",
    "Claim",
    "Conversation",
    "Evidence",
    "GroundedAnswer",
    "Message",
    "Model",
    "Part",
    "Scene",
    "Timings",
    "UserError",
    "__version__",
    "load",
]
_MODULES = {"Message": "messages", "Part": "messages", "Scene": "scene", "UserError": "errors"}
"""Modules of the names that are not in `nunbit.api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nunbit' has no attribute '{name}'")
    return getattr(import_module(f"nunbit.{_MODULES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
