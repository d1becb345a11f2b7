"""The house keeps its floors: a room imports only from below, heavy packages stay out of the ground floor, the network out of most rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[1] / "src" / "nunbit"
FLOORS = {
    **dict.fromkeys(["scene", "messages", "errors", "registry", "coco", "lock", "files"], 0),
    **dict.fromkeys(["verbalise", "crayon_map", "media", "world"], 1),
    **dict.fromkeys(["perception", "encoders"], 2),
    "connectors": 3,
    "models": 4,
    **dict.fromkeys(["prompting", "data", "engine"], 5),
    **dict.fromkeys(["training", "trust", "evaluation"], 6),
    "recipes": 7,
    "studies": 8,
    "serving": 9,
    "cli": 10,  # starts the server, so it stands above it
    "__main__": 11,
}
PACKAGE = "__init__"  # nunbit/__init__.py imports no room, so that `import nunbit` costs nothing
HEAVY = {"torch", "transformers", "peft", "accelerate"}
NETWORK = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp", "websockets", "ftplib", "smtplib", "xmlrpc",
           "huggingface_hub", "fastapi", "starlette", "uvicorn"}  # fmt: skip
NETWORK_ROOMS = ("serving/", "data/teacher", "models/hub")


def room(path: PurePath) -> str:
    return path.parts[0].removesuffix(".py")


def imports(path: PurePath, source: str) -> Iterator[str]:
    """Full dotted names of everything a file imports, at any depth, relative imports resolved. ``path`` is relative to the package."""
    package = ["nunbit", *path.parts[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), a.name]) for a in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def may_know(here: str, there: str) -> bool:
    """The nouns of the ground floor may know each other: everything else looks strictly down."""
    return here != PACKAGE and (FLOORS[there] < FLOORS[here] or FLOORS[there] == FLOORS[here] == 0)


def complaints(path: PurePath, source: str) -> list[str]:
    """What a file imports and may not."""
    here, out = room(path), []
    for name in imports(path, source):
        top, *rest = name.split(".")
        there = rest[0] if top == "nunbit" and rest else here
        if there != here and there in FLOORS and not may_know(here, there):
            out.append(f"{path} imports {name}: not from a floor below")
        if top in HEAVY and FLOORS.get(here, 0) <= 1:
            out.append(f"{path} imports {name}: a heavy package on floor 0 or 1")
        if top in NETWORK and not path.as_posix().startswith(NETWORK_ROOMS):
            out.append(f"{path} imports {name}: the network")
        if name.startswith("torch.distributed") and path.as_posix() != "training/distributed.py":
            out.append(f"{path} imports {name}: many processes")
    return out


def files() -> list[tuple[PurePath, str]]:
    return [(p.relative_to(ROOT), p.read_text(encoding="utf-8")) for p in sorted(ROOT.rglob("*.py"))]


def test_every_room_has_a_floor():
    found = {room(path) for path, _ in files()}
    assert found <= {*FLOORS, PACKAGE}
    assert len(files()) > 30 and {"media", "world", "connectors", "models"} <= found


def test_every_file_imports_only_what_it_may():
    wrong = [line for path, source in files() for line in complaints(path, source)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("scene.py", "import nunbit.media"),
        ("media/images.py", "from nunbit.models import chat"),
        ("media/images.py", "from nunbit import models"),
        ("media/images.py", "from ..world import base"),
        ("media/images.py", "from .. import connectors"),
        ("media/images.py", "def f():\n    from nunbit.world.base import pick"),
        ("media/images.py", "import importlib\nimportlib.import_module('nunbit.models')"),
        ("connectors/linear.py", "import nunbit.engine.cache"),
        ("training/loop.py", "from nunbit.evaluation import matching"),
        ("__init__.py", "from nunbit.scene import Scene"),
        ("verbalise.py", "import torch"),
        ("world/base.py", "from transformers import AutoModel"),
        ("media/fetch.py", "import urllib.request"),
        ("data/loader.py", "import httpx"),
        ("models/compose.py", "from huggingface_hub import snapshot_download"),
        ("training/loop.py", "import torch.distributed as dist"),
        ("training/loop.py", "from torch import distributed"),
    ],
)
def test_a_forbidden_import_is_noticed(path, source):
    assert complaints(PurePath(path), source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("registry.py", "from nunbit.errors import UserError"),
        ("media/images.py", "from . import fetch\nfrom PIL import Image\nfrom ..errors import UserError"),
        ("models/hub.py", "import huggingface_hub, torch"),
        ("data/teacher.py", "import httpx"),
        ("training/distributed.py", "import torch.distributed"),
        ("serving/app.py", "import fastapi\nfrom nunbit.engine import run"),
        ("cli/main.py", "from nunbit import __version__"),
    ],
)
def test_an_allowed_import_is_left_alone(path, source):
    assert not complaints(PurePath(path), source)


def test_nothing_evaluates_or_unpickles():
    for path, source in files():
        assert not {n.split(".")[0] for n in imports(path, source)} & {"pickle", "dill", "marshal", "shelve"}, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                base = getattr(getattr(node.func, "value", None), "id", "")
                assert not (isinstance(node.func, ast.Name) and name in ("eval", "exec")), f"{path} calls {name}"
                if (base, name) == ("torch", "load"):
                    assert any(
                        k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords
                    ), path
