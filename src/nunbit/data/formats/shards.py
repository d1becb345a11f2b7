"""WebDataset: tar shards in which files of one name and different endings are one sample: ``000000001.json`` and
``000000001.jpg``, or ``000000001.0.jpg`` and so on where it has several pictures.

Source: webdataset, docs: the key of a file is its name up to the first dot.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from nunbit.data.formats import llava
from nunbit.data.formats.chat import PICTURE_BYTES_MAX, kind_of, picture_bytes
from nunbit.data.formats.sample import Sample
from nunbit.errors import UserError
from nunbit.files import parse_json, whole

SHARD_SAMPLES, SHARD_BYTES = 1_000, 256 << 20
"""A shard ends after so many samples or bytes."""
RECORD_BYTES_MAX = 16 << 20


def write_shards(samples: Sequence[Sample], folder: Path, images: Path) -> None:
    """``00000.tar`` and so on. Times and owners are zero, so that the same samples give the same bytes.

    Raises:
        UserError: a picture that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = iter(enumerate(samples))
    for shard in count():
        first = next(waiting, None)
        if first is None:
            return
        with (
            whole(folder / f"{shard:05d}.tar") as beside,
            tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            size = 0
            for held, (number, sample) in enumerate(chain([first], waiting), start=1):
                for name, data in _files(sample, number, images):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                    size += len(data)
                if held == SHARD_SAMPLES or size >= SHARD_BYTES:
                    break


def _files(sample: Sample, number: int, images: Path) -> Iterator[tuple[str, bytes]]:
    key = f"{number:09d}"
    record, _ = llava.to_record(sample)
    yield f"{key}.json", json.dumps(record, ensure_ascii=False).encode()
    for i, name in enumerate(sample.images):
        data = picture_bytes(sample, name, images)
        ending = {"jpeg": "jpg"}.get(kind := kind_of(data), kind)
        yield f"{key}.{ending}" if len(sample.images) == 1 else f"{key}.{i}.{ending}", data


def read_shards(folder: Path) -> list[Sample]:
    """The samples of all ``.tar`` files of a folder, or of one file, in the order of names; pictures stay in memory.

    Raises:
        UserError: no shard, a damaged one, or a member that is too large.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob("*.tar"))
    if not files:
        raise UserError(f"'{folder}' holds no shard", allowed="files that end in .tar")
    return [sample for file in files for sample in _shard(file)]


def _shard(file: Path) -> Iterator[Sample]:
    held: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for info in tar:
                key, _, ending = Path(info.name).name.partition(".")
                most = RECORD_BYTES_MAX if ending == "json" else PICTURE_BYTES_MAX
                if not info.isfile():
                    continue
                if info.size > most:
                    raise UserError(f"'{file}' holds {info.name[:60]!r} of {info.size >> 20} MB",
                                    allowed=f"at most {most >> 20} MB")  # fmt: skip
                read = tar.extractfile(info)
                held.setdefault(key, {})[ending] = read.read() if read else b""
    except (OSError, tarfile.TarError, EOFError) as e:
        raise UserError(f"'{file}' is damaged ({type(e).__name__})", allowed="an uncompressed tar file") from None
    for key, files in held.items():
        name = f"{file.name} {key}"
        try:
            record = parse_json(files.pop("json").decode())
        except (KeyError, ValueError, RecursionError):
            raise UserError(f"{name} has no record", allowed="a .json file for each sample") from None
        sample = llava.from_record(record, name)
        shown = [files[ending] for ending in sorted(files, key=_place)]
        if len(shown) != len(sample.images):
            raise UserError(f"{name} has {len(sample.images)} pictures and {len(shown)} files of pictures")
        sample.pictures = dict(zip(sample.images, shown, strict=True))
        yield sample


def _place(ending: str) -> tuple[int, str]:
    first = ending.partition(".")[0]
    return (int(first) if first.isdigit() else 0, ending)
