"""A package that a model needs and that is not installed: what it is, and which release to install."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from nunbit.errors import UserError

NEEDED = (
    re.compile(r"requires the (\w+) library"),
    re.compile(r"pip install (?:-U )?['\"]?([\w-]+)"),
    re.compile(r"No module named '(\w+)"),
)
"""How transformers names a package that is missing."""
TORCHVISION_AHEAD = 15
"""torch 2.N goes with torchvision 0.(N + 15)."""


def missing_package(error: Exception, model: object) -> UserError | None:
    """The error for a user where loading ``model`` failed for want of a package; None where it failed otherwise."""
    text = str(error)
    # Without torchvision the table of video processors is a stand-in that has none of a table's methods.
    name = "torchvision" if "VIDEO_PROCESSOR_MAPPING" in text else _named(text, isinstance(error, ImportError))
    if not name:
        return None
    return UserError(
        f"the model '{model}' needs the package {name}, which is not installed here",
        allowed="models whose processors need no more than is installed",
        todo=_install(name),
    )


def _named(text: str, is_import: bool) -> str:
    found = (pattern.search(text) for pattern in NEEDED) if is_import else ()
    return next((f.group(1).lower() for f in found if f), "")


def _install(name: str) -> str:
    if name != "torchvision":
        return f"pip install {name}"
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    found = re.match(r"2\.(\d+)", torch)
    if found is None:
        return "install the torchvision that goes with the installed torch"
    return (
        f"install the release that goes with torch {torch}, of the same build and from where torch came from: "
        f"pip install 'torchvision==0.{int(found.group(1)) + TORCHVISION_AHEAD}.*'"
    )
