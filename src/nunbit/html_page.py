"""Reports as one HTML file that loads nothing from elsewhere: skeleton, common style, policy, small pictures.

Callers escape what comes from data and models.
"""

from __future__ import annotations

import base64
import io
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nunbit.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

_STYLE = Path(__file__).with_name("html_page.css")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_page(title: str, body: str, *, style: str = "", script: str = "", language: str = "en") -> str:
    """The whole page.

    Args:
        title: plain text.
        body: HTML.
        style: CSS after the common one.
        script: JavaScript at the end; without, the policy lets none run.
    """
    policy = f"{_POLICY}; script-src 'unsafe-inline'" if script else _POLICY
    css = _STYLE.read_text(encoding="utf-8") + style
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{css}</style></head><body>{body}"
        f"{f'<script>{script}</script>' if script else ''}</body></html>"
    )


def inline_picture(source: str | os.PathLike[str] | bytes | Image, side_px: int) -> str:
    """A picture, reduced to a side, as a ``data:`` URI for ``src``; "" for one that cannot be decoded."""
    from nunbit.media import decode

    try:
        image = decode(source).copy()
    except UserError:
        return ""
    image.thumbnail((side_px, side_px))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
