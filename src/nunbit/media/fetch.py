"""Which pictures a *request* may name.

Somebody else's request carries its pictures in itself, unless an allow-list says more.
Nothing is fetched here: the policy only says yes or no. Code that fetches must ask it again for every redirect.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.media.sources import kind_of

# No user names, no bare IPv6, no backslash: what browsers and libraries read differently is refused.
_ADDRESS = re.compile(
    r"https://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::443)?(?:[/?#][\x21-\x5b\x5d-\x7e]*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What a request may name besides its own bytes.

    Attributes:
        folders: local pictures may lie in these folders, links resolved. None by default.
        hosts: addresses may name these hosts exactly (``https`` on its own port only). None by default.
    """

    folders: tuple[str | os.PathLike[str], ...] = ()
    hosts: tuple[str, ...] = ()

    def admit(self, source: Any) -> Any:
        """The source to use: inline ones and allowed addresses as they are, allowed paths resolved.

        Raises:
            UserError: an address or a path that is not allowed.
        """
        kind = kind_of(source)
        if kind == "inline":
            return source
        return self._admit_address(source) if kind == "address" else self._admit_path(source)

    def _admit_address(self, source: str) -> str:
        match = _ADDRESS.fullmatch(source)
        if match and match["host"].lower() in {h.lower() for h in self.hosts}:
            return source
        raise _refused(source, "the address", [f"https://{h}/..." for h in self.hosts])

    def _admit_path(self, source: str | os.PathLike[str]) -> Path:
        try:
            path = Path(os.fsdecode(source)).resolve()
            if any(path.is_relative_to(Path(f).resolve()) for f in self.folders):
                return path
        except (OSError, ValueError, RuntimeError):  # a null character, a ring of links
            pass
        # The folders are the server's own affair: the answer does not list them.
        raise _refused(source, "the local file", ["files in the folders this server shares"] if self.folders else [])


def _refused(source: str | os.PathLike[str], what: str, also: list[str]) -> UserError:
    return UserError(
        f"a request that names {what} '{os.fsdecode(source)[:200]}'",
        allowed=", ".join(["the picture itself, as a data:image/...;base64, URI", *also]),
        todo="send the picture in the request",
    )
