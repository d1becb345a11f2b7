"""Warnings about a request that is answered all the same, and the header that carries them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.serving.schemas import RequestModel

NOT_PRINTABLE = re.compile(r"[^ -~]")
"""Characters that a header may not hold: a line break in a field's name would begin another header."""


def ignored_fields(body: RequestModel) -> list[str]:
    """Warnings about the fields that nothing reads."""
    return [f"unknown field '{NOT_PRINTABLE.sub('?', name)}' was ignored" for name in body.unknown_fields()]


def warning_headers(warnings: Sequence[str]) -> dict[str, str]:
    """The header that carries warnings."""
    return {"X-Nunbit-Warnings": NOT_PRINTABLE.sub("?", "; ".join(warnings))} if warnings else {}
