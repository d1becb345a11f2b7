"""Stand-ins for packages that a harness imports and never calls in what we use of it (torchvision, timm ...).

A stand-in gives an empty class for any name. It is hidden from ``importlib.util.find_spec``, so that other libraries do
not take it for the real package.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CLIENT = (
    "torchvision timm ipdb skimage colormath torchmetrics lpips imageio clip cdfvd cairosvg nest_asyncio "
    "qwen_vl_utils squarify geopy playwright matplotlib_venn attrdict fuzzysearch pronouncing whisper "
    "pycocoevalcap"
).split()
"""What VLMEvalKit imports and a run over a served model never calls."""
SCORING = (
    *CLIENT[:-1],
    *(
        "torch transformers datasets evaluate accelerate sklearn scipy cv2 openai httpx tiktoken nltk decord "
        "jieba rouge rouge_score math_verify latex2sympy2_extended matplotlib omegaconf einops editdistance "
        "distance apted zss num2words docopt unidecode pylatexenc ftfy bs4 timeout_decorator huggingface_hub "
        "sympy sacrebleu jsonlines tenacity pytablewriter pydantic lxml absl six safetensors peft wandb av "
        "seaborn shapely networkx spacy scikit_image langdetect fire dotenv anthropic google aiohttp packaging"
    ).split(),
)
"""What neither harness's scoring of our benchmarks calls, beside these: a small environment is enough for it."""


class _Open(type):
    """Any attribute of a stand-in's class is another stand-in."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Open(name, (_Thing,), {})


class _Thing(metaclass=_Open):
    """A class, decorator or value of any name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if args and callable(args[0]) else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Thing()


class _Anything(types.ModuleType):
    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Open(name, (_Thing,), {})


class _Finder:
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Anything(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


def stand_in(names: Sequence[str]) -> None:
    """Put stand-ins where packages of these names are missing."""
    real: Callable[..., Any] = importlib.util.find_spec
    missing = {n for n in names if n not in sys.modules and real(n) is None}
    sys.meta_path.append(_Finder(missing))
    importlib.util.find_spec = lambda name, package=None: (
        None if name.partition(".")[0] in missing else real(name, package)
    )


def bare_package(name: str, folder: Path) -> None:
    """A package whose ``__init__`` is not run, since it imports much that is not needed; its modules are real."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    sys.modules[name] = module
