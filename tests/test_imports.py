"""The house keeps its floors: a room imports only from below, heavy packages stay out of the ground floor, the network out of most rooms."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src" / "nunbit"
FLOORS = {
    **dict.fromkeys(["scene", "messages", "errors", "registry", "coco"], 0),
    **dict.fromkeys(["verbalise", "crayon_map", "media", "world"], 1),
    **dict.fromkeys(["perception", "encoders"], 2),
    "connectors": 3,
    "models": 4,
    **dict.fromkeys(["prompting", "data", "engine"], 5),
    **dict.fromkeys(["training", "trust", "evaluation"], 6),
    "recipes": 7,
    **dict.fromkeys(["serving", "cli"], 8),
}
HEAVY = {"torch", "transformers", "peft", "accelerate"}
NETWORK = {"socket", "http", "urllib", "requests", "httpx", "aiohttp", "huggingface_hub", "fastapi", "uvicorn"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, top_only: bool = False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def files():
    return [p for p in ROOT.rglob("*.py") if p.name not in ("__main__.py",) and p != ROOT / "__init__.py"]


def test_every_room_has_a_floor():
    assert {room(p) for p in files()} <= set(FLOORS)
    assert len(files()) > 30


def test_no_room_imports_upwards_or_sideways():
    wrong = []
    for path in files():
        here = room(path)
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "nunbit" or len(parts) < 2 or parts[1] == here:
                continue
            there = FLOORS[parts[1]]
            # The nouns of the ground floor may know each other: everything else looks strictly down.
            if there > FLOORS[here] or (there == FLOORS[here] and there != 0):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_ground_floors_never_load_models():
    wrong = [f"{p.name}: {n}" for p in files() if FLOORS[room(p)] <= 1 for n in imports(p) if n.split(".")[0] in HEAVY]
    assert not wrong, wrong


def test_network_and_processes_stay_in_their_rooms():
    wrong = [str(p) for p in files() if room(p) != "serving" for n in imports(p) if n.split(".")[0] in NETWORK]
    distributed = [
        str(p) for p in files() if p.name != "distributed.py" for n in imports(p) if n.startswith("torch.distributed")
    ]
    assert not wrong + distributed


def test_nothing_evaluates_or_unpickles():
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                base = getattr(getattr(node.func, "value", None), "id", "")
                assert not (name in ("eval", "exec") and not base), f"{path} calls {name}"
                if (base, name) == ("torch", "load"):
                    assert any(
                        k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords
                    ), path
        assert "pickle" not in set(imports(path)), path
