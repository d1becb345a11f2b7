"""Pictures on disk: whole or not at all, and what the system refuses as a sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.errors import UserError
from nunbit.files import whole
from nunbit.system_errors import explained

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Of files that are written, by the end of their names."""


def save_picture(image: Image, out: str | os.PathLike[str]) -> None:
    """Write a picture in the format that the file's name ends with.

    Raises:
        UserError: another end, or a place where nothing can be written; no part of a file is left there.
    """
    out = Path(out)
    kind = FORMATS.get(out.suffix.lower())
    if kind is None:
        raise UserError(f"'{out}' is no name of a picture", allowed=f"names that end in {', '.join(FORMATS)}")
    try:
        with whole(os.path.realpath(out)) as beside:
            image.save(beside, format=kind)
    except OSError as e:
        missing = e.errno == errno.ENOENT and not out.parent.is_dir()
        raise explained(OSError(e.errno, e.strerror or str(e), str(out.parent if missing else out))) from None
