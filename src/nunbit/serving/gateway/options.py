"""Which backends a gateway has, and what each is sent, read from ``--backend`` and the options beside it.

Each option takes ``VALUE`` for the only backend or ``NAME=VALUE`` for one of several, NAME being the model's name in
requests: ``--backend big=https://host/v1 --backend-key big=BIG_KEY --backend-model big=some-70b``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nunbit.errors import UserError, unknown_name

SCENE_PROMPTS = ("none", "objects", "plain")
PICTURES = ("keep", "replace")
_NAMED = re.compile(r"(?P<name>[^\s=/]{1,100})=(?P<value>.+)", re.DOTALL)

_VARIABLE, _KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}", re.ASCII), re.compile(r"[!-~]{1,4000}")


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """One backend.

    Attributes:
        name: the model's name in requests and replies; empty for the model's own.
        url: the server's address, with ``/v1`` where it has that.
        model: the id that the backend knows; empty for the first that it lists.
        key: its API key; empty for none. Not shown when this object is printed.
        pictures: ``keep`` sends pictures on, ``replace`` puts their Scenes in words in their place.
        scene_prompt: what of a Scene the backend gets in words beside or instead of a picture: ``none``, ``objects``
            (names and numbers) or ``plain`` (also places, colours, writing in rows).
        connect_s, silence_s, total_s: seconds for a connection, between two pieces of a reply, and for all of it.
        retries: further tries where nothing of a reply has come yet.
        max_connections: requests that may be under way.
    """

    name: str
    url: str
    model: str = ""
    key: str = field(default="", repr=False)
    pictures: str = "keep"
    scene_prompt: str = "none"
    connect_s: float = 10.0
    silence_s: float = 120.0
    total_s: float = 900.0
    retries: int = 2
    max_connections: int = 1024


def parse_backends(
    backends: Sequence[str],
    *,
    keys: Sequence[str] = (),
    models: Sequence[str] = (),
    pictures: Sequence[str] = (),
    scene_prompt: str = "none",
    silence_s: float = 120.0,
    environment: Mapping[str, str] | None = None,
) -> tuple[BackendOptions, ...]:
    """Read the options of ``nunbit serve`` about backends.

    Args:
        keys: names of environment variables that hold keys.
        environment: the variables; those of the process if None.

    Raises:
        UserError: not an address, a name twice or without a backend, or a variable that is not set.
    """
    if scene_prompt not in SCENE_PROMPTS:
        raise unknown_name("scene prompt", scene_prompt, SCENE_PROMPTS)
    urls = [_split(text, "--backend") for text in backends]
    names = [name for name, _ in urls]
    if len(set(names)) < len(names) or (len(names) > 1 and "" in names):
        raise UserError("several backends of one name or without a name", allowed="--backend NAME=URL for each")
    per_name = {
        option: _by_name(values, option, names)
        for option, values in (("--backend-key", keys), ("--backend-model", models), ("--backend-pictures", pictures))
    }
    variables = os.environ if environment is None else environment
    out = []
    for name, url in urls:
        kept = per_name["--backend-pictures"].get(name, "keep")
        if kept not in PICTURES:
            raise unknown_name("choice of --backend-pictures", kept, PICTURES)
        shown = "plain" if kept == "replace" and scene_prompt == "none" else scene_prompt
        variable = per_name["--backend-key"].get(name, "")
        values: dict[str, Any] = {"pictures": kept, "scene_prompt": shown, "silence_s": silence_s}
        model, key = per_name["--backend-model"].get(name, ""), _key(variable, variables)
        out.append(BackendOptions(name, checked_url(url), model, key, **values))
    return tuple(out)


def _split(text: str, option: str) -> tuple[str, str]:
    """``NAME=VALUE`` or ``VALUE``, which has no name."""
    found = _NAMED.fullmatch(text.strip())
    if found and (option != "--backend" or found["value"].startswith("http")):
        return found["name"], found["value"]
    return "", text.strip()


def _by_name(values: Sequence[str], option: str, names: Sequence[str]) -> dict[str, str]:
    """The values of an option by backend; one without a name is for all of them."""
    out: dict[str, str] = {}
    for name, value in (_split(v, option) for v in values):
        if name and name not in names:
            raise unknown_name(f"backend that {option} names", name, [n for n in names if n] or ["(the only one)"])
        for one in [name] if name else names:
            out[one] = value
    return out


def _key(variable: str, variables: Mapping[str, str]) -> str:
    if not variable:
        return ""
    if not variables.get(variable):
        shown = variable if _VARIABLE.fullmatch(variable) else "..."  # it may be the key itself
        raise UserError(
            f"the environment variable '{shown}' of --backend-key, which is not set",
            allowed="the name of a variable that holds the key",
            todo="set it, or leave --backend-key out",
        )
    key = variables[variable].strip()
    if not _KEY.fullmatch(key):
        raise UserError(f"the key in {variable[:60]}", allowed="letters, digits and signs of ASCII without spaces")
    return key


def checked_url(url: str) -> str:
    """An address of a server, without a slash at its end.

    Raises:
        UserError: not an address, or one that holds a password.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, good = urlsplit(""), False
    if not good or parts.username or parts.password or parts.query or parts.fragment:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl() or "?"
        raise UserError(
            f"'{shown[:200]}' as a backend", allowed="http://HOST:PORT/v1 or https://HOST/v1, without a key"
        )
    return url.rstrip("/").removesuffix("/chat/completions")
