"""What ``nunbit data validate`` does: reads, checks, writes the report, says the counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nunbit.cli.output import show
from nunbit.data.teacher.output import write_list
from nunbit.data.validation.reading import Checked, check_file, no_scenes, open_scenes
from nunbit.data.validation.report import Tally, page
from nunbit.files import write_text


def validate_file(
    file: Path, scenes: Path | None, images: Path | None, report: Path | None, good: Path | None, as_json: bool
) -> bool:
    """Check a file; whether nothing is wrong."""
    tally = Tally()
    rows: list[dict[str, Any]] = []
    lookup = open_scenes(scenes) if scenes else no_scenes

    def each() -> Iterator[Checked]:
        for one in check_file(file, lookup):
            tally.add(one)
            if one.problems and as_json:
                rows.append({"id": one.id, "image": one.image, "problems": [p.to_json() for p in one.problems]})
            yield one

    if good:
        write_list(good, (one.row for one in each() if not one.problems))
    else:
        for _ in each():
            pass
    if report:
        write_text(report, page(tally, file.name, images))
    facts = {"items": tally.items, "bad": tally.bad, "compared": tally.compared, "codes": dict(tally.codes)}
    show(facts | ({"problems": rows} if as_json else {}), lambda _: _text(tally), as_json)
    return not tally.bad


def _text(tally: Tally) -> str:
    lines = [f"{tally.items} items, {tally.bad} with a problem, {tally.compared} compared with a Scene"]
    for code, n in tally.codes.most_common():
        one, problem = tally.samples[code][0]
        lines.append(f"  {code:22} {n:6}  e.g. {one.id}: {problem.words[:60]!r}")
    return "\n".join(lines)
