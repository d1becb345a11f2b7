"""The validator's report as one HTML file that loads nothing from elsewhere: counts, and samples for each reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from html import escape
from pathlib import Path

from nunbit.data.validation.problems import CODES, Problem
from nunbit.data.validation.reading import Checked
from nunbit.html_page import html_page, inline_picture

SHOWN, THUMB_PX = 12, 200
"""Samples that are kept for each reason, and the side of their pictures."""
_STYLE = """body { max-width: 60rem; }
article { display: flex; gap: 1rem; padding: .8rem 0; border-bottom: 1px solid var(--line); }
article p { white-space: pre-wrap; overflow-wrap: anywhere; } small { color: var(--soft); }
img { max-width: 200px; max-height: 160px; border-radius: 6px; }
"""


class Tally:
    """Counts what was found, and keeps a few samples of each reason; memory does not grow with the items."""

    def __init__(self) -> None:
        self.items = self.bad = self.compared = 0
        self.codes: Counter[str] = Counter()
        self.samples: dict[str, list[tuple[Checked, Problem]]] = defaultdict(list)

    def add(self, one: Checked) -> None:
        """Count an item."""
        self.items += 1
        self.bad += bool(one.problems)
        self.compared += one.compared
        for problem in {p.code: p for p in reversed(one.problems)}.values():
            self.codes[problem.code] += 1
            if len(self.samples[problem.code]) < SHOWN:
                self.samples[problem.code].append((one, problem))


def page(tally: Tally, title: str, images: Path | None) -> str:
    """The whole page.

    Args:
        images: the folder that the items' pictures are relative to; no pictures if None.
    """
    rows = "".join(
        f'<tr><td><a href="#{code}">{code}</a></td><td class=num>{tally.codes[code]:,}</td>'
        f"<td>{escape(about)}</td></tr>"
        for code, about in CODES.items()
    )
    parts = [
        f"<h1>{escape(title)}</h1><p>{tally.items:,} items, {tally.bad:,} with a problem; {tally.compared:,}"
        f" compared with a Scene. Nothing was changed or left out.</p><table>{rows}</table>"
    ]
    for code in CODES:
        if tally.samples.get(code):
            parts.append(
                f'<h2 id="{code}">{code} <small>{tally.codes[code]:,}</small></h2><p>{escape(CODES[code])}</p>'
            )
            parts += [_sample(one, problem, images) for one, problem in tally.samples[code]]
    return html_page(title, "".join(parts), style=_STYLE)


def _sample(one: Checked, problem: Problem, images: Path | None) -> str:
    text = escape(one.text[:1500])
    words = escape(problem.words)
    if words and words in text:
        text = text.replace(words, f"<mark>{words}</mark>", 1)
    return (
        f"<article>{_thumbnail(one.image, images)}<div><p><small>{escape(one.id)}</small></p>"
        f"<p><b>{escape(problem.why)}</b> <mark>{words}</mark></p><p>{text}</p></div></article>"
    )


def _thumbnail(image: str, images: Path | None) -> str:
    """A small picture inside the page; nothing where it cannot be shown."""
    if images is None or not image:
        return ""
    root = images.resolve()
    path = (root / image).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        return ""
    source = inline_picture(path, THUMB_PX)
    return f'<img alt="" src="{source}">' if source else ""
