"""Count what the style rules are about: lengths of files, lines and functions, docstrings, shapes, dialect, duplicates.

    python -m tools.count_style                 the figures of this checkout
    python -m tools.count_style OTHER_CHECKOUT  the same of another one, for a comparison
    python -m tools.count_style --list words    every place that one rule complains about

`tests/test_style.py` holds the tree to the rules; this prints how far it is. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("src", "tests", "benchmarks", "tools", "scripts")
MAX_FILE_LINES, MAX_LINE_CHARACTERS, MAX_FUNCTION_LINES = 350, 120, 60
SHAPE = re.compile(r"``\([^`]*[A-Za-z][^`]*\)``|\bsame shape as\b|\bscalar\b")
"""How a docstring gives a shape: letters in parentheses in a literal, or one of two phrases."""
DIALECT = re.compile(
    "|".join(
        rf"\b{phrase}\b"
        for phrase in (
            "untold", "likest", "blanked", "arms?", "go(?:es)? on with", "hangs? on", "put together",
            "(?:its|own|perfect) eyes", "(?:is|are|be) told", "what is (?:told|said|shown|asked)", "knows nothing of",
            "a killed (?:one|run) goes on", "the usual answer",
        )
    ),
    re.IGNORECASE,
)  # fmt: skip
"""Words and phrases that stood for the field's own terms before the house was renamed."""
SAME_LINES = 6
"""So many equal code lines in two files make a pair of near-duplicates."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """One Python file of a checkout."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def is_library(self) -> bool:
        """Part of the package itself: docstrings are owed there, not in tests and tools."""
        return self.name.startswith("src/")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def sources(root: Path = ROOT) -> list[Source]:
    """Every Python file in the folders that have rules."""
    return [Source(root, p) for folder in FOLDERS for p in sorted((root / folder).rglob("*.py"))]


def long_files(source: Source) -> Iterator[str]:
    """A complaint if the file is over the limit."""
    if len(source.lines) > MAX_FILE_LINES:
        yield f"{source.name}: {len(source.lines)} lines"


def long_lines(source: Source) -> Iterator[str]:
    """Lines over the limit."""
    for number, line in enumerate(source.lines, start=1):
        if len(line) > MAX_LINE_CHARACTERS:
            yield f"{source.name}:{number}: {len(line)} characters"


def long_functions(source: Source) -> Iterator[str]:
    """Functions over the limit, from ``def`` to their last line."""
    for node in ast.walk(source.tree):
        if (
            isinstance(node, Function)
            and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
        ):
            yield f"{source.name}:{node.lineno}: {node.name} has {length} lines"


def kept_from_formatting(source: Source) -> Iterator[str]:
    """Statements that the formatter is told to skip."""
    for number, line in enumerate(source.lines, start=1):
        if re.search(r"# fmt: (skip|off)", line):
            yield f"{source.name}:{number}"


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes, functions and methods with their dotted names, without what functions define inside."""
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        if any(getattr(d, "attr", getattr(d, "id", "")) in ("overload", "setter") for d in node.decorator_list):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body, f"{prefix}{node.name}.")


def undocumented(source: Source) -> Iterator[str]:
    """Public modules, classes, functions and methods of the library without a docstring."""
    if not source.is_library:
        return
    if not ast.get_docstring(source.tree):
        yield f"{source.name}: the module"
    for name, node in public(source.tree.body):
        if not ast.get_docstring(node):
            yield f"{source.name}:{node.lineno}: {name}"


def holds_tensor(annotation: ast.expr | None) -> bool:
    """Whether an annotation is a tensor, an optional one, or a list or tuple of them, not a dictionary."""
    match annotation:
        case ast.Constant(value=str(text)):
            return bool(re.search(r"\bTensor\b", text)) and not re.search(r"dict|Mapping|Callable", text)
        case ast.Name(id="Tensor") | ast.Attribute(attr="Tensor"):
            return True
        case ast.BinOp(left=left, right=right):
            return holds_tensor(left) or holds_tensor(right)
        case ast.Subscript(value=ast.Name(id="list" | "tuple" | "Sequence" | "Iterator" | "Iterable"), slice=inner):
            return any(holds_tensor(e) for e in (inner.elts if isinstance(inner, ast.Tuple) else [inner]))
    return False


def tensor_functions(source: Source) -> Iterator[tuple[str, Function]]:
    """Public functions of the library that take or give tensors."""
    for name, node in public(source.tree.body) if source.is_library else ():
        if isinstance(node, Function):
            a = node.args
            given = [p.annotation for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
            if any(holds_tensor(x) for x in (*given, node.returns)):
                yield name, node


def shapeless(source: Source) -> Iterator[str]:
    """Tensor functions whose docstring gives no shape."""
    for name, node in tensor_functions(source):
        if not SHAPE.search(ast.get_docstring(node) or ""):
            yield f"{source.name}:{node.lineno}: {name}"


def prose(source: Source) -> Iterator[tuple[int, str]]:
    """Lines of comments, docstrings and strings of more than one word; a single word may be a key of an old file."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def dialect(source: Source) -> Iterator[str]:
    """Prose of the library in the words that the house had of its own."""
    if source.is_library:
        for number, line in prose(source):
            if found := DIALECT.search(line):
                yield f"{source.name}:{number}: {found[0]!r} in {line.strip()[:90]}"


RULES: dict[str, Callable[[Source], Iterator[str]]] = {
    "files": long_files,
    "lines": long_lines,
    "functions": long_functions,
    "docstrings": undocumented,
    "shapes": shapeless,
    "words": dialect,
}


def duplicates(files: list[Source]) -> Iterator[str]:
    """Pairs of files that share a run of equal code lines; imports, brackets and the like do not count."""
    seen: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for source in files:
        code = [
            s
            for line in source.lines
            if len(s := line.strip()) > 8 and not s.startswith(("import ", "from ", "#", '"""'))
        ]
        for start in range(len(code) - SAME_LINES + 1):
            seen[tuple(code[start : start + SAME_LINES])].add(source.name)
    yield from sorted({f"{a} ~ {b}" for names in seen.values() for a, b in combinations(sorted(names), 2)})


def figures(root: Path) -> dict[str, str]:
    """The table of a checkout."""
    files = sources(root)
    library = [s for s in files if s.is_library]
    total = {rule: sum(len([*check(s)]) for s in files) for rule, check in RULES.items()}
    definitions = sum(1 + len([*public(s.tree.body)]) for s in library)
    tensors = sum(len([*tensor_functions(s)]) for s in library)
    return {
        "files": f"{len(library)} in src, median {statistics.median(len(s.lines) for s in library):.0f} lines, "
        f"longest {max(len(s.lines) for s in library)}; {len(files)} in all",
        f"files over {MAX_FILE_LINES} lines": str(total["files"]),
        f"lines over {MAX_LINE_CHARACTERS} characters": str(total["lines"]),
        f"functions over {MAX_FUNCTION_LINES} lines": str(total["functions"]),
        "public definitions without docstring": f"{total['docstrings']} of {definitions:,}",
        "tensor functions without shapes": f"{total['shapes']} of {tensors}",
        "places in dialect": str(total["words"]),
        "fmt: skip": str(sum(len([*kept_from_formatting(s)]) for s in files)),
        f"pairs of files with {SAME_LINES} equal lines": str(len([*duplicates(files)])),
    }


def main() -> None:
    """Print the table, or the places of one rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, nargs="?", default=ROOT)
    parser.add_argument("--list", choices=[*RULES, "fmt", "duplicates"], help="print the places of this rule")
    options = parser.parse_args()
    root = options.checkout.resolve()
    if options.list == "duplicates":
        print(*duplicates(sources(root)), sep="\n")
    elif options.list:
        check = RULES.get(options.list, kept_from_formatting)
        print(*(place for s in sources(root) for place in check(s)), sep="\n")
    else:
        print(*(f"{name:40} {figure}" for name, figure in figures(root).items()), sep="\n")


if __name__ == "__main__":
    main()
