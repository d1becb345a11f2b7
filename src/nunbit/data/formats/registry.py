"""Which layouts there are, how a file's own is found, and reading and writing by name."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.data.formats import chat, columns, llava, onevision, shards
from nunbit.data.formats.json_text import LINES_STYLE, LIST_STYLE, JsonFile, read_json, write_records
from nunbit.data.formats.sample import MARK, Dataset, Sample, Turn, check_marks
from nunbit.errors import UserError, unknown_name
from nunbit.files import whole, write_text
from nunbit.system_errors import named_below

FORMATS = ("llava", "onevision", "messages", "llamafactory", "swift", "openai", "webdataset", "parquet")
WRITTEN = tuple(f for f in FORMATS if f != "onevision")
POSITIONS = ("keep", "front", "random")
Reader = Callable[[Any, str], Sample]
Writer = Callable[[Sample], tuple[Any, list[str]]]
_READERS: dict[str, Reader] = {
    "llava": llava.from_record,
    "messages": chat.from_trl,
    "llamafactory": chat.from_marked,
    "swift": chat.from_marked,
    "openai": chat.from_openai,
}
_LINES = ("messages", "swift", "openai")
"""Layouts of JSON lines; the others are JSON lists."""
_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
         "system_tag": "system"}  # fmt: skip


def format_of(path: Path) -> str:
    """The layout of a file or folder, by its ending and its first record.

    Raises:
        UserError: none that is known.
    """
    return _opened(path, "auto")[0]


def _opened(path: Path, format: str) -> tuple[str, JsonFile | None]:
    """The name of the layout, and the file's records where they are JSON."""
    name = _by_ending(path) if format == "auto" else format
    if name and name not in _READERS:
        return name, None
    file = read_json(path)
    return name or _by_records(path, file), file


def _by_ending(path: Path) -> str:
    if path.is_dir():
        return "webdataset"
    endings = {".tar": "webdataset", ".yaml": "onevision", ".yml": "onevision", ".parquet": "parquet"}
    return endings.get(path.suffix, "")


def _by_records(path: Path, file: JsonFile) -> str:
    first = file.records[0] if file.records and isinstance(file.records[0], dict) else {}
    if "conversations" in first:
        return "llava"
    if "messages" not in first:
        raise UserError(
            f"'{path}' has a layout that is not known", allowed=", ".join(FORMATS), todo="name it with --from"
        )
    few = [r for r in file.records[:50] if isinstance(r, dict)]
    contents = [m.get("content") for r in few for m in r.get("messages") or () if m]
    kinds = {p.get("type") for c in contents if isinstance(c, list) for p in c if isinstance(p, dict)}
    if "image_url" in kinds:
        return "openai"
    return "messages" if kinds else "swift" if file.lines else "llamafactory"


def read(path: str | Path, format: str = "auto", images: str | Path | None = None, *, seed: int = 0) -> Dataset:
    """All samples of a file, or of a folder of shards.

    Args:
        format: one of `FORMATS`, or ``auto``.
        images: the folder that picture names are relative to; the file's own folder if not given.
        seed: of a mix's ``random`` rules.

    Raises:
        UserError: a file that cannot be read, or a sample of another shape, by its name.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"'{path}' is not here", todo="check the path")
    root = Path(images) if images is not None else path if path.is_dir() else path.parent
    name, file = _opened(path, format)
    if name not in FORMATS:
        raise unknown_name("layout", name, FORMATS)
    if file is not None:
        samples = [_READERS[name](r, f"{path.name} sample {i}") for i, r in enumerate(file.records)]
        dataset = Dataset(samples, name, root, file.style())
    elif name == "onevision":
        dataset = onevision.read_mix(path, root, seed)
    elif name == "webdataset":
        dataset = Dataset(shards.read_shards(path), name, root)
    else:
        dataset = Dataset(columns.read_parquet(path), name, root)
    for number, sample in enumerate(dataset.samples):
        check_marks(sample, sample.named(number))
    return dataset


def each(
    path: Path, format: str = "auto", images: Path | None = None, *, seed: int = 0
) -> Iterator[Sample | UserError]:
    """The samples of a file, and in the place of one that is malformed the error that `read` would raise for it.

    Raises:
        UserError: the file as a whole cannot be read.
    """
    name, file = _opened(path, format)
    if file is None:
        yield from read(path, name, images, seed=seed).samples
        return
    for number, record in enumerate(file.records):
        where = f"{path.name} sample {number}"
        try:
            sample = _READERS[name](record, where)
            check_marks(sample, where)
            yield sample
        except UserError as e:
            yield e


def write(dataset: Dataset, out: str | Path, format: str, *, registry: bool = True) -> Counter[str]:
    """Write the samples in a layout.

    Args:
        out: a file; a folder for ``webdataset``.
        registry: also write the entry that LLaMA-Factory and ms-swift find the file by, beside it.

    Returns:
        What the layout does not hold, with the number of samples that lose it.

    Raises:
        UserError: a layout that is not written, or a picture that cannot be read.
    """
    out = Path(out)
    if format not in WRITTEN:
        raise unknown_name("layout", format, WRITTEN)
    again = format == dataset.format
    lost: Counter[str] = Counter()
    for s in dataset.samples:
        lost.update(set(s.form) if not again else ())
    if dataset.style.get("other") or (not again and dataset.style and not _usual(dataset)):
        lost["spacing of the JSON text"] = len(dataset.samples)
    if format == "webdataset":
        shards.write_shards(dataset.samples, out, dataset.images)
        return lost
    if format == "parquet":
        columns.write_parquet(dataset.samples, out, dataset.images)
        return lost
    lines = format in _LINES
    style = dataset.style if again and dataset.style else LINES_STYLE if lines else LIST_STYLE
    writer = _writer(format, dataset.images)
    if format != "openai":
        _save_pictures(dataset, out.parent)
    records = []
    for s in dataset.samples:
        record, gone = (s.raw, []) if again and s.raw is not None else writer(s)
        lost.update(set(gone))
        records.append(record)
    write_records(out, records, style, lines=lines)
    if registry:
        _register(out, format)
    return lost


def _save_pictures(dataset: Dataset, folder: Path) -> None:
    """Write pictures that the source held itself under their names; nothing outside the folder, and nothing over
    another file.

    Raises:
        UserError: a name that leads outside, or that another file has.
    """
    for name, data in {n: d for s in dataset.samples for n, d in s.pictures.items()}.items():
        try:
            path = Path(named_below(folder, name)).resolve()
            inside = path.is_relative_to(folder.resolve()) and path != folder.resolve()
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside:
            raise UserError(f"a picture is named {name[:80]!r}", allowed=f"names inside '{folder}'")
        if path.exists():
            if not path.is_file() or path.read_bytes() != data:
                raise UserError(f"'{path}' is another picture", todo="write into an empty folder")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as beside:
            beside.write_bytes(data)


def _usual(dataset: Dataset) -> bool:
    """Whether a file was spaced as this project spaces it."""
    usual = LINES_STYLE if dataset.format in _LINES else LIST_STYLE
    return all(dataset.style.get(k) == v for k, v in usual.items()) and dataset.style.get("separators") is None


def _writer(format: str, images: Path) -> Writer:
    if format == "openai":
        return lambda sample: chat.to_openai(sample, images)
    return {"llava": llava.to_record, "messages": chat.to_trl}.get(format, chat.to_marked)


def _register(out: Path, format: str) -> None:
    """The entry of the file beside it; entries of other files stay."""
    file = out.parent / "dataset_info.json"
    held: Any = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if format == "llamafactory":
        entry = {
            "file_name": out.name,
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": _TAGS,
        }
        held = (held if isinstance(held, dict) else {}) | {out.stem: entry}
    elif format == "swift":
        others = [e for e in held if e.get("dataset_path") != out.name] if isinstance(held, list) else []
        held = [*others, {"dataset_name": out.stem, "dataset_path": out.name}]
    else:
        return
    write_text(file, json.dumps(held, ensure_ascii=False, indent=2) + "\n")


def placed(samples: Sequence[Sample], position: str, seed: int = 0) -> list[Sample]:
    """The samples with the picture of the first question moved: ``front``, as LLaVA's released code reads it, or
    ``random``, before or behind the words, as in the paper; ``keep`` leaves it.

    Source: LLaVA, arXiv 2304.08485, sec. 4.2, eq. 2.
    """
    if position not in POSITIONS:
        raise unknown_name("picture position", position, POSITIONS)
    if position == "keep":
        return list(samples)
    rng = random.Random(seed)
    out = []
    for s in samples:
        behind = position == "random" and rng.random() < 0.5
        first = next((i for i, t in enumerate(s.turns) if MARK in t.text), None)
        if first is None or s.turns[first].text.count(MARK) != 1:
            out.append(s)
            continue
        words = s.turns[first].text.replace(MARK, "").strip()
        text = (f"{words}\n{MARK}" if behind else f"{MARK}\n{words}") if words else MARK
        turns = [Turn(t.role, text) if i == first else t for i, t in enumerate(s.turns)]
        out.append(replace(s, turns=turns, raw=None))
    return out
