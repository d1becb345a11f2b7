"""The documents are held to the code: files, links, names, commands, flags and make targets that they mention exist."""

import importlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "nunbit"
CARDS = sorted((PACKAGE / "models" / "weights").glob("*/README.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "README.ko.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *CARDS,
]
TOP = {p.name for p in (*ROOT.iterdir(), *PACKAGE.iterdir()) if p.is_dir()}
OLD_FLAGS = {"CHANGELOG.md"}
"""Pages that name flags of earlier versions."""


@cache
def code(page: Path) -> list[str]:
    """Lines of fenced blocks, and inline code, without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    return [part.strip() for line in (*blocks, *inline) for part in re.split(r"\s#\s|;", line.replace("\n", " "))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def dead_links(page: Path) -> list[str]:
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(target)
    return found


def absent_paths(page: Path) -> list[str]:
    """Paths in code that begin in a folder of ours and do not exist."""
    found = []
    for part in code(page):
        for path in re.findall(r"(?<![\w./:-])[\w-]+(?:/[\w.-]+)+/?", part):
            if path.split("/")[0] in TOP and not any((base / path).exists() for base in (ROOT, PACKAGE)):
                found.append(path)
    return found


def absent_names(page: Path) -> list[str]:
    """Dotted names of the package that do not import."""
    named = [name for part in code(page) for name in re.findall(r"\bnunbit(?:\.\w+)+", part)]
    return [name for name in named if name != "nunbit.toml" and not exists(name)]  # the file of settings


@cache
def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one or of its classes."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def wrong_commands(page: Path) -> list[str]:
    """Commands of ours with an unknown subcommand or flag, unknown make targets, modules that are not there."""
    from nunbit.cli.commands import app

    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    found = []
    for line in code(page):
        words = [w for w in line.split() if not re.match(r"[A-Z_]+=", w)]
        if words[:1] == ["nunbit"] and wrong_in(typer.main.get_command(app), words[1:]):
            found.append(line)
        if words[:1] == ["make"] and words[1:] and not set(words[1:2]) <= targets and words[1] != "-s":
            found.append(line)
        if words[1:2] == ["-m"] and words[0] == "python" and words[2].split(".")[0] in TOP and not find_spec(words[2]):
            found.append(line)
    return found


def wrong_in(command, words: list[str]) -> bool:
    while hasattr(command, "commands"):
        if not words or words[0].startswith(("-", ".")):
            return False
        inner = command.commands.get(words[0])
        if inner is None:
            return True
        command, words = inner, words[1:]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
    return any(re.match(r"--?[a-z]", w) and w.split("=")[0] not in known for w in words)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_page_mentions_exists(page):
    assert not dead_links(page)
    assert not absent_paths(page)
    assert not absent_names(page)
    if page.name not in OLD_FLAGS:
        assert not wrong_commands(page)


def test_architecture_fits_on_a_screen_and_names_each_step():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 60
    steps = re.findall(r"^\| \d+ \| \[`(nunbit[\w.]+)`\]\((\S+?)\) \|", page, re.M)
    assert len(steps) >= 10
    for name, link in steps:
        parts = name.split(".")
        module = next(m for n in range(len(parts), 1, -1) if find_spec_of(m := ".".join(parts[:n])))
        file = find_spec_of(module).origin
        assert (ROOT / "docs" / link).resolve() == Path(file), f"{name} is in {file}"


def find_spec_of(name: str):
    try:
        return find_spec(name)
    except ModuleNotFoundError:
        return None


def test_each_row_of_papers_has_a_file_and_a_test():
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    for method, _, file, test, _ in rows[1:]:
        assert "`" in file and ("`" in test or test == "the same"), method


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (dead_links, "[x](absent.md)"),
        (dead_links, "[x](#nothing)"),
        (absent_paths, "`models/absent.py`"),
        (absent_paths, "`tests/absent/test_x.py`"),
        (absent_names, "`nunbit.models.absent`"),
        (absent_names, "`nunbit.api.Model.absent`"),
        (wrong_commands, "`nunbit absent x`"),
        (wrong_commands, "`nunbit eval tiny-world --untold`"),
        (wrong_commands, "```sh\nnunbit ask a.png --absent 3   # a comment\n```"),
        (wrong_commands, "`make absent`"),
        (wrong_commands, "`python -m tools.absent`"),
    ],
)
def test_what_is_not_there_is_noticed(tmp_path, check, text):
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n{text}\n", encoding="utf-8")
    assert check(page)


def test_what_is_there_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n[x](#a-page) `media/images.py` `nunbit.scene.Scene` `nunbit eval tiny-world --seed 7` `make test`"
    )
    assert not (dead_links(page) or absent_paths(page) or absent_names(page) or wrong_commands(page))
