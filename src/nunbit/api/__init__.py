"""The public Python API: load a model, ask it about pictures, chat, and perceive a picture.

    >>> import nunbit
    >>> model = nunbit.load()
    >>> answer = model.ask("examples/invoice.png", "Is there a table?")
    >>> isinstance(answer.text, str) and answer.timings.tokens > 0
    True

Paths in the examples are relative to the project's folder. A picture is a path, a ``data:`` URI, the bytes of a file, a
PIL image or a uint8 array ``(height, width, 3)``. Pictures are decoded under the limits of `nunbit.media`; nothing is
fetched from the network.
"""

from nunbit.api.answers import AnswerStream, GroundedAnswer, Timings
from nunbit.api.inputs import Picture, Pictures, Turns
from nunbit.api.model import Conversation, Model, load
from nunbit.evidence import Claim, Evidence

__all__ = [
    "AnswerStream",
    "Claim",
    "Conversation",
    "Evidence",
    "GroundedAnswer",
    "Model",
    "Picture",
    "Pictures",
    "Timings",
    "Turns",
    "load",
]
