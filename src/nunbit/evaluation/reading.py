"""Opens what users have downloaded: TSV with base64 pictures, JSON, JSON lines, parquet, a folder or a zip of these.

Never the network.

A `Document` is one file's content with the `Files` around it, in which its pictures are named. Nothing is evaluated
or unpickled: lists written as text are read by `ast.literal_eval`, which knows literals only.
"""

from __future__ import annotations

import ast
import base64
import csv
import io
import json
import math
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.items import Load
from nunbit.files import decoded_text, parse_json, text_lines

KINDS = (".tsv", ".csv", ".jsonl", ".json", ".parquet")
_URL_SAFE, _BASE64 = str.maketrans("-_", "+/"), re.compile(r"[A-Za-z0-9+/]+")
_REFERENCE_LENGTH = 64
"""A string this short in an image column may name another row. Source: VLMEvalKit's TSV form."""


class Files:
    """The files beside a document, in a folder or in a zip. Names that lead out of it are refused."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.zip = zipfile.ZipFile(root) if root.is_file() else None
        self._by_name: dict[str, str] | None = None

    def names(self) -> list[str]:
        """Every file, as a posix path below the root, in order."""
        if self.zip:
            return sorted(i.filename for i in self.zip.infolist() if not i.is_dir())
        return sorted(p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file())

    def read(self, name: str) -> bytes:
        """The bytes of one file of `names`."""
        if self.zip:
            return self.zip.read(name)
        return (self.root / name).read_bytes()

    def find(self, name: str) -> str:
        """The file that a dataset means by ``name``: that path, that path below some folder, or that base name."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        if wanted.is_absolute() or ".." in wanted.parts:
            raise UserError(
                f"the data names the picture '{name[:100]}'", allowed="pictures below the folder of the data"
            )
        if self._by_name is None:
            self._by_name = {}
            for n in self.names():
                parts = PurePosixPath(n).parts
                for k in range(len(parts)):
                    self._by_name.setdefault("/".join(parts[k:]), n)
        for candidate in (wanted.as_posix(), wanted.name):
            if candidate in self._by_name:
                return self._by_name[candidate]
        raise UserError(
            f"the picture '{name[:100]}' is missing from '{self.root}'",
            allowed="the pictures beside the questions",
            todo="unpack the pictures there, or name the folder that holds both",
        )


@dataclass(frozen=True, slots=True)
class Document:
    """One data file: ``content`` is a list of rows (tables) or whatever the JSON holds."""

    name: str
    kind: str
    content: Any
    files: Files


def documents(path: Path) -> Iterator[Document]:
    """Every data file at a path, tables first: the path may be the file itself, a folder, or a zip."""
    if not path.exists():
        raise UserError(
            f"'{path}' does not exist",
            allowed="a file, folder or zip with the benchmark's data",
            todo="download the data yourself and name it with --data; nunbit never does",
        )
    if path.is_file() and not zipfile.is_zipfile(path):
        if path.suffix.lower() not in KINDS:
            raise UserError(f"'{path.name}' is of no known kind", allowed=", ".join((*KINDS, ".zip")))
        yield _open(path.name, Files(path.parent), path.name)
        return
    files = Files(path)
    found = [
        n
        for n in files.names()
        if PurePosixPath(n).suffix.lower() in KINDS and not PurePosixPath(n).name.startswith(".")
    ]
    for name in sorted(found, key=lambda n: (KINDS.index(PurePosixPath(n).suffix.lower()), n)):
        yield _open(name, files, f"{path.name}/{name}")


def _open(name: str, files: Files, shown: str) -> Document:
    kind = PurePosixPath(name).suffix.lower()[1:]
    data = files.read(name)
    try:
        if kind == "parquet":
            content: Any = _parquet(data, shown)
        elif kind in ("tsv", "csv"):
            content = _table(decoded_text(data), "\t" if kind == "tsv" else ",")
        else:
            content = _json(decoded_text(data), lines=kind == "jsonl")
    except UserError:
        raise
    except (ValueError, OSError, RecursionError, csv.Error) as e:  # pyarrow's errors are of the first two kinds
        raise UserError(
            f"'{shown}' cannot be read ({type(e).__name__}: {e})"[:300],
            allowed=f"a whole UTF-8 {kind} file",
            todo="download it again, or repair it",
        ) from None
    return Document(name, kind, content, files)


def _table(text: str, delimiter: str) -> list[dict[str, Any]]:
    """The rows of a table, read strictly.

    Raises:
        ValueError: a row that does not fit the first one, as after a quote that never closes; it is named.
    """
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    begins = 1
    try:
        for cells in reader:
            if names and any(c.strip() for c in cells):
                if len(cells) > len(names) and any(c.strip() for c in cells[len(names) :]) or len(cells) < len(names):
                    raise csv.Error(f"{len(cells)} cells for {len(names)} columns")
                rows.append({name: cell for name, cell in zip(names, cells, strict=False) if name})
            elif not names:
                names = [c.strip().lower() for c in cells]
            begins = reader.line_num + 1
    except csv.Error as e:
        raise ValueError(f"the row that begins in line {begins}: {e}; a quote may be open there") from None
    return rows


def _json(text: str, *, lines: bool) -> Any:
    """JSON, or JSON lines, which some data carry under the name of JSON."""
    if not lines:
        try:
            return parse_json(text)
        except json.JSONDecodeError:
            if "\n" not in text.strip():
                raise
    out = []
    for n, line in enumerate(text_lines(text), start=1):
        if line.strip():
            try:
                out.append(parse_json(line))
            except ValueError as e:
                raise ValueError(f"line {n}: {e}") from None
    return out


def _parquet(data: bytes, shown: str) -> list[dict[str, Any]]:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UserError(
            f"'{shown}' is parquet, and pyarrow is not installed",
            allowed="TSV and JSON without it",
            todo="install it: pip install pyarrow",
        ) from None
    return [{k.lower(): v for k, v in row.items()} for row in ParquetFile(io.BytesIO(data)).read().to_pylist()]


def plain(value: Any) -> str:
    """A cell as text: None and not-a-number are empty, whole floats lose their ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if not isinstance(value, bool) else str(value)


def whole_number(value: Any) -> str:
    """A cell as text, as `plain`, where ``"1.0"`` of a table that passed through a data frame is ``1``."""
    text = plain(value)
    return text.partition(".")[0] if re.fullmatch(r"\d+\.0+", text) else text


def golds(value: Any) -> list[str]:
    """The right answers in a cell: a list, or the text of a list of quoted texts, as tables keep one; any other text is
    one answer, also one that looks like a list: a box, a point, a pair of numbers."""
    if isinstance(value, (list, tuple)):
        numbers = len(value) > 1 and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
        return [json.dumps([*value])] if numbers else [plain(v) for v in value]
    text = plain(value)
    quoted = re.fullmatch(r"\[\s*(['\"]).*\1\s*\]", text, re.DOTALL)
    return listed(text) if quoted else [text] if text else []


def listed(value: Any) -> list[str]:
    """A list of strings, from a list or from its text form; any other text is a list of itself."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    text = plain(value)
    if text[:1] in "[(" and text[-1:] in "])" and len(text) > 1:
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(found, (list, tuple)):
                return [plain(v) for v in found]
    return [text] if text else []


class Pictures:
    """Finds the pictures of rows: bytes, a struct of bytes and path, base64, another row's number, a file name, or a
    list of these.
    """

    def __init__(self, files: Files, rows: Sequence[Mapping[str, Any]], column: str = "image") -> None:
        self.files = files
        self._rows = {whole_number(r.get("index")): r.get(column) for r in rows if plain(r.get("index"))}

    def of(self, value: Any) -> tuple[Load, ...]:
        """Loaders of the pictures that a cell holds, in order; none for an empty cell.

        Args:
            value: bytes, a struct of bytes and path, base64, another row's number, a file name, or a list of these.

        Raises:
            UserError: a file that is missing or lies outside the data.
        """
        return self._of(value, 0)

    def _of(self, value: Any, depth: int) -> tuple[Load, ...]:
        if value is None or isinstance(value, float) or depth > 3:
            return ()
        if isinstance(value, (bytes, bytearray)):
            data = bytes(value)
            return (lambda: data,)
        if isinstance(value, Mapping):
            return self._of(value.get("bytes") or value.get("path"), depth)
        if isinstance(value, (list, tuple)):
            return tuple(load for v in value for load in self._of(v, depth))
        text = str(value).strip()
        if not text:
            return ()
        if text.startswith("["):
            return tuple(load for v in listed(text) for load in self._of(v, depth + 1))
        if len(text) <= _REFERENCE_LENGTH and whole_number(text) in self._rows:
            return self._of(self._rows[whole_number(text)], depth + 1)
        if text[:5].lower() == "data:" or (len(text) > _REFERENCE_LENGTH and "." not in text[-6:]):
            plain_ = checked_base64(text)
            return (lambda: base64.b64decode(plain_),)
        name = self.files.find(text)
        return (lambda: self.files.read(name),)


def checked_base64(text: str) -> str:
    """The base64 text of a picture in its strict form; line breaks, a missing ``=`` and the URL-safe alphabet are all
    in common use, as in `nunbit.media`.

    Raises:
        UserError: other characters, or a length that no bytes have.
    """
    plain_ = "".join(text.rpartition("base64,")[2].split()).rstrip("=").translate(_URL_SAFE)
    if len(plain_) % 4 == 1 or not _BASE64.fullmatch(plain_):
        raise UserError(
            f"a picture beginning '{text[:20]}' is not base64", allowed="base64 of a picture file, or a file name"
        )
    return plain_ + "=" * (-len(plain_) % 4)
