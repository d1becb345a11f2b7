"""The messages that ask a teacher for one item: rules, solved examples, then the context of the picture.

The texts are ours, one file a kind and language in ``prompts/``; the rules are those of LLaVA (arXiv 2304.08485, app.).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, get_args

from nunbit.errors import UserError
from nunbit.world.base import Language

Kind = Literal["conversation", "detail", "reasoning"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDER = Path(__file__).parent / "prompts"
_PART = re.compile(r"^# (system|context|reply)\n", re.M)
ChatMessage = dict[str, str]


@cache
def template(kind: Kind, language: Language) -> tuple[ChatMessage, ...]:
    """The rules and the solved examples of a kind as chat messages."""
    text = (FOLDER / f"{kind}.{language}.txt").read_text(encoding="utf-8")
    _, *parts = _PART.split(text)
    roles = {"system": "system", "context": "user", "reply": "assistant"}
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple({"role": roles[name], "content": body.strip()} for name, body in pairs)


def messages(kind: Kind, language: Language, context: str) -> list[ChatMessage]:
    """What a teacher is sent for one item."""
    return [*template(kind, language), {"role": "user", "content": context}]


def prompts_digest() -> str:
    """A hash over every prompt file, for the manifest: data made with other prompts is other data."""
    total = hashlib.sha256()
    for kind in KINDS:
        for language in ("en", "ko"):
            total.update((FOLDER / f"{kind}.{language}.txt").read_bytes())
    total.update((FOLDER / "detail_questions.tsv").read_bytes())
    return total.hexdigest()[:16]


@lru_cache(maxsize=1)
def detail_questions() -> dict[str, tuple[str, ...]]:
    """Language -> wordings of the request for a detailed description; the teacher writes the answer alone."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (FOLDER / "detail_questions.tsv").read_text(encoding="utf-8").splitlines():
        language, _, wording = line.partition("\t")
        found[language] = (*found.get(language, ()), wording)
    return found


def check_kinds(kinds: tuple[str, ...]) -> tuple[Kind, ...]:
    """The kinds that a user names.

    Raises:
        UserError: an unknown kind, or none.
    """
    unknown = [k for k in kinds if k not in KINDS]
    if unknown or not kinds:
        raise UserError(f"--kinds {','.join(kinds) or 'without a name'}", allowed=", ".join(KINDS))
    return tuple(k for k in KINDS if k in kinds)


def check_languages(languages: tuple[str, ...]) -> tuple[Language, ...]:
    """The languages that a user names.

    Raises:
        UserError: an unknown language, or none.
    """
    if not languages or any(one not in get_args(Language) for one in languages):
        raise UserError(f"--language {','.join(languages) or 'without a name'}", allowed="en, ko")
    return tuple(one for one in get_args(Language) if one in languages)
