"""Check the web page with tools that are not part of the repository: axe-core, and Lighthouse's accessibility audit.

    python -m tools.page_checks fetch                  pinned versions, from npm, into .page-checks
    python -m tools.page_checks lighthouse URL         desktop and phone; fails below 95 of 100

`tests/serving/page/test_axe.py` uses what `fetch` brought. Chromium, node and npm have to be there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

AXE_VERSION = "4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
LIGHTHOUSE_VERSION = "13.5.0"
LEAST_SCORE = 95
FOLDER = Path(__file__).resolve().parents[1] / ".page-checks"
"""Where fetched tools are kept."""


def axe_source() -> str | None:
    """The script of axe-core, or None where it was not fetched."""
    file = FOLDER / f"axe-{AXE_VERSION}.min.js"
    return file.read_text(encoding="utf-8") if file.is_file() else None


def fetch() -> None:
    """Fetch axe-core, compare its checksum, and install Lighthouse; what is here already is left alone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if axe_source() is None:
        with tempfile.TemporaryDirectory(dir=FOLDER) as work:
            subprocess.run(["npm", "pack", "--silent", f"axe-core@{AXE_VERSION}"], cwd=work, check=True)
            with tarfile.open(next(Path(work).glob("*.tgz"))) as archive:
                member = archive.extractfile("package/axe.min.js")
                data = member.read() if member else b""
        if hashlib.sha256(data).hexdigest() != AXE_SHA256:
            sys.exit(f"axe-core {AXE_VERSION} is not the file that was tried")
        (FOLDER / f"axe-{AXE_VERSION}.min.js").write_bytes(data)
    if not _lighthouse().is_file():
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", FOLDER]
        subprocess.run([*command, f"lighthouse@{LIGHTHOUSE_VERSION}"], check=True)


def _lighthouse() -> Path:
    return FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js"


def audit(url: str) -> dict[str, float]:
    """Lighthouse's accessibility score of a running server, 0 to 100, for a desktop and a phone."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    scores = {}
    for preset in ("desktop", "phone"):
        out = FOLDER / f"lighthouse-{preset}.json"
        flags = ["--only-categories=accessibility", "--output=json", f"--output-path={out}", "--quiet"]
        flags += ["--chrome-flags=--headless=new --no-sandbox"] + (["--preset=desktop"] if preset == "desktop" else [])
        subprocess.run(["node", _lighthouse(), url, *flags], check=True, env=os.environ | {"CHROME_PATH": chromium})
        report = json.loads(out.read_text(encoding="utf-8"))
        scores[preset] = 100 * report["categories"]["accessibility"]["score"]
        failed = [a["id"] for a in report["audits"].values() if a.get("score") == 0]
        print(f"{preset}: {scores[preset]:.0f} {' '.join(failed)}")
    return scores


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("fetch", "lighthouse"))
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    if options.what == "fetch":
        fetch()
    elif min(audit(options.url).values()) < LEAST_SCORE:
        sys.exit(f"below {LEAST_SCORE}")


if __name__ == "__main__":
    main()
