"""The style rules, counted: lengths, docstrings, shapes, words. ``python -m tools.count_style`` prints the figures."""

import ast
from pathlib import Path

import pytest
from tools import count_style

FILES = count_style.sources()


@pytest.mark.parametrize("rule", count_style.RULES)
def test_the_tree_keeps_the_rule(rule):
    places = [place for source in FILES for place in count_style.RULES[rule](source)]
    assert not places, f"{len(places)} places:\n" + "\n".join(places)


GOOD = '''"""Module."""
def scale(x: Tensor) -> Tensor:
    """Scale features ``(B, T, D)``; same shape as the input."""
def loss(logits: Tensor) -> float:
    """A scalar."""
class Public:
    """One."""
    @property
    def size(self) -> int:
        """Tokens."""
    def _own(self): ...
def _private(x: Tensor): ...
'''


def source(folder: Path, text: str, name: str = "src/nunbit/example.py") -> count_style.Source:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    ast.parse(text)
    return count_style.Source(folder, path)


def complaints(found: count_style.Source) -> set[str]:
    return {rule for rule, check in count_style.RULES.items() if [*check(found)]}


def test_good_style_is_left_alone(tmp_path):
    assert complaints(source(tmp_path, GOOD)) == set()


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("files", GOOD + "x = 1\n" * 350),
        ("lines", GOOD + f"x = '{'y' * 120}'\n"),
        ("functions", GOOD + "def _long():\n" + "    x = 1\n" * 60),
        ("docstrings", "x = 1\n"),
        ("docstrings", GOOD + "def public(): ...\n"),
        ("docstrings", GOOD + "class Other:\n    'One.'\n    @property\n    def size(self): ...\n"),
        ("shapes", GOOD + "def f(x: Tensor | None):\n    'Scale (twice).'\n"),
        ("shapes", GOOD + "def f(n: int) -> tuple[int, torch.Tensor]:\n    'Make ``(1, 2)``.'\n"),
        ("words", GOOD + "x = 1  # the likest last\n"),
        ("words", GOOD + "x = 'what is told'\n"),
        ("words", '"""A killed one goes on."""\n'),
    ],
)
def test_bad_style_is_noticed(tmp_path, rule, text):
    assert complaints(source(tmp_path, text)) == {rule}


def test_old_keys_and_tests_may_keep_their_words(tmp_path):
    assert not complaints(source(tmp_path, GOOD + "OLD = {'untold': 'object_aware'}\n"))
    assert not complaints(source(tmp_path, "def f(): ...  # the likest\n", "tests/test_example.py"))


def test_duplicates_are_pairs_of_files_with_equal_lines(tmp_path):
    lines = "".join(f"value_{i} = compute({i})\n" for i in range(count_style.SAME_LINES))
    files = [source(tmp_path, lines, f"src/{name}.py") for name in "ab"]
    files.append(source(tmp_path, lines.splitlines()[0], "src/c.py"))
    assert [*count_style.duplicates(files)] == ["src/a.py ~ src/b.py"]
