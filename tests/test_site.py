"""The docs site: it lists every page, and, where mkdocs is installed, it builds without a warning."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_every_page_is_in_the_site_and_nothing_is_loaded_from_elsewhere():
    listed = re.findall(r"^  - .+: (\S+\.md)$", CONFIG, re.MULTILINE)
    assert sorted(listed) == sorted(p.name for p in (ROOT / "docs").glob("*.md"))
    assert "font: false" in CONFIG and "://" not in CONFIG


@pytest.mark.skipif(not find_spec("mkdocs"), reason="mkdocs is not installed (pip install 'nunbit[docs]')")
def test_the_site_builds(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (tmp_path / "api" / "index.html").read_text(encoding="utf-8")
    assert "nunbit.api.load" in page and "fonts.googleapis" not in page
