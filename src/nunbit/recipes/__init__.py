"""Training recipes, one a file, opened only when named.

A recipe for conversations is a module with ``SUMMARY``, ``PAPER``, ``configure(changes) -> Recipe`` and ``run(recipe, folder, **how)``; one
that makes a small model from nothing has ``STAGES`` and ``run(folder, stages, **how)``.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from nunbit.errors import UserError, unknown_name

RECIPES = {
    "clip": "the embedded contrastive pair, from nothing, on portraits of the procedural world",
    "collavo": "the Crayon Prompt and two adapters on a LLaVA that is there, as in CoLLaVO (arXiv 2402.11248)",
    "flamingo": "resampler and gated cross-attention between a frozen encoder and a frozen language model (arXiv 2204.14198)",
    "llava15": "any vision encoder, a two-layer MLP, any language model; two stages as in LLaVA-1.5 (arXiv 2310.03744)",
    "llava_next": "any vision encoder, any language model, pictures of any resolution in tiles, as in LLaVA-NeXT",
    "moai": "compressor and mixer over what perception says, on a LLaVA that is there, as in MoAI (arXiv 2403.07508)",
    "tiny": "the embedded model, from nothing, on the procedural world",
}


def names() -> list[str]:
    return sorted(RECIPES)


def load(name: str) -> ModuleType:
    """The recipe's module: a registered one by exact name, or a copied one by its path (``mine.py``)."""
    if name in RECIPES:
        return importlib.import_module(f"nunbit.recipes.{name}")
    path = _file(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "run") or not (hasattr(module, "configure") or hasattr(module, "STAGES")):
        raise UserError(f"'{name}' is no recipe", allowed="a file with configure(changes) and run(recipe, folder, **how), or STAGES and run(folder, stages, **how)",
                        todo="begin with: nunbit recipes copy llava15 mine.py")  # fmt: skip
    return module


def source(name: str) -> str:
    """The text of a recipe, named as in `load`."""
    return _file(name).read_text(encoding="utf-8")


def copy(name: str, to: str | Path) -> Path:
    """Write a recipe's file where it can be changed; ``nunbit train FILE`` runs it."""
    text, to = source(name), Path(to)
    if to.exists():
        raise UserError(f"'{to}' exists", allowed="a new file", todo="name another one")
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UserError(f"'{to}' cannot be written ({type(e).__name__})", todo="check the folder") from None
    return to


def _file(name: str) -> Path:
    if name in RECIPES:
        return Path(__file__).parent / f"{name}.py"
    if not name.endswith(".py"):
        raise unknown_name("recipe", name, RECIPES)
    if not Path(name).is_file():
        raise UserError(f"'{name}' is no file", allowed="a recipe's name, or the path of a recipe's .py file", todo="check the path")
    return Path(name)
