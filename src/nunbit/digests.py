"""Digests of whole files and model folders, so that a key of results covers every byte that changes an answer.

Hashing a large model takes seconds, so digests are kept: beside the files in ``.nunbit-digests``, and in the user's
cache folder where the model's cannot be written or is part of the package. An entry counts for one path, size,
modification and change time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path

from nunbit.files import cache_folder, write_text

KEPT = ".nunbit-digests"
MODEL_SUFFIXES = (
    (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".npz") + (".json", ".jinja", ".model", ".txt", ".py", ".vocab")
)  # fmt: skip
"""What a model folder is made of; notes and pictures beside it change no answer."""
SETTLED_S = 2.0
"""A file that changed less than so long ago may change again within one tick of its clock: its digest is not kept."""
_PACKAGE = Path(__file__).parent


def folder_digest(folder: str | Path) -> str:
    """64 hex digits of a model folder: the name and every byte of its weights, configurations and templates.

    Files of sub-folders count only where they are chat templates, which is all that transformers reads there.
    """
    folder = Path(folder)
    files = [p for p in folder.iterdir() if p.suffix in MODEL_SUFFIXES and not p.name.startswith(".") and p.is_file()]
    files += folder.glob("additional_chat_templates/*.jinja")
    digests = file_digests(folder, files)
    digest = hashlib.sha256()
    for path in sorted(digests):
        digest.update(f"{path.relative_to(folder).as_posix()} {digests[path]}\n".encode())
    return digest.hexdigest()


def file_digests(folder: Path, files: list[Path]) -> dict[Path, str]:
    """The SHA-256 of each file, from what is kept where the file is as it was."""
    places = _places(folder)
    kept = {k: v for place in reversed(places) for k, v in _read(place).items()}
    out, now = {}, dict(kept)
    for path in files:
        entry = _entry(path)
        known = kept.get(key := str(path.resolve()))
        if known and known[:-1] == entry:
            out[path] = known[-1]
            continue
        with path.open("rb") as f:
            out[path] = hashlib.file_digest(f, "sha256").hexdigest()
        if _entry(path) == entry and time.time() - max(entry[1:]) / 1e9 > SETTLED_S:
            now[key] = [*entry, out[path]]
        else:
            now.pop(key, None)
    if now != kept:
        _write(places, now)
    return out


def _entry(path: Path) -> list[int]:
    """Size and times of a file."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _places(folder: Path) -> list[Path]:
    """Where the digests of a folder may be kept, the first preferred."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]
    user = cache_folder() / "digests" / name
    return [user] if folder.resolve().is_relative_to(_PACKAGE) else [folder / KEPT, user]


def _read(place: Path) -> dict[str, list]:
    """What is kept; a file that is damaged, missing or closed to us holds nothing."""
    try:
        held = json.loads(place.read_text(encoding="utf-8"))
        return {str(k): list(v) for k, v in held.items() if len(v) == 4}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(places: list[Path], held: dict[str, list]) -> None:
    """Keep the digests at the first place that can be written; where none can, they are computed again next time."""
    text = json.dumps({k: v for k, v in held.items() if Path(k).exists()}, indent=0)
    for place in places:
        with contextlib.suppress(OSError):
            if place.name != KEPT:
                place.parent.mkdir(parents=True, exist_ok=True)
            write_text(place, text)
            return
