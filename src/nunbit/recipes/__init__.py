"""Training recipes, one a module, opened only when named. All follow one protocol
(`nunbit.recipes.protocol.TrainingRecipe`)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.errors import UserError, unknown_name
from nunbit.files import write_text
from nunbit.system_errors import explained

if TYPE_CHECKING:
    from nunbit.recipes.protocol import TrainingRecipe

RECIPES = {
    "clip": "the embedded contrastive pair, from nothing, on portraits of the procedural world",
    "collavo": "the Crayon Prompt and two adapters on a trained LLaVA, as in CoLLaVO (arXiv 2402.11248)",
    "fare": "adversarial fine-tuning of a contrastive model's image encoder, without labels (arXiv 2402.12336)",
    "flamingo": "resampler and gated cross-attention between a frozen encoder and language model (arXiv 2204.14198)",
    "llava15": "any vision encoder, any connector, any language model; two stages as in LLaVA-1.5 (arXiv 2310.03744)",
    "llava_next": "any vision encoder, any language model, pictures of any resolution in tiles, as in LLaVA-NeXT",
    "moai": "compressor and mixer over the output of perception, on a trained LLaVA, as in MoAI (arXiv 2403.07508)",
    "small": "the default model: a pretrained language model conditioned on the Scene in words, on low-rank adapters",
    "tiny": "the embedded model, from nothing, on the procedural world",
}


def names() -> list[str]:
    """Names of the registered recipes, sorted."""
    return sorted(RECIPES)


def load(name: str) -> TrainingRecipe:
    """The recipe's module: a registered one by exact name, or a copied one by its path (``mine.py``).

    Raises:
        UserError: an unknown name, no such file, or a file that lacks a part of the protocol.
    """
    from nunbit.recipes.protocol import MEMBERS

    if name in RECIPES:
        registered: Any = importlib.import_module(f"nunbit.recipes.{name}")
        return registered
    path = _file(name)
    spec = importlib.util.spec_from_file_location(f"nunbit_recipe_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up while they are made
    spec.loader.exec_module(module)
    missing = [member for member in MEMBERS if not hasattr(module, member)]
    if missing:
        raise UserError(
            f"'{name}' is no recipe: it has no {' and no '.join(missing)}",
            allowed=f"a file with {', '.join(MEMBERS)}",
            todo="begin with: nunbit recipes copy llava15 mine.py",
        )
    return module


def source(name: str) -> str:
    """The text of a recipe's file, named as in `load`."""
    return _file(name).read_text(encoding="utf-8")


def copy(name: str, to: str | Path) -> Path:
    """Write a recipe's file where it can be changed; ``nunbit train FILE`` runs it.

    Raises:
        UserError: the file exists or cannot be written.
    """
    text, to = source(name), Path(to)
    if to.exists():
        raise UserError(f"'{to}' exists", allowed="a new file", todo="name another one")
    try:
        write_text(to, text)
    except OSError as e:
        raise explained(OSError(e.errno, e.strerror, str(to))) from None
    return to


def _file(name: str) -> Path:
    """A registered recipe's file (of a package its ``__init__.py``), or the path of a copied one."""
    if name in RECIPES:
        room = Path(__file__).parent
        return room / f"{name}.py" if (room / f"{name}.py").exists() else room / name / "__init__.py"
    if not name.endswith(".py"):
        raise unknown_name("recipe", name, RECIPES)
    if not Path(name).is_file():
        allowed = "a recipe's name, or the path of a recipe's .py file"
        raise UserError(f"'{name}' is no file", allowed=allowed, todo="check the path")
    return Path(name)
