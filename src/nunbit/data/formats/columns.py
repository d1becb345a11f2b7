"""Hugging Face's columns in parquet: ``id``, ``messages`` of role and content with ``<image>`` marks, ``images`` of
bytes and path, and ``extra``, the further fields as JSON. The schema says which features `datasets` makes of them.

Source: datasets, features: an Image is a struct of bytes and path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit.data.formats.chat import picture_bytes
from nunbit.data.formats.sample import Sample, Turn
from nunbit.errors import UserError
from nunbit.files import whole

PACKAGE = "pyarrow"
ROWS = 500
"""Samples of a row group."""
FEATURES = {
    "id": {"dtype": "string", "_type": "Value"},
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
    "messages": {
        "feature": {"role": {"dtype": "string", "_type": "Value"}, "content": {"dtype": "string", "_type": "Value"}},
        "_type": "List",
    },
    "extra": {"dtype": "string", "_type": "Value"},
}


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("parquet needs the package pyarrow", todo=f"pip install {PACKAGE}") from None
    return pyarrow


def write_parquet(samples: Sequence[Sample], file: Path, images: Path) -> None:
    """One file, its pictures inside.

    Raises:
        UserError: without pyarrow, or a picture that cannot be read.
    """
    pa = _pyarrow()
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema(
        [("id", pa.string()), ("images", pa.list_(picture)), ("messages", pa.list_(turn)), ("extra", pa.string())],
        metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
    )
    with whole(file) as beside, pa.parquet.ParquetWriter(beside, schema) as out:
        for i in range(0, len(samples), ROWS):
            rows = [_row(s, images) for s in samples[i : i + ROWS]]
            out.write_table(pa.Table.from_pylist(rows, schema))


def _row(sample: Sample, images: Path) -> dict[str, Any]:
    number = {} if sample.id is None or isinstance(sample.id, str) else {"id": sample.id}
    extra = number | sample.extra
    return {
        "id": sample.id if isinstance(sample.id, str) else None,
        "images": [{"bytes": picture_bytes(sample, n, images), "path": n} for n in sample.images],
        "messages": [{"role": t.role, "content": t.text} for t in sample.turns],
        "extra": json.dumps(extra, ensure_ascii=False) if extra else None,
    }


def read_parquet(file: Path) -> list[Sample]:
    """The samples of one file; pictures stay in memory.

    Raises:
        UserError: without pyarrow, a damaged file, or other columns.
    """
    pa = _pyarrow()
    try:
        with pa.parquet.ParquetFile(file) as opened:
            rows = [row for group in opened.iter_batches(ROWS) for row in group.to_pylist()]
    except (OSError, pa.ArrowException) as e:
        raise UserError(f"'{file}' is damaged ({type(e).__name__})", allowed="a parquet file") from None
    return [_sample(row, f"{file.name} row {i}") for i, row in enumerate(rows)]


def _sample(row: dict[str, Any], name: str) -> Sample:
    try:
        extra = json.loads(row.get("extra") or "{}")
        turns = [Turn(m["role"], m["content"]) for m in row["messages"]]
        shown = {i["path"] or f"{n}.bin": i["bytes"] or b"" for n, i in enumerate(row.get("images") or [])}
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{name} has other columns", allowed=f"the columns {', '.join(FEATURES)}") from None
    own = row.get("id") if row.get("id") is not None else extra.pop("id", None)
    return Sample(turns, list(shown), own, extra, pictures=shown)
