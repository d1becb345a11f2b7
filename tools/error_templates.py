"""Every sentence that a UserError of the package can say, as templates: what `nunbit/korean.tsv` has to translate.

    python -m tools.error_templates            all of them, one a line
    python -m tools.error_templates --missing  those without a Korean one

A template is the text with ``{}`` for each value that is put in. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nunbit"
ERRORS = ("UserError", "RequestError", "ContextLengthError", "Busy")
PARTS = ("given", "allowed", "todo")


def text_templates(node: ast.expr, names: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """The templates that an expression can be.

    Args:
        names: what is assigned to names where the expression stands.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.replace("{", "{{").replace("}", "}}")
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(v.value).replace("{", "{{").replace("}", "}}") if isinstance(v, ast.Constant) else "{}"
            for v in node.values
        )
    elif isinstance(node, ast.IfExp):
        yield from text_templates(node.body, names, depth)
        yield from text_templates(node.orelse, names, depth)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from text_templates(value, names, depth)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        for left in [*text_templates(node.left, names, depth)] or ["{}"]:
            for right in [*text_templates(node.right, names, depth)] or ["{}"]:
                yield left + right
    elif isinstance(node, ast.Name) and depth < 4:
        for value in names.get(node.id, []):
            yield from text_templates(value, names, depth + 1)


def assigned(body: ast.AST) -> dict[str, list[ast.expr]]:
    """What is assigned to each name in a function or module, tuples taken apart."""
    out: dict[str, list[ast.expr]] = {}
    for node in ast.walk(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = [*zip(target.elts, node.value.elts, strict=False)]
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    out.setdefault(name.id, []).append(value)
    return out


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, dict[str, list[ast.expr]]]]:
    """Every call that makes an error, with the names that are known there."""
    module = assigned(tree)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        known = module | assigned(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ERRORS:
                yield node, known


def templates(source: Path = SOURCE) -> dict[str, str]:
    """Every template, with the file that says it first."""
    found: dict[str, str] = {}
    for path in sorted(source.rglob("*.py")):
        for call, known in calls(ast.parse(path.read_text(encoding="utf-8"))):
            given = call.args[:1] + [k.value for k in call.keywords if k.arg in PARTS]
            for node in given:
                for text in text_templates(node, known):
                    if any(c.isalpha() for c in text.replace("{}", "")):
                        found.setdefault(text.rstrip("."), path.relative_to(source).as_posix())
    return found


def main() -> None:
    """Print the templates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--missing", action="store_true")
    known: set[str] = set()
    if parser.parse_args().missing:
        from nunbit.translation import catalogue

        known = {*catalogue()}
    for text in templates():
        if text not in known:
            print(text)


if __name__ == "__main__":
    main()
