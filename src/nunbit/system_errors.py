"""What the operating system refuses, as sentences: folders that cannot be written, full disks, rings of links."""

from __future__ import annotations

import errno
import os

from nunbit.errors import UserError

SENTENCES = {
    errno.EACCES: ("there is no permission for '{}'", "name a file or folder of your own, or change its permissions"),
    errno.EPERM: ("there is no permission for '{}'", "name a file or folder of your own, or change its permissions"),
    errno.EROFS: ("'{}' lies where nothing can be written", "name a place that can be written, such as -o FOLDER"),
    errno.ENOSPC: ("the disk is full: '{}' could not be written", "free some space, then try again"),
    errno.ENOENT: ("there is no '{}'", "check the path"),
    errno.ENOTDIR: ("a part of '{}' is a file, not a folder", "check the path"),
    errno.EEXIST: ("'{}' is there already, and is no folder", "name another place"),
    errno.EISDIR: ("'{}' is a folder", "name a file"),
    errno.ELOOP: ("'{}' is a ring of symbolic links", "name a file or folder itself"),
    errno.ENAMETOOLONG: ("'{}' is too long for a file name", "name a shorter one"),
    errno.EINVAL: ("'{}' is no possible file name here", "name it without control characters and < > : | ? *"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), or do less at a time"),
}
"""What was given and what to do, by the number of the error."""


def explained(error: OSError) -> UserError:
    """The error as one for users."""
    name = str(error.filename or ("the output" if error.errno == errno.ENOSPC else ""))[-300:]
    given, todo = SENTENCES.get(error.errno or 0, ("", ""))
    if given and (name or "{}" not in given):
        return UserError(given.format(name), todo=todo)
    reason = error.strerror or str(error) or type(error).__name__
    return UserError(f"{reason}: {name}" if name else reason)


RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{i}" for kind in ("com", "lpt") for i in range(1, 10))}


def safe_name(text: str, longest: int = 80) -> str:
    """A name for a file or folder, made of any text, that every system takes: also Windows, with its reserved names."""
    kept = "".join(c if c.isalnum() or c in "_.-" else "-" for c in text)
    while "--" in kept:
        kept = kept.replace("--", "-")
    kept = kept.strip("-.")[-longest:].strip("-.") or "x"
    return f"{kept}_" if kept.partition(".")[0].lower() in RESERVED else kept


def named_below(folder: os.PathLike[str] | str, name: str) -> str:
    """The path of a file that data names below a folder. Backslashes separate folders, as data made on Windows has
    them, unless a file has that very name."""
    path = os.path.join(folder, name)
    if "\\" in name and not os.path.exists(path):
        return os.path.join(folder, name.replace("\\", "/"))
    return path
