"""Files and folders that appear whole or not at all, whatever kills the process and however full the disk is."""

from __future__ import annotations

import codecs
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EMBEDDED = Path(__file__).parent / "models" / "weights" / "nunbit-tiny"
"""The model that ships with the package, with the weights of its perception."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_HALF_PAIRS = re.compile("[\ud800-\udfff]")


def decoded_text(data: bytes) -> str:
    """Text of a user's file: UTF-8, or what its byte order mark says, as spreadsheets and Windows write it.

    Raises:
        UnicodeError: another encoding.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding)


def text_lines(text: str) -> list[str]:
    r"""Lines of a text that end in ``\n``, ``\r\n`` or ``\r``, and nowhere else.

    ``str.splitlines`` also cuts at U+2028, U+2029, U+0085 and control characters, which may stand in a JSON string. A
    byte order mark before a line, as joined files have it, goes.
    """
    return [line.removeprefix("\ufeff") for line in re.split(r"\r\n|\n|\r", text)]


def parse_json(text: str) -> Any:
    """The value of a JSON text from elsewhere; halves of surrogate pairs become U+FFFD, raw control characters stay.

    Raises:
        ValueError: no JSON.
        RecursionError: nested too deeply.
    """
    value = json.loads(text.removeprefix("\ufeff"), strict=False)
    return whole_values(value) if re.search(r"\\u[dD][89a-fA-F]", text) else value


def whole_characters(text: str) -> str:
    """The text with U+FFFD in place of every half of a surrogate pair, which no encoding can write."""
    return text if text.isascii() else _HALF_PAIRS.sub("\ufffd", text)


def whole_values(value: Any) -> Any:
    """A JSON value with U+FFFD in place of every half of a surrogate pair."""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, list):
        return [whole_values(v) for v in value]
    if isinstance(value, dict):
        return {whole_characters(k): whole_values(v) for k, v in value.items()}
    return value


def cache_folder() -> Path:
    """Where nunbit keeps what can be made again: ``$NUNBIT_CACHE``, else ``$XDG_CACHE_HOME/nunbit``, else
    ``~/.cache/nunbit``."""
    if named := os.environ.get("NUNBIT_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nunbit"


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; at the end the new file takes the path's place in one step.

    After an error nothing has changed. The name is unique among threads, processes and machines.

    Raises:
        OSError: what `disk_errors` raises.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with disk_errors(path):
            yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """The text in UTF-8, as in `whole`."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder beside ``path`` to write into; it takes the path's place at the end, as in `whole`."""
    path = Path(path)
    beside, old = (path.with_name(path.name + end) for end in (".part", ".old"))
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with disk_errors(path):
        yield beside
    if path.exists():
        path.rename(old)
    beside.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """An OSError where safetensors reports a failed write in an error of its own."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as e:
        raise OSError(f"'{path}' could not be written ({e})") from None
