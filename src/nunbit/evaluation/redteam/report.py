"""The red team's findings as one page of HTML that holds its pictures and needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from nunbit.errors import UserError
from nunbit.evaluation.redteam.attack import Attempt
from nunbit.evaluation.redteam.detection import Detected
from nunbit.html_page import html_page, inline_picture

MOST_SHOWN, SIDE_PX = 60, 360
_STYLE = """pre { background: var(--paper); padding: 1rem; }
figure { display: inline-block; margin: .5rem; vertical-align: top; width: 340px; }
figure img { max-width: 100%; border: 1px solid var(--line); }
figcaption { font-size: 13px; overflow-wrap: anywhere; }
"""


def write_report(
    file: Path,
    text: str,
    result: dict[str, Any],
    detected: Sequence[Detected] = (),
    attempts: Sequence[Attempt] = (),
) -> None:
    """Write the page.

    Args:
        text: the figures in words.
        result: the figures as JSON, which the page holds too.
        detected, attempts: of the pictures on the page; misses and false alarms come first.

    Raises:
        UserError: the file cannot be written.
    """
    shown = _of_guard(detected) + _of_model(attempts)
    data = json.dumps(result, ensure_ascii=False).replace("</", "<\\/")
    body = (
        f"<h1>nunbit redteam</h1><pre>{escape(text)}</pre>{''.join(shown[:MOST_SHOWN])}"
        f'<script type="application/json" id="figures">{data}</script>'
    )
    page = html_page("nunbit redteam", body, style=_STYLE)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as e:
        raise UserError(f"'{file}' cannot be written ({e})", allowed="a file in a folder that exists") from None


def _of_guard(detected: Sequence[Detected]) -> list[str]:
    out = []
    for d in sorted(detected, key=lambda d: (d.attack.found, not d.twin.found)):
        name = f"{d.pair.family}, {d.pair.carrier}, {d.pair.language}"
        said = "found" if d.attack.found else "MISSED"
        out.append(
            _figure(d.pair.attack[0], f"{name}: {said} ({d.attack.score:.2f}). {d.pair.order} → {d.attack.text}")
        )
        if d.twin.found:
            out.append(_figure(d.pair.twin[0], f"{name}, twin: SUSPECTED ({d.twin.score:.2f}). {d.twin.text}"))
    return out


def _of_model(attempts: Sequence[Attempt]) -> list[str]:
    ranked = sorted((a for a in attempts if not a.twin), key=lambda a: (not a.obeyed, a.policy != "block"))
    return [
        _figure(
            a.pair.attack[0],
            f"{a.pair.family}, guard {a.policy}: {'OBEYED' if a.obeyed else 'not obeyed'}. {a.pair.order} → {a.answer}",
        )
        for a in ranked
    ]


def _figure(picture: Image.Image, words: str) -> str:
    source = inline_picture(picture, SIDE_PX)
    return f'<figure><img alt="" src="{source}"><figcaption>{escape(words[:400])}</figcaption></figure>'
