"""Imports of the package: a room imports only from the floors below, and no two files import each other.

Heavy packages stay off the ground floor, and the network out of most rooms. Imports inside functions count; those under
``if TYPE_CHECKING`` do not, since they are never executed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[1] / "src" / "nunbit"
FLOORS = {
    **dict.fromkeys(["scene", "messages", "errors", "registry", "coco", "lock", "files", "digests", "english"], 0),
    **dict.fromkeys(["scene_layout", "scene_phrases", "scene_tables", "scene_rows", "scene_prompt"], 0),
    **dict.fromkeys(["translation", "system_errors"], 0),
    **dict.fromkeys(["verbalise", "crayon_map", "media", "world"], 1),
    **dict.fromkeys(["encoders", "evidence", "html_page"], 2),
    "perception": 3,
    "connectors": 4,
    "models": 5,
    **dict.fromkeys(["prompting", "data", "engine"], 6),
    **dict.fromkeys(["assistant", "trust"], 7),  # a client of the engine; what checks answers asks models by callables
    **dict.fromkeys(["training", "evaluation", "api"], 8),
    "recipes": 9,
    "studies": 10,
    **dict.fromkeys(["serving", "mcp"], 11),
    "cli": 12,  # starts the server, so it stands above it
    "__main__": 13,
}
PACKAGE = "__init__"  # nunbit/__init__.py imports no room, so that `import nunbit` costs nothing
HEAVY = {"torch", "transformers", "peft", "accelerate"}
NETWORK = set(
    "socket ssl http urllib urllib3 requests httpx aiohttp websockets ftplib smtplib xmlrpc huggingface_hub"
    " fastapi starlette uvicorn".split()
)
MANY_PROCESSES = [f"training/{name}.py" for name in ("distributed", "gradient_sums", "sharding")]
NETWORK_ROOMS = ("serving/", "data/teacher", "models/hub")


def room(path: PurePath) -> str:
    return path.parts[0].removesuffix(".py")


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, without what stands under ``if TYPE_CHECKING``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from (below for other in child.orelse for below in executed(other))
        else:
            yield from executed(child)


def imports(path: PurePath, source: str) -> Iterator[str]:
    """Full dotted names of what a file imports, relative ones resolved. ``path`` is relative to the package."""
    package = ["nunbit", *path.parts[:-1]]
    for node in executed(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), a.name]) for a in node.names)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def reached(name: str, known: set[str]) -> str | None:
    """The file of the package that an import reaches: that of the longest part of its dotted name which is one."""
    parts = name.split(".")
    while parts and parts[0] == "nunbit":
        inner = "/".join(parts[1:])
        for file in (f"{inner}.py", f"{inner}/__init__.py".lstrip("/")):
            if file in known:
                return file
        parts.pop()
    return None


def circles(sources: dict[str, str]) -> list[list[str]]:
    """Groups of files that import each other, directly or through others."""
    arrows = {
        path: {file for name in imports(PurePath(path), source) if (file := reached(name, set(sources)))} - {path}
        for path, source in sources.items()
    }
    behind: dict[str, set[str]] = {}
    for path in arrows:
        behind[path], waiting = set(), [path]
        while waiting:
            fresh = arrows[waiting.pop()] - behind[path]
            behind[path] |= fresh
            waiting += fresh
    groups = {tuple(sorted(b for b in behind[a] if a in behind[b])) for a in arrows if a in behind[a]}
    return [[*group] for group in sorted(groups)]


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
        if name.startswith("torch.distributed") and path.as_posix() not in MANY_PROCESSES:
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


def test_no_two_files_import_each_other():
    found = circles({path.as_posix(): source for path, source in files()})
    assert not found, f"{len(found)} circles:\n" + "\n".join(" <-> ".join(group) for group in found)


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a.py": "import nunbit.b", "b.py": "from nunbit import a"}, [["a.py", "b.py"]]),
        ({"a.py": "from nunbit.b import x", "b.py": "def f():\n    from nunbit.a import y"}, [["a.py", "b.py"]]),
        ({"a/__init__.py": "from . import b", "a/b.py": "from nunbit.a import NAME"}, [["a/__init__.py", "a/b.py"]]),
        ({"a.py": "import nunbit.b", "b.py": "import nunbit.c", "c.py": "from . import a"}, [["a.py", "b.py", "c.py"]]),
        ({"a.py": "import nunbit.b", "b.py": "if TYPE_CHECKING:\n    import nunbit.a"}, []),
        (
            {"a.py": "if TYPE_CHECKING:\n    import c\nelse:\n    import nunbit.b", "b.py": "import nunbit.a"},
            [["a.py", "b.py"]],
        ),
        ({"a/__init__.py": "from . import b, c", "a/b.py": "from nunbit.a import c", "a/c.py": "import torch"}, []),
        ({"a.py": "import nunbit.b, nunbit.c", "b.py": "import nunbit.c", "c.py": ""}, []),
    ],
)
def test_circles_are_found(sources, found):
    assert circles(sources) == found


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
        (
            "media/images.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nunbit.models import composed",
        ),
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
