"""Where a picture's bytes come from: a path, bytes, base64 text or a ``data:`` URI.

The kind of a source is decided from its text, the kind of a file from its content, never by whether a file exists.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Literal

from nunbit.errors import UserError
from nunbit.media.limits import ALLOWED, Limits, check_bytes

Kind = Literal["inline", "address", "path"]

_AROUND = " \t\r\n\f\v\u00a0\ufeff\u200b\u200e\u200f\u2060\"'<>"
"""What copying leaves around a data: URI or base64 text: spaces, a byte order mark, marks without a width, quotes."""
_HEAD_CHARACTERS = 2500
_DATA_URI = re.compile(r'data:((?:[^,"]|"[^"]*"){0,2000}),', re.IGNORECASE)
"""RFC 2397, with any type or none: the content decides what the bytes are. A quoted parameter may hold a comma."""
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_BASE64_MARK = re.compile(r"(?:^|;)\s*base64\s*(?:;|$)", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]+=*\s*")
_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGODlh", "R0lGODdh", "Qk")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
"""How names of picture files end, in small letters."""
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
}


def kind_of(source: object) -> Kind:
    """Whether a source carries its own bytes, is a web address, or is a path.

    Decided from the text alone, never by checking whether such a file exists: `decode` and the fetch policy must always
    agree.
    """
    if isinstance(source, os.PathLike):
        return "path"
    if not isinstance(source, str):
        return "inline"
    if is_data_uri(source):
        return "inline"
    if _ADDRESS.match(source):
        return "address"
    text = source.strip(_AROUND) if source[:1] in _AROUND or source[-1:] in _AROUND else source
    long_enough = len(text) > 260 or (len(text) >= 40 and text.startswith(_BASE64_STARTS))
    return "inline" if long_enough and _BASE64.fullmatch(text) else "path"


def named_file(text: str) -> Path:
    """The file that somebody names on a command line.

    Raises:
        UserError: an address, which looks like a path with too few slashes once it is one.
    """
    if _ADDRESS.match(text):
        raise _address(f"'{text[:200]}'")
    return Path(text)


def _address(name: str) -> UserError:
    todo = "download the picture first, and name the file"
    return UserError(f"{name} is an address", allowed="a file on this machine", todo=todo)


def is_data_uri(source: str) -> bool:
    """Whether text is a ``data:`` URI, or meant as one."""
    return source[:100].lstrip(_AROUND)[:5].lower() == "data:"


def sources_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The picture files directly in a folder, by name.

    The first bytes decide, so damaged pictures are listed, and `decode` names them in its error.

    Raises:
        UserError: a folder that cannot be listed.
    """
    path = Path(folder)
    try:
        return [p for p in sorted(path.iterdir()) if p.is_file() and _is_picture(p)]
    except (OSError, ValueError) as e:
        raise UserError(
            f"'{path}' cannot be listed ({type(e).__name__})", allowed="a folder of pictures", todo="check the path"
        ) from None


def read_source(source: object, name: str | None, limits: Limits) -> tuple[bytes, str]:
    """The bytes of a source, and its name in errors.

    Raises:
        UserError: another type, an address, a missing file, text that is not base64, or too many bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        size = source.nbytes if isinstance(source, memoryview) else len(source)
        check_bytes(size, name or "the picture", limits)
        return bytes(source), name or "the picture"
    if not isinstance(source, (str, os.PathLike)):
        raise UserError(
            f"a picture of type {type(source).__name__}", allowed="a path, bytes, base64 text or a data: URI"
        )
    kind = kind_of(source)
    if kind == "inline":
        assert isinstance(source, str)
        if is_data_uri(source):
            return _from_uri(source, name or "the data: URI", limits), name or "the data: URI"
        return _from_base64(source, name or "the base64 text", limits), name or "the base64 text"
    name = name or f"'{os.fsdecode(source)[:200]}'"
    if kind == "address":
        raise _address(name)
    return _from_path(source, name, limits), name


def _from_path(source: str | os.PathLike[str], name: str, limits: Limits) -> bytes:
    try:
        path = Path(os.fsdecode(source))
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file that exists"
            raise UserError(f"{name} {what}", allowed=ALLOWED, todo="check the path")
        check_bytes(path.stat().st_size, name, limits)
        with path.open("rb") as f:
            data = f.read(limits.max_bytes + 1)  # the file may have grown, or hide its size
        check_bytes(len(data), name, limits)
        return data
    except UserError:
        raise
    except (OSError, ValueError) as e:
        raise UserError(f"{name} cannot be read ({type(e).__name__})", allowed=ALLOWED, todo="check the path") from None


def _from_uri(source: str, name: str, limits: Limits) -> bytes:
    source = source.strip(_AROUND)
    head = _DATA_URI.match(source[:_HEAD_CHARACTERS])
    if not head and "%2c" in source[:_HEAD_CHARACTERS].lower():  # escaped as a whole
        source = _unquoted(source).decode("latin-1")
        head = _DATA_URI.match(source[:_HEAD_CHARACTERS])
    if not head:
        raise UserError(
            f"{name} is not a base64 picture", allowed="data:image/png;base64,... (or jpeg, webp, gif, bmp)"
        )
    held = source[head.end() :]
    if _BASE64_MARK.search(head[1]) or held.lstrip().startswith(_BASE64_STARTS):
        held = held.partition("#")[0]  # a fragment, as any address may have one
        return _from_base64(_unquoted(held).decode("latin-1") if "%" in held else held, name, limits)
    check_bytes(len(held) // 3, name, limits)
    data = _unquoted(held.strip())
    check_bytes(len(data), name, limits)
    return data


def _unquoted(text: str) -> bytes:
    """Percent-encoded text as bytes."""
    return _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), text.encode())


def _from_base64(text: str, name: str, limits: Limits) -> bytes:
    """Bytes of base64 text; line breaks, a missing ``=`` and the URL-safe alphabet are all in common use."""
    check_bytes(len(text) * 3 // 4, name, limits)
    try:
        plain = "".join(_with_plus(text.strip(_AROUND)).split()).rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise UserError(f"{name} is not base64", allowed="the base64 form of a picture file") from None


def _with_plus(text: str) -> str:
    """Base64 text whose plus signs became spaces, as a form's decoding makes them; spaces that end lines of one length
    stay."""
    if " " not in text or "+" in text or "\n" in text:
        return text
    lengths = {len(line) for line in text.split(" ")[:-1]}
    return text if len(lengths) == 1 and lengths.pop() % 4 == 0 else text.replace(" ", "+")


def _is_picture(path: Path) -> bool:
    try:
        with path.open("rb") as f:
            head = f.read(12)
    except OSError:
        return path.suffix.lower() in PICTURE_ENDINGS
    return bool(encoding_of(head))


def encoding_of(head: bytes) -> str:
    """``png``, ``jpeg``, ``gif``, ``webp`` or ``bmp`` by a file's first twelve bytes; "" for anything else."""
    if head[:4] == b"RIFF":
        return "webp" if head[8:12] == b"WEBP" else ""
    return next((name for start, name in _STARTS.items() if head.startswith(start)), "")
