"""JSON texts read with the way they are spaced, so that a file which is written again is the same, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import decoded_text, parse_json, text_lines, whole

LIST_STYLE: dict[str, Any] = {"indent": 2, "ensure_ascii": False, "end": "\n"}
LINES_STYLE: dict[str, Any] = {"indent": None, "ensure_ascii": False, "end": "\n"}
BYTES_MAX = 8 << 30
_SEPARATORS = (None, (",", ":"), (", ", ":"), (",", ": "))


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file of a JSON list or of JSON lines.

    Attributes:
        places: where each record stands: "sample 0" of a list, "line 1" of lines.
        lines: whether it is lines.
    """

    text: str
    records: list[Any]
    places: list[str]
    lines: bool

    def style(self) -> dict[str, Any]:
        """How the text is spaced; the usual way with ``"other": True`` if no other gives this text again."""
        return _style(self.text, self.records, LINES_STYLE if self.lines else LIST_STYLE, lines=self.lines)


def read_json(file: Path) -> JsonFile:
    """The records of a JSON list or of JSON lines; the first character decides which.

    Raises:
        UserError: no such file, another encoding, or no JSON; the message names the line.
    """
    try:
        if file.stat().st_size > BYTES_MAX:
            raise UserError(f"'{file}' has {file.stat().st_size >> 30} GB", allowed=f"at most {BYTES_MAX >> 30} GB")
        text = decoded_text(file.read_bytes())
    except (OSError, UnicodeError) as e:
        raise UserError(
            f"'{file}' cannot be read ({type(e).__name__})",
            allowed="a JSON list or JSON lines in UTF-8",
            todo="check the path",
        ) from None
    if text.lstrip("\ufeff \t\r\n").startswith("["):
        records = _parsed(text, file.name)
        return JsonFile(text, records, [f"sample {i}" for i in range(len(records))], lines=False)
    numbered = [(f"line {i}", line) for i, line in enumerate(text_lines(text), start=1) if line.strip()]
    records = [_parsed(line, f"{file.name} {place}") for place, line in numbered]
    return JsonFile(text, records, [place for place, _ in numbered], lines=True)


def _parsed(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{where} is not JSON ({str(e)[:100]})", allowed="a JSON list or JSON lines") from None


def _style(text: str, records: list[Any], usual: dict[str, Any], *, lines: bool) -> dict[str, Any]:
    indents = [None] if lines else [None, 2, 4, 1, "\t"]
    for indent, separators, ascii_only, end in product(indents, _SEPARATORS, (False, True), ("", "\n")):
        style = {"indent": indent, "separators": separators, "ensure_ascii": ascii_only, "end": end}
        sample = records[:3] if len(text) > 1 << 20 else records  # a long text is compared by its beginning first
        head = dumped(sample, style, lines=lines).rstrip("]\n ")
        if text.startswith(head) and dumped(records, style, lines=lines) == text:
            return style
    return usual | {"other": True}


def dumped(records: Sequence[Any], style: dict[str, Any], *, lines: bool) -> str:
    """Records as text."""
    how = {k: style[k] for k in ("indent", "separators", "ensure_ascii") if k in style}
    if lines:
        return "\n".join(json.dumps(r, **how) for r in records) + (style["end"] if records else "")
    return json.dumps(list(records), **how) + str(style["end"])


def write_records(file: Path, records: Iterable[Any], style: dict[str, Any], *, lines: bool) -> None:
    """The records as a JSON list or as JSON lines; the file appears whole or not at all."""
    how = {k: style[k] for k in ("indent", "separators", "ensure_ascii") if k in style}
    with whole(file) as beside, beside.open("w", encoding="utf-8", newline="\n") as out:
        if not lines:
            out.write(json.dumps(list(records), **how) + str(style["end"]))
            return
        first = True
        for record in records:
            out.write(("" if first else "\n") + json.dumps(record, **how))
            first = False
        out.write("" if first else str(style["end"]))
