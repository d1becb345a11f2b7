"""Scenes on disk by the content of their picture: a JSON file each, whole or not at all, in a folder of bounded size.

Several processes may share a folder: a file appears by renaming, and one that vanished or is broken is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.errors import UserError
from nunbit.files import whole
from nunbit.media.images import as_rgb, strips
from nunbit.scene import FORMAT, Scene

if TYPE_CHECKING:
    from PIL.Image import Image

_KEY = re.compile(r"[0-9a-f]{16,64}")


def picture_key(image: Image, provider: str) -> str:
    """64 hex digits of the RGB pixels, the size and the provider's name; a file name on every system."""
    h = hashlib.sha256(f"{FORMAT}|{provider}|{image.width}x{image.height}|".encode())
    for rows in strips(as_rgb(image)):
        h.update(rows.tobytes())
    return h.hexdigest()


class SceneCache:
    """A folder of Scenes. When it grows over ``max_bytes`` the least recently used go, down to nine tenths;
    between two looks at the folder each process may add a sixteenth.

    Args:
        folder: made when missing.
        max_bytes: of all files together.
    """

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = 512 * 1024**2) -> None:
        if max_bytes < 1:
            raise UserError(f"a scene cache of {max_bytes} bytes", allowed="at least 1")
        self.folder, self.max_bytes = Path(folder), max_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._unseen = max_bytes  # so that the first write looks at what lies there

    def get(self, key: str) -> Scene | None:
        """The Scene under a key, or None."""
        path = self._path(key)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        try:
            scene = Scene.from_json(text)
        except (UserError, ValueError, AttributeError):
            self._remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return scene

    def put(self, key: str, scene: Scene) -> None:
        """Keep a Scene. A full disk or a file in use elsewhere costs the entry, never the answer."""
        data = json.dumps(scene.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
        try:
            with whole(self._path(key)) as beside:
                beside.touch(0o600)  # what stands in a picture is its owner's
                beside.write_bytes(data)
        except OSError:
            return
        with self._lock:
            self._unseen += len(data)
            # Looking at the folder costs time, and others write to it too: it is done every sixteenth of its size.
            if self._unseen >= self.max_bytes / 16:
                self._unseen = 0
                self._trim()

    def _trim(self) -> None:
        files = sorted(self._files())
        total = sum(size for _, _, size in files)
        if total <= self.max_bytes:
            return
        for _, path, size in files:
            self._remove(path)
            total -= size
            if total <= self.max_bytes * 0.9:
                return

    def _files(self) -> list[tuple[float, Path, int]]:
        found = []
        for path in self.folder.iterdir():
            # A .part file is another process at work, or what is left of one: it counts and ages like the rest.
            if path.suffix in (".json", ".part"):
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    found.append((stat.st_mtime, path, stat.st_size))
        return found

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise UserError(f"the cache key '{key}'", allowed="16 to 64 hex digits, as picture_key makes them")
        return self.folder / f"{key}.json"

    @staticmethod
    def _remove(path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
