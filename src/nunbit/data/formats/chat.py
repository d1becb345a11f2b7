"""Layouts with ``messages`` of role and content: TRL's and OpenAI's with parts, LLaMA-Factory's and ms-swift's with
``<image>`` marks.

Sources: TRL, docs/source/dataset_formats; LLaMA-Factory, data/README.md; ms-swift, Customization/Custom-dataset;
OpenAI, vision fine-tuning.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

from nunbit.data.formats.sample import Sample, Turn, from_parts, same, to_parts
from nunbit.errors import UserError
from nunbit.media.sources import encoding_of
from nunbit.messages import Role
from nunbit.system_errors import named_below

PICTURE_BYTES_MAX = 64 << 20


def from_record(record: Any, name: str) -> Sample:
    """A sample of ``{"messages", "images"}``; content is a text with marks, or a list of parts.

    Raises:
        UserError: another shape.
    """
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list):
        raise UserError(f"{name} has no list of turns", allowed="a list under 'messages'")
    given = record.get("images")
    waiting = [_name_of(i, name) for i in ([] if given is None else given if isinstance(given, list) else [given])]
    turns: list[Turn] = []
    images: list[str] = []
    for m in messages:
        role = m.get("role") if isinstance(m, dict) else None
        if not isinstance(role, str) or role not in get_args(Role):
            raise UserError(f"{name} has a turn of {role!r}", allowed=", ".join(get_args(Role)))
        content = m.get("content")
        text, named = (content, []) if isinstance(content, str) else from_parts(content or [], name)
        images += [n or (waiting.pop(0) if waiting else "") for n in named]
        turns.append(Turn(cast(Role, role), text))
    if not all(images):
        raise UserError(f"{name} marks a picture that it does not have", allowed="a path for each picture")
    known = {"id", "messages", "images"}
    extra = {k: v for k, v in record.items() if k not in known}
    return Sample(turns, images + waiting, record.get("id"), extra, raw=record)


def _name_of(value: Any, name: str) -> str:
    found = value.get("path") if isinstance(value, dict) else value
    if not isinstance(found, str):
        raise UserError(f"{name} has a picture that is no path", allowed="a path, or a list of paths")
    return found


def from_trl(record: Any, name: str) -> Sample:
    """`from_record`, with what TRL's layout alone has."""
    return _with_form(from_record(record, name), to_trl)


def to_trl(sample: Sample) -> tuple[dict[str, Any], list[str]]:
    """``{"messages": [{"role", "content": parts}], "images": names}`` and what it does not hold."""
    messages, lost = _with_parts(sample, lambda name: {"type": "image"})
    out = ({} if sample.id is None else {"id": sample.id}) | {"messages": messages}
    return out | ({"images": list(sample.images)} if sample.images else {}) | sample.extra, lost


def _with_parts(sample: Sample, picture: Callable[[str], dict[str, Any]]) -> tuple[list[Any], list[str]]:
    waiting = iter(sample.images)
    messages, lost = [], []
    for t in sample.turns:
        parts, gone = to_parts(t.text, waiting) if sample.images else ([{"type": "text", "text": t.text}], [])
        lost += gone
        shown = [picture(p["image"]) if p["type"] == "image" else p for p in parts]
        messages.append({"role": t.role, "content": shown})
    return messages, lost


def from_marked(record: Any, name: str) -> Sample:
    """`from_record` of LLaMA-Factory's and ms-swift's records."""
    return _with_form(from_record(record, name), to_marked)


def _with_form(sample: Sample, write: Callable[[Sample], tuple[Any, list[str]]]) -> Sample:
    """The sample, which says so where its record is not as this project writes it."""
    if not same(write(sample)[0], sample.raw):
        sample.form = ["form of the record (order of keys, empty fields, content as text or as parts)"]
    return sample


def to_marked(sample: Sample) -> tuple[dict[str, Any], list[str]]:
    """``{"messages": [{"role", "content": text with marks}], "images": names}``."""
    out: dict[str, Any] = {"messages": [{"role": t.role, "content": t.text} for t in sample.turns]}
    out |= {"images": list(sample.images)} if sample.images else {}
    return out | ({} if sample.id is None else {"id": sample.id}) | sample.extra, []


def from_openai(record: Any, name: str) -> Sample:
    """A sample of OpenAI's fine-tuning lines; pictures in ``data:`` URLs are named by their content.

    Raises:
        UserError: a URL that is no picture's, or any other address: nothing is fetched.
    """
    pictures: dict[str, bytes] = {}

    def as_part(part: Any) -> Any:
        if not isinstance(part, dict) or part.get("type") != "image_url":
            return part
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        file, data = _decoded(url, name)
        pictures[file] = data
        return {"type": "image", "image": file}

    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list):
        raise UserError(f"{name} has no list of turns", allowed="a list under 'messages'")
    plain = [
        m | {"content": [as_part(p) for p in m["content"]]}
        if isinstance(m, dict) and isinstance(m.get("content"), list)
        else m
        for m in messages
    ]
    sample = from_record(record | {"messages": plain}, name)
    sample.raw, sample.pictures = record, pictures
    return sample


def _decoded(url: Any, name: str) -> tuple[str, bytes]:
    head, found, body = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not found or not head.startswith("data:") or not head.endswith(";base64") or len(body) > 2 * PICTURE_BYTES_MAX:
        raise UserError(
            f"{name} has the picture {str(url)[:60]!r}",
            allowed="data: URLs with base64; addresses are not opened",
            todo="fetch the pictures, and name them by their paths",
        )
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"{name} has a picture that is no base64", allowed="data:image/png;base64,...") from None
    return f"{hashlib.sha256(data).hexdigest()[:32]}.{kind_of(data)}", data


def kind_of(data: bytes) -> str:
    """png, jpeg, gif, webp or bmp by the first bytes; "bin" for anything else."""
    return encoding_of(data) or "bin"


def to_openai(sample: Sample, images: Path) -> tuple[dict[str, Any], list[str]]:
    """The line with its pictures inside, and what it does not hold: the id, further fields, names of pictures.

    Raises:
        UserError: a picture that cannot be read.
    """

    def shown(name: str) -> dict[str, Any]:
        data = picture_bytes(sample, name, images)
        url = f"data:image/{kind_of(data)};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    messages, lost = _with_parts(sample, shown)
    for m in messages:  # a turn of words alone is a text there
        if len(m["content"]) == 1 and m["content"][0]["type"] == "text":
            m["content"] = m["content"][0]["text"]
    lost += ["id"] if sample.id is not None else []
    lost += ["names of pictures"] if sample.images else []
    return {"messages": messages}, lost + list(sample.extra)


def picture_bytes(sample: Sample, name: str, images: Path) -> bytes:
    """Content of a picture, from the file that holds the sample or from the pictures' folder.

    Raises:
        UserError: outside the folder, missing, or too large.
    """
    if name in sample.pictures:
        return sample.pictures[name]
    try:
        path = Path(named_below(images, name)).resolve()
        inside = path.is_relative_to(images.resolve())
        if inside and path.stat().st_size <= PICTURE_BYTES_MAX:
            return path.read_bytes()
    except (OSError, ValueError, RuntimeError):
        pass
    raise UserError(
        f"the picture {name[:80]!r} cannot be read",
        allowed=f"files inside '{images}' of at most {PICTURE_BYTES_MAX >> 20} MB",
        todo="give the pictures' folder with --images",
    )
